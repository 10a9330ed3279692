// What container runtimes use: the kernel's isolation, control groups, limits, other programs.
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <optional>
#include <sstream>

#include "cmd/line/text.h"
#include "cmd/wasmoor/findings.h"
#include "wasmoor/base/units.h"
#include "wasmoor/os/features.h"
#include "wasmoor/os/output.h"

namespace wasmoor::cmd {
namespace {

using State = Finding::State;

constexpr std::string_view kIsolation = "Isolation";
constexpr std::string_view kResources = "Resources";
constexpr std::string_view kContainers = "Containers";
constexpr std::chrono::seconds kPatience{5};  // With a program that is asked for its version.

// What to say of a probe.
struct Question {
  std::string_view name;
  os::Support (*probe)();
  std::string_view use;         // What it is for.
  std::string_view if_off;      // What to do if it is forbidden,
  std::string_view if_missing;  // and if it is not there.
};

constexpr std::string_view kProfile = "Inside a container: allow it in the seccomp profile";

constexpr std::array kQuestions = {
    Question{"seccomp filter", os::ProbeSeccompFilter, "limits system calls", kProfile,
             "Needs a kernel with CONFIG_SECCOMP_FILTER"},
    Question{"seccomp notify", os::ProbeSeccompNotify, "lets a supervisor answer system calls",
             kProfile, "Needs Linux 5.0"},
    Question{"openat2", os::ProbeOpenat2, "resolves paths beneath a directory", kProfile,
             "Needs Linux 5.6"},
    Question{"pidfd", os::ProbePidfd, "holds on to a process without races", kProfile,
             "Needs Linux 5.3"},
    Question{"clone3", os::ProbeClone3, "starts a process inside its control group", kProfile,
             "Needs Linux 5.3, and a seccomp profile that knows it"},
    Question{"mount API", os::ProbeMountApi, "mounts by descriptor", kProfile, "Needs Linux 5.2"},
    Question{"idmapped mounts", os::ProbeIdmappedMounts,
             "shifts the owners of files for a user namespace", kProfile, "Needs Linux 5.12"},
    Question{"userfaultfd", os::ProbeUserfaultfd, "fills memory on demand",
             "Set vm.unprivileged_userfaultfd=1, or run with CAP_SYS_PTRACE",
             "Needs a kernel with CONFIG_USERFAULTFD"},
    Question{"io_uring", os::ProbeIoUring, "batches system calls",
             "See the sysctl kernel.io_uring_disabled", "Needs a kernel with CONFIG_IO_URING"},
    Question{"protection keys", os::ProbeProtectionKeys,
             "cheap guards between guests of one process", kProfile,
             "Needs a CPU that has them (Intel since Skylake-SP, AMD since Zen 3)"},
};

Finding Answered(const Question& question) {
  const os::Support support = question.probe();
  Finding finding{kIsolation, std::string(question.name), State::kOk, std::string(question.use)};
  if (support.yes()) return finding;
  const bool forbidden = support.answer == os::Answer::kForbidden;
  finding.state = forbidden ? State::kOff : State::kMissing;
  finding.detail += fmt::format(": {}", std::strerror(support.error_number));
  finding.advice = forbidden ? question.if_off : question.if_missing;
  return finding;
}

Finding AskLandlock() {
  const os::Landlock landlock = os::ProbeLandlock();
  Finding finding{kIsolation, "Landlock", State::kOk, fmt::format("ABI {}", landlock.abi)};
  if (landlock.support.yes()) return finding;
  // EOPNOTSUPP: built in and not switched on at boot (landlock_create_ruleset(2)).
  const bool off = landlock.support.error_number == EOPNOTSUPP;
  finding.state =
      off || landlock.support.answer == os::Answer::kForbidden ? State::kOff : State::kMissing;
  finding.detail = std::strerror(landlock.support.error_number);
  finding.advice = off ? "Add landlock to the kernel's parameter lsm="
                       : "Needs Linux 5.13 with CONFIG_SECURITY_LANDLOCK";
  return finding;
}

// The errno of each kind of namespace, from a process that tried; empty if it could not be started.
std::vector<int> NamespaceErrors(std::string_view who) {
  const std::vector<std::string> words = {"wasmoor", "doctor", std::string(kTryNamespaces),
                                          std::string(who)};
  const auto output = os::ReadOutput("/proc/self/exe", words, kPatience);
  if (!output || output->status != 0) return {};
  std::vector<int> errors;
  std::istringstream stream(output->text);
  for (int error = 0; stream >> error;) errors.push_back(error);
  if (errors.size() != os::kNamespaces.size()) errors.clear();
  return errors;
}

// Which of them can be made, in a sentence; true if all can.
bool DescribeNamespaces(const std::vector<int>& errors, std::string* detail) {
  std::string made, refused;
  for (size_t i = 0; i < errors.size(); ++i) {
    std::string& list = errors[i] == 0 ? made : refused;
    list += (list.empty() ? "" : " ") + std::string(os::kNamespaces[i]);
    if (errors[i] != 0) list += fmt::format(" ({})", std::strerror(errors[i]));
  }
  *detail = made.empty() ? "none" : made;
  if (!refused.empty()) *detail += fmt::format("; not {}", refused);
  return refused.empty();
}

Finding AskNamespaces() {
  Finding finding{kIsolation, "namespaces", State::kOk, ""};
  const std::vector<int> errors = NamespaceErrors("self");
  if (errors.empty()) {
    finding.state = State::kOff;
    finding.detail = "could not be tried: this program cannot start itself from /proc/self/exe";
    finding.advice = "Mount /proc";
  } else if (!DescribeNamespaces(errors, &finding.detail)) {
    const bool none =
        std::any_of(errors.begin(), errors.end(), [](int error) { return error == EINVAL; });
    finding.state = none ? State::kMissing : State::kOff;
    finding.advice = geteuid() == 0 ? "Inside a container: it needs CAP_SYS_ADMIN"
                                    : "Run as root, or in a user namespace (next line)";
  }
  return finding;
}

Finding AskUserNamespaces() {
  Finding finding{kIsolation, "rootless", State::kOk, ""};
  const std::vector<int> errors = NamespaceErrors("nobody");
  if (errors.empty()) {
    finding.state = State::kOff;
    finding.detail = "could not be tried";
    return finding;
  }
  std::string inside;
  const bool all = DescribeNamespaces(errors, &inside);
  finding.detail = fmt::format("without any rights, in a user namespace: {}", inside);
  if (all) return finding;
  finding.state = errors[0] == EINVAL || errors[0] == ENOSYS ? State::kMissing : State::kOff;
  if (os::ReadSysctl("user/max_user_namespaces") == 0) {
    finding.advice = "Set the sysctl user.max_user_namespaces above 0";
  } else if (os::ReadSysctl("kernel/unprivileged_userns_clone") == 0) {
    finding.advice = "Set the sysctl kernel.unprivileged_userns_clone=1";
  } else if (os::ReadSysctl("kernel/apparmor_restrict_unprivileged_userns") == 1) {
    finding.advice =
        "Set the sysctl kernel.apparmor_restrict_unprivileged_userns=0, or give the program a "
        "profile";
  }
  return finding;
}

Finding AskOverlayfs() {
  Finding finding{kIsolation, "overlayfs", State::kOk, "stacks the layers of an image"};
  switch (os::FindFilesystem("overlay")) {
    case os::Filesystem::kPresent: break;
    case os::Filesystem::kLoadable: finding.detail += ", once it is used (kernel module)"; break;
    case os::Filesystem::kAbsent:
      finding.state = State::kMissing;
      finding.advice = "Needs a kernel with CONFIG_OVERLAY_FS, or the module overlay";
      break;
  }
  return finding;
}

std::string Join(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words) text += (text.empty() ? "" : " ") + word;
  return text;
}

// The hierarchies of v1, one for each few controllers, in one line if they are alike.
std::optional<Finding> AskCgroup1(const std::vector<os::Cgroup>& groups, bool writable) {
  std::vector<std::string> controllers;
  std::string problem;
  for (const os::Cgroup& group : groups) {
    if (group.version != 1 || group.writable != writable) continue;
    controllers.insert(controllers.end(), group.controllers.begin(), group.controllers.end());
    problem = group.problem;
  }
  if (controllers.empty()) return std::nullopt;
  Finding finding{kResources, "cgroup v1", State::kOk, Join(controllers)};
  if (!writable) {
    finding.state = State::kOff;
    finding.detail += fmt::format("; no groups can be made: {}", problem);
    finding.advice = "Run as root, with the hierarchies mounted writable";
  }
  return finding;
}

Finding AskCgroup2(const os::Cgroup& group) {
  const std::string controllers = Join(group.controllers);
  Finding finding{kResources, "cgroup v2", State::kOk,
                  fmt::format("{}, at {}", controllers.empty() ? "no controllers" : controllers,
                              group.directory)};
  if (!group.writable) {
    finding.state = State::kOff;
    finding.detail += fmt::format("; not delegated: {}", group.problem);
    finding.advice = "systemd-run --user --scope -p Delegate=yes COMMAND, or run as root";
  } else if (group.controllers.empty()) {
    finding.state = State::kOff;
    finding.advice =
        "v1 holds the controllers, or nobody handed them down (cgroup.subtree_control)";
  }
  return finding;
}

Findings AskCgroups() {
  const std::vector<os::Cgroup> groups = os::FindCgroups();
  if (groups.empty()) {
    return {{kResources, "cgroups", State::kMissing, "no hierarchy is mounted",
             "mount -t cgroup2 none /sys/fs/cgroup"}};
  }
  Findings findings;
  for (const bool writable : {true, false}) {
    if (auto finding = AskCgroup1(groups, writable)) findings.push_back(*std::move(finding));
  }
  for (const os::Cgroup& group : groups) {
    if (group.version == 2) findings.push_back(AskCgroup2(group));
  }
  return findings;
}

Finding AskSystemd() {
  if (os::IsSystemdInit()) return {kResources, "systemd", State::kOk, "is the init system"};
  return {kResources, "systemd", State::kMissing, "is not the init system",
          "Use cgroupfs as the driver of control groups"};
}

std::string LimitText(uint64_t value, bool is_size) {
  if (value == UINT64_MAX) return "unlimited";
  return is_size ? FormatSize(value) : fmt::format("{}", value);
}

Finding AskDescriptors() {
  constexpr uint64_t kFew = 4096;  // What one guest may hold.
  const os::ResourceLimit limit = os::GetLimit(RLIMIT_NOFILE);
  Finding finding{
      kResources, "descriptors", State::kOk,
      fmt::format("{}, at most {}", LimitText(limit.soft, false), LimitText(limit.hard, false))};
  if (limit.soft < kFew)
    finding.advice = fmt::format("For programs with many files: ulimit -n {}", kFew);
  return finding;
}

Finding AskAddressLimit() {
  const os::ResourceLimit limit = os::GetLimit(RLIMIT_AS);
  Finding finding{kResources, "address limit", State::kOk, LimitText(limit.soft, true)};
  if (limit.soft != UINT64_MAX) {
    finding.state = State::kOff;
    finding.advice = "Many guests in one process reserve 8 GiB each: ulimit -v unlimited";
  }
  return finding;
}

Finding AskMappings() {
  constexpr int64_t kUsual = 65530;
  const int64_t count = os::ReadSysctl("vm/max_map_count").value_or(0);
  Finding finding{kResources, "vm.max_map_count", State::kOk,
                  fmt::format("{} mappings a process", count)};
  if (count < kUsual) finding.state = State::kOff;
  if (count <= kUsual)
    finding.advice = "For thousands of guests in one process: sysctl vm.max_map_count=1048576";
  return finding;
}

Finding AskOvercommit() {
  constexpr int64_t kNever = 2;  // proc(5): count every reservation against the limit.
  const int64_t mode = os::ReadSysctl("vm/overcommit_memory").value_or(0);
  Finding finding{kResources, "overcommit", State::kOk,
                  fmt::format("vm.overcommit_memory={}", mode)};
  if (mode == kNever) {
    finding.state = State::kOff;
    finding.advice = "Memory that guests reserve and do not use is refused: set it to 0 or 1";
  }
  return finding;
}

Finding AskKvm() {
  const os::Support support = os::ProbeKvm();
  Finding finding{kContainers, "KVM", State::kOk, "machines can be run"};
  if (support.yes()) return finding;
  const bool forbidden = support.answer == os::Answer::kForbidden;
  finding.state = forbidden ? State::kOff : State::kMissing;
  finding.detail = fmt::format("/dev/kvm: {}", std::strerror(support.error_number));
  finding.advice = forbidden ? "Join the group kvm"
                             : "Switch virtualization on (BIOS, nested virtualization of the host)";
  return finding;
}

// A program of others: its path and what it says its version is.
Finding AskProgram(std::string_view name, std::string_view use) {
  Finding finding{kContainers, std::string(name), State::kMissing, std::string(use)};
  const auto path = os::FindProgram(name);
  if (!path) {
    finding.detail += "; not in PATH";
    finding.advice = fmt::format("If you want it: apt-get install {}", name);
    return finding;
  }
  const std::vector<std::string> words = {std::string(name), "--version"};
  const auto output = os::ReadOutput(*path, words, kPatience);
  if (!output || output->status != 0) {
    finding.state = State::kOff;
    finding.detail = fmt::format("{} does not say its version", *path);
    finding.advice = fmt::format("Run '{} --version'", name);
    return finding;
  }
  finding.state = State::kOk;
  finding.detail = Printable(output->text.substr(0, output->text.find('\n')));
  return finding;
}

Finding AskContainerdSocket() {
  constexpr std::string_view kSocket = "/run/containerd/containerd.sock";
  const os::Support support = os::ProbeUnixSocket(std::string(kSocket));
  Finding finding{kContainers, "containerd socket", State::kOk, fmt::format("{} answers", kSocket)};
  if (support.yes()) return finding;
  finding.state = support.error_number == ENOENT ? State::kMissing : State::kOff;
  finding.detail = fmt::format("{}: {}", kSocket, std::strerror(support.error_number));
  finding.advice = support.answer == os::Answer::kForbidden ? "Run as root" : "Start containerd";
  return finding;
}

}  // namespace

