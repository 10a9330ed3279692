#include "wasmoor/sandbox/pod.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <memory>
#include <nlohmann/json.hpp>
#include <utility>

#include "sandbox/handover.h"
#include "sandbox/process/holder.h"
#include "sandbox/process/live_container.h"
#include "wasmoor/base/time.h"
#include "wasmoor/cgroup/group.h"
#include "wasmoor/os/file.h"
#include "wasmoor/sandbox/process/process_sandbox.h"

namespace wasmoor::sandbox {
namespace {

using Json = nlohmann::json;

constexpr mode_t kPrivate = 0700;
constexpr mode_t kFileMode = 0644;
constexpr mode_t kReadable = 0755;  // Also for the root of a user namespace.
// nobody's: what holds a pod needs no rights.
constexpr unsigned kHolderUser = 65535;

// The end of what holds a pod is told by Wait.
class NoListener : public Listener {
 public:
  void OnExit(const std::string&, const std::string&, pid_t, const Exit&) override {}
  void OnOutOfMemory(const std::string&) override {}
};

Json MappingsOf(const std::vector<oci::IdMapping>& mappings) {
  Json list = Json::array();
  for (const oci::IdMapping& one : mappings)
    list.push_back(
        {{"containerID", one.container_id}, {"hostID", one.host_id}, {"size", one.size}});
  return list;
}

Json NamespacesOf(const PodRequest& request) {
  Json list = Json::array({{{"type", "mount"}}});
  const bool has_network = !request.network_namespace.empty();
  if (has_network) list.push_back({{"type", "network"}, {"path", request.network_namespace}});
  // A pod in the host's network has the host's name.
  if (has_network || !request.hostname.empty()) list.push_back({{"type", "uts"}});
  if (request.ipc == PodRequest::Scope::kPod) list.push_back({{"type", "ipc"}});
  if (request.pid == PodRequest::Scope::kPod) list.push_back({{"type", "pid"}});
  if (!request.uid_mappings.empty()) list.push_back({{"type", "user"}});
  return list;
}

std::string CgroupsPath(const PodRequest& request) {
  if (request.systemd_cgroup) return request.cgroup_parent + ":wasmoor-pod:" + request.id;
  return request.cgroup_parent.empty() ? "" : request.cgroup_parent + "/" + request.id;
}

// A container that has nothing but namespaces.
Json ConfigurationOf(const PodRequest& request) {
  Json config = {
      {"ociVersion", "1.2.0"},
      {"root", {{"path", "rootfs"}, {"readonly", true}}},
      {"process",
       {{"cwd", "/"},
        {"args", {"pod"}},
        {"noNewPrivileges", true},
        {"user", {{"uid", kHolderUser}, {"gid", kHolderUser}}}}},
      {"linux", {{"namespaces", NamespacesOf(request)}}},
  };
  if (!request.hostname.empty()) config["hostname"] = request.hostname;
  Json& on_linux = config["linux"];
  if (!request.sysctls.empty()) on_linux["sysctl"] = request.sysctls;
  if (const std::string path = CgroupsPath(request); !path.empty()) on_linux["cgroupsPath"] = path;
  if (!request.uid_mappings.empty()) {
    // Its root may make no devices in a folder of the machine's root.
    config["mounts"] = {{{"destination", "/dev"},
                         {"type", "tmpfs"},
                         {"source", "tmpfs"},
                         {"options", {"nosuid", "mode=755", "size=64k"}}}};
    on_linux["uidMappings"] = MappingsOf(request.uid_mappings);
    on_linux["gidMappings"] = MappingsOf(request.gid_mappings);
    config["process"]["user"] = {{"uid", 0}, {"gid", 0}};
  }
  return config;
}

Status MakeDirectory(const std::string& path, mode_t mode) {
  if (::mkdir(path.c_str(), mode) != 0 && errno != EEXIST) return FailErrno(errno, "{}", path);
  return {};
}

// Of a pod's directory, where they are in its containers.
struct FilePlace {
  const char* destination;
  const char* source;
};
constexpr std::array<FilePlace, 2> kFiles = {
    {{"/etc/resolv.conf", "/resolv.conf"}, {"/etc/hostname", "/hostname"}}};

Status WriteFile(const std::string& path, const std::string& text) {
  const os::Fd file = TRY_AS(
      os::OpenAt(os::Fd(), path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW, kFileMode),
      "{}", path);
  // Whatever the daemon's umask is: containers of any user read it.
  if (::fchmod(file.get(), kFileMode) != 0) return FailErrno(errno, "{}", path);
  TRY_AS(os::WriteAll(file, text), "{}", path);
  return {};
}

// `directory` becomes a bundle.
Status WriteBundle(const std::string& directory, const PodRequest& request) {
  TRY(MakeDirectory(directory, kPrivate));
  TRY(MakeDirectory(directory + "/rootfs", kReadable));
  TRY(MakeDirectory(directory + "/rootfs/dev", kReadable));
  const std::string path = directory + "/config.json";
  const os::Fd file = TRY(os::OpenAt(os::Fd(), path.c_str(),
                                     O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW, S_IRUSR | S_IWUSR));
  TRY_AS(os::WriteAll(file, ConfigurationOf(request).dump()), "{}", path);
  for (const auto& [place, text] :
       {std::pair(kFiles[0], request.resolv_conf), std::pair(kFiles[1], request.hostname_file)})
    if (text) TRY(WriteFile(directory + place.source, *text));
  return {};
}

class ProcessPod : public Pod {
 public:
  ProcessPod(ProcessSandboxOptions options, Sandbox& sandbox,
             std::shared_ptr<const jail::Containers> containers)
      : surroundings_{.loop = options.loop,
                      .listener = nobody_,
                      .name_space = std::move(options.name_space),
                      .wasm = std::move(options.wasm),
                      .find_module = {},
                      .log = std::move(options.log),
                      .containers = std::move(containers)},
        sandbox_(sandbox) {}

