#include "cmd/wasmoor/command.h"
#include "cmd/wasmoor/compile.h"
#include "cmd/wasmoor/run.h"

namespace wasmoor::cmd {

std::vector<std::unique_ptr<Command>> AllCommands() {
  std::vector<std::unique_ptr<Command>> commands;
  commands.push_back(std::make_unique<RunCommand>());
  commands.push_back(std::make_unique<CompileCommand>());
  return commands;
}

}  // namespace wasmoor::cmd
