#include "function/page/page.h"

#include <array>
#include <utility>

#include "function/page/assets.h"
#include "function/page/frame.h"
#include "function/page/guard.h"
#include "function/page/invocation.h"
#include "function/page/status_json.h"
#include "function/page/views.h"

namespace wasmoor::function::page {

struct Page::Answer {
  unsigned status = 200;
  std::string_view type;
  std::string body;
};

namespace {

constexpr unsigned kBadRequest = 400, kForbidden = 403, kNotFound = 404, kMethodNotAllowed = 405,
                   kTooLarge = 413, kMisdirected = 421, kTooMany = 429;
constexpr std::string_view kPlain = "text/plain; charset=utf-8", kHtml = "text/html; charset=utf-8",
                           kCss = "text/css; charset=utf-8",
                           kJavaScript = "text/javascript; charset=utf-8",
                           kJson = "application/json", kSvg = "image/svg+xml",
                           kBytes = "application/octet-stream";

// Names and messages come from whoever has a function here. They are escaped; and should that ever
// fail, nothing but what this server itself has at a path of its own is run or loaded.
constexpr std::string_view kPolicy =
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'; trusted-types 'none'";

void Respond(http::Exchange& exchange, unsigned status, std::string_view type,
             std::string_view body) {
  const std::array fields = {http::Field{"content-type", type},
                             http::Field{"content-security-policy", kPolicy},
                             http::Field{"x-content-type-options", "nosniff"},
                             http::Field{"x-frame-options", "DENY"},
                             http::Field{"referrer-policy", "no-referrer"},
                             http::Field{"cross-origin-resource-policy", "same-origin"},
                             http::Field{"cache-control", "no-store"}};
  exchange.Respond(status, fields);
  exchange.Write(body);
  exchange.Finish({});
}

// An answer that is there already.
class Telling : public http::Work {
 public:
  Telling(unsigned status, std::string_view type, std::string body, http::Exchange& exchange)
      : status_(status), type_(type), body_(std::move(body)), exchange_(exchange) {}
  void Run() override { Respond(exchange_, status_, type_, body_); }
  void OnBody(std::string_view) override {}
  void OnBodyEnd(http::Fields) override {}
  void OnBodyBroken() override {}
  void OnWritable() override {}

 private:
  const unsigned status_;
  const std::string_view type_;
  const std::string body_;
  http::Exchange& exchange_;
};

// A call of a function, for as long as who asked for it is there.
class Calling : public http::Work {
 public:
  Calling(const Caller& caller, size_t& calls, bool has_body, http::Exchange& exchange)
      : caller_(caller), calls_(calls), has_body_(has_body), exchange_(exchange) {
    ++calls_;
  }
  ~Calling() override { --calls_; }

  void Run() override {
    if (calls_ > Page::kMostCalls)
      return Refuse(kTooMany, "too many calls from this page are under way");
    has_body_ ? exchange_.ReadBody() : Begin();
  }
  void OnBody(std::string_view part) override {
    body_ += part;
    if (body_.size() > kMostCallHead + kMostCallBody)
      return Refuse(kTooLarge, fmt::format("the body is larger than {} bytes", kMostCallBody));
    exchange_.ReadBody();
  }
  void OnBodyEnd(http::Fields) override { Begin(); }
  void OnBodyBroken() override { exchange_.Abort(); }
  void OnWritable() override {}

 private:
  void Begin() {
    auto request = ReadCall(body_);
    body_ = {};
    if (!request) return Refuse(kBadRequest, request.error().message());
    call_ = caller_(*std::move(request), [this](const CallReply& reply) {
      Respond(exchange_, 200, kBytes, WriteReply(reply));
      exchange_.Flush();  // Destroys this, perhaps.
    });
  }
  void Refuse(unsigned status, std::string_view why) {
    Respond(exchange_, status, kPlain, fmt::format("{}\n", why));
  }

  const Caller& caller_;
  size_t& calls_;
  const bool has_body_;
  http::Exchange& exchange_;
  std::string body_;
  std::unique_ptr<Call> call_;
};

std::string Document(const Snapshot& snapshot, const View& view,
                     const std::optional<Detail>& detail) {
  Html html;
  WriteTop(snapshot, view, &html);
  switch (view.kind) {
    case View::Kind::kFunctions: WriteFunctions(snapshot, view, &html); break;
    case View::Kind::kTenants: WriteTenants(snapshot, view, &html); break;
    case View::Kind::kFailures: WriteFailures(snapshot, view, &html); break;
    case View::Kind::kFunction: WriteFunction(snapshot, view, detail, &html); break;
  }
  WriteBottom(snapshot, &html);
  return html.Take();
}

}  // namespace

Page::Answer Page::Show(std::string_view path, std::string_view query) const {
  if (path == "/page.css") return {.type = kCss, .body = std::string(Style())};
  if (path == "/page.js") return {.type = kJavaScript, .body = std::string(Script())};
  if (path == "/page.svg") return {.type = kSvg, .body = std::string(Icon())};
  const bool is_json = path == "/status.json";
  const std::optional<View> view = is_json ? ReadNamedView(query) : ReadView(path, query);
  if (!view) return {kNotFound, kPlain, "there is no such page\n"};
  const std::shared_ptr<const Snapshot> snapshot = options_.snapshot();
  std::optional<Detail> detail;
  if (view->kind == View::Kind::kFunction) detail = options_.detail(view->function);
  if (is_json) return {.type = kJson, .body = StatusJson(*snapshot, *view, detail)};
  return {.type = kHtml, .body = Document(*snapshot, *view, detail)};
}

std::unique_ptr<http::Work> Page::Begin(const http::Head& head, http::Exchange& exchange) {
  const auto tell = [&](unsigned status, std::string_view text) {
    return std::make_unique<Telling>(status, kPlain, fmt::format("{}\n", text), exchange);
  };
  if (const auto host = CheckHost(head.fields, options_.hosts); !host)
    return tell(kMisdirected, host.error().message());
  const size_t question = head.target.find('?');
  const std::string_view path = head.target.substr(0, question);
  if (path == "/invoke") {
    if (head.method != "POST") return tell(kMethodNotAllowed, "only POST");
    if (const auto origin = CheckOrigin(head.fields); !origin)
      return tell(kForbidden, origin.error().message());
    return std::make_unique<Calling>(options_.call, calls_, head.has_body, exchange);
  }
  if (head.method != "GET" && head.method != "HEAD")
    return tell(kMethodNotAllowed, "only GET and HEAD");
  Answer answer = Show(
      path, question == head.target.npos ? std::string_view() : head.target.substr(question + 1));
  return std::make_unique<Telling>(answer.status, answer.type, std::move(answer.body), exchange);
}

}  // namespace wasmoor::function::page
