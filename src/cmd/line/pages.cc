#include "cmd/line/pages.h"

#include <fcntl.h>

#include <cstdio>

#include "cmd/line/help.h"
#include "cmd/line/text.h"
#include "wasmoor/os/file.h"

namespace wasmoor::cmd {
namespace {

Words ShellNames() { return {"bash", "zsh", "fish"}; }

Status WriteFile(const os::Fd& directory, const std::string& name, const std::string& text) {
  constexpr mode_t kReadable = 0644;
  const os::Fd file =
      TRY(os::OpenAt(directory, name.c_str(), O_WRONLY | O_CREAT | O_TRUNC, kReadable));
  return os::WriteAll(file, text);
}

Status WriteManPages(Executable& executable, const std::string& path) {
  const os::Fd directory = TRY(os::OpenAt(os::Fd(AT_FDCWD), path.c_str(), O_PATH | O_DIRECTORY));
  const std::string_view name = executable.name();
  const std::string_view section = executable.about().manual_section;
  TRY(WriteFile(directory, fmt::format("{}.{}", name, section), OverviewManPage(executable)));
  for (const CommandEntry& entry : executable.commands()) {
    TRY(WriteFile(directory, fmt::format("{}-{}.{}", name, entry.name, section),
                  ManPage(executable, Describe(executable, entry).options)));
  }
  return {};
}

}  // namespace

void HelpCommand::Configure(Options& options) {
  options.Take(
      {.usage = "[COMMAND]", .target = &names_, .most = 1, .completes = Completes::kCommands});
  const std::string_view name = executable_.name();
  options.Example(options.Keep(fmt::format("{} help run", name)),
                  options.Keep(fmt::format("What '{} run' takes.", name)));
}

Result<int> HelpCommand::Run() {
  const size_t width = TerminalWidth();
  const bool color = WantsColor(stdout);
  if (names_.empty()) {
    fputs(OverviewText(executable_, width, color).c_str(), stdout);
  } else {
    const Description described = cmd::Describe(executable_, *executable_.Find(names_.front()));
    fputs(HelpText(executable_, described.options, width, color).c_str(), stdout);
  }
  return 0;
}

void ManCommand::Configure(Options& options) {
  const std::string_view name = executable_.name();
  options.About(options.Keep(fmt::format(
      "Prints the manual page of COMMAND, or of {} itself, in the language of man(7).", name)));
  options.Take(
      {.usage = "[COMMAND]", .target = &names_, .most = 1, .completes = Completes::kCommands});
  options.Section("Output");
  options.Value("--write-to", directory_, "DIR", "Write every page into this folder instead")
      .Complete(Completes::kDirectories);
  options.Example(options.Keep(fmt::format("{} man run | man -l -", name)),
                  options.Keep(fmt::format("Reads the page of '{} run'.", name)));
}

Result<int> ManCommand::Run() {
  if (!directory_.empty()) {
    TRY_AS(WriteManPages(executable_, directory_), "--write-to {}", directory_);
    return 0;
  }
  const std::string page =
      names_.empty()
          ? OverviewManPage(executable_)
          : ManPage(executable_,
                    cmd::Describe(executable_, *executable_.Find(names_.front())).options);
  fputs(page.c_str(), stdout);
  return 0;
}

void CompletionCommand::Configure(Options& options) {
  const std::string_view name = executable_.name();
  options.About(
      options.Keep(fmt::format("Prints a script that completes the words of {}'s command lines. "
                               "'make install' puts it where "
                               "the shell finds it.",
                               name)));
  options.Take({.usage = "SHELL", .target = &shells_, .least = 1, .most = 1, .words = ShellNames});
  const auto example = [&](std::string command, std::string_view meaning) {
    options.Example(options.Keep(std::move(command)), meaning);
  };
  example(fmt::format("source <({} completion bash)", name),
          "For this shell. In ~/.bashrc: for all.");
  example(fmt::format("{0} completion zsh > \"${{fpath[1]}}/_{0}\"", name), "For zsh.");
  example(fmt::format("{0} completion fish > ~/.config/fish/completions/{0}.fish", name),
          "For fish.");
}

Result<int> CompletionCommand::Run() {
  const std::string& shell = shells_.front();
  const std::string script = shell == "bash"  ? BashCompletion(executable_)
                             : shell == "zsh" ? ZshCompletion(executable_)
                                              : FishCompletion(executable_);
  fputs(script.c_str(), stdout);
  return 0;
}

}  // namespace wasmoor::cmd
