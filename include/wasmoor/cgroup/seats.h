#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>

#include "wasmoor/base/result.h"
#include "wasmoor/cgroup/root.h"
#include "wasmoor/os/fd.h"

// Control groups for threads that stay in them, and whose CPU time is limited anew again and again:
// a thread that is moved, or a group that is made, costs many times what a rewritten limit does.
namespace wasmoor::cgroup {

// One thread's group. Its files are open, so that a thread which may open none any more can write
// them. Enter is for the thread; all else is for any. Destroying it removes the group if no thread
// is in it any more.
class Seat {
 public:
  Seat(const Seat&) = delete;
  Seat& operator=(const Seat&) = delete;
  ~Seat();

  // The calling thread is here from now on.
  Status Enter() const;

  // Thousandths of a CPU, of each period; kNoLimit: as much as there is. A limit above that of a
  // group above it is none (sched-bwc, "Hierarchical considerations"). ENODEV: somebody has removed
  // the group.
  static constexpr uint32_t kNoLimit = 0;
  Status Limit(uint32_t millicores);

  // What it gets where there is less than all want, of its siblings' sum: 1024 is usual, as in v1's
  // cpu.shares, 2 to 262144.
  Status SetShares(uint64_t shares);

  // Of its limit, since it was made: time in which it was held back. Nanoseconds.
  uint64_t ThrottledTime() const;

 private:
  friend class Seats;
  Seat() = default;
  Status SetPeriod(uint64_t microseconds);

  bool v2_ = false;
  std::mutex mutex_;  // Of what is written.
  std::string path_;
  os::Fd tasks_, quota_, period_, shares_, stat_;
  uint64_t period_now_ = 0, shares_now_ = 0;  // Of the files, as far as written here.
  uint32_t limit_now_ = kNoLimit;
};

// The place where they are: a group of its own below the process's. Destroying it removes that,
// after all seats.
class Seats {
 public:
  // `threads`: of PrepareThreads. Processes of the same name have each their own place; what those
  // that are gone have left is removed.
  // kFailedPrecondition: no hierarchy of v1 or v2 has the controller; or the kernel's reason, above
  // all EROFS and EACCES: the groups belong to somebody else.
  static Result<Seats> Make(const Root& threads, std::string_view name);
  Seats(Seats&&) noexcept;
  Seats& operator=(Seats&&) noexcept;
  ~Seats();

  Result<std::unique_ptr<Seat>> MakeSeat(std::string_view name) const;

  // Removes what processes of that name have left that were killed, and which are gone. `threads`
  // as of Make.
  static void Sweep(const Root& threads, std::string_view name);

  const std::string& path() const { return path_; }  // On this machine; for messages.

 private:
  Seats(std::string path, bool v2) : path_(std::move(path)), v2_(v2) {}
  void Remove();

  std::string path_;
  bool v2_ = false;
};

}  // namespace wasmoor::cgroup
