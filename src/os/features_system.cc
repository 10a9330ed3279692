// What is told by files: filesystems, control groups, the init system. And namespaces.
#include <fcntl.h>
#include <grp.h>
#include <linux/sched.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <sstream>

#include "os/mount_classic.h"
#include "wasmoor/os/features.h"

namespace wasmoor::os {
namespace {

constexpr uid_t kNobody = 65534;

// In the order of kNamespaces.
constexpr std::array<unsigned long, kNamespaces.size()> kFlags = {
    CLONE_NEWUSER, CLONE_NEWNS,  CLONE_NEWPID,    CLONE_NEWNET,
    CLONE_NEWIPC,  CLONE_NEWUTS, CLONE_NEWCGROUP, CLONE_NEWTIME};

Support Unshare(size_t kind) {
  if (syscall(SYS_unshare, kFlags[kind]) == 0) return {Answer::kYes, 0};
  const int error = errno;
  // ENOSPC, EUSERS: /proc/sys/user/max_*_namespaces forbids it (namespaces(7)).
  const bool forbidden = error == EPERM || error == EACCES || error == ENOSPC || error == EUSERS;
  return {forbidden ? Answer::kForbidden : Answer::kNo, error};
}

std::vector<std::string> Split(const std::string& text, char separator) {
  std::vector<std::string> parts;
  std::istringstream stream(text);
  for (std::string part; std::getline(stream, part, separator);) {
    if (!part.empty()) parts.push_back(part);
  }
  return parts;
}

std::vector<std::string> ReadLines(const std::string& path) {
  std::vector<std::string> lines;
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) lines.push_back(line);
  return lines;
}

// The path of this process's group in a hierarchy: of v2 the line "0::PATH", of v1 the one that
// lists the controller (or name=…).
std::string OwnPath(const std::vector<std::string>& lines, const std::string& controller) {
  for (const std::string& line : lines) {
    const size_t first = line.find(':');
    const size_t second = line.find(':', first + 1);
    if (second == std::string::npos) continue;
    const std::string list = line.substr(first + 1, second - first - 1);
    const std::vector<std::string> names = Split(list, ',');
    const bool here = controller.empty()
                          ? list.empty()
                          : std::find(names.begin(), names.end(), controller) != names.end();
    if (here) return line.substr(second + 1);
  }
  return "/";
}

// Asks the kernel, as this process and not as its real user (AT_EACCESS), so that a read-only mount
// counts.
bool MayWrite(const std::string& path, std::string* problem) {
  if (faccessat(AT_FDCWD, path.c_str(), W_OK, AT_EACCESS) == 0) return true;
  *problem = std::strerror(errno);
  return false;
}

// `root`: the part of the hierarchy that is mounted here.
std::string DirectoryOf(const std::string& mount, const std::string& root, const std::string& own) {
  std::string below = own;
  if (root != "/" && own.starts_with(root)) below = own.substr(root.size());
  std::string directory = below == "/" ? mount : mount + below;
  struct stat status;
  // In a cgroup namespace whose mounts are another's, the path says nothing here.
  return stat(directory.c_str(), &status) == 0 ? directory : mount;
}

void Describe(Cgroup& group) {
  if (group.version == 2) {
    for (const std::string& line : ReadLines(group.directory + "/cgroup.controllers")) {
      for (std::string& name : Split(line, ' ')) group.controllers.push_back(std::move(name));
    }
  }
  group.writable = MayWrite(group.directory, &group.problem);
  if (group.writable && group.version == 2)
    group.writable = MayWrite(group.directory + "/cgroup.subtree_control", &group.problem);
}

}  // namespace

Filesystem FindFilesystem(std::string_view name) {
  for (const std::string& line : ReadLines("/proc/filesystems")) {
    if (line.substr(line.find('\t') + 1) == name) return Filesystem::kPresent;
  }
  // "kernel/fs/overlayfs/overlay.ko.xz:"; the file is kmod's (depmod(8)).
  const std::string module = fmt::format("/{}.ko", name);
  for (const std::string& line :
       ReadLines(fmt::format("/lib/modules/{}/modules.dep", KernelRelease()))) {
    if (line.substr(0, line.find(':')).find(module) != std::string::npos)
      return Filesystem::kLoadable;
  }
  return Filesystem::kAbsent;
}

std::array<Support, kNamespaces.size()> TryNamespaces(bool as_nobody) {
  std::array<Support, kNamespaces.size()> answers;
  if (as_nobody && geteuid() == 0) {
    const bool dropped = setgroups(0, nullptr) == 0 && setresgid(kNobody, kNobody, kNobody) == 0 &&
                         setresuid(kNobody, kNobody, kNobody) == 0;
    if (!dropped) {
      answers.fill({Answer::kForbidden, errno});
      return answers;
    }
  }
  constexpr size_t kUser = 0;
  // Without rights everything else needs the user namespace; with them it must not hide behind it.
  if (as_nobody) answers[kUser] = Unshare(kUser);
  for (size_t kind = kUser + 1; kind < kNamespaces.size(); ++kind) answers[kind] = Unshare(kind);
  if (!as_nobody) answers[kUser] = Unshare(kUser);
  return answers;
}

std::vector<Cgroup> FindCgroups() {
  std::vector<Cgroup> groups;
  const std::vector<std::string> own = ReadLines("/proc/self/cgroup");
  for (const std::string& line : ReadLines("/proc/self/mountinfo")) {
    const std::vector<std::string> fields = Split(line, ' ');
    // ID parent device root mount options [optional…] - type source options (proc(5)).
    size_t dash = 6;
    while (dash < fields.size() && fields[dash] != "-") ++dash;
    if (dash + 3 >= fields.size()) continue;
    const std::string& type = fields[dash + 1];
    if (type != "cgroup" && type != "cgroup2") continue;
    Cgroup group;
    group.version = type == "cgroup2" ? 2 : 1;
    group.mount = UnescapeMountField(fields[4]);
    if (group.version == 1) {
      for (const std::string& option : Split(fields[dash + 3], ',')) {
        if (option != "rw" && option != "ro" && option != "xattr" && option != "clone_children" &&
            !option.starts_with("release_agent="))
          group.controllers.push_back(option);
      }
    }
    const std::string controller = group.controllers.empty() ? "" : group.controllers.front();
    group.directory =
        DirectoryOf(group.mount, UnescapeMountField(fields[3]), OwnPath(own, controller));
    Describe(group);
    groups.push_back(std::move(group));
  }
  return groups;
}

bool IsSystemdInit() {
  struct stat status;
  return lstat("/run/systemd/system", &status) == 0 && S_ISDIR(status.st_mode);
}

bool HasSelinux() { return ::access("/sys/fs/selinux/enforce", F_OK) == 0; }

}  // namespace wasmoor::os
