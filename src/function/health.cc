#include "function/health.h"

#include <array>
#include <string_view>
#include <utility>

#include "wasmoor/base/printable.h"

namespace wasmoor::function {
namespace {

using namespace std::chrono_literals;

constexpr unsigned kOk = 200, kNotFound = 404, kMethodNotAllowed = 405, kUnavailable = 503;
constexpr std::string_view kPlain = "text/plain; charset=utf-8";

struct Answer {
  unsigned status = kOk;
  std::string_view type = kPlain;
  std::string body;
};

class Telling : public http::Work {
 public:
  Telling(Answer answer, http::Exchange& exchange)
      : answer_(std::move(answer)), exchange_(exchange) {}
  void Run() override {
    const std::array fields = {http::Field{"content-type", answer_.type},
                               http::Field{"cache-control", "no-store"}};
    exchange_.Respond(answer_.status, fields);
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

}  // namespace

Health::Health(Options options)
    : options_(std::move(options)),
      server_(std::make_unique<http::Server>(options_.loop, *this,
                                             http::Limits{.head_bytes = 16 << 10,
                                                          .body_bytes = 64 << 20,
                                                          .connections = 256,
                                                          .head_time = 10s,
                                                          .idle_time = 75s,
                                                          .stall_time = 10s})) {}
Health::~Health() { acceptors_.clear(); }

Status Health::Listen(const os::Fd& listening) {
  acceptors_.push_back(
      TRY(loop::Acceptor::Create(options_.loop, listening, [this](os::Fd connection) {
        server_->Serve(std::move(connection));
      })));
  return {};
}

std::unique_ptr<http::Work> Health::Begin(const http::Head& head, http::Exchange& exchange) {
  const std::string_view path = head.target.substr(0, head.target.find('?'));
  const bool is_ours = path == "/ready" || path == "/live" || path == "/metrics";
  if (!is_ours && options_.others != nullptr) return options_.others->Begin(head, exchange);
  Answer answer;
  if (!is_ours) {
    answer = {.status = kNotFound, .body = "there are /ready, /live and /metrics\n"};
  } else if (head.method != "GET" && head.method != "HEAD") {
    answer = {.status = kMethodNotAllowed, .body = "only GET and HEAD\n"};
  } else if (path == "/metrics") {
    answer = {.type = telemetry::Registry::kContentType, .body = options_.registry.Scrape()};
  } else {
    const Status ready = path == "/ready" ? options_.ready() : Status();
    answer =
        ready ? Answer{.body = "ok\n"}
              : Answer{.status = kUnavailable, .body = Printable(ready.error().message()) + "\n"};
  }
  return std::make_unique<Telling>(std::move(answer), exchange);
}

}  // namespace wasmoor::function
