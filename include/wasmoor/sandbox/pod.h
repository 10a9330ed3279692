#pragma once

#include <sys/types.h>

#include <chrono>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "wasmoor/cgroup/stats.h"
#include "wasmoor/sandbox/sandbox.h"

// A pod's own surroundings, where no pause container holds them (containerd's sandbox API,
// `sandboxer = "shim"`). Threads and answers are as in sandbox.h.
namespace wasmoor::sandbox {

// What of a CRI PodSandboxConfig (runtime/v1 api.proto) matters to the surroundings.
struct PodRequest {
  enum class Scope : uint8_t { kPod, kNode };  // Whose namespace: of its own, or the host's.

  std::string id;
  std::string bundle;             // Need not have a config.json.
  std::string network_namespace;  // A path; empty: the host's.
  std::string hostname;           // Empty: left as it is.
  std::string cgroup_parent;      // Empty: none.
  Scope ipc = Scope::kPod;
  Scope pid = Scope::kNode;  // kPod: processes of all containers see each other.
  std::map<std::string, std::string> sysctls;
  std::map<std::string, std::string> annotations;
  std::vector<oci::IdMapping> uid_mappings, gid_mappings;  // Of a user namespace, if not empty.
  bool systemd_cgroup = false;
  // What /etc/resolv.conf and /etc/hostname of its containers are to say, as a whole. Not there:
  // they have what their images have.
  std::optional<std::string> resolv_conf, hostname_file;
};

// A file that all containers of a pod have, and share.
struct PodFile {
  std::string destination;  // In the containers: "/etc/resolv.conf".
  std::string source;       // On the host.
};

struct PodInfo {
  pid_t pid = 0;  // Whose /proc/PID/ns/{net,ipc,uts,pid} are the pod's; 0 before it is started.
  std::chrono::system_clock::time_point created;
  bool running = false;
  Exit exit;  // Once it ran and does no more.
};

class Pod {
 public:
  virtual ~Pod() = default;

  // kAlreadyExists.
  virtual Status Create(PodRequest request) = 0;
  virtual void Start(Done<PodInfo> done) = 0;
  // Kills what its containers still run; no error if it is not running.
  virtual void Stop(Done<void> done) = 0;
  // Answered when it has ended.
  virtual void Wait(Done<Exit> done) = 0;
  virtual PodInfo info() const = 0;
  // To be mounted in each container whose configuration has nothing else at the same place.
  virtual std::vector<PodFile> files() const { return {}; }
  // Of all that is in the pod.
  virtual void ReadStats(Done<cgroup::Stats> done) = 0;

  // As Sandbox::HandOver and TakeOver.
  virtual Status HandOver(handover::Pod* state, os::Carried* carried) const;
  virtual Status TakeOver(const handover::Pod& state);
};

}  // namespace wasmoor::sandbox
