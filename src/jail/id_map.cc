#include "jail/id_map.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <string>
#include <string_view>
#include <vector>

#include "wasmoor/os/file.h"

namespace wasmoor::jail {
namespace {

struct Kind {
  const char* file;    // In /proc/PID.
  const char* helper;  // The program that may write it for others.
  const char* field;   // Of the configuration.
};
constexpr Kind kUids = {"uid_map", "newuidmap", "linux.uidMappings"};
constexpr Kind kGids = {"gid_map", "newgidmap", "linux.gidMappings"};

Status WriteProc(const os::Fd& process, const char* file, std::string_view text) {
  const os::Fd opened = TRY(os::OpenAt(process, file, O_WRONLY));
  // A map is taken in one write or not at all.
  return os::WriteAll(opened, {reinterpret_cast<const uint8_t*>(text.data()), text.size()});
}

// "0 100000 65536\n…", as the kernel takes it.
std::string TextOf(std::span<const oci::IdMapping> mappings) {
  std::string text;
  for (const oci::IdMapping& one : mappings)
    text += fmt::format("{} {} {}\n", one.container_id, one.host_id, one.size);
  return text;
}

Status RunHelper(const Kind& kind, pid_t child, std::span<const oci::IdMapping> mappings) {
  std::vector<std::string> words = {kind.helper, std::to_string(child)};
  for (const oci::IdMapping& one : mappings) {
    for (const uint32_t number : {one.container_id, one.host_id, one.size})
      words.push_back(std::to_string(number));
  }
  std::vector<char*> arguments;
  for (std::string& word : words) arguments.push_back(word.data());
  arguments.push_back(nullptr);
  pid_t pid = 0;
  if (const int error =
          ::posix_spawnp(&pid, kind.helper, nullptr, nullptr, arguments.data(), environ);
      error != 0)
    return FailErrno(error, "{}: {} (package uidmap) cannot be started", kind.field, kind.helper);
  int status = 0;
  while (::waitpid(pid, &status, 0) < 0 && errno == EINTR) continue;
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return {};
  return Fail(Code::kPermissionDenied,
              "{}: {} refused {}: user {} needs these ids in /etc/subuid and /etc/subgid",
              kind.field, kind.helper, TextOf(mappings).substr(0, TextOf(mappings).size() - 1),
              ::getuid());
}

bool IsOwnIdAlone(std::span<const oci::IdMapping> mappings, uint32_t own) {
  return mappings.size() == 1 && mappings[0].size == 1 && mappings[0].host_id == own;
}

// Failing to write for want of rights leads to the helper: what rights there are, capabilities
// alone do not tell, because this process may be in a user namespace itself.
Status WriteMap(const os::Fd& process, const Kind& kind, pid_t child,
                std::span<const oci::IdMapping> mappings) {
  if (mappings.empty()) return {};
  const Status written = WriteProc(process, kind.file, TextOf(mappings));
  if (written) return {};
  const int error = written.error().error_number();
  if (error == EPERM) return RunHelper(kind, child, mappings);
  if (error == EINVAL) {
    return Fail(Code::kInvalidArgument,
                "{}: the kernel refuses them: they overlap, or are too many", kind.field);
  }
  return FailErrno(error, "{}", kind.field);
}

}  // namespace

Status WriteIdMaps(pid_t child, std::span<const oci::IdMapping> uids,
                   std::span<const oci::IdMapping> gids) {
  const std::string path = fmt::format("/proc/{}", child);
  const os::Fd process = TRY(os::OpenAt(os::Fd(), path.c_str(), O_PATH | O_DIRECTORY));
  // Whoever maps their own group without any right must give up setgroups first: leaving a group
  // could open what the group is denied (user_namespaces(7)).
  if (::geteuid() != 0 && IsOwnIdAlone(gids, ::getegid()))
    TRY_AS(WriteProc(process, "setgroups", "deny"), "linux.gidMappings: setgroups");
  TRY(WriteMap(process, kGids, child, gids));
  return WriteMap(process, kUids, child, uids);
}

}  // namespace wasmoor::jail
