// Which directory may hold what this process trusts: native code that it will run, a filter that
// it will put on others.
//
// Only one that nobody but its user (or root, who can do anything anyway) can write, and that
// nobody else can exchange for another. So the path is walked from "/", and every component of it,
// symbolic links and their targets included, must
//   - belong to the caller's user or to root: an owner can change the mode at will;
//   - not be writable by its group or by others, or, above the last component, be sticky as /tmp
//   is:
//     there nobody can rename or remove what is ours (unlink(2), "EPERM or EACCES").
// By induction from "/", only the two trusted users can change what the path leads to after a
// component was looked at, so that looking at names instead of descriptors is no race. An ACL that
// lets somebody write shows in the group bits, which are its mask (acl(5)).
//
// In a user namespace, files of users who are not mapped into it, the host's root among them, seem
// to belong to the overflow user. Such an owner is accepted of the directories above, whose real
// owner cannot be told from in there, and never of the directory itself.

#include "os/private_directory.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <cstdint>
#include <cstdio>
#include <deque>
#include <string>

#include "wasmoor/os/file.h"

namespace wasmoor::os {
namespace {

constexpr int kMaxSymlinks = 40;  // As the kernel, path_resolution(7).
constexpr mode_t kWritableByOthers = S_IWGRP | S_IWOTH;

std::string ReadProc(const char* path) {
  const auto file = OpenAt(Fd(), path, O_RDONLY);
  if (!file) return "";
  const auto bytes = ReadAll(*file, PIPE_BUF);
  return bytes ? std::string(bytes->begin(), bytes->end()) : "";
}

// True if this process lives in a user namespace that lacks a part of the host's users, and `user`
// is the one that they appear as (user_namespaces(7), "Unmapped user and group IDs").
bool IsUnmapped(uid_t user) {
  unsigned overflow = 0, first = 0, outside = 0, count = 0;
  if (sscanf(ReadProc("/proc/sys/kernel/overflowuid").c_str(), "%u", &overflow) != 1 ||
      overflow != user) {
    return false;
  }
  const std::string map = ReadProc("/proc/self/uid_map");
  if (sscanf(map.c_str(), "%u %u %u", &first, &outside, &count) != 3) return false;
  return first != 0 || outside != 0 || count != UINT32_MAX;
}

// Refuses an ancestor (or a symbolic link on the way) through which somebody else could put another
// directory in this one's place.
Status CheckAncestor(const std::string& path, const struct stat& status, const PrivateUse& use) {
  if (status.st_uid != 0 && status.st_uid != geteuid() && !IsUnmapped(status.st_uid)) {
    return Fail(Code::kPermissionDenied,
                "{} would not be safe: {} belongs to user {}, who could replace {}; {}, or run "
                "'chown {} {}'",
                use.what, path, status.st_uid, use.content, use.remedy, geteuid(), path);
  }
  if (S_ISLNK(status.st_mode) || (status.st_mode & kWritableByOthers) == 0 ||
      (status.st_mode & S_ISVTX) != 0) {
    return {};
  }
  return Fail(Code::kPermissionDenied,
              "{} is not safe: {} can be written by other users (mode {:04o}), who could replace "
              "{}; run 'chmod go-w {}'",
              use.what, path, status.st_mode & 07777, use.content, path);
}

Status CheckLast(const std::string& path, const struct stat& status, const PrivateUse& use) {
  if (status.st_uid != 0 && status.st_uid != geteuid()) {
    return Fail(Code::kPermissionDenied,
                "{} {} belongs to user {}, not to the user of this process ({}): {} is not "
                "trusted; {}, or run 'chown -R {} {}'",
                use.what, path, status.st_uid, geteuid(), use.content, use.remedy, geteuid(), path);
  }
  if ((status.st_mode & kWritableByOthers) == 0) return {};
  return Fail(Code::kPermissionDenied,
              "{} {} can be written by other users (mode {:04o}): {} is not trusted; empty it, "
              "then run 'chmod go-w {}'",
              use.what, path, status.st_mode & 07777, use.content, path);
}

// A walk along a path, one component at a time, symbolic links resolved.
class Walk {
 public:
  Walk(const std::filesystem::path& path, const PrivateUse& use) : use_(use) { Push(path); }

