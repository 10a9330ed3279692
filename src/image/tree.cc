#include "image/tree.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <climits>

#include "wasmoor/os/file.h"

namespace wasmoor::image {
namespace {

constexpr mode_t kFolder = S_IFDIR | 0755, kProgram = S_IFREG | 0755, kPlain = S_IFREG | 0644;
constexpr mode_t kLink = S_IFLNK | 0777;

// Puts a node and the folders above it into the tree.
Status Put(Tree& tree, const std::string& path, Node node) {
  for (size_t slash = path.find('/'); slash != std::string::npos;
       slash = path.find('/', slash + 1)) {
    const std::string above = path.substr(0, slash);
    const auto it = tree.try_emplace(above, Node{{.path = above, .mode = kFolder}, ""}).first;
    if (!S_ISDIR(it->second.entry.mode))
      return Fail(Code::kInvalidArgument, "/{}: is in the image a folder and a file at once",
                  above);
  }
  const bool is_folder = S_ISDIR(node.entry.mode);
  node.entry.path = path;
  const auto [it, is_new] = tree.try_emplace(path, std::move(node));
  if (!is_new && !(is_folder && S_ISDIR(it->second.entry.mode)))
    return Fail(Code::kInvalidArgument, "/{}: is put into the image twice", path);
  return {};
}

Result<std::string> ReadLink(const std::string& path) {
  std::array<char, PATH_MAX> target;
  const ssize_t size = ::readlink(path.c_str(), target.data(), target.size());
  if (size < 0) return FailErrno(errno, "{}", path);
  return std::string(target.data(), static_cast<size_t>(size));
}

// What follows a symbolic link: the source that the user names, and nothing below it.
enum class Links : uint8_t { kFollow, kKeep };

Status Collect(Tree& tree, const std::string& source, const std::string& path, Links links) {
  const int flags = links == Links::kKeep ? O_PATH | O_NOFOLLOW : O_PATH;
  const os::Fd here = TRY(os::OpenAt(os::Fd(AT_FDCWD), source.c_str(), flags));
  const struct stat status = TRY_AS(os::Stat(here), "{}", source);
  switch (status.st_mode & S_IFMT) {
    case S_IFREG:
      return Put(tree, path,
                 {{.mode = (status.st_mode & S_IXUSR) != 0 ? kProgram : kPlain,
                   .bytes = static_cast<uint64_t>(status.st_size)},
                  source});
    case S_IFLNK:
      return Put(tree, path, {{.mode = kLink, .target = TRY(ReadLink(source))}, source});
    case S_IFDIR: break;
    default: return Fail(Code::kInvalidArgument, "{}: is neither a file nor a directory", source);
  }
  if (!path.empty()) TRY(Put(tree, path, {{.mode = kFolder}, source}));
  const os::Fd folder = TRY(os::OpenAt(os::Fd(AT_FDCWD), source.c_str(), O_RDONLY | O_DIRECTORY));
  for (const std::string& name : TRY_AS(os::ReadNames(folder), "{}", source))
    TRY(Collect(tree, fmt::format("{}/{}", source, name),
                path.empty() ? name : fmt::format("{}/{}", path, name), Links::kKeep));
  return {};
}

}  // namespace

Result<std::string> InnerPath(std::string_view path) {
  if (!path.starts_with('/'))
    return Fail(Code::kInvalidArgument, "'{}': must be an absolute path in the image", path);
  std::string inner;
  while (!path.empty()) {
    const std::string_view name = path.substr(0, path.find('/'));
    path.remove_prefix(std::min(path.size(), name.size() + 1));
    if (name.empty() || name == ".") continue;
    if (name == "..")
      return Fail(Code::kInvalidArgument, "'{}': a path in the image has no '..'", path);
    inner += inner.empty() ? "" : "/";
    inner += name;
  }
  return inner;
}

Result<Tree> CollectTree(const Recipe& recipe) {
  Tree tree;
  const std::string program = TRY(InnerPath(recipe.path));
  if (program.empty())
    return Fail(Code::kInvalidArgument, "'/' is no path for a program: name a file in the image");
  TRY(Put(tree, program, {{.mode = kProgram, .bytes = recipe.program.size()}, ""}));
  for (const Copied& file : recipe.files) {
    const std::string path = TRY(InnerPath(file.path));
    const os::Fd here = TRY(os::OpenAt(os::Fd(AT_FDCWD), file.source.c_str(), O_PATH));
    if (path.empty() && !S_ISDIR(TRY(os::Stat(here)).st_mode))
      return Fail(Code::kInvalidArgument, "{}: only a directory can become '/'", file.source);
    TRY(Collect(tree, file.source, path, Links::kFollow));
  }
  return tree;
}

}  // namespace wasmoor::image
