#include "cmd/wasmoor/run.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>

#include "cmd/engines.h"
#include "cmd/wasmoor/compiler.h"
#include "cmd/wasmoor/usage_report.h"
#include "wasmoor/base/units.h"
#include "wasmoor/os/deadline.h"
#include "wasmoor/os/process.h"

namespace wasmoor::cmd {
namespace {

constexpr int kTimeoutStatus = 124;

// What the deadline's handler says, prepared before the guest starts: the handler may not allocate.
std::string timeout_message;

void SayTimeout() {
  [[maybe_unused]] const ssize_t written =
      ::write(STDERR_FILENO, timeout_message.data(), timeout_message.size());
}

// Whether there is somebody to optimize for: the next run finds better code in the cache.
bool WantsBackgroundCompile(const wasm::Cache::Found& found, const RunFlags& flags) {
  return flags.tier == "auto" && found.tier == wasm::Tier::kBaseline && found.warning.empty() &&
         !flags.engine.no_cache;
}

void ReportTrap(const std::string& file, const wasm::Trap& trap) {
  std::string text = fmt::format("wasmoor: {}: trap: {}\n", file, trap.message);
  if (!trap.backtrace.empty()) text += fmt::format("backtrace, innermost first:\n{}\n", trap.backtrace);
  fputs(text.c_str(), stderr);
}

// The streams of the guest. A core module gets descriptors of its own, because it may close them, and other
// files of its then take their numbers: ours stay ours, for messages. A component closes none, and its
// engine tells only our very own for terminals.
Status GrantStreams(wasm::ModuleKind kind, wasi::Grants* grants) {
  const auto stream = [kind](int own) {
    constexpr int kAfterStreams = STDERR_FILENO + 1;
    return os::Fd(kind == wasm::ModuleKind::kComponent
                      ? own
                      : ::fcntl(own, F_DUPFD_CLOEXEC, kAfterStreams));
  };
  grants->standard_input = stream(STDIN_FILENO);
  grants->standard_output = stream(STDOUT_FILENO);
  grants->standard_error = stream(STDERR_FILENO);
  if (!grants->standard_error.valid()) return FailErrno(errno, "standard streams");
  return {};
}

// What a guest does not have is not a file that is not there.
template <typename T>
Result<T> AsGuestError(Result<T> result) {
  if (result || result.error().code() != Code::kNotFound) return result;
  return Fail(Code::kFailedPrecondition, "{}", result.error().message());
}

}  // namespace

void RunCommand::Configure(CLI::App& app) {
  flags_.Configure(app);
  // FILE is the first word that is no option; everything after it is the guest's.
  app.prefix_command();
  app.footer(
      "FILE is a WebAssembly module or component, binary or text (.wat); '-' reads it from standard "
      "input.\nThe guest is granted nothing that no option names: no directory, no variable, no "
      "network.\n\n"
      "Exit status: the guest's own; 134 after a trap, with a backtrace on standard error; 124 after the "
      "timeout;\n128+N if signal N ended it; 127 if FILE is not there, 126 if it cannot be run, 125 if "
      "wasmoor failed,\n2 if the command line is wrong.\n\n"
      "Examples:\n"
      "  wasmoor run hello.wasm\n"
      "  wasmoor run --dir .::/work:ro --env HOME=/work --timeout 10s tool.wasm --verbose input.txt\n"
      "  wasmoor run --invoke add math.wasm 1 2\n"
      "  wasmoor run --tcplisten 127.0.0.1:8080 server.wasm");
  app_ = &app;
}

Status RunCommand::Check() {
  words_ = app_->remaining();
  const bool literal = !words_.empty() && words_[0] == "--";
  if (literal) words_.erase(words_.begin());
  if (words_.empty())
    return Fail(Code::kInvalidArgument, "which file? 'wasmoor run FILE', or '-' for standard input");
  if (!literal && words_[0].size() > 1 && words_[0].starts_with('-')) {
    return Fail(Code::kInvalidArgument,
                "there is no option {0}; see 'wasmoor run --help' (a file of that name: ./{0})", words_[0]);
  }
  return flags_.Check();
}

Result<int> RunCommand::Run() {
  // A guest that writes to a closed pipe is told so (EPIPE) and decides itself.
  ::signal(SIGPIPE, SIG_IGN);
  started_ = Compiler::Clock::now();

  program::Host host = program::NewHost();
  wasm::EngineOptions options;
  options.host = host.table;
  options.stack_bytes = flags_.stack_bytes;
  Compiler compiler = TRY(Compiler::Create(flags_.engine, std::move(options)));
  const program::Source source = TRY(program::OpenSource(words_[0]));
  const wasm::Cache::Found found = TRY(compiler.Load(source, PolicyOf(flags_.tier)));
  if (WantsBackgroundCompile(found, flags_)) compiler.OptimizeInBackground(source);

  program::Guest::Options guest_options;
  guest_options.limits = flags_.limits;
  wasm::Invocation invocation;
  invocation.function = flags_.invoke;
  flags_.grants.arguments = words_;
  TRY(GrantStreams(found.module->kind(), &flags_.grants));
  if (!flags_.invoke.empty() && found.module->kind() == wasm::ModuleKind::kCore)
    invocation.arguments.assign(words_.begin() + 1, words_.end());
  auto guest = TRY_AS(program::Guest::Create(*found.module, host, std::move(flags_.grants),
                                             std::move(guest_options)),
                      "{}", source.name);
  TRY(StartDeadline(source.name));
  const wasm::Exit exit = TRY_AS(AsGuestError(guest->Run(invocation)), "{}", source.name);
  return Finish(source.name, found, *guest, exit);
}

Status RunCommand::StartDeadline(const std::string& file) {
  if (!flags_.timeout) return {};
  timeout_message =
      fmt::format("wasmoor: {}: did not end within {}\n", file, FormatDuration(*flags_.timeout));
  return os::EndProcessAfter(*flags_.timeout, kTimeoutStatus, SayTimeout);
}

int RunCommand::Finish(const std::string& file, const wasm::Cache::Found& found,
                       const program::Guest& guest, const wasm::Exit& exit) {
  if (!exit.results.empty()) {
    fputs(exit.results.c_str(), stdout);
    fputc('\n', stdout);
    fflush(stdout);
  }
  if (exit.kind == wasm::Exit::Kind::kTrapped) ReportTrap(file, exit.trap);
  if (flags_.stats) ReportUsage(flags_.json, Compiler::Clock::now() - started_, found, guest.usage());
  if (exit.kind == wasm::Exit::Kind::kSignaled) os::DieBySignal(exit.signal);
  return exit.ShellStatus();
}

}  // namespace wasmoor::cmd
