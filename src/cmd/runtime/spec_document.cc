#include "cmd/runtime/spec_document.h"

#include "cmd/line/json_text.h"

#include <nlohmann/json.hpp>
#include <string_view>
#include <vector>

#include "wasmoor/oci/state.h"

namespace wasmoor::cmd {
namespace {

using Names = std::vector<std::string_view>;

Json Process(const std::vector<std::string>& words) {
  const Names capabilities = {"CAP_AUDIT_WRITE", "CAP_KILL", "CAP_NET_BIND_SERVICE"};
  constexpr int kFiles = 1024;
  return {
      {"terminal", words.empty()},
      {"user", {{"uid", 0}, {"gid", 0}}},
      {"args", words.empty() ? std::vector<std::string>{"sh"} : words},
      {"env",
       Names{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "TERM=xterm"}},
      {"cwd", "/"},
      {"capabilities",
       {{"bounding", capabilities}, {"effective", capabilities}, {"permitted", capabilities}}},
      {"rlimits", Json::array({{{"type", "RLIMIT_NOFILE"}, {"hard", kFiles}, {"soft", kFiles}}})},
      {"noNewPrivileges", true}};
}

Json Mount(std::string_view destination, std::string_view type, std::string_view source,
           const Names& options) {
  Json mount = {{"destination", destination}, {"type", type}, {"source", source}};
  if (!options.empty()) mount["options"] = options;
  return mount;
}

Json Mounts(bool rootless) {
  Json mounts = Json::array();
  mounts.push_back(Mount("/proc", "proc", "proc", {}));
  mounts.push_back(
      Mount("/dev", "tmpfs", "tmpfs", {"nosuid", "strictatime", "mode=755", "size=65536k"}));
  // The group of terminals is not in the map of a user alone.
  Names terminals = {"nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620"};
  if (!rootless) terminals.push_back("gid=5");
  mounts.push_back(Mount("/dev/pts", "devpts", "devpts", terminals));
  mounts.push_back(
      Mount("/dev/shm", "tmpfs", "shm", {"nosuid", "noexec", "nodev", "mode=1777", "size=65536k"}));
  mounts.push_back(Mount("/dev/mqueue", "mqueue", "mqueue", {"nosuid", "noexec", "nodev"}));
  if (rootless) {
    // Without a network namespace of its own no sysfs may be mounted: the host's is bound.
    mounts.push_back(Mount("/sys", "none", "/sys", {"rbind", "nosuid", "noexec", "nodev", "ro"}));
    return mounts;
  }
  mounts.push_back(Mount("/sys", "sysfs", "sysfs", {"nosuid", "noexec", "nodev", "ro"}));
  mounts.push_back(
      Mount("/sys/fs/cgroup", "cgroup", "cgroup", {"nosuid", "noexec", "nodev", "relatime", "ro"}));
  return mounts;
}

Json Namespaces(bool rootless) {
  Names types = {"pid", "ipc", "uts", "mount", "cgroup"};
  // A user alone may make a network namespace too, but nothing that leads out of it.
  types.push_back(rootless ? "user" : "network");
  Json namespaces = Json::array();
  for (std::string_view type : types) namespaces.push_back({{"type", type}});
  return namespaces;
}

Json IdMap(uint32_t host_id) {
  return Json::array({{{"containerID", 0}, {"hostID", host_id}, {"size", 1}}});
}

}  // namespace

Json SpecDocument(const std::vector<std::string>& words,
                  const std::optional<RootlessUser>& rootless) {
  Json document;
  document["ociVersion"] = oci::State().oci_version;
  document["process"] = Process(words);
  document["root"] = {{"path", "rootfs"}, {"readonly", true}};
  document["hostname"] = "wasmoor";
  document["mounts"] = Mounts(rootless.has_value());
  Json& on_linux = document["linux"];
  if (rootless) {
    on_linux["uidMappings"] = IdMap(rootless->uid);
    on_linux["gidMappings"] = IdMap(rootless->gid);
  } else {
    on_linux["resources"] = {{"devices", Json::array({{{"allow", false}, {"access", "rwm"}}})}};
  }
  on_linux["namespaces"] = Namespaces(rootless.has_value());
  on_linux["maskedPaths"] = {"/proc/acpi",          "/proc/asound",
                             "/proc/kcore",         "/proc/keys",
                             "/proc/latency_stats", "/proc/sched_debug",
                             "/proc/scsi",          "/proc/timer_list",
                             "/proc/timer_stats",   "/sys/devices/virtual/powercap",
                             "/sys/firmware"};
  on_linux["readonlyPaths"] = {"/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys",
                               "/proc/sysrq-trigger"};
  return document;
}

}  // namespace wasmoor::cmd
