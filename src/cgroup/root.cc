#include "wasmoor/cgroup/root.h"

#include <algorithm>
#include <optional>

#include "cgroup/control_file.h"
#include "cgroup/tree.h"
#include "wasmoor/os/fd.h"

namespace wasmoor::cgroup {
namespace {

// A line of mountinfo that shows control groups (proc_pid_mountinfo(5)).
struct MountLine {
  std::string root, mount_point, type, options;
};

// Space, tab, newline and backslash are written as \ooo there.
std::string Unescape(std::string_view text) {
  std::string plain;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\' && i + 3 < text.size()) {
      plain +=
          static_cast<char>((text[i + 1] - '0') * 64 + (text[i + 2] - '0') * 8 + text[i + 3] - '0');
      i += 3;
    } else {
      plain += text[i];
    }
  }
  return plain;
}

std::optional<MountLine> ReadMountLine(std::string_view line) {
  // Most lines are of other filesystems.
  const size_t dash = line.find(" - cgroup");
  if (dash == std::string_view::npos) return std::nullopt;
  std::string_view head = line.substr(0, dash), tail = line.substr(dash + 3);
  for (int skipped = 0; skipped < 3; ++skipped) TakeUntil(&head, ' ');
  MountLine mount;
  mount.root = Unescape(TakeUntil(&head, ' '));
  mount.mount_point = Unescape(TakeUntil(&head, ' '));
  mount.type = TakeUntil(&tail, ' ');
  TakeUntil(&tail, ' ');
  mount.options = tail;
  if (mount.type != "cgroup" && mount.type != "cgroup2") return std::nullopt;
  return mount;
}

std::vector<std::string> Split(std::string_view text, char separator) {
  std::vector<std::string> parts;
  while (!text.empty()) {
    const std::string_view part = TakeUntil(&text, separator);
    if (!part.empty()) parts.emplace_back(part);
  }
  return parts;
}

const MountLine* FindMount(const std::vector<MountLine>& mounts,
                           const std::vector<std::string>& controllers) {
  for (const MountLine& mount : mounts) {
    if (controllers.empty()) {
      if (mount.type == "cgroup2") return &mount;
      continue;
    }
    const auto options = Split(mount.options, ',');
    if (mount.type == "cgroup" &&
        std::find(options.begin(), options.end(), controllers[0]) != options.end())
      return &mount;
  }
  return nullptr;
}

// Where the group `path` of a hierarchy is below a mount that shows what is below `root` only.
std::string BelowMount(std::string_view path, std::string_view root) {
  if (root == "/") return std::string(path);
  if (path.starts_with(root) && (path.size() == root.size() || path[root.size()] == '/')) {
    path.remove_prefix(root.size());
    return path.empty() ? "/" : std::string(path);
  }
  return "/";
}

// An absolute path is opened without regard to the directory (openat(2)).
Result<std::string> ReadProc(const std::string& file) { return ReadControl(os::Fd(), file); }

}  // namespace

Result<Root> Root::Parse(std::string_view mountinfo, std::string_view own_groups) {
  std::vector<MountLine> mounts;
  while (!mountinfo.empty()) {
    if (auto mount = ReadMountLine(TakeUntil(&mountinfo, '\n')))
      mounts.push_back(std::move(*mount));
  }
  Root root;
  bool v1 = false, v2 = false;
  while (!own_groups.empty()) {
    std::string_view line = TakeUntil(&own_groups, '\n');
    TakeUntil(&line, ':');
    Hierarchy hierarchy;
    hierarchy.controllers = Split(TakeUntil(&line, ':'), ',');
    const MountLine* mount = FindMount(mounts, hierarchy.controllers);
    if (mount == nullptr) continue;
    hierarchy.version = hierarchy.controllers.empty() ? 2 : 1;
    hierarchy.mount_point = mount->mount_point;
    hierarchy.own_path = BelowMount(line, mount->root);
    // A hierarchy with a name and no controller does not make a machine one of v1.
    const bool limits = hierarchy.version == 1 && !hierarchy.controllers[0].starts_with("name=");
    v1 = v1 || limits;
    v2 = v2 || hierarchy.version == 2;
    root.hierarchies_.push_back(std::move(hierarchy));
  }
  if (!v1 && !v2) {
    return Fail(Code::kFailedPrecondition,
                "no control groups are mounted here: mount cgroup2 at /sys/fs/cgroup");
  }
  root.layout_ = !v1 ? Layout::kV2 : v2 ? Layout::kHybrid : Layout::kV1;
  if (!v1) {
    std::erase_if(root.hierarchies_, [](const Hierarchy& one) { return one.version == 1; });
  }
  return root;
}

Result<Root> Root::Detect() {
  const std::string mountinfo = TRY(ReadProc("/proc/self/mountinfo"));
  const std::string own_groups = TRY(ReadProc("/proc/self/cgroup"));
  Root root = TRY(Parse(mountinfo, own_groups));
  if (root.layout_ != Layout::kHybrid) return root;
  for (Hierarchy& one : root.hierarchies_) {
    if (one.version == 1) continue;
    const std::string controllers =
        ReadProc(one.mount_point + "/cgroup.controllers").value_or(std::string());
    one.controllers = Split(std::string_view(controllers).substr(0, controllers.find('\n')), ' ');
  }
  std::erase_if(root.hierarchies_, [](const Hierarchy& one) { return one.controllers.empty(); });
  return root;
}

Root Root::OfThreads() const {
  Root some = *this;
  if (layout_ == Layout::kV2) {
    for (Hierarchy& one : some.hierarchies_) {
      one.controllers = {"cpu", "cpuset"};
      if (!one.own_path.ends_with(kOthersPart)) continue;
      one.own_path.resize(one.own_path.size() - kOthersPart.size());
      one.own_path += kThreadsPart;
    }
    return some;
  }
  std::erase_if(some.hierarchies_, [](const Hierarchy& one) {
    const auto is_of_cpus = [](const std::string& controller) {
      return controller == "cpu" || controller == "cpuacct" || controller == "cpuset";
    };
    return one.version != 1 || one.controllers.empty() ||
           !std::all_of(one.controllers.begin(), one.controllers.end(), is_of_cpus);
  });
  return some;
}

}  // namespace wasmoor::cgroup
