#include "cmd/line/executable.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>

#include "cmd/line/help.h"
#include "cmd/line/nearest.h"
#include "cmd/line/text.h"

namespace wasmoor::cmd {
namespace {

using Failure = Executable::Failure;

// Whoever starts us without a standard stream shall not have the next file that we open in its
// place, and then a guest's output or our messages in that file.
void OccupyStandardStreams() {
  constexpr int kNoStreams = 125;
  for (int stream : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
    // open(2) takes the lowest free number.
    if (::fcntl(stream, F_GETFD) < 0 && ::open("/dev/null", O_RDWR) != stream) _exit(kNoStreams);
  }
}

Error WithHint(const Error& error, std::string_view help) {
  return Error(error.code(), fmt::format("{}; see '{}'", error.message(), help));
}

int RunCommandLine(Executable& executable, const CommandEntry& entry,
                   std::span<char* const> words) {
  Description described = Describe(executable, entry);
  Command& command = *described.command;
  const Result<Options::Parsed> parsed = described.options.Parse(words);
  if (!parsed) {
    const std::string help = fmt::format("{} help {}", executable.name(), entry.name);
    return executable.Report(&command, entry.name, WithHint(parsed.error(), help), Failure::kUsage);
  }
  if (*parsed == Options::Parsed::kHelp) {
    fputs(HelpText(executable, described.options, TerminalWidth(), WantsColor(stdout)).c_str(),
          stdout);
    return 0;
  }
  if (const Status checked = command.Check(); !checked)
    return executable.Report(&command, entry.name, checked.error(), Failure::kUsage);
  const Result<int> status = command.Run();
  if (!status) return executable.Report(&command, entry.name, status.error(), Failure::kRun);
  return *status;
}

// The word where a command should stand is none.
Error Unknown(const Executable& executable, const char* word) {
  std::string message = fmt::format("there is no command '{}'", Printable(word));
  Words known;
  for (const CommandEntry& entry : executable.commands()) known.push_back(entry.name);
  const std::string_view file_command = executable.about().file_command;
  const std::string meant = DidYouMean(word, known);
  if (!meant.empty()) {
    message += meant;
  } else if (!file_command.empty() && ::access(word, F_OK) == 0) {
    message +=
        fmt::format("; did you mean '{} {} {}'?", executable.name(), file_command, Printable(word));
  } else {
    message += fmt::format("; see '{} help'", executable.name());
  }
  return Error(Code::kInvalidArgument, message);
}

// What the words before the command ask for instead of one; nothing if they ask for none.
struct Leading {
  bool version = false, json = false;
  size_t count = 0;  // Of these words.
};

Result<Leading> ParseLeading(Executable& executable, std::span<char* const> words, bool* help) {
  Leading leading;
  Options options = DescribeGlobals(executable);
  options.Flag("--version", leading.version, "Show the version")
      .Letter(executable.about().version_letter)
      .Hide();
  options.Flag("--json", leading.json, "Show the version as JSON").Hide();
  const Options::Leading parsed = TRY(options.ParseLeading(words));
  *help = parsed.parsed == Options::Parsed::kHelp;
  leading.count = parsed.count;
  return leading;
}

}  // namespace

const CommandEntry* Executable::Find(std::string_view command) const {
  const auto it = std::find_if(commands().begin(), commands().end(),
                               [&](const CommandEntry& entry) { return entry.name == command; });
  return it == commands().end() ? nullptr : &*it;
}

void Executable::Print(const Command* command, std::string_view command_name,
                       const Error& error) const {
  std::string who(name());
  if (!command_name.empty()) who += fmt::format(" {}", command_name);
  const std::string text =
      command != nullptr ? command->Describe(who, error) : DescribeError(who, error);
  fputs(text.c_str(), stderr);
}

std::string DescribeError(std::string_view who, const Error& error) {
  return fmt::format("{}: {}\n", who, Printable(error.message()));
}

std::string Command::Describe(std::string_view who, const Error& error) const {
  return DescribeError(who, error);
}

Description Describe(Executable& executable, const CommandEntry& entry) {
  Description description{entry.make(executable), Options(executable, entry.name, entry.summary)};
  description.command->Configure(description.options);
  return description;
}

Options DescribeGlobals(Executable& executable) {
  Options options(executable, "", "");
  options.Section("Options of all commands");
  executable.ConfigureGlobals(options);
  return options;
}

int Main(Executable& executable, int argc, char** argv) {
  OccupyStandardStreams();
  std::span<char* const> words = std::span<char* const>(argv, argc).subspan(argc > 0 ? 1 : 0);
  // What stands before the command is described only if something does.
  if (!words.empty() && *words.front() == '-') {
    bool help = false;
    const Result<Leading> leading = ParseLeading(executable, words, &help);
    if (!leading) {
      const std::string hint = fmt::format("{} help", executable.name());
      return executable.Report(nullptr, "", WithHint(leading.error(), hint), Failure::kUsage);
    }
    if (help || leading->version) {
      const std::string text = help ? OverviewText(executable, TerminalWidth(), WantsColor(stdout))
                                    : executable.VersionText(leading->json);
      fputs(text.c_str(), stdout);
      return 0;
    }
    words = words.subspan(leading->count);
  }
  if (const Status checked = executable.CheckGlobals(); !checked)
    return executable.Report(nullptr, "", checked.error(), Failure::kUsage);
  if (words.empty()) {
    fputs(OverviewText(executable, TerminalWidth(), WantsColor(stderr)).c_str(), stderr);
    return executable.about().usage_status;
  }
  if (const CommandEntry* entry = executable.Find(words.front()))
    return RunCommandLine(executable, *entry, words.subspan(1));
  return executable.Report(nullptr, "", Unknown(executable, words.front()), Failure::kUsage);
}

}  // namespace wasmoor::cmd
