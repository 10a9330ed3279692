#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "proto/wasmoor/host.pb.h"
#include "wasmoor/base/result.h"
#include "wasmoor/os/fd.h"

namespace wasmoor::host {

// Where the threads of guests leave word for the one that speaks with the service. Post is for any
// thread, also one that may make no system call but a guest's (seccomp/guest.h).
class Mailbox {
 public:
  static Result<Mailbox> Create();
  Mailbox(Mailbox&&) = default;

  void Post(Note note);
  std::vector<Note> Take();
  // Readable while there is something to take.
  const os::Fd& bell() const { return bell_; }

 private:
  explicit Mailbox(os::Fd bell);
  struct Notes {
    std::mutex mutex;
    std::vector<Note> waiting;
  };
  std::unique_ptr<Notes> notes_;
  os::Fd bell_;  // Of eventfd(2): one number in the tables of all threads.
};

Note NoteOf(uint64_t guest);
// A sentence that may have words of a guest's or of a module's in it, as a note can carry it: no
// longer than a message may be, and UTF-8, without which protobuf takes none.
std::string TextOf(std::string_view message);
void SetFailure(const Error& error, Failure* failure);

}  // namespace wasmoor::host
