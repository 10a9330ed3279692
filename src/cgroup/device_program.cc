#include "cgroup/device_program.h"

#include <cstddef>
#include <cstdint>

namespace wasmoor::cgroup {
namespace {

constexpr int32_t kAllAccess = BPF_DEVCG_ACC_MKNOD | BPF_DEVCG_ACC_READ | BPF_DEVCG_ACC_WRITE;

// What each register holds. The first is the context on entry.
enum Register : uint8_t {
  kResult = BPF_REG_0,
  kContext = BPF_REG_1,
  kType = BPF_REG_2,
  kLeft = BPF_REG_3,  // The access that is asked for and not decided yet.
  kMajor = BPF_REG_4,
  kMinor = BPF_REG_5,
  kScratch = BPF_REG_6,
};

bpf_insn Instruction(int code, uint8_t to, uint8_t from, int16_t offset, int32_t value) {
  bpf_insn one{};
  one.code = static_cast<uint8_t>(code);
  one.dst_reg = to & 0xf;
  one.src_reg = from & 0xf;
  one.off = offset;
  one.imm = value;
  return one;
}

bpf_insn Load(Register to, size_t offset) {
  return Instruction(BPF_LDX | BPF_MEM | BPF_W, to, kContext, static_cast<int16_t>(offset), 0);
}
bpf_insn Compute(int operation, Register to, int32_t value) {
  return Instruction(BPF_ALU | operation | BPF_K, to, 0, 0, value);
}
bpf_insn Copy(Register to, Register from) {
  return Instruction(BPF_ALU | BPF_MOV | BPF_X, to, from, 0, 0);
}
bpf_insn JumpIf(int condition, Register what, int32_t value, int16_t over) {
  return Instruction(BPF_JMP | condition | BPF_K, what, 0, over, value);
}

void Return(std::vector<bpf_insn>* program, int32_t value) {
  program->push_back(Compute(BPF_MOV, kResult, value));
  program->push_back(Instruction(BPF_JMP | BPF_EXIT, 0, 0, 0, 0));
}

int32_t AccessMask(const std::string& access) {
  if (access.empty()) return kAllAccess;
  int32_t mask = 0;
  for (const char letter : access) {
    if (letter == 'r') mask |= BPF_DEVCG_ACC_READ;
    if (letter == 'w') mask |= BPF_DEVCG_ACC_WRITE;
    if (letter == 'm') mask |= BPF_DEVCG_ACC_MKNOD;
  }
  return mask;
}

void AppendDecision(const oci::DeviceRule& rule, std::vector<bpf_insn>* code) {
  const int32_t mask = AccessMask(rule.access);
  if (!rule.allow) {
    code->push_back(Copy(kScratch, kLeft));
    code->push_back(Compute(BPF_AND, kScratch, mask));
    code->push_back(JumpIf(BPF_JEQ, kScratch, 0, 2));
    Return(code, 0);
    return;
  }
  code->push_back(Compute(BPF_AND, kLeft, kAllAccess & ~mask));
  code->push_back(JumpIf(BPF_JNE, kLeft, 0, 2));
  Return(code, 1);
}

void AppendRule(const oci::DeviceRule& rule, std::vector<bpf_insn>* program) {
  std::vector<bpf_insn> decision;
  AppendDecision(rule, &decision);
  // Each condition that fails jumps over those after it and the decision.
  std::vector<std::pair<Register, int32_t>> conditions;
  if (rule.type != 'a') {
    conditions.emplace_back(kType, rule.type == 'b' ? BPF_DEVCG_DEV_BLOCK : BPF_DEVCG_DEV_CHAR);
    if (rule.major.value_or(-1) >= 0)
      conditions.emplace_back(kMajor, static_cast<int32_t>(*rule.major));
    if (rule.minor.value_or(-1) >= 0)
      conditions.emplace_back(kMinor, static_cast<int32_t>(*rule.minor));
  }
  for (size_t i = 0; i < conditions.size(); ++i) {
    const size_t over = conditions.size() - i - 1 + decision.size();
    program->push_back(
        JumpIf(BPF_JNE, conditions[i].first, conditions[i].second, static_cast<int16_t>(over)));
  }
  program->insert(program->end(), decision.begin(), decision.end());
}

}  // namespace

std::vector<bpf_insn> DeviceProgram(const std::vector<oci::DeviceRule>& rules) {
  std::vector<bpf_insn> program = {
      Load(kType, offsetof(bpf_cgroup_dev_ctx, access_type)),
      Copy(kLeft, kType),
      Compute(BPF_AND, kType, 0xffff),
      Compute(BPF_RSH, kLeft, 16),
      Load(kMajor, offsetof(bpf_cgroup_dev_ctx, major)),
      Load(kMinor, offsetof(bpf_cgroup_dev_ctx, minor)),
  };
  size_t first = 0;
  // A rule for all devices and all access decides everything that is before it: nothing of that is
  // reached, and a verifier refuses a program with a part that is not.
  for (size_t i = 0; i < rules.size(); ++i) {
    if (rules[i].type == 'a' && AccessMask(rules[i].access) == kAllAccess) first = i;
  }
  const bool has_all = first < rules.size() && rules[first].type == 'a' &&
                       AccessMask(rules[first].access) == kAllAccess;
  for (size_t i = rules.size(); i > first + (has_all ? 1 : 0); --i)
    AppendRule(rules[i - 1], &program);
  Return(&program, has_all && !rules[first].allow ? 0 : 1);
  return program;
}

}  // namespace wasmoor::cgroup
