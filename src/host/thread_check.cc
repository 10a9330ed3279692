#include "host/thread_check.h"

#include <array>
#include <string_view>

#include "jail/rootfs/guest_tree.h"

namespace wasmoor::host {
namespace {

template <typename... Arguments>
Status Needs(fmt::format_string<Arguments...> text, Arguments&&... arguments) {
  return Fail(Code::kUnimplemented, text, std::forward<Arguments>(arguments)...);
}

Status CheckIsolation(const oci::Spec& spec) {
  const auto found = spec.annotations.find(kIsolationAnnotation);
  if (found == spec.annotations.end() || found->second == "thread") return {};
  if (found->second == "process") return Needs("{}: asks for it", kIsolationAnnotation);
  return Fail(Code::kInvalidArgument, "annotation {}: is '{}', and may be thread or process",
              kIsolationAnnotation, found->second);
}

bool HasAny(const oci::Hooks& hooks) {
  const std::array lists = {&hooks.prestart,        &hooks.create_runtime, &hooks.create_container,
                            &hooks.start_container, &hooks.poststart,      &hooks.poststop};
  for (const auto* list : lists) {
    if (!list->empty()) return true;
  }
  return false;
}

Status CheckProcess(const oci::Process& process) {
  if (process.terminal) return Needs("process.terminal: a terminal is a process's");
  if (!process.apparmor_profile.empty() && process.apparmor_profile != "unconfined")
    return Needs("process.apparmorProfile: is for a program that is executed");
  if (!process.selinux_label.empty())
    return Needs("process.selinuxLabel: is for a program that is executed");
  if (process.scheduler) return Needs("process.scheduler: is set");
  if (process.io_priority) return Needs("process.ioPriority: is set");
  if (process.exec_cpu_affinity) return Needs("process.execCPUAffinity: is set");
  return {};
}

Status CheckLinux(const oci::Linux& config) {
  using oci::NamespaceType;
  for (const oci::Namespace& one : config.namespaces) {
    const bool exists = !one.path.empty();
    if (one.type == NamespaceType::kUser || one.type == NamespaceType::kTime)
      return Needs("linux.namespaces: a {} namespace", oci::NamespaceName(one.type));
    // One who shares the processes of others is to be found among them.
    if (exists && (one.type == NamespaceType::kMount || one.type == NamespaceType::kCgroup ||
                   one.type == NamespaceType::kPid))
      return Needs("linux.namespaces: a {} namespace that exists", oci::NamespaceName(one.type));
  }
  if (!config.sysctl.empty()) return Needs("linux.sysctl: is set");
  if (config.personality) return Needs("linux.personality: is set");
  if (config.intel_rdt) return Needs("linux.intelRdt: is set");
  if (config.seccomp && !config.seccomp->listener_path.empty())
    return Needs("linux.seccomp.listenerPath: is set");
  return {};
}

}  // namespace

Status CheckForThread(const oci::Spec& spec) {
  TRY(CheckIsolation(spec));
  if (!spec.process) return Needs("process: is missing");
  if (HasAny(spec.hooks)) return Needs("hooks: they are run for a process");
  TRY(CheckProcess(*spec.process));
  TRY(CheckLinux(spec.on_linux));
  return jail::CheckGuestTree(spec);
}

Status CheckForServerThread(const oci::Spec& spec) {
  for (const oci::Namespace& one : spec.on_linux.namespaces) {
    if (one.type == oci::NamespaceType::kNetwork && !one.path.empty()) return {};
  }
  return Needs("linux.namespaces: no network namespace that exists, in which HTTP could be served");
}

}  // namespace wasmoor::host
