#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string_view>

#include "wasmoor/base/result.h"
#include "wasmoor/loop/loop.h"
#include "wasmoor/os/fd.h"
#include "wasmoor/rpc/service.h"

namespace wasmoor::handover {
class Server;
}
namespace wasmoor::os {
class Carried;
}

namespace wasmoor::rpc {

class Connection;
class ConnectionOwner;

// Whose calls a server takes. The kernel tells who made a connection (SO_PEERCRED, unix(7)).
enum class Peers : uint8_t {
  kAny,     // Whoever can reach the socket.
  kTrusted  // Root and the user of this process; others are hung up on.
};

// Is told of each call that a service is about to get, with the payload of its request, both valid
// while it runs. What it gives back, which may be empty, is called once, when the call is over:
// with null if the answer was good, with the error that was answered, or with kCancelled if the
// client was gone before. Neither of them uses the server.
using CallHook =
    std::function<std::function<void(const Error*)>(const CallInfo&, std::string_view)>;

// Serves calls on the connections that its sockets take, all on the thread of the loop. It is made
// as one of a protocol: ttrpc::Server, grpc::Server.
//
// Destroying it hangs up on everybody; what was answered is sent first, as far as the socket takes
// it without waiting. A service may do that from within a call.
class Server {
 public:
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  // Before anybody calls. kAlreadyExists if that name is taken. The second form borrows: the
  // service must outlive the server.
  Status Add(std::unique_ptr<Service> service);
  Status Add(Service& service);

  // From now on `hook` is told of every call that begins, on all connections; it may be called
  // until the server is destroyed and has ended its calls. Null: nobody.
  void OnCalls(CallHook hook);

  // Takes connections from a stream socket that listens.
  Status Listen(os::Fd listening);
  // Serves one connection, of whatever kind of stream socket. kPermissionDenied: of a user whose
  // calls are not taken.
  Status Adopt(os::Fd connection);

  size_t connections() const;
  // Calls that wait for their answer, on all connections.
  size_t open_calls() const;

  // As if destroyed, and takes no more connections.
  void Stop();
  // Hangs up on everybody, and takes connections again.
  void HangUp();

  // For a program that is executed in place of this one (sandbox/sandbox.h, HandOver). Between
  // Freeze and Thaw nothing is read, and no connection is taken; what is under way is answered.
  void Freeze();
  void Thaw();
  // kUnavailable while calls wait that are not repeatable. Of gRPC the sockets that listen are
  // told, and no connection: a client makes another one, and those calls anew.
  Status HandOver(handover::Server* state, os::Carried* carried) const;
  // Before Listen. Repeatable calls are made anew before it returns.
  Status TakeOver(const handover::Server& state);

 protected:
  // Makes the protocol's side of a connection whose peer was found fit.
  using Opener =
      std::function<Result<std::shared_ptr<Connection>>(os::Fd, std::weak_ptr<ConnectionOwner>)>;

  Server(loop::Loop& loop, Peers peers, Opener open);
  ~Server();

 private:
  struct Parts;
  std::shared_ptr<Parts> parts_;
};

}  // namespace wasmoor::rpc