  // To the end; the path that was reached, free of symbolic links.
  Result<std::string> Finish();

 private:
  void Push(const std::filesystem::path& path);
  Status Step(const std::string& name);
  Status FollowLink(const std::string& path);
  std::string Join(const std::string& name) const { return here_ + '/' + name; }

  const PrivateUse& use_;
  std::string here_;  // Without the slash at the end: "" is the root.
  std::deque<std::string> rest_;
  int links_ = 0;
};

// Puts the components of `path` in front of what is left to walk.
void Walk::Push(const std::filesystem::path& path) {
  auto at = rest_.begin();
  for (const auto& part : path.relative_path()) {
    if (!part.empty() && part != ".") at = std::next(rest_.insert(at, part.string()));
  }
}

Status Walk::FollowLink(const std::string& path) {
  if (++links_ > kMaxSymlinks) return FailErrno(ELOOP, "{}: {}", use_.what, path);
  std::string target(PATH_MAX, '\0');
  const ssize_t length = readlink(path.c_str(), target.data(), target.size());
  if (length < 0) return FailErrno(errno, "{}: read link {}", use_.what, path);
  target.resize(static_cast<size_t>(length));
  if (target.starts_with('/')) here_.clear();
  Push(target);
  return {};
}

Status Walk::Step(const std::string& name) {
  if (name == "..") {
    here_.resize(here_.empty() ? 0 : here_.rfind('/'));
    return {};
  }
  const std::string path = Join(name);
  struct stat status;
  if (lstat(path.c_str(), &status) != 0) {
    if (errno != ENOENT) return FailErrno(errno, "{}: {}", use_.what, path);
    if (mkdir(path.c_str(), S_IRWXU) != 0 && errno != EEXIST) {
      return FailErrno(errno, "{}: cannot make the directory {}", use_.what, path);
    }
    // Looked at whoever made it.
    if (lstat(path.c_str(), &status) != 0) return FailErrno(errno, "{}: {}", use_.what, path);
  }
  if (S_ISLNK(status.st_mode)) {
    TRY(CheckAncestor(path, status, use_));
    return FollowLink(path);
  }
  if (!S_ISDIR(status.st_mode)) {
    return Fail(Code::kInvalidArgument, "{} cannot be at {}: it is not a directory", use_.what,
                path);
  }
  TRY(rest_.empty() ? CheckLast(path, status, use_) : CheckAncestor(path, status, use_));
  here_ = path;
  return {};
}

Result<std::string> Walk::Finish() {
  struct stat root;
  if (lstat("/", &root) != 0) return FailErrno(errno, "{}: /", use_.what);
  TRY(CheckAncestor("/", root, use_));
  while (!rest_.empty()) {
    const std::string name = std::move(rest_.front());
    rest_.pop_front();
    TRY(Step(name));
  }
  return here_.empty() ? "/" : here_;
}

}  // namespace

Result<Fd> OpenPrivateDirectory(const std::filesystem::path& path, const PrivateUse& use) {
  std::error_code error;
  const std::filesystem::path absolute = std::filesystem::absolute(path, error);
  if (path.empty() || error) {
    return Fail(Code::kInvalidArgument, "{}: '{}' is not a path", use.what, path.native());
  }
  const std::string real = TRY(Walk(absolute, use).Finish());
  auto directory = TRY(OpenAt(Fd(), real.c_str(), O_PATH | O_DIRECTORY | O_NOFOLLOW));
  // The last word is about what was opened.
  TRY(CheckLast(real, TRY(Stat(directory)), use));
  return directory;
}

}  // namespace wasmoor::os
