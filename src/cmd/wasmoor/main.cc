#include <fcntl.h>
#include <unistd.h>

#include <cstdio>
#include <span>

#include "cmd/wasmoor/command.h"
#include "cmd/wasmoor/help.h"
#include "cmd/wasmoor/nearest.h"
#include "cmd/wasmoor/text.h"

namespace wasmoor::cmd {
namespace {

// Whoever starts us without a standard stream shall not have the next file that we open in its
// place, and then a guest's output or our messages in that file.
void OccupyStandardStreams() {
  for (int stream : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
    // open(2) takes the lowest free number.
    if (::fcntl(stream, F_GETFD) < 0 && ::open("/dev/null", O_RDWR) != stream) _exit(kExitFailed);
  }
}

int Complain(const Command& command, std::string_view name, const Error& error, int status) {
  fputs(command.Describe(name, error).c_str(), stderr);
  return status;
}

int RunCommandLine(const CommandEntry& entry, std::span<char* const> words) {
  Description described = Describe(entry);
  Command& command = *described.command;
  Result<Options::Parsed> parsed = described.options.Parse(words);
  if (!parsed) {
    const Error error(parsed.error().code(), fmt::format("{}; see 'wasmoor help {}'",
                                                         parsed.error().message(), entry.name));
    return Complain(command, entry.name, error, kExitUsage);
  }
  if (*parsed == Options::Parsed::kHelp) {
    fputs(HelpText(described.options, TerminalWidth(), WantsColor(stdout)).c_str(), stdout);
    return 0;
  }
  if (const Status checked = command.Check(); !checked)
    return Complain(command, entry.name, checked.error(), kExitUsage);
  const Result<int> status = command.Run();
  if (!status) return Complain(command, entry.name, status.error(), StatusOf(status.error()));
  return *status;
}

// The first word is no command.
int Unknown(const char* word) {
  std::string message = fmt::format("there is no command '{}'", Printable(word));
  Words known;
  for (const CommandEntry& entry : AllCommands()) known.push_back(entry.name);
  const std::string meant = DidYouMean(word, known);
  if (!meant.empty()) {
    message += meant;
  } else if (::access(word, F_OK) == 0) {
    message += fmt::format("; did you mean 'wasmoor run {}'?", Printable(word));
  } else {
    message += "; see 'wasmoor help'";
  }
  fputs(fmt::format("wasmoor: {}\n", message).c_str(), stderr);
  return kExitUsage;
}

int Main(std::span<char* const> words) {
  OccupyStandardStreams();
  if (words.empty()) {
    fputs(OverviewText(TerminalWidth(), WantsColor(stderr)).c_str(), stderr);
    return kExitUsage;
  }
  const std::string_view word = words.front();
  if (const CommandEntry* entry = FindCommand(word))
    return RunCommandLine(*entry, words.subspan(1));
  if (word == "--version" || word == "-V") {
    const bool json = words.size() > 1 && std::string_view(words[1]) == "--json";
    fputs(VersionText(json).c_str(), stdout);
    return 0;
  }
  if (word == "--help" || word == "-h") {
    fputs(OverviewText(TerminalWidth(), WantsColor(stdout)).c_str(), stdout);
    return 0;
  }
  return Unknown(words.front());
}

}  // namespace
}  // namespace wasmoor::cmd

int main(int argc, char** argv) {
  return wasmoor::cmd::Main(std::span<char* const>(argv, argc).subspan(argc > 0 ? 1 : 0));
}
