#include "wasmoor/cgroup/entry.h"

#include <fcntl.h>

#include "cgroup/control_file.h"
#include "cgroup/members.h"
#include "wasmoor/os/file.h"

namespace wasmoor::cgroup {

Result<Entry> Entry::Open(const Group& group, pid_t beside) {
  if (!group.Exists()) return Fail(Code::kFailedPrecondition, "the control group does not exist");
  Entry entry;
  for (const auto& [hierarchy, path] : group.Directories()) {
    if (hierarchy.version == 2) {
      entry.unified_ = TRY(os::OpenAt(os::Fd(), path.c_str(), O_PATH | O_DIRECTORY));
      if (beside == 0 || ReadControlOrNothing(entry.unified_, "cgroup.subtree_control").size() <= 1)
        continue;
      os::Fd nested = TRY_AS(GroupOf(entry.unified_, beside), "{}", path);
      if (nested.valid()) entry.unified_ = std::move(nested);
    } else {
      entry.tasks_.push_back(TRY(os::OpenAt(os::Fd(), (path + "/tasks").c_str(), O_WRONLY)));
    }
  }
  return entry;
}

Result<Entry> Entry::OpenForThreads(const Group& group) {
  if (!group.Exists()) return Fail(Code::kFailedPrecondition, "the control group does not exist");
  Entry entry;
  for (const auto& [hierarchy, path] : group.Directories()) {
    const std::string file = path + (hierarchy.version == 2 ? "/cgroup.threads" : "/tasks");
    entry.tasks_.push_back(TRY(os::OpenAt(os::Fd(), file.c_str(), O_WRONLY)));
  }
  return entry;
}

Status Entry::Enter() const {
  // cgroups(7): 0 means the writer. It has to be "tasks" or "cgroup.threads": "cgroup.procs" moves
  // all the threads of a process, and takes the lock for that.
  for (const os::Fd& one : tasks_) TRY_AS(os::WriteAll(one, "0"), "enter the control group");
  return {};
}

}  // namespace wasmoor::cgroup
