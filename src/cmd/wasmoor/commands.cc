#include <algorithm>
#include <array>

#include "cmd/wasmoor/cache_command.h"
#include "cmd/wasmoor/command.h"
#include "cmd/wasmoor/compile.h"
#include "cmd/wasmoor/doctor.h"
#include "cmd/wasmoor/inspect.h"
#include "cmd/wasmoor/pages.h"
#include "cmd/wasmoor/run.h"
#include "cmd/wasmoor/text.h"

namespace wasmoor::cmd {
namespace {

template <typename T>
std::unique_ptr<Command> Make() {
  return std::make_unique<T>();
}

constexpr std::array kCommands = {
    CommandEntry{"run", "Run a WebAssembly program", Make<RunCommand>},
    CommandEntry{"compile",
                 "Compile modules into the cache, so that their first run starts at once",
                 Make<CompileCommand>},
    CommandEntry{"inspect", "Say what a module is and what it takes to run it",
                 Make<InspectCommand>},
    CommandEntry{"cache", "List, verify and prune the compiled modules", Make<CacheCommand>},
    CommandEntry{"doctor", "Say what of this machine can be used, and what to do about the rest",
                 Make<DoctorCommand>},
    CommandEntry{"help", "Show what a command takes", Make<HelpCommand>},
    CommandEntry{"man", "Print a manual page", Make<ManCommand>},
    CommandEntry{"completion", "Print a completion script for a shell", Make<CompletionCommand>},
};

}  // namespace

int StatusOf(const Error& error) {
  switch (error.code()) {
    case Code::kNotFound: return kExitNotFound;
    case Code::kInvalidArgument:
    case Code::kFailedPrecondition:
    case Code::kUnimplemented: return kExitNotRunnable;
    default: return kExitFailed;
  }
}

std::string Command::Describe(std::string_view name, const Error& error) const {
  return fmt::format("wasmoor {}: {}\n", name, Printable(error.message()));
}

std::span<const CommandEntry> AllCommands() { return kCommands; }

const CommandEntry* FindCommand(std::string_view name) {
  const auto it = std::find_if(kCommands.begin(), kCommands.end(),
                               [&](const CommandEntry& entry) { return entry.name == name; });
  return it == kCommands.end() ? nullptr : &*it;
}

Description Describe(const CommandEntry& entry) {
  Description description{entry.make(), Options(entry.name, entry.summary)};
  description.command->Configure(description.options);
  return description;
}

}  // namespace wasmoor::cmd
