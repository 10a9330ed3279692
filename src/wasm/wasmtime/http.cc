#include "wasm/wasmtime/http.h"

#include <unistd.h>
#include <atomic>

#include <csignal>
#include <cstring>

#include "wasm/wasmtime/component_grants.h"
#include "wasm/wasmtime/load.h"
#include "wasm/wasmtime/traps.h"

namespace wasmoor::wasm::wasmtime {
namespace {

// A guest that is polled computes, and nothing else.
constexpr std::atomic<bool> kComputes = false;

using HandlerHandle = Handle<wasmoor_http_handler_t, wasmoor_http_handler_delete>;
using InstanceHandle = Handle<wasmoor_http_instance_t, wasmoor_http_instance_delete>;
using RequestHandle = Handle<wasmoor_http_request_t, wasmoor_http_request_delete>;

// ---- What guests reach, as the crate calls it.

std::string_view Text(const uint8_t* data, size_t size) {
  return {reinterpret_cast<const char*>(data), size};
}

void Log(void* host, int32_t stream, const uint8_t* text, size_t size) {
  static_cast<HttpHost*>(host)->Log(stream, Text(text, size));
}

bool Allow(void* host, const uint8_t* name, size_t size, uint16_t port) {
  return static_cast<HttpHost*>(host)->MayAsk(Text(name, size), port);
}

size_t Resolve(void* host, const uint8_t* name, size_t size, uint8_t* addresses, size_t room) {
  const auto found = static_cast<HttpHost*>(host)->Resolve(Text(name, size));
  const size_t count = std::min(found.size(), room);
  if (count > 0) std::memcpy(addresses, found.data(), count * sizeof(HttpHost::Address));
  return count;
}

void OnThread(void* host, bool begins) { static_cast<HttpHost*>(host)->OnThread(begins); }

void Wake(void* wake) { (*static_cast<std::function<void()>*>(wake))(); }

void Collect(void* fields, const char* name, size_t name_size, const char* value,
             size_t value_size) {
  static_cast<std::vector<HttpField>*>(fields)->push_back({{name, name_size}, {value, value_size}});
}

std::vector<wasmoor_http_field_t> ToC(HttpFields fields) {
  std::vector<wasmoor_http_field_t> all;
  all.reserve(fields.size());
  for (const HttpField& one : fields)
    all.push_back({one.name.data(), one.name.size(), one.value.data(), one.value.size()});
  return all;
}

// ---- A request.

class Instance : public HttpInstance {
 public:
  explicit Instance(InstanceHandle instance) : instance_(std::move(instance)) {}
  uint64_t memory_bytes() const override { return wasmoor_http_instance_memory(instance_.get()); }
  InstanceHandle Take() { return std::move(instance_); }

 private:
  InstanceHandle instance_;
};

class Request : public HttpRequest {
 public:
  Request(Ticker& ticker, TickHandler* on_tick, std::function<void()> wake)
      : ticker_(ticker), on_tick_(on_tick), wake_(std::move(wake)) {}

  Status Begin(const wasmoor_http_handler_t& handler, const HttpHead& head,
               const wasmoor_limits_t& limits, HttpBegin begin);

  News Poll() override;
  Failure TakeFailure() override;
  void WriteBody(std::string_view part) override {
    wasmoor_http_request_write(request_.get(), part.data(), part.size());
  }
  void EndBody(HttpFields trailers) override {
    const auto fields = ToC(trailers);
    wasmoor_http_request_end(request_.get(), true, fields.data(), fields.size());
  }
  void BreakBody() override { wasmoor_http_request_end(request_.get(), false, nullptr, 0); }
  Response response() override;
  BodyState ReadBody(std::string_view* part) override;
  std::vector<HttpField> trailers() override;
  bool is_reused() const override { return wasmoor_http_request_is_reused(request_.get()); }
  std::unique_ptr<HttpInstance> TakeInstance() override;
  void Interrupt() override {
    interrupt_.Request(hostcall::StopReason::kSignal, SIGKILL);
    ticker_.Hurry();
  }

