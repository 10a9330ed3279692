#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "wasmoor/base/result.h"
#include "wasmoor/os/fd.h"

// What a runtime and the process that becomes a container's say to each other until it is one:
// steps, an Error of either side's as it is, and descriptors. Each side waits for the other's next
// word, so that neither outlives the other half-made: whoever reads that there is nobody any more,
// ends.
namespace wasmoor::jail {

// What a message says. The order is that of a creation.
enum class Step : uint8_t {
  kFailed,      // Carries an Error; the last word.
  kMapped,      // Parent: the ids are mapped, the control group is entered, the record is written.
  kMounted,     // Child: the root file system is built. Said where there are hooks for that:
  kHooked,      // Parent: hooks prestart and createRuntime are through.
  kDescriptor,  // Carries a descriptor: a terminal's master, a process.
  kListener,    // Child: carries the number that a seccomp listener has in it.
  kReady,       // Child: it waits for `start`.
  kWarning,     // Child: carries what went wrong without harm (aside.h).
  kStart,       // Another runtime's: go on.
};

struct Message {
  Step step = Step::kFailed;
  std::string text;
  os::Fd descriptor;
};

// One end. Close-on-exec. One thread.
class Channel {
 public:
  static Result<std::pair<Channel, Channel>> MakePair();
  explicit Channel(os::Fd socket) : socket_(std::move(socket)) {}  // Of SOCK_SEQPACKET.

  Status Send(Step step, std::string_view text = {}) const;
  // The same by write(2), which no seccomp profile may put to a listener, and which needs SIGPIPE
  // ignored: for a process that has its filter.
  Status Write(Step step, std::string_view text = {}) const;
  Status SendDescriptor(const os::Fd& descriptor, std::string_view text = {}) const;
  // Does not fail: if nobody hears it, nobody minds.
  void SendError(const Error& error) const;

  // The next message; an Error that the other side sent is this call's. kAborted: the other side is
  // gone.
  Result<Message> Receive() const;
  // The same where only one answer makes sense; another is kInternal.
  Result<Message> Expect(Step step) const;

  void Close() { socket_.Close(); }
  const os::Fd& socket() const { return socket_; }

 private:
  os::Fd socket_;
};

}  // namespace wasmoor::jail
