#include <linux/bpf_common.h>
#include <linux/filter.h>
#include <linux/seccomp.h>

#include <array>
#include <cerrno>
#include <memory>
#include <string>

#include "seccomp/names.h"
#include "wasmoor/os/file.h"
#include "wasmoor/os/process.h"
#include "wasmoor/seccomp/program.h"

namespace wasmoor::seccomp {
namespace {

constexpr uint32_t kMaxErrno = 4095;  // seccomp(2), SECCOMP_RET_ERRNO: the kernel cuts off above.
constexpr uint32_t kArguments = 6;
constexpr uint32_t kBinarySearch = 2;  // seccomp_attr_set(3): logarithmic in the number of rules.

struct ReleaseContext {
  void operator()(void* context) const { seccomp_release(context); }
};
using Context = std::unique_ptr<void, ReleaseContext>;

template <typename... Args>
tl::unexpected<Error> Invalid(fmt::format_string<Args...> format, Args&&... args) {
  return Fail(Code::kInvalidArgument, format, std::forward<Args>(args)...);
}

// An action with its errno, as libseccomp takes it.
Result<uint32_t> ReadAction(const std::string& name, const std::optional<uint32_t>& errno_ret,
                            std::string_view action_field, std::string_view errno_field) {
  const std::optional<uint32_t> action = ActionByName(name);
  if (!action) return Invalid("{}: '{}' is no action of seccomp", action_field, name);
  if (!CarriesErrno(*action)) {
    if (errno_ret) return Invalid("{}: {} returns no errno; leave it out", errno_field, name);
    return *action;
  }
  const uint32_t number = errno_ret.value_or(EPERM);
  if (number > kMaxErrno)
    return Invalid("{}: {} is no errno; the largest is {}", errno_field, number, kMaxErrno);
  return *action | number;
}

Result<scmp_arg_cmp> ReadArgument(const oci::SeccompArg& argument, const std::string& field) {
  if (argument.index >= kArguments)
    return Invalid("{}.index: is {}; a system call has the arguments 0 to 5", field,
                   argument.index);
  const std::optional<scmp_compare> op = OperatorByName(argument.op);
  if (!op) return Invalid("{}.op: '{}' is no operator of seccomp", field, argument.op);
  return scmp_arg_cmp{
      .arg = argument.index, .op = *op, .datum_a = argument.value, .datum_b = argument.value_two};
}

// Two conditions on one argument: libseccomp cannot hold both in one rule.
bool HasTwice(const std::vector<oci::SeccompArg>& arguments) {
  uint32_t seen = 0;
  for (const oci::SeccompArg& argument : arguments) {
    const uint32_t bit = 1U << argument.index;
    if ((seen & bit) != 0) return true;
    seen |= bit;
  }
  return false;
}

class Compiler {
 public:
  explicit Compiler(const oci::Seccomp& profile) : profile_(profile) {}
  Result<Program> Run();

 private:
  Status Begin();
  Status AddRule(const oci::SeccompRule& rule, const std::string& field);
  Status AddCall(int call, uint32_t action, std::span<const scmp_arg_cmp> conditions,
                 const std::string& name, const std::string& field);
  Status CheckNotify(const oci::SeccompRule& rule, const std::string& field);
  Result<uint32_t> Flags() const;
  Result<Program> Export() const;

