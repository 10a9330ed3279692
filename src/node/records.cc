#include "wasmoor/node/records.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <filesystem>
#include <thread>

#include "node/record_text.h"
#include "os/private_directory.h"
#include "wasmoor/base/printable.h"
#include "wasmoor/os/file.h"

namespace wasmoor::node {
namespace {

namespace fs = std::filesystem;

constexpr const char* kName = "sandbox.json";
constexpr const char* kUnfinished = "sandbox.json.new";
constexpr const char* kLock = ".lock";  // No namespace's name begins with a dot.
constexpr mode_t kPrivate = 0700, kOwner = 0600;
constexpr uint64_t kMostText = 1 << 20;
// A daemon that was killed may have had a child that is not yet what it is to be, and has the lock
// for as long.
constexpr int kLockTries = 60;
constexpr std::chrono::milliseconds kBetweenLockTries{50};

Status MakeDirectory(const std::string& path) {
  if (::mkdir(path.c_str(), kPrivate) != 0 && errno != EEXIST) return FailErrno(errno, "{}", path);
  return {};
}

Result<Record> ReadOne(const std::string& directory, const Key& key) {
  const std::string path = directory + "/" + kName;
  const os::Fd file = TRY(os::OpenAt(os::Fd(), path.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK));
  const auto bytes = TRY_AS(os::ReadAll(file, kMostText), "{}", path);
  Record record = TRY(ParseRecord({reinterpret_cast<const char*>(bytes.data()), bytes.size()}));
  if (record.place.key != key)
    return Fail(Code::kInvalidArgument, "it names the sandbox '{}' of the namespace '{}'",
                Printable(record.place.key.id), Printable(record.place.key.name_space));
  return record;
}

// Of directories alone; others are no namespaces and no sandboxes.
std::vector<std::string> NamesIn(const std::string& directory) {
  std::vector<std::string> names;
  std::error_code failed;
  for (fs::directory_iterator at(directory, failed), end; !failed && at != end;
       at.increment(failed))
    names.push_back(at->path().filename().string());
  return names;
}

}  // namespace

Result<Records> Records::Open(const std::string& directory) {
  os::Fd opened = TRY(os::OpenPrivateDirectory(
      directory, {.what = "the state of the node's sandboxes",
                  .content = "it",
                  .remedy = "choose another directory with 'state' in the configuration"}));
  return Records(directory, std::move(opened));
}

std::string Records::DirectoryOf(const Key& key) const {
  return fmt::format("{}/{}/{}", directory_, key.name_space, key.id);
}

Status Records::Lock() {
  os::Fd file =
      TRY_AS(os::OpenAt(opened_, kLock, O_RDWR | O_CREAT | O_NOFOLLOW, kOwner), "{}", directory_);
  bool is_locked = false;
  for (int tries = 0; tries < kLockTries && !is_locked; ++tries) {
    if (tries > 0) std::this_thread::sleep_for(kBetweenLockTries);
    is_locked = TRY_AS(os::TryLock(file), "{}", directory_);
  }
  if (!is_locked)
    return Fail(Code::kFailedPrecondition,
                "another daemon serves the sandboxes of {}: stop that one first "
                "('fuser {}/{}' names it), or give this one another state directory",
                directory_, directory_, kLock);
  lock_ = std::move(file);
  return {};
}

Status Records::Write(const Record& record) {
  const Key& key = record.place.key;
  TRY(Check(key));
  TRY(MakeDirectory(directory_ + "/" + key.name_space));
  const std::string path = DirectoryOf(key);
  TRY(MakeDirectory(path));
  const os::Fd directory = TRY(os::OpenAt(os::Fd(), path.c_str(), O_PATH | O_DIRECTORY));
  const os::Fd file =
      TRY_AS(os::OpenAt(directory, kUnfinished, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW, kOwner),
             "{}", path);
  TRY_AS(os::WriteAll(file, TextOf(record)), "{}/{}", path, kUnfinished);
  TRY_AS(os::RenameAt(directory, kUnfinished, kName), "{}", path);
  return {};
}

Status Records::Remove(const Key& key) {
  TRY(Check(key));
  const std::string path = DirectoryOf(key);
  std::error_code failed;
  fs::remove_all(path, failed);
  if (failed) return FailErrno(failed.value(), "remove {}", path);
  // It stays while another sandbox is in it.
  ::rmdir((directory_ + "/" + key.name_space).c_str());
  return {};
}

Result<std::vector<Record>> Records::ReadAll(
    const std::function<void(std::string_view)>& warn) const {
  std::vector<Record> records;
  for (const std::string& name_space : NamesIn(directory_)) {
    if (name_space == kLock) continue;
    const std::string of_namespace = fmt::format("{}/{}", directory_, name_space);
    struct stat status;
    if (::lstat(of_namespace.c_str(), &status) != 0 || !S_ISDIR(status.st_mode)) {
      warn(fmt::format("{} is no namespace's directory, and is passed over",
                       Printable(of_namespace)));
      continue;
    }
    for (const std::string& id : NamesIn(of_namespace)) {
      const std::string directory = fmt::format("{}/{}", of_namespace, id);
      Result<Record> record = ReadOne(directory, {.name_space = name_space, .id = id});
      if (record) {
        records.push_back(*std::move(record));
      } else {
        warn(fmt::format("{} is no sandbox's state, and is passed over: {}", Printable(directory),
                         record.error().message()));
      }
    }
  }
  return records;
}

void Records::RemoveUnfinished() const {
  for (const std::string& name_space : NamesIn(directory_)) {
    const std::string of_namespace = fmt::format("{}/{}", directory_, name_space);
    if (name_space == kLock) continue;
    for (const std::string& id : NamesIn(of_namespace)) {
      const std::string directory = fmt::format("{}/{}", of_namespace, id);
      const std::string record = fmt::format("{}/{}", directory, kName);
      struct stat status;
      if (::lstat(directory.c_str(), &status) != 0 || !S_ISDIR(status.st_mode)) continue;
      if (::lstat(record.c_str(), &status) == 0 || errno != ENOENT) continue;
      std::error_code failed;  // It is told of as what is no sandbox's state.
      fs::remove_all(directory, failed);
    }
    ::rmdir(of_namespace.c_str());
  }
}

}  // namespace wasmoor::node
