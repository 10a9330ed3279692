#include "cmd/wasmtimed/observation.h"

#include <unistd.h>

#include <array>
#include <utility>

#include "cmd/shim_line/address.h"
#include "cmd/wasmtimed/process_usage.h"
#include "wasmoor/os/socket.h"

namespace wasmoor::cmd {
namespace {

using telemetry::Kind;
using telemetry::Page;

constexpr const char* kService = "containerd-wasmtimed";

// As a shell has a status: beyond that of any program, a signal's.
std::string_view ClassOf(const sandbox::Exit& exit) {
  constexpr uint32_t kSignals = 128;
  if (exit.status == 0) return "success";
  return exit.status > kSignals ? "signal" : "failure";
}

double Value(uint64_t count) { return static_cast<double>(count); }

void Write(Page& page, Kind kind, std::string_view name, std::string_view help, double value) {
  page.Begin(kind, name, help);
  page.Add({}, value);
}

}  // namespace

// Stands between a sandbox and who listens to it.
class Observation::CountingListener : public sandbox::Listener {
 public:
  CountingListener(Observation& of, sandbox::Listener& to) : of_(of), to_(to) {}

  void OnExit(const std::string& id, const std::string& exec_id, pid_t pid,
              const sandbox::Exit& exit) override {
    of_.exits_.With({exec_id.empty() ? "task" : "exec", ClassOf(exit)}).Add();
    to_.OnExit(id, exec_id, pid, exit);
  }
  void OnOutOfMemory(const std::string& id) override {
    of_.memory_kills_.With().Add();
    to_.OnOutOfMemory(id);
  }