 private:
  Ticker& ticker_;
  hostcall::Interrupt interrupt_;
  TickHandler* const on_tick_;
  std::function<void()> wake_;
  RequestHandle request_;  // After what it wakes.
};

Status Request::Begin(const wasmoor_http_handler_t& handler, const HttpHead& head,
                      const wasmoor_limits_t& limits, HttpBegin begin) {
  const auto fields = ToC(head.fields);
  const wasmoor_http_head_t borrowed = {
      .method = head.method.data(),
      .method_size = head.method.size(),
      .target = head.target.data(),
      .target_size = head.target.size(),
      .fields = fields.data(),
      .field_count = fields.size(),
      .has_body = head.has_body,
      .is_tls = head.is_tls,
  };
  const wasmoor_http_waker_t waker = {Wake, &wake_};
  InstanceHandle instance;
  if (begin.instance != nullptr) instance = static_cast<Instance&>(*begin.instance).Take();
  wasmoor_http_request_t* request = nullptr;
  TRY(ToStatus(wasmoor_http_request_new(&handler, &borrowed, &limits, &waker, instance.release(),
                                        begin.keeps_instance, &request),
               Code::kInvalidArgument));
  request_.reset(request);
  return {};
}

HttpRequest::News Request::Poll() {
  uint32_t news = 0;
  if (on_tick_ != nullptr) on_tick_->OnTick();
  {
    const Ticker::Running running(ticker_, interrupt_, kComputes, std::nullopt);
    news = wasmoor_http_request_poll(request_.get());
  }
  return {.answered = (news & WASMOOR_HTTP_ANSWERED) != 0,
          .runnable = (news & WASMOOR_HTTP_RUNNABLE) != 0,
          .wants_body = (news & WASMOOR_HTTP_WANTS_BODY) != 0,
          .ended = (news & (WASMOOR_HTTP_ENDED | WASMOOR_HTTP_FAILED)) != 0};
}

HttpRequest::Failure Request::TakeFailure() {
  const ErrorHandle error(wasmoor_http_request_error(request_.get()));
  if (error == nullptr) return {};
  int status = 0;
  if (wasmtime_error_exit_status(error.get(), &status)) {
    if (status == 0) return {};
    return {.trap = std::nullopt,
            .error = Error(Code::kAborted, fmt::format("the guest exited with status {}", status))};
  }
  if (HasFrames(*error)) return {.trap = TrapFrom(*error), .error = std::nullopt};
  return {.trap = std::nullopt,
          .error = Error(Code::kResourceExhausted, OneLine(ErrorText(*error)))};
}

HttpRequest::Response Request::response() {
  Response response;
  const auto visit = [](void* to, const char* name, size_t name_size, const char* value,
                        size_t value_size) {
    auto& found = *static_cast<Response*>(to);
    if (name == nullptr) {
      found.error.assign(value, value_size);  // It does not outlive the visit.
    } else {
      found.fields.push_back({{name, name_size}, {value, value_size}});
    }
  };
  response.status = wasmoor_http_request_head(request_.get(), visit, &response);
  return response;
}

HttpRequest::BodyState Request::ReadBody(std::string_view* part) {
  const char* data = nullptr;
  size_t size = 0;
  switch (wasmoor_http_request_read(request_.get(), &data, &size)) {
    case WASMOOR_HTTP_CHUNK: *part = {data, size}; return BodyState::kPart;
    case WASMOOR_HTTP_END:
    case WASMOOR_HTTP_TRAILERS: return BodyState::kEnd;
    case WASMOOR_HTTP_BROKEN_OFF: return BodyState::kBrokenOff;
    default: return BodyState::kNothingYet;
  }
}

std::vector<HttpField> Request::trailers() {
  std::vector<HttpField> fields;
  wasmoor_http_request_trailers(request_.get(), Collect, &fields);
  return fields;
}

std::unique_ptr<HttpInstance> Request::TakeInstance() {
  InstanceHandle instance(wasmoor_http_request_take_instance(request_.get()));
  if (instance == nullptr) return nullptr;
  return std::make_unique<Instance>(std::move(instance));
}

// ---- The handler.

class Handler : public HttpHandler {
 public:
  // With an engine of its own.
  Handler(EngineHandle engine, std::chrono::milliseconds tick, const HttpOptions& options)
      : Handler(options, nullptr, std::move(engine), std::make_unique<Ticker>(tick)) {
    own_ticker_->AddEngine(engine_.get());
  }
  Handler(std::shared_ptr<Shared> shared, const HttpOptions& options)
      : Handler(options, std::move(shared), nullptr, nullptr) {}

  wasm_engine_t* engine() const { return engine_.get(); }
  Status Prepare(const wasmtime_component_t* component, const HttpOptions& options);