  Status Create(PodRequest request) override;
  void Start(Done<PodInfo> done) override;
  void Stop(Done<void> done) override;
  void Wait(Done<Exit> done) override;
  PodInfo info() const override;
  std::vector<PodFile> files() const override;
  void ReadStats(Done<cgroup::Stats> done) override {
    loop::Answer(surroundings_.loop, std::move(done), StatsNow());
  }
  Status HandOver(handover::Pod* state, os::Carried* carried) const override;
  Status TakeOver(const handover::Pod& state) override;

 private:
  Result<cgroup::Stats> StatsNow();
  CreateRequest HolderOf(const PodRequest& request) const;
  void KillContainers();
  void OnHeld(const Status& made, const Done<PodInfo>& done);

  NoListener nobody_;
  Surroundings surroundings_;
  Sandbox& sandbox_;
  const HolderExecutor executor_;
  std::optional<PodRequest> request_;
  std::chrono::system_clock::time_point created_;
  std::unique_ptr<LiveContainer> holder_;
  std::vector<Done<Exit>> waiting_;  // Before it is started.
};

Status ProcessPod::Create(PodRequest request) {
  if (request_)
    return Fail(Code::kAlreadyExists, "pod \"{}\": already exists in this sandbox", request_->id);
  TRY_AS(WriteBundle(request.bundle + "/pod", request), "pod \"{}\"", request.id);
  request_ = std::move(request);
  created_ = std::chrono::system_clock::now();
  return {};
}

CreateRequest ProcessPod::HolderOf(const PodRequest& request) const {
  return {.id = request.id,
          .bundle = request.bundle + "/pod",
          .rootfs = {},
          .streams = {},
          .systemd_cgroup = request.systemd_cgroup,
          .guest = {}};
}

Status ProcessPod::HandOver(handover::Pod* state, os::Carried* carried) const {
  if (!request_) return {};
  Describe(*request_, state->mutable_request());
  state->set_created(ToNanoseconds(created_));
  // A pod that was stopped has none any more.
  if (!holder_ || !holder_->exists()) return {};
  return holder_->HandOver(state->mutable_holder(), carried);
}

Status ProcessPod::TakeOver(const handover::Pod& state) {
  if (!state.has_request()) return {};
  request_ = ReadPodRequest(state.request());
  created_ = FromNanoseconds(state.created());
  if (!state.has_holder()) return {};
  holder_ = std::make_unique<LiveContainer>(surroundings_, HolderOf(*request_), &executor_);
  return holder_->TakeOver(state.holder());
}

void ProcessPod::Start(Done<PodInfo> done) {
  if (!request_ || holder_)
    return loop::Answer<PodInfo>(
        surroundings_.loop, std::move(done),
        Fail(Code::kFailedPrecondition, "the pod {}", holder_ ? "is started" : "is not created"));
  holder_ = std::make_unique<LiveContainer>(surroundings_, HolderOf(*request_), &executor_);
  holder_->Create([this, done = std::move(done)](const Status& made) { OnHeld(made, done); });
}

void ProcessPod::OnHeld(const Status& made, const Done<PodInfo>& done) {
  if (!made) {
    // The object is the one that calls.
    surroundings_.loop.Post([failed = std::shared_ptr(std::move(holder_))] {});
    return done(tl::unexpected(made.error()));
  }
  for (Done<Exit>& one : std::exchange(waiting_, {})) holder_->first().Wait(std::move(one));
  holder_->first().Start([this, done](const Result<pid_t>& started) {
    if (!started) return done(tl::unexpected(started.error()));
    done(info());
  });
}

void ProcessPod::KillContainers() {
  for (const std::string& id : sandbox_.Ids()) {
    const auto container = sandbox_.Find(id);
    if (container) static_cast<void>((*container)->KillAll(SIGKILL));
  }
}

void ProcessPod::Stop(Done<void> done) {
  KillContainers();
  if (!holder_ || !holder_->exists() || holder_->first().info().state == State::kStopped)
    return loop::Answer(surroundings_.loop, std::move(done), Status());
  static_cast<void>(holder_->KillAll(SIGKILL));
  holder_->first().Wait([this, done = std::move(done)](const Result<Exit>&) {
    if (!holder_->exists()) return done({});
    holder_->Remove(done);
  });
}

void ProcessPod::Wait(Done<Exit> done) {
  if (!holder_ || !holder_->exists()) return waiting_.push_back(std::move(done));
  holder_->first().Wait(std::move(done));
}

std::vector<PodFile> ProcessPod::files() const {
  std::vector<PodFile> all;
  if (!request_) return all;
  for (const FilePlace& one : kFiles) {
    std::string source = request_->bundle + "/pod" + one.source;
    if (::access(source.c_str(), F_OK) == 0) all.push_back({one.destination, std::move(source)});
  }
  return all;
}

PodInfo ProcessPod::info() const {
  PodInfo info{.created = created_};
  if (!holder_ || !holder_->exists()) return info;
  const ProcessInfo process = holder_->first().info();
  info.pid = process.pid;
  info.running = process.state != State::kStopped;
  info.exit = process.exit;
  return info;
}

// The group above all of the pod's; of a pod that has none, what there is.
Result<cgroup::Stats> ProcessPod::StatsNow() {
  if (!request_ || !holder_ || !holder_->exists())
    return Fail(Code::kFailedPrecondition, "the pod is not started");
  if (request_->cgroup_parent.empty() || request_->systemd_cgroup) return holder_->StatsNow();
  const cgroup::Root root = TRY(cgroup::Root::Detect());
  return TRY(cgroup::Group::Open(TRY(cgroup::Group::Plan(root, request_->cgroup_parent))))
      .ReadStats();
}

}  // namespace

Result<std::unique_ptr<Pod>> MakeProcessPod(ProcessSandboxOptions options, Sandbox& sandbox) {
  auto containers = TRY(ContainersFor(options));
  return std::make_unique<ProcessPod>(std::move(options), sandbox, std::move(containers));
}

}  // namespace wasmoor::sandbox
