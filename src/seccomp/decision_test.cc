#include "seccomp/decision.h"

#include <gtest/gtest.h>
#include <linux/audit.h>
#include <seccomp.h>

#include <vector>

#include "seccomp/child_test.h"
#include "seccomp/filter_for_test.h"
#include "wasmoor/os/file.h"
#include "wasmoor/os/process.h"

namespace wasmoor::seccomp {
namespace {

constexpr uint32_t kNumber = offsetof(seccomp_data, nr);
constexpr uint32_t kFirstArgument = offsetof(seccomp_data, args);
constexpr uint16_t kLoad = BPF_LD | BPF_W | BPF_ABS;
constexpr uint16_t kIfEqual = BPF_JMP | BPF_JEQ | BPF_K;

uint32_t AnswerTo(const Instructions& filter, uint32_t number, uint64_t first = 0,
                  uint32_t architecture = AUDIT_ARCH_X86_64) {
  return AnswerOf(filter, {.nr = static_cast<int>(number), .arch = architecture, .args = {first}});
}

Instructions Rebuilt(const Instructions& filter) {
  const Decisions decisions = {AUDIT_ARCH_X86_64, RangesOf(filter, AUDIT_ARCH_X86_64)};
  return Assemble(std::span(&decisions, 1), Answer(99));
}

TEST(DecisionTest, NumbersWithTheSameAnswerAreOneRange) {
  const Instructions filter = {{.code = kLoad, .k = kNumber},
                               {.code = kIfEqual, .if_true = 2, .k = 7},
                               {.code = kIfEqual, .if_true = 1, .k = 8},
                               {.code = BPF_RET | BPF_K, .k = 1},
                               {.code = BPF_RET | BPF_K, .k = 2}};
  const Ranges ranges = RangesOf(filter, AUDIT_ARCH_X86_64);
  ASSERT_EQ(ranges.size(), 3U);
  EXPECT_EQ(ranges[1].first, 7U);
  EXPECT_EQ(ranges[2].first, 9U);
  for (const uint32_t number : {0U, 6U, 7U, 8U, 9U, UINT32_MAX})
    EXPECT_EQ(AnswerTo(Rebuilt(filter), number), AnswerTo(filter, number)) << number;
}

TEST(DecisionTest, WhatLooksAtArgumentsIsKeptWithoutTheRest) {
  const Instructions filter = {{.code = kLoad, .k = kNumber},
                               {.code = kIfEqual, .if_false = 4, .k = 7},
                               {.code = kLoad, .k = kFirstArgument},
                               {.code = BPF_ALU | BPF_AND | BPF_K, .k = 0xf0},
                               {.code = kIfEqual, .if_true = 2, .k = 0x30},
                               {.code = BPF_JMP | BPF_JA, .k = 0},
                               {.code = BPF_RET | BPF_K, .k = 1},
                               {.code = BPF_RET | BPF_K, .k = 2}};
  const Instructions rebuilt = Rebuilt(filter);
  for (const uint32_t number : {6U, 7U, 8U}) {
    for (const uint64_t argument : {0x30U, 0x3fU, 0x40U})
      EXPECT_EQ(AnswerTo(rebuilt, number, argument), AnswerTo(filter, number, argument)) << number;
  }
  EXPECT_EQ(AnswerTo(rebuilt, 7, 0, AUDIT_ARCH_I386), 99U);
}

// A test that cannot be followed by numbers goes into the new filter as it is.
TEST(DecisionTest, WhatIsNotUnderstoodDecidesAsBefore) {
  const Instructions filter = {{.code = kLoad, .k = kNumber},
                               {.code = kIfEqual, .if_true = 2, .k = 3},
                               {.code = BPF_JMP | BPF_JSET | BPF_K, .if_true = 1, .k = 1},
                               {.code = BPF_RET | BPF_K, .k = 1},
                               {.code = BPF_RET | BPF_K, .k = 2}};
  const Instructions rebuilt = Rebuilt(filter);
  for (uint32_t number = 0; number < 10; ++number)
    EXPECT_EQ(AnswerTo(rebuilt, number), AnswerTo(filter, number)) << number;
}

TEST(DecisionTest, JumpsReachAcrossLongCode) {
  Instructions filter = {{.code = kLoad, .k = kNumber}};
  for (uint32_t i = 0; i < 600; ++i) {
    filter.push_back({.code = kIfEqual, .if_false = 1, .k = 3 * i});
    filter.push_back({.code = BPF_RET | BPF_K, .k = i});
  }
  filter.push_back({.code = BPF_RET | BPF_K, .k = 1000});
  const Instructions rebuilt = Rebuilt(filter);
  for (uint32_t number = 0; number < 2000; ++number)
    ASSERT_EQ(AnswerTo(rebuilt, number), AnswerTo(filter, number)) << number;
}

TEST(DecisionTest, JoinTakesFromEachSideOfTheNumber) {
  const Ranges below = {{0, Answer(1)}, {10, Answer(2)}, {20, Answer(3)}};
  const Ranges above = {{0, Answer(4)}, {15, Answer(2)}, {30, Answer(5)}};
  const auto firsts = [&](uint32_t at) {
    std::vector<uint32_t> all;
    for (const Range& one : Join(below, at, above)) all.push_back(one.first);
    return all;
  };
  EXPECT_EQ(firsts(5), (std::vector<uint32_t>{0, 5, 15, 30}));
  EXPECT_EQ(firsts(12), (std::vector<uint32_t>{0, 10, 12, 15, 30}));
  EXPECT_EQ(firsts(16), (std::vector<uint32_t>{0, 10, 30}));
  EXPECT_EQ(firsts(40), (std::vector<uint32_t>{0, 10, 20, 40}));
}

#if defined(__x86_64__)

// A profile as engines have it, small: a list of what is allowed, some of it with conditions.
oci::Seccomp Sample() {
  const auto is = [](uint32_t index, uint64_t value, const char* op) {
    return oci::SeccompArg{.index = index, .value = value, .op = op};
  };
  return {
      .default_action = "SCMP_ACT_ERRNO",
      .default_errno_ret = 38,
      .architectures = {"SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"},
      .syscalls = {
          {.names = {"read", "write", "openat", "close", "getppid", "exit_group", "futex", "statx",
                     "clone3", "socketcall", "ipc", "connect", "semop", "mmap"},
           .action = "SCMP_ACT_ALLOW"},
          {.names = {"mount", "ptrace"}, .action = "SCMP_ACT_ERRNO", .errno_ret = 1},
          {.names = {"personality"}, .action = "SCMP_ACT_ALLOW", .args = {is(0, 0, "SCMP_CMP_EQ")}},
          {.names = {"personality"},
           .action = "SCMP_ACT_ALLOW",
           .args = {is(0, UINT32_MAX, "SCMP_CMP_EQ")}},
          {.names = {"socket"},
           .action = "SCMP_ACT_ERRNO",
           .errno_ret = 22,
           .args = {is(0, 16, "SCMP_CMP_EQ"), is(2, 9, "SCMP_CMP_EQ")}},
          {.names = {"socket"}, .action = "SCMP_ACT_ALLOW", .args = {is(2, 9, "SCMP_CMP_NE")}},
          {.names = {"kill"},
           .action = "SCMP_ACT_KILL_PROCESS",
           .args = {is(1, 0x1'0000'0009, "SCMP_CMP_GT")}},
      }};
}

// The same made by libseccomp alone, all architectures in one filter.
Instructions ByLibseccomp() {
  void* context = seccomp_init(SCMP_ACT_ERRNO(38));
  seccomp_arch_add(context, SCMP_ARCH_X86);
  seccomp_arch_add(context, SCMP_ARCH_X32);
  for (const oci::SeccompRule& rule : Sample().syscalls) {
    std::vector<scmp_arg_cmp> conditions;
    for (const oci::SeccompArg& one : rule.args) {
      const scmp_compare op = one.op == "SCMP_CMP_EQ"   ? SCMP_CMP_EQ
                              : one.op == "SCMP_CMP_NE" ? SCMP_CMP_NE
                                                        : SCMP_CMP_GT;
      conditions.push_back({.arg = one.index, .op = op, .datum_a = one.value, .datum_b = 0});
    }
    const uint32_t action = rule.action == "SCMP_ACT_ALLOW" ? SCMP_ACT_ALLOW
                            : rule.errno_ret                ? SCMP_ACT_ERRNO(*rule.errno_ret)
                                                            : SCMP_ACT_KILL_PROCESS;
    for (const std::string& name : rule.names) {
      seccomp_rule_add_array(context, action, seccomp_syscall_resolve_name(name.c_str()),
                             conditions.size(), conditions.data());
    }
  }
  const os::Fd file = Must(os::FileInMemory("filter", {}));
  seccomp_export_bpf(context, file.get());
  seccomp_release(context);
  Instructions filter(Must(os::Stat(file)).st_size / sizeof(os::FilterInstruction));
  Must(os::ReadAt(file, {reinterpret_cast<uint8_t*>(filter.data()), filter.size() * 8}, 0));
  return filter;
}

TEST(DecisionTest, AProfilesFilterAnswersEveryCallAsLibseccompsDoes) {
  const Program program = Must(Compile(Sample()));
  const Instructions theirs = ByLibseccomp();
  std::vector<uint32_t> numbers = {0x3fffffff, 0x7fffffff, 0x80000000, 0xfffffffe, 0xffffffff};
  for (uint32_t i = 0; i < 600; ++i) {
    numbers.push_back(i);
    numbers.push_back(0x40000000 + i);
  }
  const std::vector<std::array<uint64_t, 3>> arguments = {{0, 0, 0},
                                                          {16, 0, 9},
                                                          {16, 9, 8},
                                                          {2, 0x1'0000'0009, 9},
                                                          {UINT32_MAX, 0x1'0000'000a, 1},
                                                          {UINT64_MAX, UINT64_MAX, UINT64_MAX}};
  for (const uint32_t architecture :
       {uint32_t{AUDIT_ARCH_X86_64}, uint32_t{AUDIT_ARCH_I386}, uint32_t{AUDIT_ARCH_AARCH64}}) {
    for (const uint32_t number : numbers) {
      for (const auto& [first, second, third] : arguments) {
        const seccomp_data call = {
            .nr = static_cast<int>(number), .arch = architecture, .args = {first, second, third}};
        ASSERT_EQ(AnswerOf(program.instructions, call), AnswerOf(theirs, call))
            << std::hex << architecture << " " << number << " " << first;
      }
    }
  }
}

#endif

}  // namespace
}  // namespace wasmoor::seccomp
