#include "cgroup/members.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <functional>

#include "cgroup/control_file.h"
#include "wasmoor/os/file.h"

namespace wasmoor::cgroup {
namespace {

using Clock = std::chrono::steady_clock;
using Milliseconds = std::chrono::milliseconds;

constexpr Milliseconds kFreezePatience{10'000};
constexpr Milliseconds kKillPatience{10'000};
// Deeper than anybody nests groups; cgroup.max.depth may be unlimited.
constexpr int kDeepest = 256;

// Sleeps a little longer each time: 0.1 ms to 10 ms.
class Waiter {
 public:
  explicit Waiter(Milliseconds patience) : end_(Clock::now() + patience) {}

  bool Wait() {
    if (Clock::now() >= end_) return false;
    const timespec time{0, nanoseconds_};
    nanosleep(&time, nullptr);
    nanoseconds_ = std::min(nanoseconds_ * 2, 10'000'000L);
    return true;
  }

 private:
  Clock::time_point end_;
  long nanoseconds_ = 100'000;
};

bool IsGone(const Error& error) {
  return error.error_number() == ENOENT || error.error_number() == ENODEV;
}

// Names of the groups in a group: its only directories.
Result<std::vector<std::string>> Nested(const os::Fd& group) {
  // The count of links is two and one for each directory in it; most groups have none.
  const struct stat status = TRY(os::Stat(group));
  if (status.st_nlink == 2) return std::vector<std::string>();
  std::vector<std::string> names = TRY(os::ReadNames(group));
  std::erase_if(names, [&](const std::string& name) {
    const auto one = os::StatAt(group, name.c_str());
    return !one || !S_ISDIR(one->st_mode);
  });
  return names;
}

using Visit = std::function<Status(const os::Fd& group)>;

// The nested ones first. One that vanishes meanwhile is no error.
Status VisitAll(const os::Fd& group, int depth, const Visit& visit) {
  if (depth > kDeepest)
    return Fail(Code::kResourceExhausted, "groups are nested more than {} deep", kDeepest);
  auto names = Nested(group);
  if (!names) return IsGone(names.error()) ? Status() : tl::unexpected(std::move(names).error());
  for (const std::string& name : *names) {
    auto child = os::OpenAt(group, name.c_str(), O_PATH | O_DIRECTORY | O_NOFOLLOW);
    if (!child) continue;
    TRY(VisitAll(*child, depth + 1, visit));
  }
  auto visited = visit(group);
  if (!visited && !IsGone(visited.error())) return visited;
  return {};
}

// Calls with each process of this group itself that this PID namespace sees.
Status EachMember(const os::Fd& group, const std::function<void(pid_t)>& call) {
  auto text = ReadControl(group, "cgroup.procs");
  // A threaded group of v2 has no processes of its own.
  if (!text && text.error().error_number() == EOPNOTSUPP) return {};
  if (!text) return tl::unexpected(std::move(text).error());
  EachLine(*text, [&](std::string_view pid, std::string_view) {
    // 0 is one that it does not see.
    if (const uint64_t number = ToNumber(pid); number != 0) call(static_cast<pid_t>(number));
  });
  return {};
}

Status RemoveNested(const os::Fd& group, int depth) {
  if (depth > kDeepest)
    return Fail(Code::kResourceExhausted, "groups are nested more than {} deep", kDeepest);
  for (const std::string& name : TRY(Nested(group))) {
    const auto child = os::OpenAt(group, name.c_str(), O_PATH | O_DIRECTORY | O_NOFOLLOW);
    if (child) static_cast<void>(RemoveNested(*child, depth + 1));
    // One that is busy makes the group itself busy, which is waited for.
    static_cast<void>(os::UnlinkAt(group, name.c_str(), AT_REMOVEDIR));
  }
  return {};
}

Result<std::string> FreezerState(const Branch& branch) {
  std::string text = TRY(ReadControl(branch.directory, "freezer.state"));
  return text.substr(0, text.find('\n'));
}

Status RefuseSelf(const std::vector<pid_t>& members, const Branch& branch, const char* what) {
  if (std::find(members.begin(), members.end(), getpid()) == members.end()) return {};
  return Fail(Code::kFailedPrecondition, "cannot {} control group {}: this process is in it", what,
              branch.FullPath());
}

Status ThawAll(const Branch& branch) {
  const char* file = branch.v2() ? "cgroup.freeze" : "freezer.state";
  return VisitAll(branch.directory, 0, [&](const os::Fd& group) {
    return WriteControl(group, file, branch.v2() ? "0" : "THAWED");
  });
}

// Frozen members cannot fork, so that all of them are found by one reading. Where there is no
// freezer the reading is repeated until nobody is left.
Status KillByReading(const Branch& branch) {
  const bool has_freezer =
      HasControl(branch.directory, branch.v2() ? "cgroup.freeze" : "freezer.state");
  Waiter waiter(kKillPatience);
  for (;;) {
    const std::vector<pid_t> members = TRY(MembersOf(branch));
    if (members.empty()) return {};
    TRY(RefuseSelf(members, branch, "kill"));
    const bool is_frozen = has_freezer && FreezeBranch(branch).has_value();
    for (const pid_t pid : is_frozen ? TRY(MembersOf(branch)) : members) kill(pid, SIGKILL);
    // A frozen process of v1 dies once it is thawed. A nested group may be frozen on its own.
    if (has_freezer) TRY(ThawAll(branch));
    if (is_frozen) return {};
    if (!waiter.Wait()) {
      return Fail(Code::kDeadlineExceeded, "control group {} still has members after SIGKILL",
                  branch.FullPath());
    }
  }
}

}  // namespace

Result<os::Fd> GroupOf(const os::Fd& group, pid_t pid) {
  os::Fd found;
  TRY(VisitAll(group, 0, [&](const os::Fd& one) -> Status {
    bool is_member = false;
    TRY(EachMember(one, [&](pid_t member) { is_member = is_member || member == pid; }));
    if (is_member) found = TRY(os::OpenAt(one, ".", O_PATH | O_DIRECTORY));
    return {};
  }));
  return found;
}

Result<std::vector<pid_t>> MembersOf(const Branch& branch) {
  std::vector<pid_t> pids;
  TRY_AS(VisitAll(branch.directory, 0,
                  [&](const os::Fd& group) {
                    return EachMember(group, [&](pid_t pid) { pids.push_back(pid); });
                  }),
         "members of control group {}", branch.FullPath());
  std::sort(pids.begin(), pids.end());
  pids.erase(std::unique(pids.begin(), pids.end()), pids.end());
  return pids;
}

Status FreezeBranch(const Branch& branch) {
  TRY(RefuseSelf(TRY(MembersOf(branch)), branch, "freeze"));
  Waiter waiter(kFreezePatience);
  if (branch.v2()) TRY_AS(WriteControl(branch.directory, "cgroup.freeze", "1"), "{}", branch.path);
  for (;;) {
    // v1: a task that is forked while the state is written may escape until it is written again.
    if (!branch.v2())
      TRY_AS(WriteControl(branch.directory, "freezer.state", "FROZEN"), "{}", branch.FullPath());
    if (branch.v2() ? NumberOf(TRY(ReadControl(branch.directory, "cgroup.events")), "frozen") == 1
                    : TRY(FreezerState(branch)) == "FROZEN")
      return {};
    if (!waiter.Wait()) {
      static_cast<void>(ThawBranch(branch));
      return Fail(
          Code::kDeadlineExceeded,
          "control group {} is not frozen after {} s: a member sleeps in the kernel, and all "
          "run again",
          branch.FullPath(), kFreezePatience.count() / 1000);
    }
  }
}

Status ThawBranch(const Branch& branch) {
  const char* file = branch.v2() ? "cgroup.freeze" : "freezer.state";
  TRY_AS(WriteControl(branch.directory, file, branch.v2() ? "0" : "THAWED"), "{}",
         branch.FullPath());
  return {};
}

Result<bool> IsBranchFrozen(const Branch& branch) {
  if (!branch.v2()) return TRY_AS(FreezerState(branch), "{}", branch.FullPath()) != "THAWED";
  return NumberOf(TRY_AS(ReadControl(branch.directory, "cgroup.events"), "{}", branch.FullPath()),
                  "frozen") == 1;
}

Status KillMembers(const Branch& branch) {
  if (branch.v2() && HasControl(branch.directory, "cgroup.kill")) {
    TRY(RefuseSelf(TRY(MembersOf(branch)), branch, "kill"));
    auto killed = WriteControl(branch.directory, "cgroup.kill", "1");
    if (killed || IsGone(killed.error())) return {};
    return tl::unexpected(std::move(killed).error().WithContext(branch.FullPath()));
  }
  return KillByReading(branch);
}

Status RemoveBranch(const Branch& branch, Milliseconds patience) {
  const std::string full = branch.FullPath();
  Waiter waiter(patience);
  for (;;) {
    if (rmdir(full.c_str()) == 0 || errno == ENOENT) return {};
    if (errno != EBUSY) return FailErrno(errno, "remove control group {}", full);
    static_cast<void>(RemoveNested(branch.directory, 0));
    if (rmdir(full.c_str()) == 0 || errno == ENOENT) return {};
    if (waiter.Wait()) continue;
    return Fail(Code::kFailedPrecondition,
                "remove control group {}: it still has processes ({}); kill them first", full,
                fmt::join(TRY(MembersOf(branch)), ", "));
  }
}

}  // namespace wasmoor::cgroup
