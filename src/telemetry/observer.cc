#include "wasmoor/telemetry/observer.h"

#include <fmt/format.h>

#include <array>
#include <list>
#include <string>
#include <string_view>
#include <utility>

#include "wasmoor/base/printable.h"
#include "wasmoor/http/server.h"
#include "wasmoor/loop/acceptor.h"

namespace wasmoor::telemetry {
namespace {

using namespace std::chrono_literals;

constexpr std::string_view kPlain = "text/plain; charset=utf-8", kMetricsPath = "/metrics";

struct Answer {
  unsigned status = 200;
  std::string_view type = kPlain;
  std::string body;
};

// What is answered is known when the head is: a body that comes with it is nobody's.
class Telling : public http::Work {
 public:
  Telling(Answer answer, http::Exchange& exchange)
      : answer_(std::move(answer)), exchange_(exchange) {}

  void Run() override {
    const std::array fields = {http::Field{"content-type", answer_.type},
                               http::Field{"cache-control", "no-store"},
                               http::Field{"allow", "GET, HEAD"}};
    constexpr unsigned kMethodNotAllowed = 405;
    const size_t count = answer_.status == kMethodNotAllowed ? fields.size() : fields.size() - 1;
    exchange_.Respond(answer_.status, http::Fields(fields).first(count));
    exchange_.Write(answer_.body);
    exchange_.Finish({});
  }
  void OnBody(std::string_view) override {}
  void OnBodyEnd(http::Fields) override {}
  void OnBodyBroken() override {}
  void OnWritable() override {}

 private:
  const Answer answer_;
  http::Exchange& exchange_;
};

http::Limits LimitsOf(const ObserverOptions& options) {
  return {.head_bytes = 16 << 10,
          .body_bytes = options.body_bytes,
          .connections = options.connections,
          .head_time = 10s,
          .idle_time = 75s,
          .stall_time = 10s};
}

}  // namespace

struct Observer::Parts : http::Handler {
  explicit Parts(ObserverOptions with)
      : options(std::move(with)), server(options.loop, *this, LimitsOf(options)) {}

  std::unique_ptr<http::Work> Begin(const http::Head& head, http::Exchange& exchange) override {
    const std::string_view path = head.target.substr(0, head.target.find('?'));
    const bool is_ours =
        path == kMetricsPath || path == options.live_path || path == options.ready_path;
    if (!is_ours && options.others != nullptr) return options.others->Begin(head, exchange);
    return std::make_unique<Telling>(is_ours ? AnswerTo(head, path) : NothingThere(), exchange);
  }

  Answer NothingThere() const {
    constexpr unsigned kNotFound = 404;
    return {.status = kNotFound,
            .body = fmt::format("there are {}, {} and {}\n", kMetricsPath, options.live_path,
                                options.ready_path)};
  }

  Answer AnswerTo(const http::Head& head, std::string_view path) {
    constexpr unsigned kMethodNotAllowed = 405;
    if (head.method != "GET" && head.method != "HEAD")
      return {.status = kMethodNotAllowed, .body = "only GET and HEAD\n"};
    if (path == kMetricsPath) return {.type = Registry::kContentType, .body = Metrics()};
    return path == options.live_path ? Answer{.body = "ok\n"} : Readiness();
  }

  // A scrape may cost milliseconds where there is much to tell: however many ask in one turn of the
  // loop, in which everybody else waits, it is done once.
  const std::string& Metrics() {
    if (!stale.pending()) {
      page = options.registry.Scrape();
      stale = options.loop.After(std::chrono::nanoseconds(0), [this] { page = std::string(); });
    }
    return page;
  }

  Answer Readiness() const {
    constexpr unsigned kUnavailable = 503;
    const Status ready = options.ready ? options.ready() : Status();
    if (ready) return {.body = "ok\n"};
    return {.status = kUnavailable, .body = Printable(ready.error().message()) + "\n"};
  }

  const ObserverOptions options;
  std::string page;
  loop::Timer stale;  // Pending as long as the page is good.
  http::Server server;
  // Destroyed before the server that they give connections to.
  struct Door {
    os::Fd listening;
    std::unique_ptr<loop::Acceptor> acceptor;
  };
  std::list<Door> doors;
};

Observer::Observer(ObserverOptions options) : parts_(std::make_unique<Parts>(std::move(options))) {}
Observer::~Observer() = default;

Status Observer::Listen(os::Fd listening) {
  Parts::Door& door = parts_->doors.emplace_back();
  door.listening = std::move(listening);
  auto acceptor = loop::Acceptor::Create(
      parts_->options.loop, door.listening,
      [this](os::Fd connection) { parts_->server.Serve(std::move(connection)); });
  if (!acceptor) {
    parts_->doors.pop_back();
    return tl::unexpected(std::move(acceptor).error());
  }
  door.acceptor = std::move(*acceptor);
  return {};
}

size_t Observer::connections() const { return parts_->server.connections(); }

}  // namespace wasmoor::telemetry
