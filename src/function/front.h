#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "function/ask.h"
#include "function/numbers.h"
#include "wasmoor/function/admission/admission.h"
#include "wasmoor/function/catalog/catalog.h"
#include "wasmoor/function/lanes/lanes.h"
#include "wasmoor/http/server.h"
#include "wasmoor/program/program.h"
#include "wasmoor/telemetry/trace.h"
#include "wasmoor/wasm/http.h"

namespace wasmoor::function {

class Request;
class Workers;
struct Reuse;

// How requests are served, the same for all.
struct Serving {
  Allowance usual, most;
  Reply reply = Reply::kAuto;      // Where a manifest does not say.
  bool tells_usage = true;         // By fields of responses.
  uint64_t body_bytes = 64 << 20;  // Of a request; a manifest may have less.
  std::string pod;                 // Of WasmBox' field Pod; empty: none.
  uint16_t port = 0;               // What programs are told.
};

// What is told of one request, to who keeps logs. Views hold for the call.
struct RequestReport {
  std::string_view method, target, function, tenant;
  unsigned status = 0;
  End end = End::kOk;
  std::chrono::nanoseconds duration{0}, queued{0}, cpu_time{0};
  uint64_t memory = 0, bytes_in = 0, bytes_out = 0;
  std::string_view problem;    // Of what failed: a sentence.
  std::string_view backtrace;  // And where, for people.
  std::string_view traceparent;
};

// A function that can be run, and what serves it if it is a component of wasi:http.
struct Served {
  std::shared_ptr<const Ready> ready;
  std::shared_ptr<wasm::HttpHandler> handler;
  std::shared_ptr<const Reuse> reuse;  // Null: each request has a fresh instance.
};

// What all loops share. Any thread.
class Common {
 public:
  virtual ~Common() = default;
  virtual const Serving& serving() const = 0;
  virtual Admission& admission() = 0;
  virtual const program::Host& host() const = 0;
  // The newest of the first of `names` that there is, or why there is none of it: asks the catalog.
  // `done` is called on the station's loop.
  using Found = std::function<void(Result<Served>)>;
  virtual void Look(Station& station, std::vector<std::string> names, Found done) = 0;
  virtual std::shared_ptr<Tenant> TenantOf(std::string_view name) = 0;
  virtual void Touch(const Ready& function) = 0;  // It is used now.
  // Where it is to run instead of this process; null: here.
  virtual Workers* WorkersFor(const Ready& function) = 0;
  // Runs it where the function's directories can be reached, and nothing else.
  virtual void BeginApart(Station& station, Job& job, std::shared_ptr<const Ready> function) = 0;
  virtual bool WantsReports(End end) const = 0;
  virtual void Report(const RequestReport& report) = 0;
  virtual void Say(std::string_view function, std::string_view lines) = 0;  // Of guests' errors.
};

// One loop's part of a server of functions: what answers its connections. Belongs to whichever
// thread leads the loop.
class Front : public http::Handler {
 public:
  // A function, as this loop knows it.
  struct Entry {
    std::shared_ptr<const Ready> ready;  // Null: it is not known to be there.
    std::shared_ptr<wasm::HttpHandler> handler;
    std::shared_ptr<const Reuse> reuse;
    std::shared_ptr<Tenant> tenant;
    Numbers numbers;
    bool changed = false;  // Since TakeNews.
  };

  using Named = std::pair<const std::string, Entry>;

  Front(Common& common, Station& station) : common_(common), station_(station) {}

  std::unique_ptr<http::Work> Begin(const http::Head& head, http::Exchange& exchange) override;

  // What there is from now on under this name; null: nothing.
  void Set(const std::string& name, Served served);
  // Null: never heard of. What is returned is there as long as the front.
  Named* Find(std::string_view name);
  Named& At(const std::string& name);

  // What was counted since the last call: of functions by their names, "" for requests that named
  // none. Cumulative.
  std::vector<std::pair<std::string, Numbers>> TakeNews();
  void Changed(Named& entry);

  // Requests are told of there from now on; outlives this. Null: nowhere.
  void Trace(telemetry::Tracer* tracer) { tracer_ = tracer; }
  telemetry::Tracer* tracer() const { return tracer_; }

  Common& common() { return common_; }
  Station& station() { return station_; }
  loop::Loop& loop() { return station_.loop(); }

  uint64_t requests() const { return requests_; }  // Under way.

 private:
  friend class Request;
  struct Hash {
    using is_transparent = void;
    size_t operator()(std::string_view text) const { return std::hash<std::string_view>()(text); }
  };
  Common& common_;
  Station& station_;
  std::unordered_map<std::string, Entry, Hash, std::equal_to<>> entries_;
  std::vector<Named*> changed_;
  telemetry::Tracer* tracer_ = nullptr;
  uint64_t requests_ = 0;
};

}  // namespace wasmoor::function
