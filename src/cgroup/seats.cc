#include "wasmoor/cgroup/seats.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <thread>
#include <utility>
#include <vector>

#include "cgroup/control_file.h"
#include "cgroup/limits.h"
#include "wasmoor/os/file.h"

namespace wasmoor::cgroup {
namespace {

// Microseconds. A short period makes short waits of being held back; the kernel takes no quota
// below 1 ms (sched-bwc), and so small limits need the usual one.
constexpr uint64_t kShortPeriod = 20'000, kUsualPeriod = 100'000, kLeastQuota = 1'000;
constexpr uint64_t kMillicores = 1'000;
constexpr uint64_t kLeastShares = 2, kMostShares = 262'144;
// The seats together, beside the process's other threads: more than any of those.
constexpr uint64_t kSeatsShares = 16 * 1024;

Status WriteOpen(const os::Fd& file, std::string_view value, const std::string& group,
                 std::string_view name) {
  const ssize_t size = ::pwrite(file.get(), value.data(), value.size(), 0);
  if (size >= 0) return {};
  return FailErrno(errno, "write '{}' to {}/{}", value, group, name);
}

Result<os::Fd> OpenFile(const os::Fd& group, const std::string& path, const char* name, int flags) {
  return TRY_AS(os::OpenAt(group, name, flags), "{}/{}", path, name);
}

// Threads that a library has made on one that has a seat are in it, too, and stay.
void MoveOut(const std::string& nested, const std::string& group, const char* members) {
  const auto from = OpenGroup(nested), to = OpenGroup(group);
  if (!from || !to) return;
  const std::string left = ReadControlOrNothing(*from, members);
  std::string_view rest = left;
  while (!rest.empty()) {
    const std::string_view one = TakeUntil(&rest, '\n');
    if (!one.empty()) static_cast<void>(WriteControl(*to, members, one));
  }
}

void RemoveNested(const std::string& path, bool v2) {
  const std::string above = path.substr(0, path.rfind('/'));
  for (const std::string& nested : GroupsIn(path)) {
    if (::rmdir(nested.c_str()) == 0 || errno != EBUSY) continue;
    MoveOut(nested, above, v2 ? "cgroup.threads" : "tasks");
    ::rmdir(nested.c_str());
  }
}

// What a process of this name has left that was killed. Who still runs is left alone, as is who
// runs where this process cannot see it: a group that has a thread cannot be removed.
void RemoveLeft(const std::string& beginning) {
  for (const std::string& path : GroupsIn(beginning.substr(0, beginning.rfind('/')))) {
    if (!path.starts_with(beginning)) continue;
    const std::string process = "/proc/" + path.substr(beginning.size());
    if (::access(process.c_str(), F_OK) == 0) continue;
    RemoveEmpty(path);
  }
}

// What the paths of all places of this name begin with; empty where there is no such hierarchy.
std::string BeginningIn(const Hierarchy& one, std::string_view name) {
  if (std::find(one.controllers.begin(), one.controllers.end(), "cpu") == one.controllers.end())
    return {};
  const std::string own = one.own_path == "/" ? "" : one.own_path;
  return one.mount_point + own + "/" + std::string(name) + "-";
}

}  // namespace

Seat::~Seat() {
  tasks_ = os::Fd();
  // A thread that has ended is a member for a moment more; whoever is left is removed with Seats.
  ::rmdir(path_.c_str());
}

Status Seat::Enter() const {
  // 0 is the thread that writes, which the kernel then need not look for (cgroups(7)).
  return WriteOpen(tasks_, "0", path_, v2_ ? "cgroup.threads" : "tasks");
}

Status Seat::SetPeriod(uint64_t microseconds) {
  if (v2_ || period_now_ == microseconds) return {};
  TRY(WriteOpen(period_, std::to_string(microseconds), path_, "cpu.cfs_period_us"));
  period_now_ = microseconds;
  return {};
}

Status Seat::Limit(uint32_t millicores) {
  const std::lock_guard lock(mutex_);
  if (millicores == limit_now_) return {};
  const bool is_small = millicores * kShortPeriod / kMillicores < kLeastQuota;
  const uint64_t period = is_small && millicores != kNoLimit ? kUsualPeriod : kShortPeriod;
  const uint64_t quota = std::max(millicores * period / kMillicores, kLeastQuota);
  const std::string_view none = v2_ ? "max" : "-1";
  const std::string_view file = v2_ ? "cpu.max" : "cpu.cfs_quota_us";
  std::string value = millicores == kNoLimit ? std::string(none) : std::to_string(quota);
  if (v2_) value += " " + std::to_string(period);
  if (millicores != kNoLimit && !v2_ && period != period_now_) {
    // The kernel compares each of the two writes with the group above.
    TRY(WriteOpen(quota_, none, path_, file));
    TRY(SetPeriod(period));
  }
  Status set = WriteOpen(quota_, value, path_, file);
  if (!set && set.error().error_number() == EINVAL && millicores != kNoLimit) {
    // More than the group above has: that one's limit holds.
    set = WriteOpen(quota_, v2_ ? "max" : "-1", path_, file);
  }
  if (set) limit_now_ = millicores;
  return set;
}

Status Seat::SetShares(uint64_t shares) {
  const std::lock_guard lock(mutex_);
  shares = std::clamp(shares, kLeastShares, kMostShares);
  if (shares == shares_now_) return {};
  TRY(WriteOpen(shares_, std::to_string(v2_ ? CpuWeight(shares) : shares), path_,
                v2_ ? "cpu.weight" : "cpu.shares"));
  shares_now_ = shares;
  return {};
}

uint64_t Seat::ThrottledTime() const {
  char text[512];
  const ssize_t size = ::pread(stat_.get(), text, sizeof text, 0);
  if (size <= 0) return 0;
  const std::string_view read(text, static_cast<size_t>(size));
  return v2_ ? NumberOf(read, "throttled_usec") * 1000 : NumberOf(read, "throttled_time");
}

void Seats::Sweep(const Root& threads, std::string_view name) {
  for (const Hierarchy& one : threads.hierarchies()) {
    const std::string beginning = BeginningIn(one, name);
    if (!beginning.empty()) return RemoveLeft(beginning);
  }
}

Result<Seats> Seats::Make(const Root& threads, std::string_view name) {
  for (const Hierarchy& one : threads.hierarchies()) {
    const std::string beginning = BeginningIn(one, name);
    if (beginning.empty()) continue;
    RemoveLeft(beginning);
    Seats seats(beginning + std::to_string(::getpid()), one.version == 2);
    RemoveNested(seats.path_, seats.v2_);
    const os::Fd group = TRY(MakeGroup(seats.path_));
    if (seats.v2_) {
      TRY_AS(WriteControl(group, "cgroup.type", "threaded"), "{}", seats.path_);
      TRY_AS(WriteControl(group, "cgroup.subtree_control", "+cpu"), "{}", seats.path_);
    }
    TRY_AS(WriteControl(group, seats.v2_ ? "cpu.weight" : "cpu.shares",
                        std::to_string(seats.v2_ ? CpuWeight(kSeatsShares) : kSeatsShares)),
           "{}", seats.path_);
    return seats;
  }
  return Fail(Code::kFailedPrecondition, "no control groups of CPU time are mounted here");
}

Seats::Seats(Seats&& other) noexcept : path_(std::exchange(other.path_, {})), v2_(other.v2_) {}

Seats& Seats::operator=(Seats&& other) noexcept {
  if (this == &other) return *this;
  Remove();
  path_ = std::exchange(other.path_, {});
  v2_ = other.v2_;
  return *this;
}

Seats::~Seats() { Remove(); }

void Seats::Remove() {
  if (path_.empty()) return;
  // Threads that have been joined are members until the kernel is done with them.
  constexpr int kMostTries = 2000;
  constexpr std::chrono::milliseconds kPause{1};
  for (int i = 0; i < kMostTries; ++i) {
    RemoveNested(path_, v2_);
    if (::rmdir(path_.c_str()) == 0 || errno != EBUSY) return;
    std::this_thread::sleep_for(kPause);
  }
}

Result<std::unique_ptr<Seat>> Seats::MakeSeat(std::string_view name) const {
  std::unique_ptr<Seat> seat(new Seat());
  seat->v2_ = v2_;
  seat->path_ = path_ + "/" + std::string(name);
  const os::Fd group = TRY(MakeGroup(seat->path_));
  if (v2_) TRY_AS(WriteControl(group, "cgroup.type", "threaded"), "{}", seat->path_);
  const auto open = [&](const char* name, int flags) {
    return OpenFile(group, seat->path_, name, flags | O_CLOEXEC);
  };
  seat->tasks_ = TRY(open(v2_ ? "cgroup.threads" : "tasks", O_WRONLY));
  seat->quota_ = TRY(open(v2_ ? "cpu.max" : "cpu.cfs_quota_us", O_WRONLY));
  if (!v2_) seat->period_ = TRY(open("cpu.cfs_period_us", O_WRONLY));
  seat->shares_ = TRY(open(v2_ ? "cpu.weight" : "cpu.shares", O_WRONLY));
  seat->stat_ = TRY(open("cpu.stat", O_RDONLY));
  TRY(seat->SetPeriod(kShortPeriod));
  return seat;
}

}  // namespace wasmoor::cgroup
