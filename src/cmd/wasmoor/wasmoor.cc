#include "cmd/wasmoor/wasmoor.h"

#include <array>
#include <nlohmann/json.hpp>

#include "cmd/engines.h"
#include "cmd/line/json_text.h"
#include "cmd/line/pages.h"
#include "cmd/wasmoor/cache_command.h"
#include "cmd/wasmoor/compile.h"
#include "cmd/wasmoor/doctor.h"
#include "cmd/wasmoor/image_command.h"
#include "cmd/wasmoor/inspect.h"
#include "cmd/wasmoor/run.h"
#include "cmd/wasmoor/serve.h"

namespace wasmoor::cmd {
namespace {

constexpr std::array kCommands = {
    CommandEntry{"run", "Run a WebAssembly program", Make<RunCommand>},
    CommandEntry{"compile",
                 "Compile modules into the cache, so that their first run starts at once",
                 Make<CompileCommand>},
    CommandEntry{"serve", "Serve the functions of a directory over HTTP", Make<ServeCommand>},
    CommandEntry{"inspect", "Say what a module is and what it takes to run it",
                 Make<InspectCommand>},
    CommandEntry{"cache", "List, verify and prune the compiled modules", Make<CacheCommand>},
    CommandEntry{"image", "Make and look into images of containers", Make<ImageCommand>},
    CommandEntry{"doctor", "Say what of this machine can be used, and what to do about the rest",
                 Make<DoctorCommand>},
    kHelpEntry,
    kManEntry,
    kCompletionEntry,
};

constexpr std::array<About::Pair, 2> kStatuses = {{
    {"125", "wasmoor itself failed"},
    {"2", "The command line is wrong"},
}};

constexpr std::array<About::Pair, 2> kEnvironment = {{
    {"WASMOOR_CACHE_DIR", "Folder of the compiled modules, an absolute path"},
    {"SOURCE_DATE_EPOCH", "The time that images bear, in seconds since 1970"},
}};

constexpr std::array<About::Pair, 3> kExamples = {{
    {"wasmoor run hello.wasm", "Runs it; it sees no file, no variable, no network"},
    {"wasmoor inspect hello.wasm", "Says what it is and what it needs"},
    {"wasmoor doctor", "Says what of this machine can be used"},
}};

constexpr About kAbout = {
    .name = "wasmoor",
    .opening = "wasmoor runs WebAssembly programs, each in a sandbox of its own.",
    .purpose = "run WebAssembly programs, each in a sandbox of its own",
    .description =
        "A program is granted nothing that no option names: no directory, no variable, no network. "
        "It is compiled once, into a cache that only its owner can write.",
    .manual_section = "1",
    .manual_heading = "User Commands",
    .version_letter = "-V",
    .commands = kCommands,
    .file_command = "run",
    .statuses = kStatuses,
    .environment = kEnvironment,
    .examples = kExamples,
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

Wasmoor::Wasmoor() : Executable(kAbout) {}

int Wasmoor::Report(const Command* command, std::string_view command_name, const Error& error,
                    Failure failure) {
  Print(command, command_name, error);
  return failure == Failure::kUsage ? kAbout.usage_status : StatusOf(error);
}

std::string Wasmoor::VersionText(bool json) const {
  if (json) {
    Json report = {{"version", WASMOOR_VERSION}};
    for (const wasm::EngineFactory& engine : Engines())
      report["engines"].push_back({{"name", engine.name}, {"version", engine.version}});
    return JsonLine(report);
  }
  std::string text = "wasmoor " WASMOOR_VERSION "\n";
  for (const wasm::EngineFactory& engine : Engines())
    text += fmt::format("engine {} {}\n", engine.name, engine.version);
  return text;
}

}  // namespace wasmoor::cmd
