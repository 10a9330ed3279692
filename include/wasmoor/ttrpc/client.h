#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "wasmoor/base/result.h"
#include "wasmoor/loop/loop.h"
#include "wasmoor/os/fd.h"
#include "wasmoor/ttrpc/call.h"
#include "wasmoor/ttrpc/service.h"

namespace wasmoor::ttrpc {

struct CallOptions {
  std::chrono::nanoseconds timeout{0};  // 0: waits for as long as it takes.
  Metadata metadata;                    // Names in lower case.
};

// The message in what a call came back with. kInternal if it is none.
template <typename Response>
Result<Response> Read(Result<std::string> answer, std::string_view method) {
  if (!answer) return tl::unexpected(std::move(answer).error());
  Response response;
  if (!Parse(*answer, &response))
    return Fail(Code::kInternal, "{}: the server's answer is not of the kind agreed on", method);
  return response;
}

// One connection to a server, on which any number of calls wait at once. Destroying it hangs up and
// calls nobody back; a callback may do that.
class Client {
 public:
  // Gets the response, serialized, or what the server answered instead. kUnavailable: the
  // connection was lost, before or after the server did what it was asked. kDeadlineExceeded: so is
  // that not known, either.
  using Callback = std::function<void(Result<std::string>)>;

  // kUnavailable (ECONNREFUSED), kNotFound: nobody listens there. Does not wait: a listener whose
  // queue is full is kUnavailable (EAGAIN), too.
  static Result<std::unique_ptr<Client>> Connect(loop::Loop& loop, const std::string& path);
  static Result<std::unique_ptr<Client>> Adopt(loop::Loop& loop, os::Fd connection);
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;
  ~Client();

  // `done` is called once, from the loop and never from within Call.
  void Call(std::string_view service, std::string_view method, std::string_view payload,
            const CallOptions& options, Callback done);
  void Call(std::string_view service, std::string_view method,
            const google::protobuf::MessageLite& request, const CallOptions& options,
            Callback done);

  // The same for a response of type Response, a message of protobuf.
  template <typename Response>
  void Call(std::string_view service, std::string_view method,
            const google::protobuf::MessageLite& request, const CallOptions& options,
            std::function<void(Result<Response>)> done) {
    Call(service, method, request, options,
         [done = std::move(done), name = std::string(method)](Result<std::string> answer) {
           done(Read<Response>(std::move(answer), name));
         });
  }

  bool connected() const;
  size_t open_calls() const;
  // Calls `work` from the loop when the connection is lost, after the callbacks of all its calls.
  // Not called if it is lost already.
  void OnLost(std::function<void()> work);

 private:
  class Calls;
  explicit Client(std::shared_ptr<Calls> calls);
  std::shared_ptr<Calls> calls_;
};

// For programs that have nothing else to do than wait for the answer: has a loop of its own.
class BlockingClient {
 public:
  static Result<BlockingClient> Connect(const std::string& path);
  static Result<BlockingClient> Adopt(os::Fd connection);

  Result<std::string> Call(std::string_view service, std::string_view method,
                           const google::protobuf::MessageLite& request,
                           const CallOptions& options = {});
  template <typename Response>
  Result<Response> Call(std::string_view service, std::string_view method,
                        const google::protobuf::MessageLite& request,
                        const CallOptions& options = {}) {
    return Read<Response>(Call(service, method, request, options), method);
  }

 private:
  BlockingClient(std::unique_ptr<loop::Loop> loop, std::unique_ptr<Client> client);
  std::unique_ptr<loop::Loop> loop_;
  std::unique_ptr<Client> client_;
};

}  // namespace wasmoor::ttrpc
