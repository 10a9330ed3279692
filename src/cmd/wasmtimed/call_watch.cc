#include "cmd/wasmtimed/call_watch.h"

#include <memory>
#include <optional>
#include <utility>

#include "proto/containerd/task.pb.h"
#include "wasmoor/ttrpc/service.h"

namespace wasmoor::cmd {
namespace {

// Whose making is timed. One that is never started is forgotten when it is deleted; those that were
// not, as their sandbox went without a word, all at once.
constexpr size_t kMostBegun = 20'000;
constexpr std::string_view kTaskService = ".Task";  // containerd.task.v2 and v3.
constexpr std::string_view kNamespace = "containerd-namespace-ttrpc";

}  // namespace

struct CallWatch::Call {
  std::string service, method, name_space, id;
  bool is_exec = false;
  Clock::time_point begun = Clock::now();
  telemetry::Span span;

  std::string key() const { return name_space + '/' + id; }
};

CallWatch::CallWatch(telemetry::Registry& registry)
    : calls_(registry.Counters("wasmoor_ttrpc_calls_total",
                               "Calls of the task services, by how they were answered.",
                               {"method", "code"})),
      created_(registry.Counters("wasmoor_node_tasks_created_total", "Containers made.")),
      started_(registry.Counters("wasmoor_node_tasks_started_total",
                                 "Processes started: of a container the first (task), or one "
                                 "beside it (exec).",
                                 {"kind"})),
      seconds_(registry.Histograms("wasmoor_ttrpc_call_seconds",
                                   "From a call of the task services to its answer; all but Wait.",
                                   telemetry::SecondsBounds(), {"method"})),
      to_running_(registry.Histograms("wasmoor_node_task_start_seconds",
                                      "From when containerd asks for a container to when it runs, "
                                      "containerd's own time between "
                                      "Create and Start included.",
                                      telemetry::SecondsBounds())) {}

std::function<void(const Error*)> CallWatch::OnCall(const ttrpc::CallInfo& info,
                                                    std::string_view payload) {
  if (!info.service.ends_with(kTaskService)) return [](const Error*) {};
  auto call = std::make_shared<Call>();
  call->service = info.service;
  call->method = info.method;
  call->name_space = info.Find(kNamespace).value_or("");
  // All requests have the container's id as field 1; those with a field 2 that is text have the
  // exec's id there, but for Create, where it is the bundle.
  ::containerd::task::v2::StateRequest request;
  if (ttrpc::Parse(payload, &request)) {
    call->id = request.id();
    call->is_exec = call->method != "Create" && !request.exec_id().empty();
  }
  Begin(*call);
  call->span = StartSpan(info, *call);
  return [this, call](const Error* error) { End(call.get(), error); };
}

void CallWatch::Begin(const Call& call) {
  if (call.method != "Create") return;
  if (begun_.size() >= kMostBegun) begun_.clear();
  // A second one of the same id fails, and does not count.
  begun_.try_emplace(call.key(), call.begun);
}

telemetry::Span CallWatch::StartSpan(const ttrpc::CallInfo& info, const Call& call) const {
  if (tracer_ == nullptr || call.method == "Wait") return {};
  std::optional<telemetry::TraceContext> parent;
  if (const auto text = info.Find("traceparent"))
    parent = telemetry::ParseTraceparent(*text, info.Find("tracestate").value_or(""));
  auto span = tracer_->Start(call.service + "/" + call.method, telemetry::SpanKind::kServer,
                             parent ? &*parent : nullptr);
  // OpenTelemetry's names, where it has some.
  span.Set("rpc.system", std::string("ttrpc"));
  span.Set("rpc.service", call.service);
  span.Set("rpc.method", call.method);
  span.Set("containerd.namespace", call.name_space);
  span.Set("container.id", call.id);
  return span;
}

void CallWatch::End(Call* call, const Error* error) {
  const std::string_view code = CodeName(error == nullptr ? Code::kOk : error->code());
  // What there is none of could be called anything.
  const bool is_unknown = error != nullptr && error->code() == Code::kUnimplemented;
  const std::string_view method = is_unknown ? "other" : std::string_view(call->method);
  calls_.With({method, code}).Add();
  const auto seconds = [](Clock::duration time) {
    return std::chrono::duration<double>(time).count();
  };
  const auto now = Clock::now();
  if (method != "Wait") seconds_.With({method}).Observe(seconds(now - call->begun));
  if (error != nullptr) call->span.Fail(*error);
  call->span.Set("rpc.response.status_code", std::string(code));
  call->span.End();

  const auto begun = begun_.find(call->key());
  const bool is_begun = begun != begun_.end();
  const bool is_over = (method == "Create" && is_begun && begun->second == call->begun) ||
                       (method == "Delete" && error == nullptr && !call->is_exec);
  if (method == "Create" && error == nullptr) {
    created_.With().Add();
  } else if (method == "Start" && error == nullptr) {
    started_.With({call->is_exec ? "exec" : "task"}).Add();
    if (call->is_exec || !is_begun) return;
    to_running_.With().Observe(seconds(now - begun->second));
    begun_.erase(begun);
  } else if (is_begun && is_over) {
    begun_.erase(begun);
  }
}

}  // namespace wasmoor::cmd