std::string TryNamespacesHere(bool as_nobody) {
  std::string text;
  for (const os::Support& support : os::TryNamespaces(as_nobody))
    text += (text.empty() ? "" : " ") + fmt::format("{}", support.error_number);
  return text;
}

Findings AskAboutKernel() {
  Findings findings = {{kIsolation, "kernel", State::kOk, "Linux " + os::KernelRelease()}};
  findings.push_back(AskNamespaces());
  findings.push_back(AskUserNamespaces());
  findings.push_back(AskLandlock());
  for (const Question& question : kQuestions) findings.push_back(Answered(question));
  findings.push_back(AskOverlayfs());
  return findings;
}

Findings AskAboutResources() {
  Findings findings = AskCgroups();
  for (auto* ask : {AskSystemd, AskDescriptors, AskAddressLimit, AskMappings, AskOvercommit})
    findings.push_back(ask());
  return findings;
}

Findings AskAboutContainers() {
  return {
      AskKvm(),
      AskProgram("containerd", "runs containers for Kubernetes and docker"),
      AskContainerdSocket(),
      AskProgram("podman", "runs containers without a daemon"),
      AskProgram("crun", "low-level runtime"),
      AskProgram("runc", "low-level runtime"),
      AskProgram("buildah", "builds images"),
  };
}

}  // namespace wasmoor::cmd
