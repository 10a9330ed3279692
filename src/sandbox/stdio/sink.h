#pragma once

#include <functional>
#include <memory>
#include <string_view>

#include "sandbox/stdio/target.h"
#include "wasmoor/base/result.h"
#include "wasmoor/loop/loop.h"
#include "wasmoor/os/fd.h"

namespace wasmoor::handover {
class Sink;
}
namespace wasmoor::os {
class Carried;
}

namespace wasmoor::sandbox {

using Log = std::function<void(std::string_view)>;

// Where an output stream of a process leads. Loop thread only.
class Sink {
 public:
  virtual ~Sink() = default;

  // What is written into; it blocks. Valid until CloseWriter.
  virtual const os::Fd& writer() const = 0;
  // Whoever is to write has a copy of it.
  virtual void CloseWriter() = 0;

  // The process has ended, and the writer is closed here.
  virtual void Ended() {}
  // Bytes that were written and not handed on yet. 0 of a FIFO, since who reads it takes his time.
  virtual size_t Left() const { return 0; }

  // As Sandbox::HandOver, all but the writer.
  virtual void HandOver(handover::Sink* state, os::Carried* carried) const = 0;
};

// What is at a path: a FIFO, a file to append to, or a device, "/dev/null" for one.
Result<std::unique_ptr<Sink>> OpenPath(loop::Loop& loop, const std::string& path, Log log);

// What HandOver has told, in the program that followed; one that is no logger's.
Result<std::unique_ptr<Sink>> TakeSink(loop::Loop& loop, const handover::Sink& state, Log log);

// A file to append to, made with the directories above it if it is not there.
Result<std::unique_ptr<Sink>> OpenFile(loop::Loop& loop, const std::string& path, Log log);

// The bytes in a pipe.
size_t BytesIn(const os::Fd& pipe);

struct PipeEnds {
  os::Fd reader, writer;
};
Result<PipeEnds> MakePipe();

Status SetBlocking(const os::Fd& file, bool blocks);

// The file that an O_PATH descriptor stands for, opened; /proc has to be there.
Result<os::Fd> Reopen(const os::Fd& file, int flags);

}  // namespace wasmoor::sandbox
