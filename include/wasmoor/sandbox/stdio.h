#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "wasmoor/base/result.h"
#include "wasmoor/os/fd.h"
#include "wasmoor/sandbox/sandbox.h"

namespace wasmoor::loop {
class Loop;
}

namespace wasmoor::handover {
class Stdio;
}

namespace wasmoor::sandbox {

// Whose streams they are.
struct StdioOwner {
  std::string name_space;  // containerd's.
  std::string id, exec_id;
  // What an operator should know of, one sentence a call.
  std::function<void(std::string_view)> log;
};

// The standard streams of one process, from where containerd names them to the descriptors that the
// process is given. FIFOs are given as they are, so that what the process writes passes through
// nobody; while this lives, a FIFO has a reader and loses nothing, whoever else comes and goes.
// Everything is called from the loop's thread, never blocks, and calls back from the loop only.
class Stdio {
 public:
  // Opens what the streams name and starts their loggers. kInvalidArgument: an unknown scheme, or
  // something that cannot be a stream. The loop must outlive it.
  static Result<std::unique_ptr<Stdio>> Open(loop::Loop& loop, const Streams& streams,
                                             StdioOwner owner);
  Stdio(const Stdio&) = delete;
  Stdio& operator=(const Stdio&) = delete;
  // As Close, and nobody is told, of what Finish and WhenReady were asked for neither.
  ~Stdio();

  // Answered once the loggers say that they listen; at once where there are none. kUnavailable: one
  // of them ended before, kDeadlineExceeded: or did not say so in time.
  void WhenReady(Done<void> done);

  // The standard input, output and error of the process, until Attach; all null where it has a
  // terminal. They block, as a plain open(2) would have them.
  const os::Fd* input() const;
  const os::Fd* output() const;
  const os::Fd* error() const;

  // The process is made and has its copies: closes those here. Where it has a terminal, `master` is
  // its other side, and serving it begins; not valid otherwise.
  Status Attach(os::Fd master);

  // The terminal's size; one that is not there yet gets it by Attach. kFailedPrecondition if there
  // will be none.
  Status Resize(uint16_t columns, uint16_t rows);

  // Ends the input once nobody else has it open for writing. A terminal stays, without new input.
  Status CloseInput();

  // As Sandbox::HandOver and TakeOver; after Attach.
  void HandOver(handover::Stdio* state, os::Carried* carried) const;
  static Result<std::unique_ptr<Stdio>> TakeOver(loop::Loop& loop, const Streams& streams,
                                                 StdioOwner owner, const handover::Stdio& state);

  // The process has ended. Calls `done` once all that it wrote has been handed on to where it goes:
  // into a FIFO, a file, or a logger's hands; or when that has not gone on for a while, since
  // nobody reads say. What is left goes on being handed on until Close.
  void Finish(std::function<void()> done);

  // Closes everything; what nobody has taken is lost now. Calls `done` once the loggers, which have
  // their end of file, have ended; they are asked to after ten seconds (SIGTERM), and killed two
  // seconds later. The object may be destroyed before that, but the loop has to run on. A Finish or
  // WhenReady that is not answered yet is, now; the descriptors are not there any more.
  void Close(std::function<void()> done);

 private:
  class Parts;
  explicit Stdio(std::unique_ptr<Parts> parts);
  std::unique_ptr<Parts> parts_;
};

}  // namespace wasmoor::sandbox
