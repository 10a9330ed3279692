#pragma once

#include <sys/types.h>

#include <chrono>
#include <filesystem>
#include <iosfwd>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "wasmoor/os/fd.h"

// Runs programs the way a shell does, and looks at them the way its user does: what they print, how
// they end. No program outlives its time.
namespace wasmoor::e2e {

// How a program ended, and all that it wrote.
struct Ended {
  int status = -1;  // As a shell has it: the exit status, or 128 + the signal. -1: killed by us.
  int signal = 0;   // The signal that ended it; 0 if it exited.
  std::string out, err;  // On a terminal both come in `out`.
};
void PrintTo(const Ended& ended, std::ostream* out);  // For failures of tests.

class Process;

// What to run, said in one breath: Command({"wasmoor", "run", file}).Input("text").Run().
class Command {
 public:
  // The program is a path, or looked up in PATH.
  explicit Command(std::vector<std::string> words) : words_(std::move(words)) {}

  // Nothing of this process's own environment is passed on but PATH.
  Command& Env(std::string name, std::string value);
  Command& In(std::filesystem::path directory);
  // Standard input: /dev/null unless one of these says otherwise.
  Command& Input(std::string text);  // A pipe with this text, then end of file.
  Command& InputFile(std::filesystem::path path);
  Command& OpenInput();     // A pipe on which nothing comes, without end of file.
  Command& NoStreams();     // All three are closed.
  Command& ClosedOutput();  // Standard output is a pipe that nobody reads.
  Command& OnTerminal();    // All three are a terminal, which is its controlling one.
  Command& Within(std::chrono::seconds limit);  // Instead of 60 s; longer fails the test.

  Ended Run() const;
  std::unique_ptr<Process> Start() const;

 private:
  friend class Process;
  enum class Streams { kPipes, kTerminal, kClosed };
  enum class Feed { kNothing, kText, kFile, kSilence };

  std::vector<std::string> words_;
  std::map<std::string, std::string> environment_;
  std::filesystem::path directory_, input_file_;
  std::string input_;
  Feed feed_ = Feed::kNothing;
  Streams streams_ = Streams::kPipes;
  bool closed_output_ = false;
  std::chrono::seconds limit_{60};
};

// A running program, in a process group of its own, which is killed if this is destroyed before the
// program ended.
class Process {
 public:
  explicit Process(const Command& command);
  ~Process();
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;

  pid_t pid() const { return pid_; }
  // Waits until it has written this to standard output; false if it ended before.
  bool Says(std::string_view text);
  // On a terminal: types this, control characters included.
  void Type(std::string_view text);
  // The settings of its terminal (termios(3)), to compare.
  std::string TerminalSettings() const;
  // What it has written to standard error up to now.
  std::string ErrorsSoFar();
  void Signal(int number);
  void KillAfter(std::chrono::milliseconds delay);  // SIGKILL, unless it ended by then.
  Ended Wait();

 private:
  using Clock = std::chrono::steady_clock;
  struct Ends;  // What the program gets of its streams.

  Ends MakeStreams(const Command& command);
  void Spawn(const Command& command, const Ends& ends);
  bool Pump(
      Clock::time_point until);  // Moves bytes until then; false once there is no more to come.
  void MoveInput();
  void Collect();  // After its end: its status.

  std::string name_;
  std::string terminal_;  // The path of its terminal; empty if it has none.
  Clock::time_point deadline_;
  pid_t pid_ = -1;
  os::Fd pidfd_, in_, out_, err_, settings_;
  std::string input_;
  bool keep_input_open_ = false, running_ = true;
  Ended ended_;
};

}  // namespace wasmoor::e2e
