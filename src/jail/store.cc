#include "jail/store.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <thread>

#include "wasmoor/base/time.h"
#include "wasmoor/os/file.h"

namespace wasmoor::jail {
namespace {

using nlohmann::json;
using std::chrono::milliseconds;

constexpr const char* kState = "state.json";
constexpr std::string_view kNew = ".new";
constexpr size_t kMostText = size_t{32} << 20;
constexpr size_t kLongestId = 1024;
constexpr milliseconds kPause{10};

bool IsIdCharacter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
         std::string_view("_+-.").find(c) != std::string_view::npos;
}

Status CheckId(std::string_view id) {
  if (!id.empty() && id.size() <= kLongestId && id.front() != '.' &&
      std::all_of(id.begin(), id.end(), IsIdCharacter))
    return {};
  return Fail(Code::kInvalidArgument,
              "invalid container id '{}': one to {} letters, digits and _ + - . that do not start "
              "with a dot",
              id, kLongestId);
}

tl::unexpected<Error> DoesNotExist(std::string_view id) {
  return Fail(Code::kNotFound, "container \"{}\" does not exist", id);
}

std::string ToText(const Record& record) {
  const json text = {{"version", 1},
                     {"id", record.id},
                     {"bundle", record.bundle},
                     {"rootfs", record.rootfs},
                     {"complete", record.complete},
                     {"pid", record.init.pid},
                     {"startTime", record.init.start_time},
                     {"cgroup", record.cgroup},
                     {"executor", record.executor},
                     {"hasPoststart", record.has_poststart},
                     {"hasPoststop", record.has_poststop},
                     {"created", ToNanoseconds(record.created)},
                     {"owner", record.owner},
                     {"annotations", record.annotations}};
  return text.dump(-1, ' ', false, json::error_handler_t::replace);
}

// Adapter of the library, which throws at what is missing or of another type.
Result<Record> FromText(const std::string& text) {
  try {
    const json in = json::parse(text);
    Record record;
    in.at("id").get_to(record.id);
    in.at("bundle").get_to(record.bundle);
    in.at("rootfs").get_to(record.rootfs);
    in.at("complete").get_to(record.complete);
    in.at("pid").get_to(record.init.pid);
    in.at("startTime").get_to(record.init.start_time);
    in.at("cgroup").get_to(record.cgroup);
    in.at("executor").get_to(record.executor);
    // An older runtime did not say.
    record.has_poststart = in.value("hasPoststart", true);
    record.has_poststop = in.value("hasPoststop", true);
    record.created = FromNanoseconds(in.at("created").get<int64_t>());
    in.at("owner").get_to(record.owner);
    in.at("annotations").get_to(record.annotations);
    // kill(2) takes one for a group of processes, or for all there are.
    if (record.init.pid < 0)
      return Fail(Code::kDataLoss, "cannot be understood: pid {}", record.init.pid);
    return record;
  } catch (const json::exception& error) {
    return Fail(Code::kDataLoss, "cannot be understood: {}", error.what());
  }
}

// False if the directory lost its name, or another got it, before it was locked.
Result<bool> TryLockPlace(const os::Fd& root, const std::string& id, os::Fd* lock) {
  auto opened = os::OpenAt(root, id.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
  if (!opened && opened.error().code() == Code::kNotFound) return DoesNotExist(id);
  *lock = TRY(std::move(opened));
  if (!TRY(os::TryLock(*lock))) return false;
  return os::IsNamed(*lock, root, id.c_str());
}

Status RemoveAll(const os::Fd& directory) {
  for (const std::string& name : TRY(os::ReadNames(directory))) {
    Status removed = os::UnlinkAt(directory, name.c_str());
    if (!removed && removed.error().error_number() == EISDIR) {
      const os::Fd nested =
          TRY(os::OpenAt(directory, name.c_str(), O_PATH | O_DIRECTORY | O_NOFOLLOW));
      TRY(RemoveAll(nested));
      removed = os::UnlinkAt(directory, name.c_str(), AT_REMOVEDIR);
    }
    if (!removed && removed.error().code() != Code::kNotFound) return removed;
  }
  return {};
}

}  // namespace

Result<bool> Place::IsSameAs(const Place& other) const {
  return os::IsSameFile(TRY(os::Stat(directory_)), TRY(os::Stat(other.directory_)));
}

Result<std::string> Place::ReadFile(const char* name) const {
  const os::Fd file = TRY(os::OpenAt(directory_, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK));
  const auto bytes = TRY_AS(os::ReadAll(file, kMostText), "{}", name);
  return std::string(bytes.begin(), bytes.end());
}

Status Place::WriteFile(const char* name, std::string_view text) const {
  const std::string fresh = name + std::string(kNew);
  const os::Fd file = TRY(os::OpenAt(directory_, fresh.c_str(),
                                     O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW, S_IRUSR | S_IWUSR));
  TRY_AS(os::WriteAll(file, text), "container \"{}\": {}", id_, name);
  return os::RenameAt(directory_, fresh.c_str(), name);
}

Result<Record> Place::Read() const {
  const std::string text = TRY_AS(ReadFile(kState), "container \"{}\"", id_);
  return TRY_AS(FromText(text), "container \"{}\": {}", id_, kState);
}

Status Place::Write(const Record& record) const { return WriteFile(kState, ToText(record)); }

Status Place::Remove() {
  TRY_AS(RemoveAll(directory_), "container \"{}\": its state", id_);
  TRY_AS(os::UnlinkAt(*root_, id_.c_str(), AT_REMOVEDIR), "container \"{}\": its state", id_);
  Unlock();
  return {};
}

Result<Store> Store::Open(const std::string& path, milliseconds patience) {
  std::error_code error;
  std::filesystem::create_directories(std::filesystem::path(path).parent_path(), error);
  if (::mkdir(path.c_str(), S_IRWXU) != 0 && errno != EEXIST)
    return FailErrno(errno, "the directory of container states, {}", path);
  os::Fd root = TRY_AS(os::OpenAt(os::Fd(), path.c_str(), O_PATH | O_DIRECTORY),
                       "the directory of container states");
  return Store(std::move(root), path, patience);
}

Result<Place> Store::Make(std::string_view id) const {
  TRY(CheckId(id));
  Place place;
  place.id_ = id;
  place.root_ = &root_;
  for (;;) {
    if (::mkdirat(root_.get(), place.id_.c_str(), S_IRWXU) != 0) {
      if (errno == EEXIST) return Fail(Code::kAlreadyExists, "container \"{}\" already exists", id);
      return FailErrno(errno, "container \"{}\": its state", id);
    }
    // Somebody may have found it before it was locked, and cleared it as rubbish.
    const auto locked = TryLockPlace(root_, place.id_, &place.lock_.file);
    if (locked && *locked) break;
    if (!locked && locked.error().code() != Code::kNotFound) return tl::unexpected(locked.error());
  }
  place.directory_ = TRY(os::OpenAt(place.lock_.file, ".", O_PATH | O_DIRECTORY));
  return place;
}

Result<Place> Store::Find(std::string_view id) const {
  TRY(CheckId(id));
  Place place;
  place.id_ = id;
  place.root_ = &root_;
  auto directory = os::OpenAt(root_, place.id_.c_str(), O_PATH | O_DIRECTORY | O_NOFOLLOW);
  if (!directory && directory.error().code() == Code::kNotFound) return DoesNotExist(id);
  place.directory_ = TRY_AS(std::move(directory), "container \"{}\"", id);
  return place;
}

Result<Place> Store::FindAndLock(std::string_view id, milliseconds patience) const {
  TRY(CheckId(id));
  const auto give_up = std::chrono::steady_clock::now() + patience;
  Place place;
  place.id_ = id;
  place.root_ = &root_;
  while (!TRY(TryLockPlace(root_, place.id_, &place.lock_.file))) {
    if (std::chrono::steady_clock::now() >= give_up) {
      return Fail(Code::kUnavailable,
                  "container \"{}\": another command is at work on it; try again when it is done",
                  id);
    }
    std::this_thread::sleep_for(kPause);
  }
  place.directory_ = TRY(os::OpenAt(place.lock_.file, ".", O_PATH | O_DIRECTORY));
  return place;
}

Result<std::vector<std::string>> Store::List() const {
  std::vector<std::string> ids = TRY(os::ReadNames(root_));
  std::erase_if(ids, [](const std::string& name) { return !CheckId(name); });
  std::sort(ids.begin(), ids.end());
  return ids;
}

}  // namespace wasmoor::jail
