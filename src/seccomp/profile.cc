#include "seccomp/profile.h"

#include <linux/bpf_common.h>
#include <linux/seccomp.h>

#include <algorithm>
#include <cerrno>
#include <optional>
#include <set>
#include <string_view>
#include <tuple>
#include <type_traits>

#include "seccomp/names.h"

namespace wasmoor::seccomp {
namespace {

constexpr uint32_t kMaxErrno = 4095;  // seccomp(2), SECCOMP_RET_ERRNO: the kernel cuts off above.
constexpr uint32_t kArguments = 6;

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
bool HasTwice(const std::vector<scmp_arg_cmp>& conditions) {
  uint32_t seen = 0;
  for (const scmp_arg_cmp& condition : conditions) {
    const uint32_t bit = 1U << condition.arg;
    if ((seen & bit) != 0) return true;
    seen |= bit;
  }
  return false;
}

Status CheckNotify(const oci::Seccomp& profile, const oci::SeccompRule& rule,
                   const std::string& field) {
  if (profile.listener_path.empty())
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

// Whether a process of this machine can make calls of an architecture. Where that is not known, it
// is taken to be so: that costs time alone.
bool CanRun(uint32_t architecture) {
  const auto is_any_of = [architecture](std::initializer_list<uint32_t> some) {
    return std::find(some.begin(), some.end(), architecture) != some.end();
  };
  switch (seccomp_arch_native()) {
    case SCMP_ARCH_X86_64: return is_any_of({SCMP_ARCH_X86_64, SCMP_ARCH_X86, SCMP_ARCH_X32});
    case SCMP_ARCH_AARCH64: return is_any_of({SCMP_ARCH_AARCH64, SCMP_ARCH_ARM});
    default: return true;
  }
}

Result<std::vector<uint32_t>> ReadArchitectures(const std::vector<std::string>& names) {
  std::vector<uint32_t> architectures = {seccomp_arch_native()};
  for (size_t i = 0; i < names.size(); ++i) {
    const std::optional<uint32_t> one = ArchitectureByName(names[i]);
    if (!one)
      return Invalid("linux.seccomp.architectures[{}]: '{}' is no architecture", i, names[i]);
    const bool is_new =
        std::find(architectures.begin(), architectures.end(), *one) == architectures.end();
    if (is_new && CanRun(*one)) architectures.push_back(*one);
  }
  return architectures;
}

std::string FieldOf(size_t index) { return fmt::format("linux.seccomp.syscalls[{}]", index); }

// Gathers rules, each once: libseccomp would find the second of two superfluous, but slowly.
class Rules {
 public:
  explicit Rules(std::vector<Rule>* out) : out_(out) {}

  Status Add(const oci::SeccompRule& rule, size_t index, uint32_t action) {
    std::vector<scmp_arg_cmp> conditions;
    for (size_t i = 0; i < rule.args.size(); ++i) {
      conditions.push_back(
          TRY(ReadArgument(rule.args[i], fmt::format("{}.args[{}]", FieldOf(index), i))));
    }
    const bool any = HasTwice(conditions);
    for (const std::string& name : rule.names) {
      const int call = seccomp_syscall_resolve_name(name.c_str());
      if (call == __NR_SCMP_ERROR) continue;
      const Rule read = {.index = index, .call = call, .name = name.c_str(), .action = action};
      if (!any) TRY(AddOnce(read, conditions));
      if (!any) continue;
      // Any of them then suffices, as in runc, which profiles are written for.
      for (const scmp_arg_cmp& one : conditions) TRY(AddOnce(read, {one}));
    }
    return {};
  }

 private:
  Status AddOnce(Rule rule, std::vector<scmp_arg_cmp> conditions) {
    static_assert(std::has_unique_object_representations_v<scmp_arg_cmp>);
    std::string bytes(reinterpret_cast<const char*>(conditions.data()),
                      conditions.size() * sizeof(scmp_arg_cmp));
    if (!seen_.emplace(rule.call, rule.action, std::move(bytes)).second) return {};
    // Each takes an instruction at least.
    if (out_->size() == BPF_MAXINSNS)
      return Fail(
          Code::kOutOfRange,
          "{}: there are more rules than the {} instructions that the kernel takes can hold",
          rule.Field(), BPF_MAXINSNS);
    rule.conditions = std::move(conditions);
    out_->push_back(std::move(rule));
    return {};
  }

  std::vector<Rule>* out_;
  std::set<std::tuple<int, uint32_t, std::string>> seen_;
};

Result<uint32_t> ReadFlags(const std::vector<std::string>& names, bool listens) {
  uint32_t flags = 0;
  for (size_t i = 0; i < names.size(); ++i) {
    const std::optional<uint32_t> flag = FlagByName(names[i]);
    if (!flag) return Invalid("linux.seccomp.flags[{}]: '{}' is no flag of seccomp", i, names[i]);
    flags |= *flag;
  }
  // seccomp(2): what concerns a listener is refused without one, and TSYNC's answer would take the
  // descriptor's place.
  if (!listens) return flags & ~SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV;
  flags |= SECCOMP_FILTER_FLAG_NEW_LISTENER;
  if ((flags & SECCOMP_FILTER_FLAG_TSYNC) != 0) flags |= SECCOMP_FILTER_FLAG_TSYNC_ESRCH;
  return flags;
}

}  // namespace

std::string Rule::Field() const { return FieldOf(index); }

Result<Profile> ReadProfile(const oci::Seccomp& profile) {
  Profile read;
  read.default_action =
      TRY(ReadAction(profile.default_action, profile.default_errno_ret,
                     "linux.seccomp.defaultAction", "linux.seccomp.defaultErrnoRet"));
  if (read.default_action == SCMP_ACT_NOTIFY)
    return Invalid(
        "linux.seccomp.defaultAction: SCMP_ACT_NOTIFY cannot be the default: the container's "
        "process would wait for its listener before it can hand the listener over");
  if (profile.listener_path.empty() && !profile.listener_metadata.empty())
    return Invalid("linux.seccomp.listenerMetadata: needs linux.seccomp.listenerPath");
  read.architectures = TRY(ReadArchitectures(profile.architectures));
  bool listens = false;
  Rules rules(&read.rules);
  for (size_t i = 0; i < profile.syscalls.size(); ++i) {
    const oci::SeccompRule& rule = profile.syscalls[i];
    const std::string field = FieldOf(i);
    const uint32_t action =
        TRY(ReadAction(rule.action, rule.errno_ret, field + ".action", field + ".errnoRet"));
    TRY(rules.Add(rule, i, action));
    if (action != SCMP_ACT_NOTIFY) continue;
    TRY(CheckNotify(profile, rule, field));
    listens = true;
  }
  read.flags = TRY(ReadFlags(profile.flags, listens));
  return read;
}

}  // namespace wasmoor::seccomp
