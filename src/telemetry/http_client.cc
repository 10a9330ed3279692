#include "telemetry/http_client.h"

#include <fcntl.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <boost/beast/http/basic_parser.hpp>
#include <boost/beast/http/error.hpp>
#include <cerrno>
#include <charconv>
#include <utility>

#include "wasmoor/base/check.h"
#include "wasmoor/os/file.h"
#include "wasmoor/os/socket.h"

namespace wasmoor::telemetry {
namespace {

namespace beast = boost::beast;
using ErrorCode = boost::system::error_code;

constexpr std::string_view kScheme = "http://", kSecureScheme = "https://";
constexpr uint32_t kMostHead = 16 << 10;
constexpr uint64_t kMostBody = 64 << 10;
constexpr size_t kPart = 16 << 10;
constexpr uint64_t kMostHosts = 1 << 20;
constexpr unsigned kContinue = 100, kFirstFinal = 200;

std::string_view View(beast::string_view text) { return {text.data(), text.size()}; }

bool IsPlain(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c < 0x7f; });
}

// Read anew for each connection: an operator may put a name there when it is found to be missing.
std::string ReadHosts() {
  const auto file = os::OpenAt(os::Fd(), "/etc/hosts", O_RDONLY);
  if (!file) return {};
  const auto bytes = os::ReadAll(*file, kMostHosts);
  return bytes ? std::string(bytes->begin(), bytes->end()) : std::string();
}

}  // namespace

Result<Endpoint> ParseEndpoint(std::string_view url) {
  if (url.starts_with(kSecureScheme))
    return Fail(Code::kInvalidArgument,
                "{}: https is not spoken here: let a collector on this node take spans at an "
                "http:// endpoint and send them on",
                url);
  if (!url.starts_with(kScheme) || !IsPlain(url))
    return Fail(Code::kInvalidArgument, "'{}' is no endpoint: write http://ADDRESS:PORT", url);
  const std::string_view rest = url.substr(kScheme.size());
  const size_t slash = std::min(rest.find_first_of("/?#"), rest.size());
  std::string_view authority = rest.substr(0, slash);
  Endpoint endpoint;
  std::string_view target = rest.substr(slash);
  target = target.substr(0, target.find('#'));
  endpoint.target = (target.starts_with('/') ? "" : "/") + std::string(target);
  const size_t colon = authority.rfind(':');
  if (colon != std::string_view::npos && !authority.ends_with(']')) {
    const std::string_view port = authority.substr(colon + 1);
    const auto [end, failed] =
        std::from_chars(port.data(), port.data() + port.size(), endpoint.port);
    if (failed != std::errc() || end != port.data() + port.size() || endpoint.port == 0)
      return Fail(Code::kInvalidArgument, "{}: '{}' is not a port: a number from 1 to 65535", url,
                  port);
    authority = authority.substr(0, colon);
  }
  if (authority.starts_with('[') && authority.ends_with(']'))
    authority = authority.substr(1, authority.size() - 2);
  if (authority.empty() || authority.find('@') != std::string_view::npos)
    return Fail(Code::kInvalidArgument, "{}: names no host: write http://ADDRESS:PORT", url);
  endpoint.host = authority;
  return endpoint;
}

std::string Endpoint::Authority() const {
  const bool is_v6 = host.find(':') != std::string::npos;
  return is_v6 ? fmt::format("[{}]:{}", host, port) : fmt::format("{}:{}", host, port);
}

// One response.
class HttpClient::Grammar : public beast::http::basic_parser<false> {
 public:
  Grammar() {
    header_limit(kMostHead);
    body_limit(kMostBody);
  }
  Response response;

 private:
  void on_request_impl(beast::http::verb, beast::string_view, beast::string_view, int,
                       ErrorCode& error) override {
    error = beast::http::error::bad_version;
  }
  void on_response_impl(int status, beast::string_view, int, ErrorCode& error) override {
    error = {};
    response.status = status;
  }
  void on_field_impl(beast::http::field name, beast::string_view, beast::string_view value,
                     ErrorCode& error) override {
    error = {};
    if (name != beast::http::field::retry_after) return;
    // A date, which may stand there as well, is left to our own pauses.
    const std::string_view text = View(value);
    uint32_t seconds = 0;
    const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), seconds);
    if (failed == std::errc() && end == text.data() + text.size())
      response.retry_after = std::chrono::seconds(seconds);
  }
  void on_header_impl(ErrorCode& error) override { error = {}; }
  void on_body_init_impl(boost::optional<uint64_t> const&, ErrorCode& error) override {
    error = {};
  }
  size_t on_body_impl(beast::string_view body, ErrorCode& error) override {
    error = {};
    response.body += View(body);
    return body.size();
  }
  void on_chunk_header_impl(uint64_t, beast::string_view, ErrorCode& error) override { error = {}; }
  size_t on_chunk_body_impl(uint64_t, beast::string_view body, ErrorCode& error) override {
    return on_body_impl(body, error);
  }
  void on_finish_impl(ErrorCode& error) override { error = {}; }
};

HttpClient::HttpClient(loop::Loop& loop, Endpoint endpoint, std::string fields)
    : loop_(loop), endpoint_(std::move(endpoint)), fields_(std::move(fields)) {}
HttpClient::~HttpClient() = default;

