#pragma once

#include <poll.h>
#include <termios.h>

#include <array>
#include <optional>
#include <string>
#include <string_view>

#include "wasmoor/os/fd.h"

namespace wasmoor::cmd {

// Joins the master side of a container's terminal to this process's standard input and output,
// while it exists. If one of the standard streams is a terminal, that is in raw mode so long (what
// is typed is the container's, Ctrl-C too), and the container's has its size. One thread; nothing
// here blocks but the last words.
class TerminalPump {
 public:
  explicit TerminalPump(const os::Fd& master);
  ~TerminalPump();  // The terminal's settings are put back.
  TerminalPump(const TerminalPump&) = delete;
  TerminalPump& operator=(const TerminalPump&) = delete;

  void TakeSize();  // To be called after each SIGWINCH.

  // What to poll(2) for, and what to do then.
  using Waiting = std::array<struct pollfd, 3>;
  Waiting Wanted() const;
  void Move(const Waiting& ready);

  // After the end of the container's process: what it has written and nobody has read.
  void TakeLastWords();

 private:
  void ReadInput();
  void WriteInput();
  bool ReadOutput();  // Whether there was some.
  void WriteOutput();

  const os::Fd& master_;
  int terminal_ = -1;  // That of the standard streams which is one. Not owned.
  std::optional<struct termios> settings_;
  std::string input_, output_;  // Read, and not written yet.
  char last_typed_ = '\n';
  bool input_open_ = true, output_open_ = true, reader_gone_ = false;
};

}  // namespace wasmoor::cmd
