#include "cmd/wasmoor/run.h"

#include <unistd.h>

#include <csignal>

#include "cmd/engines.h"
#include "cmd/line/text.h"
#include "cmd/wasmoor/compiler.h"
#include "cmd/wasmoor/run_report.h"
#include "cmd/wasmoor/run_server.h"
#include "cmd/wasmoor/usage_report.h"
#include "wasmoor/base/units.h"
#include "wasmoor/os/deadline.h"
#include "wasmoor/os/process.h"
#include "wasmoor/os/socket.h"
#include "wasmoor/program/report.h"
#include "wasmoor/wasm/http.h"

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
bool WantsBackgroundCompile(const Compiler& compiler, const wasm::Cache::Found& found,
                            const RunFlags& flags) {
  return compiler.cache() != nullptr && flags.tier == "auto" &&
         found.tier == wasm::Tier::kBaseline && found.warning.empty();
}

// Nobody but us knows the port that the kernel chose for port 0.
Status SayChosenPorts(const RunFlags& flags) {
  for (const wasi::Listener& listener : flags.grants.listeners) {
    if (!listener.address.ends_with(":0")) continue;
    const std::string address = TRY(os::LocalAddress(listener.socket));
    const std::string line =
        flags.json ? ListeningJson(address) : fmt::format("wasmoor: listening on {}\n", address);
    fputs(line.c_str(), stderr);
  }
  return {};
}

// What is the guest's fault is no failure of ours: an export that it does not have, and more memory
// from its start than the operator's limit.
Result<wasm::Exit> AsGuestError(Result<wasm::Exit> result, const RunFlags& flags) {
  if (result) return result;
  const Error& error = result.error();
  if (error.code() == Code::kNotFound)
    return Fail(Code::kFailedPrecondition, "{}", error.message());
  if (error.code() != Code::kResourceExhausted) return result;
  return Fail(Code::kFailedPrecondition, "{}; --max-memory is {}", error.message(),
              FormatSize(flags.limits.memory_bytes));
}

}  // namespace

void RunCommand::Configure(Options& options) {
  options.About(
      "FILE is a WebAssembly module or component, binary or text (.wat); '-' reads it from "
      "standard "
      "input. It is the first word that is no option; all that follows it is the guest's.");
  options.About(
      "The guest is granted nothing that no option names: no directory, no variable, no network.");
  flags_.Configure(options);
  options.Take({.usage = "FILE [ARGS...]",
                .target = &words_,
                .least = 1,
                .most = SIZE_MAX,
                .verbatim = true,
                .completes = Completes::kFiles});
  options.ExitStatus("0-255", "The guest's own");
  options.ExitStatus("134", "It trapped; a backtrace is on standard error");
  options.ExitStatus("124", "It did not end before the timeout");
  options.ExitStatus("128+N", "Signal N ended it");
  options.ExitStatus("127", "FILE is not there");
  options.ExitStatus("126", "FILE cannot be run");
  options.Example("wasmoor run hello.wasm", "Runs it with its standard streams and nothing else.");
  options.Example(
      "wasmoor run --dir .::/work:ro --env HOME=/work --timeout 10s tool.wasm -v in.txt",
      "Lets it read this folder, as /work, and ends it after ten seconds.");
  options.Example("wasmoor run --invoke add math.wasm 1 2", "Calls one of its functions.");
  options.Example("wasmoor run --tcplisten 127.0.0.1:8080 server.wasm",
                  "Gives it a socket to take connections from.");
  options.Example("wasmoor run --http-listen :8080 handler.wasm",
                  "Serves a component of wasi:http, with an instance for each request.");
}

Status RunCommand::Check() { return flags_.Check(); }

std::string RunCommand::Describe(std::string_view who, const Error& error) const {
  if (!flags_.json) return Command::Describe(who, error);
  return ErrorJson(words_.empty() ? "" : words_[0], error);
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
  if (flags_.invoke.empty() && wasm::ServesHttp(*found.module)) {
    flags_.grants.arguments = words_;
    TRY(StartDeadline(source.name));
    return RunServer(flags_, source);
  }
  if (WantsBackgroundCompile(compiler, found, flags_)) compiler.OptimizeInBackground(source);

  program::Guest::Options guest_options;
  guest_options.limits = flags_.limits;
  wasm::Invocation invocation;
  invocation.function = flags_.invoke;
  flags_.grants.arguments = words_;
  TRY(SayChosenPorts(flags_));
  TRY(program::GrantStreams(found.module->kind(), &flags_.grants));
  if (!flags_.invoke.empty() && found.module->kind() == wasm::ModuleKind::kCore)
    invocation.arguments.assign(words_.begin() + 1, words_.end());
  auto guest = TRY_AS(program::Guest::Create(*found.module, host, std::move(flags_.grants),
                                             std::move(guest_options)),
                      "{}", source.name);
  TRY(StartDeadline(source.name));
  const wasm::Exit exit = TRY_AS(AsGuestError(guest->Run(invocation), flags_), "{}", source.name);
  return Finish(source.name, found, *guest, exit);
}

Status RunCommand::StartDeadline(const std::string& file) {
  if (!flags_.timeout) return {};
  const std::string late = fmt::format("did not end within {}", FormatDuration(*flags_.timeout));
  timeout_message = flags_.json ? ErrorJson(file, Error(Code::kDeadlineExceeded, late))
                                : fmt::format("wasmoor: {}: {}\n", Printable(file), late);
  return os::EndProcessAfter(*flags_.timeout, kTimeoutStatus, SayTimeout);
}

int RunCommand::Finish(const std::string& file, const wasm::Cache::Found& found,
                       const program::Guest& guest, const wasm::Exit& exit) {
  if (!exit.results.empty()) {
    fputs(exit.results.c_str(), stdout);
    fputc('\n', stdout);
    fflush(stdout);
  }
  if (exit.kind == wasm::Exit::Kind::kTrapped)
    fputs((flags_.json ? TrapJson : program::TrapText)(file, exit.trap).c_str(), stderr);
  if (flags_.stats)
    ReportUsage(flags_.json, Compiler::Clock::now() - started_, found, guest.usage());
  if (exit.kind == wasm::Exit::Kind::kSignaled) os::DieBySignal(exit.signal);
  return exit.ShellStatus();
}

}  // namespace wasmoor::cmd
