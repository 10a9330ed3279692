#include "cmd/wasmoor/pages.h"

#include <fcntl.h>

#include <cstdio>

#include "cmd/wasmoor/help.h"
#include "cmd/wasmoor/text.h"
#include "wasmoor/os/file.h"

namespace wasmoor::cmd {
namespace {

Words CommandNames() {
  Words names;
  for (const CommandEntry& entry : AllCommands()) names.push_back(entry.name);
  return names;
}

Words ShellNames() { return {"bash", "zsh", "fish"}; }

Status WriteFile(const os::Fd& directory, const std::string& name, const std::string& text) {
  constexpr mode_t kReadable = 0644;
  const os::Fd file =
      TRY(os::OpenAt(directory, name.c_str(), O_WRONLY | O_CREAT | O_TRUNC, kReadable));
  return os::WriteAll(file, {reinterpret_cast<const uint8_t*>(text.data()), text.size()});
}

Status WriteManPages(const std::string& path) {
  const os::Fd directory = TRY(os::OpenAt(os::Fd(AT_FDCWD), path.c_str(), O_PATH | O_DIRECTORY));
  TRY(WriteFile(directory, "wasmoor.1", OverviewManPage()));
  for (const CommandEntry& entry : AllCommands()) {
    TRY(WriteFile(directory, fmt::format("wasmoor-{}.1", entry.name),
                  ManPage(Describe(entry).options)));
  }
  return {};
}

}  // namespace

void HelpCommand::Configure(Options& options) {
  options.Take({.usage = "[COMMAND]", .target = &names_, .most = 1, .words = CommandNames});
  options.Example("wasmoor help run", "What 'wasmoor run' takes.");
}

Result<int> HelpCommand::Run() {
  const size_t width = TerminalWidth();
  const bool color = WantsColor(stdout);
  if (names_.empty()) {
    fputs(OverviewText(width, color).c_str(), stdout);
  } else {
    const Description described = cmd::Describe(*FindCommand(names_.front()));
    fputs(HelpText(described.options, width, color).c_str(), stdout);
  }
  return 0;
}

void ManCommand::Configure(Options& options) {
  options.About(
      "Prints the manual page of COMMAND, or of wasmoor itself, in the language of man(7).");
  options.Take({.usage = "[COMMAND]", .target = &names_, .most = 1, .words = CommandNames});
  options.Section("Output");
  options.Value("--write-to", directory_, "DIR", "Write every page into this folder instead")
      .Complete(Completes::kDirectories);
  options.Example("wasmoor man run | man -l -", "Reads the page of 'wasmoor run'.");
}

Result<int> ManCommand::Run() {
  if (!directory_.empty()) {
    TRY_AS(WriteManPages(directory_), "--write-to {}", directory_);
    return 0;
  }
  const std::string page = names_.empty()
                               ? OverviewManPage()
                               : ManPage(cmd::Describe(*FindCommand(names_.front())).options);
  fputs(page.c_str(), stdout);
  return 0;
}

void CompletionCommand::Configure(Options& options) {
  options.About(
      "Prints a script that completes the words of wasmoor's command lines. 'make install' puts it "
      "where the shell finds it.");
  options.Take({.usage = "SHELL", .target = &shells_, .least = 1, .most = 1, .words = ShellNames});
  options.Example("source <(wasmoor completion bash)", "For this shell. In ~/.bashrc: for all.");
  options.Example("wasmoor completion zsh > \"${fpath[1]}/_wasmoor\"", "For zsh.");
  options.Example("wasmoor completion fish > ~/.config/fish/completions/wasmoor.fish", "For fish.");
}

Result<int> CompletionCommand::Run() {
  const std::string& shell = shells_.front();
  const std::string script = shell == "bash"  ? BashCompletion()
                             : shell == "zsh" ? ZshCompletion()
                                              : FishCompletion();
  fputs(script.c_str(), stdout);
  return 0;
}

}  // namespace wasmoor::cmd