  const oci::Seccomp& profile_;
  Context context_;
  uint32_t default_action_ = 0;
  bool listens_ = false;
};

Status Compiler::Begin() {
  default_action_ = TRY(ReadAction(profile_.default_action, profile_.default_errno_ret,
                                   "linux.seccomp.defaultAction", "linux.seccomp.defaultErrnoRet"));
  if (default_action_ == SCMP_ACT_NOTIFY)
    return Invalid(
        "linux.seccomp.defaultAction: SCMP_ACT_NOTIFY cannot be the default: the container's "
        "process would wait for its listener before it can hand the listener over");
  if (profile_.listener_path.empty() && !profile_.listener_metadata.empty())
    return Invalid("linux.seccomp.listenerMetadata: needs linux.seccomp.listenerPath");
  context_.reset(seccomp_init(default_action_));
  if (!context_)
    return Fail(Code::kUnimplemented, "linux.seccomp.defaultAction: this kernel does not know {}",
                profile_.default_action);
  seccomp_attr_set(context_.get(), SCMP_FLTATR_CTL_OPTIMIZE, kBinarySearch);
  for (size_t i = 0; i < profile_.architectures.size(); ++i) {
    const std::string& name = profile_.architectures[i];
    const std::optional<uint32_t> architecture = ArchitectureByName(name);
    if (!architecture)
      return Invalid("linux.seccomp.architectures[{}]: '{}' is no architecture", i, name);
    const int error = -seccomp_arch_add(context_.get(), *architecture);
    if (error != 0 && error != EEXIST)
      return FailErrno(error, "linux.seccomp.architectures[{}]: {} beside this machine's own", i,
                       name);
  }
  return {};
}

Status Compiler::CheckNotify(const oci::SeccompRule& rule, const std::string& field) {
  listens_ = true;
  if (profile_.listener_path.empty())
    return Invalid("{}.action: SCMP_ACT_NOTIFY needs linux.seccomp.listenerPath", field);
  for (const std::string& name : rule.names) {
    if (name == "write")
      return Invalid(
          "{}.names: SCMP_ACT_NOTIFY cannot be for write: the container's process uses it to hand "
          "its listener over",
          field);
  }
  return {};
}

Status Compiler::AddCall(int call, uint32_t action, std::span<const scmp_arg_cmp> conditions,
                         const std::string& name, const std::string& field) {
  const int error =
      -seccomp_rule_add_array(context_.get(), action, call, conditions.size(), conditions.data());
  // The same rule, or one that holds in more cases, is there already: the first one counts.
  if (error == 0 || error == EEXIST) return {};
  if (error == EOPNOTSUPP)
    return Fail(Code::kUnimplemented, "{}.action: this kernel does not know it", field);
  return FailErrno(error, "{}: a rule for {}", field, name);
}

Status Compiler::AddRule(const oci::SeccompRule& rule, const std::string& field) {
  const uint32_t action =
      TRY(ReadAction(rule.action, rule.errno_ret, field + ".action", field + ".errnoRet"));
  std::vector<scmp_arg_cmp> conditions;
  for (size_t i = 0; i < rule.args.size(); ++i)
    conditions.push_back(TRY(ReadArgument(rule.args[i], fmt::format("{}.args[{}]", field, i))));
  // libseccomp refuses a rule that changes nothing.
  if (action == default_action_) return {};
  if (action == SCMP_ACT_NOTIFY) TRY(CheckNotify(rule, field));
  const bool one_by_one = HasTwice(rule.args);
  for (const std::string& name : rule.names) {
    const int call = seccomp_syscall_resolve_name(name.c_str());
    if (call == __NR_SCMP_ERROR) continue;
    if (!one_by_one) {
      TRY(AddCall(call, action, conditions, name, field));
      continue;
    }
    // Any of them then suffices, as in runc, which profiles are written for.
    for (const scmp_arg_cmp& condition : conditions)
      TRY(AddCall(call, action, std::span(&condition, 1), name, field));
  }
  return {};
}

Result<uint32_t> Compiler::Flags() const {
  uint32_t flags = 0;
  for (size_t i = 0; i < profile_.flags.size(); ++i) {
    const std::optional<uint32_t> flag = FlagByName(profile_.flags[i]);
    if (!flag)
      return Invalid("linux.seccomp.flags[{}]: '{}' is no flag of seccomp", i, profile_.flags[i]);
    flags |= *flag;
  }
  // seccomp(2): what concerns a listener is refused without one, and TSYNC's answer would take the
  // descriptor's place.
  if (!listens_) return flags & ~SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV;
  flags |= SECCOMP_FILTER_FLAG_NEW_LISTENER;
  if ((flags & SECCOMP_FILTER_FLAG_TSYNC) != 0) flags |= SECCOMP_FILTER_FLAG_TSYNC_ESRCH;
  return flags;
}

Result<Program> Compiler::Export() const {
  // libseccomp 2.5 writes to descriptors only.
  const os::Fd file = TRY(os::FileInMemory("seccomp", {}));
  if (const int error = -seccomp_export_bpf(context_.get(), file.get()); error != 0)
    return FailErrno(error, "linux.seccomp: make a filter of the profile");
  const size_t size = TRY(os::Stat(file)).st_size;
  Program program;
  program.instructions.resize(size / sizeof(os::FilterInstruction));
  if (program.instructions.size() > BPF_MAXINSNS)
    return Fail(Code::kOutOfRange,
                "linux.seccomp: the profile makes a filter of {} instructions; the kernel takes "
                "{}. Fewer rules with args or fewer architectures make it smaller",
                program.instructions.size(), BPF_MAXINSNS);
  const std::span bytes(reinterpret_cast<uint8_t*>(program.instructions.data()), size);
  TRY(os::ReadAt(file, bytes, 0));
  return program;
}

Result<Program> Compiler::Run() {
  TRY(Begin());
  for (size_t i = 0; i < profile_.syscalls.size(); ++i)
    TRY(AddRule(profile_.syscalls[i], fmt::format("linux.seccomp.syscalls[{}]", i)));
  const uint32_t flags = TRY(Flags());
  Program program = TRY(Export());
  program.flags = flags;
  return program;
}

}  // namespace

Result<Program> Compile(const oci::Seccomp& profile) { return Compiler(profile).Run(); }

}  // namespace wasmoor::seccomp
