#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace wasmoor::cmd {

// One thing of this machine that wasmoor, or what stands on it, can use.
struct Finding {
  enum class State : uint8_t {
    kOk,
    kOff,      // It is there and something forbids it.
    kMissing,  // It is not there.
  };

  std::string_view section;  // "Running", "Isolation", "Resources" …
  std::string name;
  State state = State::kOk;
  std::string detail;     // What was found.
  std::string advice;     // What to do about it; empty if all is well or nothing can be done.
  bool required = false;  // Without it no program runs here.
};

std::string_view StateName(Finding::State state);  // "ok", "off", "missing"

using Findings = std::vector<Finding>;

// The questions, by subject; each asks the machine now.
Findings AskAboutRunning(const std::string& cache_flag);  // Engine, WASI, address space, cache.
Findings AskAboutKernel();      // What isolates: namespaces, Landlock, seccomp …
Findings AskAboutResources();   // Control groups, limits.
Findings AskAboutContainers();  // containerd, podman, runtimes, KVM.

bool CanRun(const Findings& findings);

// Starts this program again to try namespaces on itself, as `doctor`'s hidden option does, because
// they use up the process that tries them.
constexpr std::string_view kTryNamespaces = "--try-namespaces";
// What that process prints: errnos, one for each of os::kNamespaces, 0 for success.
std::string TryNamespacesHere(bool as_nobody);

}  // namespace wasmoor::cmd