 private:
  Observation& of_;
  sandbox::Listener& to_;
};

Observation::Observation(loop::Loop& loop, std::function<void(std::string_view)> warn)
    : loop_(loop),
      warn_(std::move(warn)),
      exits_(registry_.Counters(
          "wasmoor_node_exits_total",
          "Processes that ended: with status 0 (success), another (failure), or 128 and more, as "
          "by a signal (signal).",
          {"kind", "class"})),
      memory_kills_(registry_.Counters("wasmoor_node_memory_kills_total",
                                       "Times that a container met its memory limit.")),
      calls_(registry_),
      ready_(Fail(Code::kUnavailable, "the daemon is starting")) {
  registry_.Collect([this](Page& page) { Collect(page); });
}

Observation::~Observation() {
  for (const std::string& path : claimed_) ::unlink(path.c_str());
}

Status Observation::Serve(const std::string& where) {
  if (observer_ == nullptr)
    observer_ = std::make_unique<telemetry::Observer>(telemetry::ObserverOptions{
        .loop = loop_, .registry = registry_, .ready = [this] { return ready_; }});
  if (!where.starts_with('/'))
    return observer_->Listen(TRY_AS(os::ListenTcp(where), "metrics and health"));
  Claim claim = TRY_AS(ClaimSocket(where), "metrics and health");
  if (claim.is_served)
    return Fail(Code::kFailedPrecondition,
                "metrics and health: another process serves at {}: stop that one first ('fuser {}' "
                "names it), or give this one another socket",
                where, where);
  claimed_.push_back(where);
  return observer_->Listen(std::move(claim.listening));
}

void Observation::Trace(const std::function<const char*(const char*)>& get) {
  auto settings = telemetry::ReadOtlpEnvironment(kService, get, warn_);
  if (!settings) return;
  const telemetry::Sampler sampler = settings->sampler;
  auto exporter = telemetry::OtlpExporter::Create(loop_, std::move(*settings), warn_);
  if (!exporter) {
    warn_(exporter.error().message() + "; no traces are sent");
    return;
  }
  exporter_ = std::move(*exporter);
  tracer_ = std::make_unique<telemetry::Tracer>(
      sampler, [to = exporter_.get()](telemetry::SpanData span) { to->Take(std::move(span)); });
  calls_.Trace(tracer_.get());
}

node::MakeParts Observation::Counted(node::MakeParts make) {
  return [this, make = std::move(make)](const node::Place& place,
                                        sandbox::Listener& listener) -> Result<node::Parts> {
    auto counting = std::make_shared<CountingListener>(*this, listener);
    node::Parts parts = TRY(make(place, *counting));
    using Both = std::pair<std::shared_ptr<CountingListener>, std::shared_ptr<void>>;
    parts.others = std::make_shared<Both>(std::move(counting), std::move(parts.others));
    return parts;
  };
}

ttrpc::CallHook Observation::calls() {
  return [this](const ttrpc::CallInfo& info, std::string_view payload) {
    return calls_.OnCall(info, payload);
  };
}

void Observation::Flush(std::chrono::milliseconds patience, std::function<void()> done) {
  if (exporter_ != nullptr) return exporter_->Flush(patience, std::move(done));
  flushed_ = loop_.After(std::chrono::nanoseconds(0), std::move(done));
}

void Observation::Collect(Page& page) const {
  page.Begin(Kind::kGauge, "wasmoor_build_info", "What this process is; always 1.");
  page.Add({{"version", WASMOOR_VERSION}, {"program", kService}}, 1);
  if (sources_) CollectNode(page);
  CollectProcesses(page);
  if (sources_ && sources_->events) CollectEvents(page);
  if (exporter_ != nullptr) CollectTraces(page);
}

void Observation::CollectNode(Page& page) const {
  constexpr std::array kStates = {sandbox::State::kCreated, sandbox::State::kRunning,
                                  sandbox::State::kPaused, sandbox::State::kStopped};
  std::array<uint64_t, kStates.size()> containers = {};
  uint64_t sandboxes = 0, connections = 0;
  for (const auto& one : sources_->sandboxes.List()) {
    ++sandboxes;
    connections += one.connections;
    const auto view = sources_->sandboxes.Find(one.key);
    for (const std::string& id : one.containers) {
      // One that is being made is there by its name only.
      const auto container =
          view ? view->sandbox.Find(id) : Result<sandbox::Container*>(tl::unexpected(view.error()));
      if (container) ++containers[static_cast<size_t>((*container)->first().info().state)];
    }
  }
  Write(page, Kind::kGauge, "wasmoor_node_sandboxes", "Sandboxes held.", Value(sandboxes));
  Write(page, Kind::kGauge, "wasmoor_node_connections", "Connections to the sandboxes' sockets.",
        Value(connections));
  page.Begin(Kind::kGauge, "wasmoor_node_containers", "Containers held, by their state.");
  for (const sandbox::State state : kStates)
    page.Add({{"state", sandbox::StateName(state)}}, Value(containers[static_cast<size_t>(state)]));
  Write(page, Kind::kGauge, "wasmoor_host_guests",
        "Guests that hosts have, those included that have ended and are not deleted.",
        Value(sources_->hosts.guests()));
  Write(page, Kind::kGauge, "wasmoor_host_processes", "Hosts of guests.",
        Value(sources_->hosts.pids().size()));
}

void Observation::CollectProcesses(Page& page) const {
  const std::array daemon = {::getpid()};
  const std::vector<pid_t> hosts = sources_ ? sources_->hosts.pids() : std::vector<pid_t>();
  const std::array usages = {std::pair("daemon", ReadProcessUsage(daemon)),
                             std::pair("hosts", ReadProcessUsage(hosts))};
  const auto write = [&](Kind kind, std::string_view name, std::string_view help,
                         const auto& value) {
    page.Begin(kind, name, help);
    for (const auto& [process, usage] : usages) page.Add({{"process", process}}, value(usage));
  };
  write(Kind::kCounter, "wasmoor_process_cpu_seconds_total", "CPU time of the processes.",
        [](const ProcessUsage& usage) { return usage.cpu_seconds; });
  write(Kind::kGauge, "wasmoor_process_resident_memory_bytes", "Memory in RAM of the processes.",
        [](const ProcessUsage& usage) { return Value(usage.resident_bytes); });
  write(Kind::kGauge, "wasmoor_process_threads", "Threads of the processes.",
        [](const ProcessUsage& usage) { return Value(usage.threads); });
  write(Kind::kGauge, "wasmoor_process_open_fds", "Descriptors open in the processes.",
        [](const ProcessUsage& usage) { return Value(usage.descriptors); });
}

void Observation::CollectEvents(Page& page) const {
  const node::EventCounts counts = sources_->events();
  Write(page, Kind::kCounter, "wasmoor_containerd_events_published_total",
        "Events that containerd has confirmed.", Value(counts.published));
  Write(page, Kind::kCounter, "wasmoor_containerd_events_failed_total",
        "Events that were dropped, as containerd refused them or was away for too long.",
        Value(counts.failed));
  Write(page, Kind::kGauge, "wasmoor_containerd_events_waiting",
        "Events that containerd has not confirmed yet.", Value(counts.waiting));
}

void Observation::CollectTraces(Page& page) const {
  const auto counts = exporter_->counts();
  Write(page, Kind::kCounter, "wasmoor_telemetry_spans_sent_total",
        "Spans that the collector has taken.", Value(counts.sent));
  Write(page, Kind::kCounter, "wasmoor_telemetry_spans_dropped_total",
        "Spans that the collector refused, or for which there was no room.", Value(counts.dropped));
  Write(page, Kind::kGauge, "wasmoor_telemetry_spans_waiting", "Spans that are not sent yet.",
        Value(counts.waiting));
}

}  // namespace wasmoor::cmd
