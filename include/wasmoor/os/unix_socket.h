#pragma once

#include <sys/socket.h>

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "wasmoor/base/result.h"
#include "wasmoor/os/fd.h"

// Sockets of this machine (unix(7)), and descriptors that go through them.
namespace wasmoor::os {

// A stream to whoever listens at `path`, however long that is.
Result<Fd> ConnectUnix(const std::string& path);

// The same without waiting for anybody: EAGAIN while more callers wait at the listener than its
// queue holds, of which nothing tells when it is over (connect(2)). The socket never blocks.
Result<Fd> ConnectUnixAtOnce(const std::string& path);

// A stream's socket that listens at `path`, which must not exist, for this user alone (mode 0600).
// It does not block. Changes the umask for a moment, which is all threads'.
Result<Fd> ListenUnix(const std::string& path);

// A socket of SOCK_SEQPACKET that listens as `name` in `directory`, which may be O_PATH, and a
// connection to one. kUnavailable (ECONNREFUSED): it is there and nobody listens any more. They
// need /proc.
Result<Fd> ListenUnix(const Fd& directory, const char* name);
Result<Fd> ConnectUnix(const Fd& directory, const char* name);

// What came with a message that recvmsg(2) has read, as owned descriptors; for who reads a stream
// by itself. Call it once.
std::vector<Fd> DescriptorsIn(const msghdr& message);

// Sends all of `bytes`, and `descriptor` (null: none) with the first of them. On a SOCK_SEQPACKET
// socket that is one message. kUnavailable (EPIPE) if nobody is there any more.
Status Send(const Fd& socket, std::string_view bytes, const Fd* descriptor);

// One message, or what there is of a stream.
struct Received {
  size_t bytes = 0;  // Put into the buffer; 0: the other side is gone.
  Fd descriptor;     // What came with it, close-on-exec; not valid if nothing did.
};
Result<Received> Receive(const Fd& socket, std::span<char> buffer);

// Two ends of one SOCK_SEQPACKET connection.
struct SocketPair {
  Fd ours, theirs;
};
Result<SocketPair> MakeMessageSockets();

// One message with up to kMostWithMessage descriptors. kUnavailable (EPIPE): nobody is there any
// more; EAGAIN: the socket does not block, and has no room.
constexpr size_t kMostWithMessage = 8;
Status SendMessage(const Fd& socket, std::string_view bytes,
                   std::span<const Fd* const> descriptors);

// The next message, of at most `most` bytes (kOutOfRange: it was longer, and is lost); none where
// the socket does not block and nothing is there. kUnavailable: the other side is gone.
struct Message {
  std::string bytes;
  std::vector<Fd> descriptors;  // Close-on-exec.
};
Result<std::optional<Message>> ReceiveMessage(const Fd& socket, size_t most);

}  // namespace wasmoor::os
