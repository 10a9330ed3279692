#include "jail/rootfs/mount_target.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <climits>
#include <deque>
#include <string_view>
#include <vector>

#include "wasmoor/os/file.h"

namespace wasmoor::jail {
namespace {

constexpr int kMaxLinks = 40;  // As the kernel's own MAXSYMLINKS, path_resolution(7).
constexpr mode_t kDirectoryMode = 0755;
constexpr mode_t kFileMode = 0644;

std::vector<std::string> Split(std::string_view path) {
  std::vector<std::string> names;
  while (!path.empty()) {
    const size_t slash = path.find('/');
    const std::string_view name = path.substr(0, slash);
    if (!name.empty() && name != ".") names.emplace_back(name);
    path = slash == std::string_view::npos ? "" : path.substr(slash + 1);
  }
  return names;
}

// Walks a path name by name and makes what is missing. It holds every directory on its way open, so
// that ".." goes back the way it came and a directory that is moved takes nobody along.
class Walk {
 public:
  Walk(const os::Fd& root, os::Links links) : root_(root), links_(links) {}

  Result<os::Fd> To(const std::string& path, TargetKind kind) {
    Push(path);
    while (!rest_.empty()) {
      const std::string name = std::move(rest_.front());
      rest_.pop_front();
      if (name == "..") {
        if (!way_.empty()) way_.pop_back();
        continue;
      }
      const bool last = rest_.empty();
      os::Fd next = TRY(OpenOrMake(name, last ? kind : TargetKind::kDirectory));
      const struct stat status = TRY(os::Stat(next));
      if (S_ISLNK(status.st_mode)) {
        TRY(Follow(next, name));
      } else if (last || S_ISDIR(status.st_mode)) {
        way_.push_back(std::move(next));
      } else {
        return FailErrno(ENOTDIR, "{}", name);
      }
    }
    if (way_.empty()) return os::OpenAt(root_, ".", O_PATH | O_DIRECTORY);
    return std::move(way_.back());
  }

 private:
  const os::Fd& here() const { return way_.empty() ? root_ : way_.back(); }

  void Push(std::string_view path) {
    const std::vector<std::string> names = Split(path);
    rest_.insert(rest_.begin(), names.begin(), names.end());
  }

  Result<os::Fd> OpenOrMake(const std::string& name, TargetKind kind) {
    auto found = os::OpenAt(here(), name.c_str(), O_PATH | O_NOFOLLOW);
    if (found || found.error().error_number() != ENOENT) return found;
    const int made = kind == TargetKind::kDirectory
                         ? mkdirat(here().get(), name.c_str(), kDirectoryMode)
                         : mknodat(here().get(), name.c_str(), S_IFREG | kFileMode, 0);
    if (made != 0 && errno != EEXIST) return FailErrno(errno, "make {}", name);
    return os::OpenAt(here(), name.c_str(), O_PATH | O_NOFOLLOW);
  }

  Status Follow(const os::Fd& link, const std::string& name) {
    if (links_ == os::Links::kNoLinks || ++followed_ > kMaxLinks)
      return FailErrno(ELOOP, "{} is a symbolic link", name);
    std::array<char, PATH_MAX> text;
    const ssize_t size = readlinkat(link.get(), "", text.data(), text.size());
    if (size < 0) return FailErrno(errno, "readlink {}", name);
    const std::string_view to(text.data(), static_cast<size_t>(size));
    if (to.starts_with('/')) way_.clear();
    Push(to);
    return {};
  }

  const os::Fd& root_;
  os::Links links_;
  std::vector<os::Fd> way_;  // The directories from below the root to here.
  std::deque<std::string> rest_;
  int followed_ = 0;
};

}  // namespace

Result<os::Fd> OpenTarget(const os::Fd& root, const std::string& path, TargetKind kind,
                          os::Links links) {
  auto found = os::OpenInRoot(root, path, O_PATH, links);
  if (found || found.error().error_number() != ENOENT) return found;
  return Walk(root, links).To(path, kind);
}

Result<NamedPlace> OpenParent(const os::Fd& root, const std::string& path) {
  const std::string clean = CleanPath(path);
  const size_t slash = clean.rfind('/');
  if (clean.size() == 1) return Fail(Code::kInvalidArgument, "{}: names no file", path);
  return NamedPlace{TRY(OpenTarget(root, slash == 0 ? "/" : clean.substr(0, slash),
                                   TargetKind::kDirectory, os::Links::kFollow)),
                    clean.substr(slash + 1)};
}

std::string CleanPath(const std::string& path) {
  std::vector<std::string> clean;
  for (std::string& name : Split(path)) {
    if (name != "..") {
      clean.push_back(std::move(name));
    } else if (!clean.empty()) {
      clean.pop_back();
    }
  }
  std::string out;
  for (const std::string& name : clean) out += "/" + name;
  return out.empty() ? "/" : out;
}

}  // namespace wasmoor::jail