  Result<std::unique_ptr<HttpRequest>> Begin(const HttpHead& head, std::function<void()> wake,
                                             HttpBegin begin) override {
    auto request = std::make_unique<Request>(ticker_, on_tick_, std::move(wake));
    wasmoor_limits_t limits = limits_;
    if (begin.memory != nullptr) {
      limits.pool = reinterpret_cast<const wasmoor_memory_pool_t*>(begin.memory);
      limits.memory_max = begin.memory->max.load(std::memory_order_relaxed);
    }
    TRY(request->Begin(*handler_, head, limits, std::move(begin)));
    return request;
  }

 private:
  Handler(const HttpOptions& options, std::shared_ptr<Shared> shared, EngineHandle engine,
          std::unique_ptr<Ticker> ticker)
      : host_(options.host),
        limits_(LimitsOf(options.limits, options.memory_pool)),
        on_tick_(options.on_tick),
        shared_(std::move(shared)),
        engine_(std::move(engine)),
        own_ticker_(std::move(ticker)),
        ticker_(own_ticker_ != nullptr ? *own_ticker_ : *shared_->ticker()) {}

  static wasmoor_limits_t LimitsOf(const Limits& limits, const MemoryPool* pool) {
    wasmoor_limits_t all = {};
    all.pool = reinterpret_cast<const wasmoor_memory_pool_t*>(pool);
    all.memory_max = limits.memory_bytes;
    all.table_elements_max = limits.table_elements;
    all.instances_max = limits.instances;
    all.memories_max = limits.memories;
    all.tables_max = limits.tables;
    return all;
  }

  const std::shared_ptr<HttpHost> host_;
  const wasmoor_limits_t limits_;
  TickHandler* const on_tick_;
  const std::shared_ptr<Shared> shared_;      // Null if it has …
  const EngineHandle engine_;                 // … these of its own.
  const std::unique_ptr<Ticker> own_ticker_;  // After the engine that it ticks.
  Ticker& ticker_;
  HandlerHandle handler_;
};

Status Handler::Prepare(const wasmtime_component_t* component, const HttpOptions& options) {
  const wasi::Grants none;
  const wasi::Grants& grants = options.grants != nullptr ? *options.grants : none;
  TRY(CheckStrings(grants));
  WasiConfigHandle config(wasi_config_new());
  const bool on_thread = options.process == HttpOptions::Process::kShared;
  const bool files_on_thread = on_thread || options.files_where_polled;
  if (files_on_thread) wasmoor_wasi_config_on_thread(config.get(), -1, -1, -1);
  TRY(GrantDirectories(grants, config.get()));
  std::vector<const char*> arguments, names, values;
  for (const std::string& argument : grants.arguments) arguments.push_back(argument.c_str());
  for (const auto& [name, value] : grants.environment) {
    names.push_back(name.c_str());
    values.push_back(value.c_str());
  }
  const wasmoor_http_host_t host = {
      .host = host_.get(),
      .log = Log,
      .allow = Allow,
      .resolve = Resolve,
      .thread = OnThread,
      .on_thread = on_thread,
      .has_others = options.process != HttpOptions::Process::kOwn,
      .files_on_thread = files_on_thread,
      .argument_count = arguments.size(),
      .arguments = arguments.data(),
      .variable_count = names.size(),
      .names = names.data(),
      .values = values.data(),
  };
  wasmoor_http_handler_t* handler = nullptr;
  TRY(ToStatus(wasmoor_http_handler_new(component, config.release(), &host, &handler),
               Code::kFailedPrecondition));
  handler_.reset(handler);
  return {};
}

}  // namespace

Result<std::unique_ptr<HttpHandler>> MakeHttpHandler(const EngineOptions& engine,
                                                     const ComponentCode& code,
                                                     const HttpOptions& options) {
  EngineOptions own = engine;
  own.pool = options.pool;
  auto handler = std::make_unique<Handler>(TRY(NewEngine(own, code.tier, Purpose::kServe)),
                                           engine.tick, options);
  const ComponentHandle component = TRY(LoadComponent(handler->engine(), code));
  TRY(handler->Prepare(component.get(), options));
  return handler;
}

Result<std::unique_ptr<HttpHandler>> MakeHttpHandler(std::shared_ptr<Shared> shared,
                                                     const wasmtime_component_t* component,
                                                     const HttpOptions& options) {
  auto handler = std::make_unique<Handler>(std::move(shared), options);
  TRY(handler->Prepare(component, options));
  return handler;
}

}  // namespace wasmoor::wasm::wasmtime
