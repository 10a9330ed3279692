#include "cmd/wasmoor/compile.h"

#include <cstdio>

#include "cmd/wasmoor/compiler.h"
#include "wasmoor/base/units.h"
#include "wasmoor/os/process.h"

namespace wasmoor::cmd {
namespace {

std::string_view Verdict(wasm::Cache::Found::Source source) {
  switch (source) {
    case wasm::Cache::Found::Source::kHit: return "was there already";
    case wasm::Cache::Found::Source::kCompiled: return "compiled";
    case wasm::Cache::Found::Source::kWaited: return "compiled by another process meanwhile";
  }
  return "compiled";
}

}  // namespace

void CompileCommand::Configure(Options& options) {
  options.About(
      "Each FILE is a WebAssembly module or component, binary or text (.wat); '-' reads one from "
      "standard input.");
  options.About(
      "The compiled code stays in the cache, from which only this user's wasmoor loads it. There "
      "is no "
      "way to write it to a file of your own, because loading such a file would be running native "
      "code.");
  options.Take({.usage = "FILE...",
                .target = &files_,
                .least = 1,
                .most = SIZE_MAX,
                .completes = Completes::kFiles});
  options.Section("Output");
  options.Flag("--quiet", quiet_, "Say nothing but errors").Letter("-q");
  options.Section("Code");
  options.Flag(
      "--background", background_,
      "Give way to every other process, and compile nothing that another process compiles");
  engine_.Configure(options);
  options.ExitStatus("0", "All are in the cache");
  options.ExitStatus("126", "One is not valid");
  options.ExitStatus("127", "One is not there");
  options.Example("wasmoor compile app.wasm", "Its next run starts at once.");
  options.Example("wasmoor compile --background *.wasm",
                  "The same for many, on what the machine's other work leaves over.");
}

Result<int> CompileCommand::Run() {
  if (background_) os::RunInBackground();
  wasm::EngineOptions options;
  options.parallel_compile = !background_;
  const Compiler compiler = TRY(Compiler::Create(engine_, std::move(options)));
  if (compiler.cache() == nullptr)
    return Fail(Code::kFailedPrecondition, "there is no cache to compile into");
  for (const std::string& file : files_) {
    const program::Source source = TRY(program::OpenSource(file));
    if (background_) {
      const auto bytes = TRY(program::ReadSource(source));
      TRY_AS(compiler.cache()->Optimize(compiler.engine(), bytes), "{}", file);
      continue;
    }
    const wasm::Cache::Found found = TRY(compiler.Load(source, wasm::Cache::Policy::kOptimized));
    if (quiet_) continue;
    std::string line = fmt::format("{}: {}", file, Verdict(found.source));
    if (found.source == wasm::Cache::Found::Source::kCompiled)
      line += fmt::format(" in {}", FormatDuration(found.compile_time));
    puts(line.c_str());
  }
  return 0;
}

}  // namespace wasmoor::cmd
