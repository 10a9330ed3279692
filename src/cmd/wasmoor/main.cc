#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>

#include "cmd/engines.h"
#include "cmd/wasmoor/command.h"
#include "cmd/wasmoor/help.h"

namespace wasmoor::cmd {
namespace {

int StatusOf(const Error& error) {
  switch (error.code()) {
    case Code::kNotFound: return kExitNotFound;
    case Code::kInvalidArgument:
    case Code::kFailedPrecondition:
    case Code::kUnimplemented: return kExitNotRunnable;
    default: return kExitFailed;
  }
}

int Complain(std::string_view command, const std::string& message, int status) {
  fputs(fmt::format("wasmoor {}: {}\n", command, message).c_str(), stderr);
  return status;
}

// Whoever starts us without a standard stream shall not have the next file that we open in its place, and
// then a guest's output or our messages in that file.
void OccupyStandardStreams() {
  for (int stream : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
    // open(2) takes the lowest free number.
    if (::fcntl(stream, F_GETFD) < 0 && ::open("/dev/null", O_RDWR) != stream)
      _exit(kExitFailed);
  }
}

// CLI11 reports by exception; none leaves this function.
int RunCommandLine(Command& command, int argc, char** argv) {
  CLI::App app(std::string(command.summary()), "wasmoor " + std::string(command.name()));
  SetHelpStyle(command, app);
  command.Configure(app);
  try {
    app.parse(argc, argv);
  } catch (const CLI::CallForHelp&) {
    fputs(app.help().c_str(), stdout);
    return 0;
  } catch (const CLI::ParseError& error) {
    return Complain(command.name(),
                    fmt::format("{}; see 'wasmoor {} --help'", error.what(), command.name()),
                    kExitUsage);
  }
  if (const Status checked = command.Check(); !checked)
    return Complain(command.name(), checked.error().message(), kExitUsage);
  const Result<int> status = command.Run();
  if (!status)
    return Complain(command.name(), status.error().message(), StatusOf(status.error()));
  return *status;
}

int Main(int argc, char** argv) {
  OccupyStandardStreams();
  const std::string_view word = argc > 1 ? argv[1] : "";
  if (word == "--version" || word == "-V") {
    fputs(VersionText().c_str(), stdout);
    return 0;
  }
  const auto commands = AllCommands();
  if (word.empty() || word == "--help" || word == "-h" || word == "help") {
    fputs(OverviewText(commands).c_str(), word.empty() ? stderr : stdout);
    return word.empty() ? kExitUsage : 0;
  }
  const auto it = std::find_if(commands.begin(), commands.end(),
                               [&](const auto& command) { return command->name() == word; });
  if (it == commands.end()) {
    fputs(fmt::format("wasmoor: no command '{}'; see 'wasmoor --help'\n", word).c_str(), stderr);
    return kExitUsage;
  }
  return RunCommandLine(**it, argc - 1, argv + 1);
}

}  // namespace
}  // namespace wasmoor::cmd

int main(int argc, char** argv) { return wasmoor::cmd::Main(argc, argv); }