void HttpClient::Post(std::string_view body, std::chrono::milliseconds timeout, Done done) {
  CHECK(done_ == nullptr);
  done_ = std::move(done);
  out_ = fmt::format("POST {} HTTP/1.1\r\nhost: {}\r\ncontent-length: {}\r\n{}\r\n",
                     endpoint_.target, endpoint_.Authority(), body.size(), fields_);
  out_ += body;
  deadline_ = loop_.After(timeout, [this, timeout] {
    Close();
    Finish(Fail(Code::kDeadlineExceeded, "{}: no answer within {} ms", endpoint_.Authority(),
                timeout.count()));
  });
  start_ = loop_.After(std::chrono::nanoseconds(0), [this] { Begin(); });
}

void HttpClient::Begin() {
  sent_ = 0;
  in_.clear();
  grammar_ = std::make_unique<Grammar>();
  reused_ = socket_.valid();
  if (reused_) {
    source_.OnReadable([this] { Receive(); });
    return Send();
  }
  auto addresses = Resolve(endpoint_.host, endpoint_.port, ReadHosts());
  if (!addresses) return Finish(tl::unexpected(std::move(addresses).error()));
  addresses_ = std::move(*addresses);
  next_address_ = 0;
  Connect();
}

void HttpClient::Connect() {
  Close();
  auto socket = os::ConnectTcpAtOnce(addresses_[next_address_++]);
  if (!socket) return Lost(std::move(socket).error().WithContext(endpoint_.Authority()));
  socket_ = *std::move(socket);
  auto source = loop_.Watch(socket_);
  if (!source) return Lost(source.error());
  source_ = std::move(*source);
  source_.OnWritable([this] { OnConnected(); });
}

void HttpClient::OnConnected() {
  auto made = os::ConnectionMade(socket_);
  if (!made) return Lost(std::move(made).error().WithContext(endpoint_.Authority()));
  next_address_ = addresses_.size();
  source_.OnReadable([this] { Receive(); });
  Send();
}

void HttpClient::Send() {
  while (sent_ < out_.size()) {
    const ssize_t size =
        ::send(socket_.get(), out_.data() + sent_, out_.size() - sent_, MSG_NOSIGNAL);
    if (size < 0 && errno == EAGAIN) {
      source_.OnWritable([this] { Send(); });
      return;
    }
    if (size < 0 && errno == EINTR) continue;
    if (size < 0) {
      // The answer may be there, of a server that did not want to hear all.
      sent_ = out_.size();
      break;
    }
    sent_ += size;
  }
  source_.OnWritable(nullptr);
}

void HttpClient::Receive() {
  std::array<char, kPart> part;
  const ssize_t size = ::recv(socket_.get(), part.data(), part.size(), 0);
  if (size < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (size < 0) return Lost(FailErrno(errno, "{}", endpoint_.Authority()).value());
  if (size > 0) {
    in_.append(part.data(), size);
    return Understand();
  }
  // Some responses end with their connection (RFC 9112, section 6.3).
  ErrorCode error;
  if (grammar_->is_header_done()) grammar_->put_eof(error);
  if (grammar_->is_done() && !error) return Understand();
  Lost(Error(Code::kUnavailable, endpoint_.Authority() + ": hung up before it had answered"));
}

void HttpClient::Understand() {
  ErrorCode error;
  while (!grammar_->is_done() && !in_.empty()) {
    const size_t taken = grammar_->put({in_.data(), in_.size()}, error);
    in_.erase(0, taken);
    if (error == beast::http::error::need_more) return;
    if (error) {
      Close();
      return Finish(Fail(Code::kInternal, "{}: answers in no HTTP that is understood: {}",
                         endpoint_.Authority(), error.message()));
    }
    const unsigned status = grammar_->response.status;
    // Not the answer yet (RFC 9110, section 15.2).
    if (grammar_->is_done() && status >= kContinue && status < kFirstFinal)
      grammar_ = std::make_unique<Grammar>();
  }
  if (!grammar_->is_done()) return;
  Response response = std::move(grammar_->response);
  // What follows an answer belongs to nothing that was asked.
  const bool keeps = grammar_->keep_alive() && in_.empty() && sent_ == out_.size();
  if (keeps) {
    WatchIdle();
  } else {
    Close();
  }
  Finish(std::move(response));
}

// Whatever comes while nothing is asked means that the connection is over.
void HttpClient::WatchIdle() {
  source_.OnWritable(nullptr);
  source_.OnReadable([this] { Close(); });
}

void HttpClient::Lost(const Error& error) {
  Close();
  // The server may have closed an idle connection just as the request was sent.
  if (std::exchange(reused_, false) && in_.empty() && !grammar_->is_header_done()) return Begin();
  if (next_address_ < addresses_.size()) return Connect();
  Finish(tl::unexpected(
      Error(Code::kUnavailable, std::string(error.message()), error.error_number())));
}

void HttpClient::Close() {
  source_ = loop::Source();
  socket_.Close();
}

// The last thing of whoever calls it.
void HttpClient::Finish(Result<Response> result) {
  deadline_ = loop::Timer();
  start_ = loop::Timer();
  out_ = in_ = std::string();
  const Done done = std::exchange(done_, nullptr);
  done(std::move(result));
}

}  // namespace wasmoor::telemetry
