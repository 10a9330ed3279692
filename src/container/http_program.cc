#include "container/http_program.h"

#include <fcntl.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <algorithm>

#include "container/grants.h"
#include "wasmoor/base/printable.h"
#include "wasmoor/os/file.h"
#include "wasmoor/os/landlock.h"
#include "wasmoor/os/title.h"
#include "wasmoor/seccomp/guest.h"
#include "wasmoor/wasm/imports.h"

namespace wasmoor::container {
namespace {

// What a guest is expected to take of a container's memory, if there is a limit. More at once than
// that share it, they wait for each other.
constexpr uint64_t kBytesPerGuest = 4 << 20;
constexpr uint32_t kLeastGuests = 4;
constexpr uint64_t kUsualPeriod = 100'000;  // Microseconds (cgroups(7): cpu.cfs_period_us).

class HttpProgram : public jail::Program {
 public:
  HttpProgram(GuestPlan plan, serve::Settings settings)
      : plan_(std::move(plan)), settings_(std::move(settings)) {
    for (const os::Fd& one : plan_.loaded->descriptors.found()) keeps_.push_back(&one);
  }

  jail::Privileges privileges() const override { return jail::Privileges::kNone; }
  bool executes() const override { return false; }
  std::span<const os::Fd* const> keeps() const override { return keeps_; }
  Error Become(const std::function<Status()>& confine) override;

 private:
  Status Serve(const std::function<Status()>& confine);
  Result<std::unique_ptr<serve::Server>> MakeServer();

  GuestPlan plan_;
  const serve::Settings settings_;
  std::vector<const os::Fd*> keeps_;
  const FaultHandlers fault_handlers_;
};

Result<std::unique_ptr<serve::Server>> HttpProgram::MakeServer() {
  TRY(RefuseWritableProcfs(plan_.mounts));
  wasi::Grants grants;
  grants.arguments = plan_.arguments;
  grants.environment = std::move(plan_.environment);
  grants.preopens = TRY(OpenTree());
  return serve::Server::Create(*plan_.loaded->module, plan_.arguments.front(), grants, plan_.limits,
                               settings_);
}

Status HttpProgram::Serve(const std::function<Status()>& confine) {
  if (plan_.visible_to_its_user) ::prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
  fault_handlers_.Install();
  EndBySignals();
  const std::unique_ptr<serve::Server> server = TRY(MakeServer());
  os::ShowAs(plan_.arguments);
  const bool asks = settings_.MayAskSomebody();
  TRY(os::RestrictToTree(TRY(os::OpenAt(os::Fd(), "/", O_PATH | O_DIRECTORY)),
                         asks ? os::Connections::kAllowed : os::Connections::kNone));
  TRY(confine());
  TRY_AS(seccomp::Install(plan_.filter),
         "the server's own seccomp filter (the container's profile must allow seccomp(2))");
  const std::string line = fmt::format("wasmoor: {}: serving HTTP on {}\n",
                                       Printable(plan_.arguments.front()), server->address());
  // To whoever reads the container's output; if nobody does, nobody minds.
  [[maybe_unused]] const ssize_t written = ::write(STDERR_FILENO, line.data(), line.size());
  TRY(server->Run());
  ::_exit(EXIT_SUCCESS);
}

Error HttpProgram::Become(const std::function<Status()>& confine) {
  return Serve(confine).error().WithContext(plan_.arguments.front());
}

}  // namespace

Result<serve::Settings> ServerDefaults(const oci::Linux& config, const GuestBounds& bounds) {
  serve::Settings settings;
  if (!bounds.http_address.empty()) settings.listen = bounds.http_address;
  if (bounds.http_outgoing)
    settings.at_most = TRY_AS(serve::ParseDestinations(*bounds.http_outgoing), "http.outgoing");
  const bool own_network =
      std::any_of(config.namespaces.begin(), config.namespaces.end(),
                  [](const auto& one) { return one.type == oci::NamespaceType::kNetwork; });
  if (own_network || settings.at_most) settings.allowed.push_back({.host = "*"});
  if (!config.resources) return settings;
  if (const auto& cpu = config.resources->cpu; cpu && cpu->quota.value_or(0) > 0) {
    const uint64_t period = std::max<uint64_t>(1, cpu->period.value_or(kUsualPeriod));
    const uint64_t cpus = (static_cast<uint64_t>(*cpu->quota) + period - 1) / period;
    const auto online = static_cast<uint64_t>(std::max(1L, ::sysconf(_SC_NPROCESSORS_ONLN)));
    settings.threads = static_cast<uint32_t>(std::clamp<uint64_t>(cpus, 1, online));
  }
  if (const auto& memory = config.resources->memory; memory && memory->limit.value_or(0) > 0) {
    const uint64_t fit = static_cast<uint64_t>(*memory->limit) / kBytesPerGuest;
    settings.requests =
        static_cast<uint32_t>(std::clamp<uint64_t>(fit, kLeastGuests, settings.requests));
  }
  return settings;
}

Result<std::unique_ptr<jail::Program>> MakeHttpProgram(GuestPlan plan, serve::Settings settings) {
  const auto missing = wasm::MissingInterfaces(plan.loaded->module->Imports(), wasm::World::kHttp);
  if (!missing.empty()) {
    return Fail(Code::kFailedPrecondition, "{}: {}", plan.arguments.front(),
                wasm::DescribeMissing(missing));
  }
  plan.filter = seccomp::GuestProgram(settings.MayAskSomebody() ? seccomp::GuestKind::kClientServer
                                                                : seccomp::GuestKind::kServer);
  return std::make_unique<HttpProgram>(std::move(plan), std::move(settings));
}

}  // namespace wasmoor::container
