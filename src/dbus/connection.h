#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <string>
#include <string_view>

#include "dbus/message.h"
#include "wasmoor/base/result.h"
#include "wasmoor/os/fd.h"

// A client of D-Bus for a few calls, which waits for each answer. It is here because no library of
// Debian's can be linked into a static executable and also be understood by the bus from a user
// namespace, where a process does not know its own user id (docs/cgroups.md).
namespace wasmoor::dbus {

enum class Peer : uint8_t {
  kBus,      // Has other clients, and has to be greeted.
  kService,  // One service, on a socket of its own.
};

// Where a bus listens.
struct Address {
  std::string path;  // Of a Unix socket.
  Peer peer = Peer::kBus;
};

// The first socket of an address as DBUS_SESSION_BUS_ADDRESS has it ("unix:path=/run/bus;…").
// kInvalidArgument if there is none with a path.
Result<Address> ParseAddress(std::string_view text);

// One connection; closed when destroyed. Movable; not thread-safe.
class Connection {
 public:
  // kUnavailable if nobody listens, kPermissionDenied if this process is not welcome.
  static Result<Connection> Open(const Address& address);

  // The answer. An answer that is an error is an Error with its text; the code follows from its
  // name. kDeadlineExceeded after 25 s, as other clients have it.
  Result<Message> Ask(const Call& call);

  // The same without an answer, whatever it would be.
  Status Tell(const Call& call);

  // From now on NextSignal gives signals of this interface and name, and perhaps others.
  Status Watch(std::string_view interface, std::string_view member);
  // The next signal, of those that arrived during Ask first.
  Result<Message> NextSignal(std::chrono::milliseconds patience);

 private:
  using Deadline = std::chrono::steady_clock::time_point;

  Connection(os::Fd socket, Peer peer) : socket_(std::move(socket)), peer_(peer) {}
  Status Greet();
  Result<Message> NextMessage(Deadline deadline);
  Status ReadMore(Deadline deadline);
  Result<std::string> ReadLine(Deadline deadline);

  os::Fd socket_;
  Peer peer_;
  std::string arrived_;  // Bytes that nobody has taken.
  std::deque<Message> signals_;
  uint32_t serial_ = 0;
};

}  // namespace wasmoor::dbus
