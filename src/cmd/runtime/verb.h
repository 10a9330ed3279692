#pragma once

#include <string>
#include <vector>

#include "cmd/line/command.h"
#include "cmd/runtime/runtime.h"

namespace wasmoor::cmd {

// A command about one container, whose id is its first operand.
class Verb : public Command {
 public:
  explicit Verb(Runtime& runtime) : runtime_(runtime) {}

 protected:
  // The operands: "CONTAINER", and up to `more` words after it, described by `usage`.
  void TakeContainer(Options& options, std::string_view usage = "CONTAINER", size_t more = 0) {
    options.Take({.usage = usage, .target = &words_, .least = 1, .most = 1 + more});
  }
  const std::string& id() const { return words_.front(); }

  Runtime& runtime_;
  std::vector<std::string> words_;
};

// For CommandEntry::make, one for each command; each stands in a file of its own.
template <typename T>
std::unique_ptr<Command> MakeVerb(Executable& executable) {
  return MakeOf<T, Runtime>(executable);
}
Words TableOrJson();  // For Option::OneOf.

std::unique_ptr<Command> MakeCreate(Executable& executable);
std::unique_ptr<Command> MakeStart(Executable& executable);
std::unique_ptr<Command> MakeState(Executable& executable);
std::unique_ptr<Command> MakeKill(Executable& executable);
std::unique_ptr<Command> MakeDelete(Executable& executable);
std::unique_ptr<Command> MakeRun(Executable& executable);
std::unique_ptr<Command> MakeExec(Executable& executable);
std::unique_ptr<Command> MakePs(Executable& executable);
std::unique_ptr<Command> MakePause(Executable& executable);
std::unique_ptr<Command> MakeResume(Executable& executable);
std::unique_ptr<Command> MakeUpdate(Executable& executable);
std::unique_ptr<Command> MakeList(Executable& executable);
std::unique_ptr<Command> MakeEvents(Executable& executable);
std::unique_ptr<Command> MakeFeatures(Executable& executable);
std::unique_ptr<Command> MakeSpec(Executable& executable);
std::unique_ptr<Command> MakeCheckpoint(Executable& executable);
std::unique_ptr<Command> MakeRestore(Executable& executable);

}  // namespace wasmoor::cmd
