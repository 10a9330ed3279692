#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "wasmoor/base/result.h"
#include "wasmoor/cgroup/entry.h"
#include "wasmoor/cgroup/group.h"
#include "wasmoor/cgroup/root.h"
#include "wasmoor/oci/spec.h"

namespace wasmoor::host {

// What the guests of one container get of the CPUs (linux.resources.cpu). Kept by the kernel where
// threads can be in groups by themselves; else by the guests' own clocks, looked at at every tick:
// then a guest that has had its quota sleeps until more is its due, and shares are the thread's
// nice value. Thread-safe.
class CpuShare {
 public:
  // `root`: of cgroup::PrepareThreads; null: there is none. None if the configuration
  // wants nothing. The group must not be there yet, or be empty.
  static Result<std::shared_ptr<CpuShare>> Make(const cgroup::Root* root, const oci::Linux& config);
  CpuShare(const CpuShare&) = delete;
  CpuShare& operator=(const CpuShare&) = delete;
  // Removes the group, which must be empty by then.
  ~CpuShare();

  // The way in, which a thread may go that sees no groups any more; none where there is no group.
  Result<std::optional<cgroup::Entry>> OpenEntry() const;
  // The calling thread's share is this from now on. With all rights.
  Status Enter(const std::optional<cgroup::Entry>& entry) const;
  Status Change(const oci::CpuResources& cpu);

  // Whether guests have to ask.
  bool is_by_clock() const { return group_.empty(); }
  // Whether what guests use is counted where the configuration says, too: on v2 their group is
  // another one.
  bool is_in_containers_group() const { return in_containers_group_; }
  // How long the calling thread must sleep now, which has run this long in all; 0: not at all.
  std::chrono::nanoseconds Owed(std::chrono::nanoseconds run);

  struct Throttling {
    uint64_t times = 0;
    std::chrono::nanoseconds slept{0};
  };
  Throttling throttling() const;

 private:
  CpuShare() = default;
  using Clock = std::chrono::steady_clock;

  // Its text, and no object of it: a descriptor is of the thread that has opened it, since guests
  // have tables of their own. Empty: by clock.
  std::string group_;
  bool in_containers_group_ = false;
  mutable std::mutex mutex_;
  oci::CpuResources cpu_;
  // By clock: since when, and how much had been run then, by all of the container's guests.
  Clock::time_point since_;
  std::chrono::nanoseconds run_{0};
  Throttling throttling_;
};

}  // namespace wasmoor::host
