#pragma once

#include <sys/types.h>

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "wasmoor/base/result.h"

// The configuration of a container, as config.json of the OCI runtime specification 1.2 has it:
// plain values with the specification's own names, nothing interpreted. An std::optional is empty
// where the document says nothing; a list is empty where it is absent.
namespace wasmoor::oci {

struct User {
  uid_t uid = 0;
  gid_t gid = 0;
  std::optional<mode_t> umask;
  std::vector<gid_t> additional_gids;
  std::string username;
};

struct ConsoleSize {
  uint16_t height = 0, width = 0;
};

struct Rlimit {
  std::string type;  // "RLIMIT_NOFILE"
  uint64_t soft = 0, hard = 0;
};

// Names as capabilities(7) has them: "CAP_NET_BIND_SERVICE".
struct Capabilities {
  std::vector<std::string> bounding, effective, inheritable, permitted, ambient;
};

struct Scheduler {  // sched_setattr(2)
  std::string policy;
  int32_t nice = 0, priority = 0;
  std::vector<std::string> flags;
  uint64_t runtime = 0, deadline = 0, period = 0;  // Nanoseconds.
};

struct IoPriority {
  std::string io_class;  // "class": "IOPRIO_CLASS_RT", …
  int32_t priority = 0;
};

struct ExecCpuAffinity {
  std::string initial, final_mask;  // Lists of CPUs, as cpuset(7) has them.
};

struct Process {
  bool terminal = false;
  std::optional<ConsoleSize> console_size;
  User user;
  std::vector<std::string> args, env;  // env: "NAME=VALUE".
  std::string cwd;
  std::optional<Capabilities> capabilities;
  std::vector<Rlimit> rlimits;
  bool no_new_privileges = false;
  std::string apparmor_profile, selinux_label;
  std::optional<int> oom_score_adj;
  std::optional<Scheduler> scheduler;
  std::optional<IoPriority> io_priority;
  std::optional<ExecCpuAffinity> exec_cpu_affinity;
};

struct Root {
  std::string path;
  bool readonly = false;
};

struct IdMapping {
  uint32_t container_id = 0, host_id = 0, size = 0;
};

struct Mount {
  std::string destination, type, source;
  std::vector<std::string> options;
  std::vector<IdMapping> uid_mappings, gid_mappings;
};

struct Hook {
  std::string path;
  std::vector<std::string> args, env;
  std::optional<int> timeout;  // Seconds, more than 0.
};

struct Hooks {
  std::vector<Hook> prestart, create_runtime, create_container, start_container, poststart,
      poststop;
};

enum class NamespaceType : uint8_t { kPid, kNetwork, kMount, kIpc, kUts, kUser, kCgroup, kTime };
std::string_view NamespaceName(NamespaceType type);  // The specification's: "network".

struct Namespace {
  NamespaceType type = NamespaceType::kPid;
  std::string path;  // Empty: a new one.
};

struct Device {
  char type = 'c';  // 'c', 'u', 'b' or 'p', as mknod(1) has them.
  std::string path;
  int64_t major = 0, minor = 0;
  std::optional<mode_t> file_mode;
  std::optional<uid_t> uid;
  std::optional<gid_t> gid;
};

struct DeviceRule {
  bool allow = false;
  char type = 'a';
  std::optional<int64_t> major, minor;  // Empty or -1: all.
  std::string access;                   // Of "rwm".
};

struct MemoryResources {
  std::optional<int64_t> limit, reservation, swap, kernel,
      kernel_tcp;  // Bytes; -1: unlimited. swap: with memory.
  std::optional<uint64_t> swappiness;
  std::optional<bool> disable_oom_killer, use_hierarchy, check_before_update;
};

struct CpuResources {
  std::optional<uint64_t> shares, period, realtime_period;  // Periods in microseconds.
  std::optional<int64_t> quota, realtime_runtime, idle;     // Microseconds; quota -1: unlimited.
  std::optional<uint64_t> burst;
  std::string cpus, mems;
};

struct WeightDevice {
  int64_t major = 0, minor = 0;
  std::optional<uint16_t> weight, leaf_weight;
};
struct ThrottleDevice {
  int64_t major = 0, minor = 0;
  uint64_t rate = 0;
};
struct BlockIoResources {
  std::optional<uint16_t> weight, leaf_weight;
  std::vector<WeightDevice> weight_device;
  std::vector<ThrottleDevice> throttle_read_bps, throttle_write_bps, throttle_read_iops,
      throttle_write_iops;
};

struct HugepageLimit {
  std::string page_size;  // "2MB"
  uint64_t limit = 0;     // Bytes.
};

struct InterfacePriority {
  std::string name;
  uint32_t priority = 0;
};
struct NetworkResources {
  std::optional<uint32_t> class_id;
  std::vector<InterfacePriority> priorities;
};

struct RdmaLimit {
  std::optional<uint32_t> hca_handles, hca_objects;
};

struct Resources {
  std::vector<DeviceRule> devices;
  std::optional<MemoryResources> memory;
  std::optional<CpuResources> cpu;
  std::optional<int64_t> pids_limit;  // 0 or less: unlimited.
  std::optional<BlockIoResources> block_io;
  std::vector<HugepageLimit> hugepage_limits;
  std::optional<NetworkResources> network;
  std::map<std::string, RdmaLimit> rdma;
  std::map<std::string, std::string> unified;  // cgroup v2 file to value.
};

struct SeccompArg {
  uint32_t index = 0;
  uint64_t value = 0, value_two = 0;
  std::string op;  // "SCMP_CMP_EQ", …
};
struct SeccompRule {
  std::vector<std::string> names;
  std::string action;
  std::optional<uint32_t> errno_ret;
  std::vector<SeccompArg> args;
};
struct Seccomp {
  std::string default_action;
  std::optional<uint32_t> default_errno_ret;
  std::vector<std::string> architectures, flags;
  std::string listener_path, listener_metadata;
  std::vector<SeccompRule> syscalls;
};

struct IntelRdt {
  std::string clos_id, l3_cache_schema, mem_bw_schema;
  bool enable_cmt = false, enable_mbm = false;
};

struct TimeOffset {
  int64_t secs = 0;
  uint32_t nanosecs = 0;
};

struct Personality {
  std::string domain;  // "LINUX" or "LINUX32".
  std::vector<std::string> flags;
};

struct Linux {
  std::vector<Namespace> namespaces;
  std::vector<IdMapping> uid_mappings, gid_mappings;
  std::map<std::string, TimeOffset> time_offsets;  // "monotonic", "boottime".
  std::vector<Device> devices;
  std::string cgroups_path;
  std::optional<Resources> resources;
  std::optional<IntelRdt> intel_rdt;
  std::map<std::string, std::string> sysctl;
  std::optional<Seccomp> seccomp;
  std::string
      rootfs_propagation;  // "private", "slave", "shared", "unbindable", or with r before it.
  std::vector<std::string> masked_paths, readonly_paths;
  std::string mount_label;
  std::optional<Personality> personality;
};

struct Spec {
  std::string oci_version;
  std::optional<Process> process;
  std::optional<Root> root;
  std::string hostname, domainname;
  std::vector<Mount> mounts;
  Hooks hooks;
  std::map<std::string, std::string> annotations;
  Linux on_linux;  // "linux"; GNU compilers have a macro of that name.
};

// Reads and checks a config.json: types, ranges and the MUSTs of the specification that need no
// machine to check (absolute paths, known namespace types, no namespace twice, mappings only with a
// user namespace …). kInvalidArgument names the field as a path and says what it must be:
// "linux.resources.memory.limit: must be an integer, is a string". Properties that the
// specification does not know are ignored, as it demands. At most kMaxSpecBytes.
Result<Spec> ParseSpec(std::string_view json);
// The document of `exec --process` and the one of `update --resources`.
Result<Process> ParseProcess(std::string_view json);
Result<Resources> ParseResources(std::string_view json);

constexpr size_t kMaxSpecBytes = size_t{16} << 20;

}  // namespace wasmoor::oci
