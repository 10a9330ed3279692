#pragma once

#include <cstdint>
#include <functional>
#include <string_view>
#include <vector>

#include "wasmoor/loop/loop.h"
#include "wasmoor/os/fd.h"

namespace wasmoor::sandbox {

// Moves bytes from one descriptor to another through a buffer of a fixed size: when the one side
// takes nothing, nothing is read from the other. Loop thread only.
class Pump {
 public:
  // What it reads from. Neither blocks; both outlive the pump, and nobody else sets what the source
  // calls when it can be read.
  struct From {
    const os::Fd& file;
    loop::Source& source;
  };
  // What it writes to: something that does not block, with its source (the same holds for what it
  // calls when it can be written), or a regular file, with none, or, without a file, nowhere.
  struct To {
    const os::Fd* file;
    loop::Source* source;
  };
  struct Listener {
    // Everything there was to read is written: now, or until more comes.
    std::function<void()> on_idle;
    // Writing failed with this errno: what is in the buffer is kept and tried again every second
    // if it is a regular file, else thrown away.
    std::function<void(int error_number)> on_error;
  };

  // `unwritten` comes before all that it reads.
  Pump(loop::Loop& loop, From from, To to, Listener listener, std::string_view unwritten = {});
  ~Pump();
  Pump(const Pump&) = delete;
  Pump& operator=(const Pump&) = delete;

  // Moves what can be moved now, and from then on whatever comes, whenever it comes. After the end
  // was met, looks whether there is more after all.
  void Run();
  // Moves nothing any more, and lets go of the sources.
  void Stop();

  bool idle() const { return first_ == last_ && dry_; }
  // There was nothing more to read, and never will be: all writers are gone.
  bool ended() const { return ended_; }
  // Bytes moved so far.
  uint64_t moved() const { return moved_; }
  // What was read and is not written.
  std::string_view unwritten() const { return {buffer_.data() + first_, last_ - first_}; }

 private:
  enum class Step : uint8_t { kMoved, kWaits, kEnded };

  Step Fill();
  Step Drain();
  void Watch(bool reading, bool writing);
  void Sleep(Step met);

  loop::Loop& loop_;
  const From from_;
  const To to_;
  const Listener listener_;
  std::vector<char> buffer_;  // Empty while it waits for something to read.
  size_t first_ = 0, last_ = 0;
  bool dry_ = false, ended_ = false, stopped_ = false;
  uint64_t moved_ = 0;
  loop::Timer retry_;
};

}  // namespace wasmoor::sandbox
