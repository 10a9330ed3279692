#include "cmd/shim_line/address.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "base/checksum.h"
#include "base/sha256.h"
#include "proto/containerd/task.pb.h"
#include "wasmoor/oci/spec.h"
#include "wasmoor/os/file.h"
#include "wasmoor/os/unix_socket.h"
#include "wasmoor/ttrpc/client.h"

namespace wasmoor::cmd {
namespace {

using Json = nlohmann::json;

constexpr size_t kMostPath = 106;  // unix(7): 108 with a NUL; containerd keeps to one less.
constexpr const char* kUsualDirectory = "/run/containerd/s";
constexpr const char* kAddressFile = "address";
constexpr std::string_view kScheme = "unix://";
constexpr std::array kGroupAnnotations = {"io.containerd.runc.v2.group",
                                          "io.kubernetes.cri.sandbox-id"};

// Of a config.json the annotations alone: the rest is read by who makes the container.
Json ReadAnnotations(std::span<const uint8_t> text) {
  const auto only_annotations = [](int depth, Json::parse_event_t event, Json& value) {
    return depth != 1 || event != Json::parse_event_t::key || value == "annotations";
  };
  const Json spec = Json::parse(text.begin(), text.end(), only_annotations, false);
  if (!spec.is_object() || !spec.contains("annotations")) return Json::object();
  return spec["annotations"];
}

// The directory, held against all others who claim a socket in it, until it is closed.
Result<os::Fd> LockDirectory(const std::string& path) {
  const std::string parent = std::filesystem::path(path).parent_path();
  std::error_code failed;
  std::filesystem::create_directories(parent, failed);
  if (failed) return FailErrno(failed.value(), "make {}", parent);
  os::Fd directory = TRY(os::OpenAt(os::Fd(), parent.c_str(), O_RDONLY | O_DIRECTORY));
  while (::flock(directory.get(), LOCK_EX) != 0) {
    if (errno != EINTR) return FailErrno(errno, "lock {}", parent);
  }
  return directory;
}

// Whether who serves it answers, with whatever: the socket of a process that is being killed
// accepts connections until the kernel comes to close it.
bool IsSocketAnswered(const std::string& path) {
  constexpr std::chrono::seconds kPatience{1};
  Result<ttrpc::BlockingClient> client = ttrpc::BlockingClient::Connect(path);
  if (!client) return client.error().error_number() == EAGAIN;
  const Result<std::string> answer = client->Call("containerd.task.v2.Task", "Connect",
                                                  ::containerd::task::v2::ConnectRequest(),
                                                  {.timeout = kPatience, .metadata = {}});
  return answer || answer.error().code() != Code::kUnavailable;
}

}  // namespace

Result<std::string> GroupOf(const std::string& id) {
  const Result<os::Fd> file = os::OpenAt(os::Fd(AT_FDCWD), "config.json", O_RDONLY);
  if (!file && file.error().error_number() == ENOENT) return id;
  if (!file) return tl::unexpected(file.error());
  const Json annotations =
      ReadAnnotations(TRY_AS(os::ReadAll(*file, oci::kMaxSpecBytes), "config.json"));
  for (const char* name : kGroupAnnotations) {
    const auto found = annotations.find(name);
    if (found != annotations.end() && found->is_string() &&
        !found->get_ref<const std::string&>().empty())
      return found->get<std::string>();
  }
  return id;
}

Result<std::string> SocketName::Path() const {
  const std::string name =
      (std::filesystem::path(containerd_address) / name_space / group).lexically_normal().string();
  const std::string root = directory.empty() ? kUsualDirectory : directory;
  std::string path = fmt::format(
      "{}/{}", root, ToHex(HashOf({reinterpret_cast<const uint8_t*>(name.data()), name.size()})));
  if (path.size() > kMostPath)
    return Fail(Code::kInvalidArgument,
                "the socket {} would have a path of {} characters, and {} is the most: choose a "
                "shorter directory for the sockets of shims",
                path, path.size(), kMostPath);
  return path;
}

bool IsSocketServed(const std::string& path) {
  const Result<os::Fd> connection = os::ConnectUnixAtOnce(path);
  // Whose queue is full is there.
  return connection || connection.error().error_number() == EAGAIN;
}

Result<Claim> ClaimSocket(const std::string& path) {
  const os::Fd lock = TRY(LockDirectory(path));
  if (IsSocketServed(path)) return Claim{.is_served = true};
  if (::unlink(path.c_str()) != 0 && errno != ENOENT)
    return FailErrno(errno, "remove the socket {}, which nobody serves", path);
  return Claim{.is_served = false, .listening = TRY(os::ListenUnix(path))};
}

Status RemoveDeadSocket(const std::string& path) {
  if (::access(path.c_str(), F_OK) != 0) return {};
  const os::Fd lock = TRY(LockDirectory(path));
  if (IsSocketAnswered(path)) return {};
  if (::unlink(path.c_str()) != 0 && errno != ENOENT) return FailErrno(errno, "remove {}", path);
  return {};
}

std::string AddressOf(const std::string& path) { return std::string(kScheme) + path; }

Status WriteAddress(const std::string& path) {
  constexpr mode_t kOwner = 0600;
  const os::Fd file = TRY(os::OpenAt(os::Fd(AT_FDCWD), kAddressFile,
                                     O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW, kOwner));
  return os::WriteAll(file, AddressOf(path));
}

Result<std::string> ReadAddress(const std::string& bundle) {
  constexpr size_t kMostText = 4096;
  const std::string path = bundle + "/" + kAddressFile;
  const os::Fd file = TRY(os::OpenAt(os::Fd(), path.c_str(), O_RDONLY | O_NOFOLLOW));
  const auto bytes = TRY(os::ReadAll(file, kMostText));
  const std::string address(bytes.begin(), bytes.end());
  if (!address.starts_with(kScheme))
    return Fail(Code::kInvalidArgument, "{} holds no socket's address", path);
  return address.substr(kScheme.size());
}

}  // namespace wasmoor::cmd
