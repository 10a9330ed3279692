#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "wasmoor/base/result.h"

// How the control groups of this machine are laid out (cgroups(7)).
namespace wasmoor::cgroup {

// kHybrid: controllers are those of v1, with a v2 hierarchy beside them that has a few or none.
enum class Layout : uint8_t { kV1, kV2, kHybrid };

// One tree of groups, as it is mounted.
struct Hierarchy {
  uint8_t version = 2;
  // "cpu", "cpuacct", "name=systemd", …; of a v2 hierarchy that is the only one it is empty: all
  // controllers are its own.
  std::vector<std::string> controllers;
  std::string mount_point;  // "/sys/fs/cgroup/memory"
  // The group of this process, below the mount point; "/" if the mount does not show it.
  std::string own_path = "/";
};

// A reading of /proc/self/mountinfo and /proc/self/cgroup. Plain value; any thread.
class Root {
 public:
  // kFailedPrecondition if no control groups are mounted.
  static Result<Root> Detect();
  // The same from the two texts. Does not look at the machine.
  static Result<Root> Parse(std::string_view mountinfo, std::string_view own_groups);

  Layout layout() const { return layout_; }
  // A v2 hierarchy without a controller that stands beside v1 is left out: it limits nothing.
  const std::vector<Hierarchy>& hierarchies() const { return hierarchies_; }

  // Only those in which the threads of one process may be in different groups, which are about CPU
  // time (cgroups(7), "Threaded mode"). On v2 such groups must be below the process's own: own_path
  // is where they are then, of this process and of those that it starts.
  Root OfThreads() const;

 private:
  Layout layout_ = Layout::kV2;
  std::vector<Hierarchy> hierarchies_;
};

}  // namespace wasmoor::cgroup
