#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "telemetry/resolve.h"
#include "wasmoor/base/result.h"
#include "wasmoor/loop/loop.h"
#include "wasmoor/os/fd.h"

namespace wasmoor::telemetry {

// Where requests go: "http://HOST[:PORT][/PATH]".
struct Endpoint {
  std::string host;
  uint16_t port = 80;
  std::string target = "/";  // With a query, if it has one.
  std::string Authority() const;
};
// kInvalidArgument says what is wrong, and what to do about https.
Result<Endpoint> ParseEndpoint(std::string_view url);

struct Response {
  unsigned status = 0;
  std::optional<std::chrono::seconds> retry_after;
  std::string body;
};

// Posts to one server, one request at a time, on a connection that is kept between them. What comes
// back is small, or else refused. Loop thread only, and nothing here waits; destroying it hangs up
// and tells nobody.
class HttpClient {
 public:
  // kUnavailable: the server is not there, or hung up before it had answered; kDeadlineExceeded; a
  // server that does not speak HTTP is kInternal.
  using Done = std::function<void(Result<Response>)>;

  // `fields`: lines of a request's head, each with its end.
  HttpClient(loop::Loop& loop, Endpoint endpoint, std::string fields);
  HttpClient(const HttpClient&) = delete;
  HttpClient& operator=(const HttpClient&) = delete;
  ~HttpClient();

  // `done` is called from the loop and never from within this, and may call it again.
  void Post(std::string_view body, std::chrono::milliseconds timeout, Done done);

 private:
  class Grammar;
  void Begin();
  void Connect();
  void OnConnected();
  void Send();
  void Receive();
  void WatchIdle();
  void Understand();
  void Lost(const Error& error);
  void Finish(Result<Response> result);
  void Close();

  loop::Loop& loop_;
  const Endpoint endpoint_;
  const std::string fields_;
  std::vector<os::SocketAddress> addresses_;
  size_t next_address_ = 0;
  os::Fd socket_;
  loop::Source source_;  // Destroyed before what it watches.
  std::unique_ptr<Grammar> grammar_;
  std::string out_, in_;
  size_t sent_ = 0;
  bool reused_ = false;  // The connection has carried a request before this one.
  Done done_;
  loop::Timer start_, deadline_;
};

}  // namespace wasmoor::telemetry
