#include "host/guest_setup.h"

#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <utility>

#include "container/grants.h"
#include "container/limits.h"
#include "host/pod_memory.h"
#include "host/server_run.h"
#include "host/thread_check.h"
#include "jail/rootfs/guest_tree.h"
#include "jail/spawn_thread.h"
#include "sandbox/root_messages.h"
#include "sandbox/roots/root_mounts.h"
#include "wasmoor/os/capability.h"
#include "wasmoor/os/features.h"
#include "wasmoor/os/file.h"
#include "wasmoor/os/mount.h"
#include "wasmoor/os/scheduling.h"
#include "wasmoor/os/thread.h"
#include "wasmoor/seccomp/cache.h"

namespace wasmoor::host {
namespace {

constexpr int kDirectory = O_PATH | O_DIRECTORY;
constexpr int kAfterStreams = 3;

oci::Process ToProcess(const Exec& exec) {
  oci::Process process;
  process.args = {exec.args().begin(), exec.args().end()};
  process.env = {exec.env().begin(), exec.env().end()};
  process.cwd = exec.cwd();
  process.user.uid = exec.uid();
  process.user.gid = exec.gid();
  process.user.additional_gids = {exec.groups().begin(), exec.groups().end()};
  if (exec.has_umask()) process.user.umask = exec.umask();
  return process;
}

container::GuestBounds ToBounds(const Bounds& bounds) {
  container::GuestBounds result;
  if (bounds.has_memory_bytes()) result.memory_bytes = bounds.memory_bytes();
  if (bounds.has_table_elements()) result.table_elements = bounds.table_elements();
  const HttpBounds& http = bounds.http();
  result.http_address = http.address();
  if (http.is_outgoing_bound())
    result.http_outgoing.emplace(http.outgoing().begin(), http.outgoing().end());
  return result;
}

// As many files as the container's own limit allows, but for those that are open from the start.
uint32_t MostDescriptors(const oci::Process& process, uint32_t most) {
  for (const oci::Rlimit& limit : process.rlimits) {
    if (limit.type == "RLIMIT_NOFILE" && limit.soft < most)
      most = static_cast<uint32_t>(limit.soft);
  }
  return most;
}

}  // namespace

Result<std::optional<ReadyGuest>> GuestSetup::Run(wasm::TickHandler* on_tick,
                                                  wasm::MemoryPool* pool) {
  modules_ = common_.modules.count();
  TRY(jail::SeparateFiles());
  for (const int number : order_.given) given_.emplace_back(number);
  LookAtTable();
  TRY(ReadBundle());
  TRY(order_.exec ? OpenRootBeside() : OpenRoot());
  if (!TRY(FindModule())) return std::nullopt;
  TRY(OpenRest());
  TRY(EnterJail());
  // Not before: one that has little of the CPUs would hold what making a jail has locked, for long.
  if (share_) TRY(share_->Enter(std::exchange(share_entry_, std::nullopt)));
  static_cast<void>(os::TakeTurnsOf({}, os::Children::kUsual));
  TRY(BecomeUser());
  return TRY(MakeGuest(on_tick, pool));
}

// What the process has open. How many there are is the size of /proc/PID/fd since Linux 6.2
// (proc_pid_fd(5)), and each is asked for until so many are found: a list of that directory costs
// more. A table can have long holes, when many guests that were given descriptors are made at once;
// what lies behind one would be held by this guest for as long as it lives.
void GuestSetup::LookAtTable() {
  constexpr int kMost = 1 << 20;
  constexpr int kLongestHole = 4096;  // Where the kernel tells no number.
  struct stat table = {};
  const bool told = ::stat("/proc/thread-self/fd", &table) == 0 && table.st_size > 0;
  off_t found = 0;
  const auto is_end = [&](int number, int hole) {
    return number >= kMost || (told ? found >= table.st_size : hole >= kLongestHole);
  };
  for (int number = 0, hole = 0; !is_end(number, hole); ++number) {
    if (::fcntl(number, F_GETFD) < 0) {
      ++hole;
      continue;
    }
    hole = 0;
    ++found;
    const bool is_given = std::any_of(order_.given.begin(), order_.given.end(),
                                      [number](int one) { return one == number; });
    if (number >= kAfterStreams && !is_given) inherited_.push_back(number);
  }
}

bool GuestSetup::IsComponent() const {
  return module_->module->kind() == wasm::ModuleKind::kComponent;
}

// What the engine maps the module's memory from stays, and what is rung when the guest has ended.
void GuestSetup::CloseOthers() const {
  const auto is_needed = [this](int number) {
    const auto& engine = module_->descriptors.found();
    return number == common_.notes.bell().get() ||
           std::any_of(engine.begin(), engine.end(),
                       [number](const os::Fd& one) { return one.get() == number; });
  };
  for (const int number : inherited_) {
    if (!is_needed(number)) ::close(number);
  }
}

Status GuestSetup::ReadBundle() {
  bundle_ = TRY(oci::Bundle::Open(order_.bundle));
  TRY(CheckForThread(bundle_.spec));
  if (order_.exec) process_ = ToProcess(*order_.exec);
  const oci::Process& process = process_ ? *process_ : *bundle_.spec.process;
  const bool is_given = order_.create.module_given() && !given_.empty();
  if (is_given) {
    given_module_ = std::move(given_.back());
    given_.pop_back();
  }
  request_.emplace(jail::ProgramRequest{.container_id = order_.container,
                                        .spec = bundle_.spec,
                                        .process = process,
                                        .root = root_,
                                        .is_first = !order_.exec,
                                        .made_by = container::WasmExecutor::kName,
                                        .file = is_given ? &given_module_ : nullptr});
  return {};
}

// A mount that is attached nowhere: it ends with the guest.
Status GuestSetup::OpenRoot() {
  const std::vector<sandbox::RootMount> mounts = sandbox::ReadRootMounts(order_.create.rootfs());
  root_ = TRY(sandbox::OpenRoot(mounts, common_.skeletons.For(bundle_.spec)));
  if (root_.valid()) return {};
  if (!mounts.empty())
    return Fail(Code::kUnimplemented, "its root filesystem is more than one mount");
  if (!bundle_.spec.root) return Fail(Code::kInvalidArgument, "config.json: has no root");
  root_ = TRY_AS(
      os::CloneMount(bundle_.directory, bundle_.spec.root->path.c_str(), os::Depth::kWholeTree),
      "root.path: {}", bundle_.spec.root->path);
  return {};
}

// The tree of the container, as its first guest has it.
Status GuestSetup::OpenRootBeside() {
  const std::string path = fmt::format("/proc/self/task/{}/root", order_.beside);
  root_ = TRY_AS(os::OpenAt(os::Fd(), path.c_str(), kDirectory), "the container has ended");
  return {};
}

Result<bool> GuestSetup::FindModule() {
  if (request_->process.args.empty())
    return Fail(Code::kInvalidArgument, "process.args: must have at least one entry");
  if (!TRY(container::IsForWasm(*request_)))
    return Fail(Code::kUnimplemented, "it is no WebAssembly");
  entry_ = container::ParseEntrypoint(request_->process.args.front());
  program::Source source = TRY(container::OpenProgram(*request_, *entry_));
  const wasm::ModuleHash hash = TRY_AS(common_.cache.HashFile(source.file), "{}", source.name);
  module_ = order_.module ? order_.module : common_.modules.Find(hash, modules_);
  if (module_) return CheckServing();
  wanted_.emplace(ModuleWanted{hash, std::move(source)});
  return false;
}

// Before anything is made, so that a process can be made instead.
Result<bool> GuestSetup::CheckServing() const {
  if (!serves()) return true;
  if (!order_.create.bounds().has_http())
    return Fail(Code::kUnimplemented, "it serves HTTP, and nobody has said within which bounds");
  TRY(CheckForServerThread(bundle_.spec));
  return true;
}

Status GuestSetup::OpenRest() {
  const oci::Linux& config = bundle_.spec.on_linux;
  namespaces_ = TRY(jail::OpenThreadNamespaces(config));
  share_ =
      order_.exec
          ? std::move(order_.share)
          : TRY(CpuShare::Make(common_.thread_groups ? &*common_.thread_groups : nullptr, config));
  if (share_) share_entry_ = TRY(share_->OpenEntry());
  if (common_.groups) pod_limit_ = MemoryLimitOfPod(*common_.groups, config.cgroups_path);
  if (!order_.exec) sources_ = TRY(jail::OpenGuestSources(bundle_.spec, bundle_.directory));
  if (config.seccomp) filter_ = TRY(seccomp::CompileCached(*config.seccomp, common_.filters));
  const auto& streams = order_.exec ? order_.exec->streams() : order_.create.streams();
  streams_ = TRY(GuestStreams::Open(streams, &given_));
  return {};
}

Status GuestSetup::EnterJail() {
  TRY(jail::EnterThreadNamespaces(namespaces_));
  if (order_.exec) {
    const std::string path = fmt::format("/proc/self/task/{}/ns/mnt", order_.beside);
    TRY(jail::EnterMounts(
        TRY_AS(os::OpenAt(os::Fd(), path.c_str(), O_RDONLY), "the container has ended")));
    return {};
  }
  TRY(jail::EnterStage(common_.stage));
  return jail::BuildGuestTree({bundle_.spec, std::move(root_), std::move(sources_)});
}

Status GuestSetup::BecomeUser() {
  const oci::Process& process = request_->process;
  const std::string& cwd = process.cwd;
  if (!order_.exec) {
    std::error_code ignored;
    std::filesystem::create_directories(cwd, ignored);
  }
  // As root, who may reach directories that the user may not, and else as the user.
  const bool entered = ::chdir(cwd.c_str()) == 0;
  if (!entered && errno != EACCES) return FailErrno(errno, "process.cwd: {}", cwd);
  if (process.user.umask) ::umask(*process.user.umask);
  TRY_AS(os::SetThreadGroups(process.user.additional_gids), "process.user.additionalGids");
  TRY_AS(os::SetThreadFileUser(process.user.uid, process.user.gid), "process.user");
  TRY(os::SetCapabilities({}));
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
    return FailErrno(errno, "process.noNewPrivileges");
  if (!entered && ::chdir(cwd.c_str()) != 0) return FailErrno(errno, "process.cwd: {}", cwd);
  return {};
}

Result<ReadyGuest> GuestSetup::MakeGuest(wasm::TickHandler* on_tick, wasm::MemoryPool* pool) {
  if (pool != nullptr && pod_limit_) pool->max = *pod_limit_;
  container::GuestPlan plan =
      container::PlanGuest(ToBounds(order_.create.bounds()), *request_, *entry_, module_);
  const oci::Linux& config = bundle_.spec.on_linux;
  ReadyGuest ready;
  ready.loaded = module_;
  ready.memory_bytes = plan.limits.memory_bytes;
  ready.memory_limit = container::HasMemoryLimit(config)
                           ? static_cast<uint64_t>(*config.resources->memory->limit)
                           : ready.memory_bytes;
  ready.run = TRY(serves() ? MakeServer(std::move(plan), on_tick, pool)
                           : MakeProgram(std::move(plan), on_tick, pool));
  ready.streams = *std::move(streams_);
  ready.share = std::move(share_);
  TRY(Confine());
  return ready;
}

Result<std::unique_ptr<GuestRun>> GuestSetup::MakeProgram(container::GuestPlan plan,
                                                          wasm::TickHandler* on_tick,
                                                          wasm::MemoryPool* pool) {
  if (IsComponent()) TRY(container::RefuseWritableProcfs(plan.mounts));
  wasi::Grants grants;
  grants.arguments = plan.arguments;
  grants.environment = std::exchange(plan.environment, {});
  grants.preopens = TRY(container::OpenTree());
  grants.max_descriptors = MostDescriptors(request_->process, grants.max_descriptors);
  TRY(streams_->Grant(&grants));
  program::Guest::Options options;
  options.limits = plan.limits;
  options.on_tick = on_tick;
  options.memory_pool = pool;
  auto guest = TRY(program::Guest::Create(*module_->module, module_->host, std::move(grants),
                                          std::move(options)));
  const bool limits_tell = container::IsBoundByContainer(plan, bundle_.spec.on_linux);
  return std::make_unique<ProgramRun>(std::move(guest), std::move(plan), limits_tell,
                                      streams_->output().get(), streams_->error().get());
}

Result<std::unique_ptr<GuestRun>> GuestSetup::MakeServer(container::GuestPlan plan,
                                                         wasm::TickHandler* on_tick,
                                                         wasm::MemoryPool* pool) {
  TRY(container::RefuseWritableProcfs(plan.mounts));
  serve::Settings settings =
      TRY(SettingsForThread(bundle_.spec.on_linux, ToBounds(order_.create.bounds()), plan));
  const bool asks = settings.MayAskSomebody();
  kind_ = asks ? seccomp::GuestKind::kThreadClientServer : seccomp::GuestKind::kThreadServer;
  if (asks) connections_ = os::Connections::kAllowed;
  return TRY(ServerRun::Make({.plan = std::move(plan),
                              .settings = std::move(settings),
                              .output = streams_->output().get(),
                              .error = streams_->error().get(),
                              .descriptors = MostDescriptors(request_->process, UINT32_MAX),
                              .on_tick = on_tick,
                              .pool = pool}));
}

Status GuestSetup::Confine() {
  TRY(os::RestrictToTree(TRY(os::OpenAt(os::Fd(), "/", kDirectory)), connections_));
  CloseOthers();
  if (filter_) TRY_AS(seccomp::Install(*filter_), "linux.seccomp");
  TRY_AS(seccomp::Install(seccomp::GuestProgram(kind_)),
         "the guest's own seccomp filter (the container's profile must allow seccomp(2))");
  return IsComponent() ? ProbeCalls() : Status();
}

// The engine's WASI takes one guest's refusal for the kernel's, and from then on opens files for
// all guests of the process by other calls, of which the filter allows none; and where there is no
// chance to be had, or nothing to wait in, it ends the process.
Status GuestSetup::ProbeCalls() const {
  const auto needs = [](std::string_view call) {
    return Fail(Code::kUnimplemented, "it is a component, and linux.seccomp refuses {}(2)", call);
  };
  if (os::ProbeOpenat2().error_number == ENOSYS) return needs("openat2");
  uint64_t chance = 0;
  if (::getrandom(&chance, sizeof chance, 0) < 0) return needs("getrandom");
  struct epoll_event event = {};
  if (serves() && ::epoll_wait(-1, &event, 1, 0) < 0 && errno != EBADF) return needs("epoll_wait");
  return {};
}

}  // namespace wasmoor::host
