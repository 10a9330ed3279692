#include "cmd/wasmoor/inspect.h"

#include <algorithm>
#include <cstdio>

#include "base/checksum.h"
#include "base/sha256.h"
#include "cmd/engines.h"
#include "cmd/line/text.h"
#include "cmd/wasmoor/cache_access.h"
#include "cmd/wasmoor/run_report.h"
#include "cmd/wasmoor/wasmoor.h"
#include "wasmoor/program/program.h"

namespace wasmoor::cmd {
namespace {

// The entries of this module, and whether a run without options takes them.
Status FindCached(const std::string& cache_directory, Inspection& inspection) {
  const std::filesystem::path directory = TRY(CacheDirectory(cache_directory));
  const std::optional<wasm::Cache> cache = TRY(OpenExistingCache(directory));
  if (!cache) return {};
  const wasm::EngineFactory factory = TRY(FindEngine(""));
  const std::unique_ptr<wasm::Engine> engine = TRY(factory.create({}));
  for (wasm::Cache::Entry& entry : TRY(cache->List())) {
    if (entry.module_hash != inspection.sha256) continue;
    const bool usable =
        entry.damage.empty() && entry.fingerprint == engine->Fingerprint(entry.tier);
    inspection.cached.push_back({std::move(entry), usable});
  }
  return {};
}

}  // namespace

void InspectCommand::Configure(Options& options) {
  options.About(
      "Says what each FILE is, what it imports and exports, which WASI and which features of the "
      "engine it was "
      "built for, what it takes to run it here, and whether its compiled code is in the cache. "
      "Nothing "
      "of it is run or compiled. '-' reads standard input.");
  options.Take({.usage = "FILE...",
                .target = &files_,
                .least = 1,
                .most = SIZE_MAX,
                .completes = Completes::kFiles});
  options.Section("Output");
  options.Flag("--json", json_, "One line of JSON for each file");
  options.Section("Code");
  options.Value("--cache-dir", cache_directory_, "DIR", "Folder of the compiled modules")
      .Complete(Completes::kDirectories);
  options.ExitStatus("0", "Every FILE was read");
  options.ExitStatus("126", "One is not WebAssembly");
  options.ExitStatus("127", "One is not there");
  options.Example("wasmoor inspect app.wasm", "What it is and what it needs.");
  options.Example("wasmoor inspect --json *.wasm | jq -r 'select(.needs.missing != []).file'",
                  "The files that need what nothing here provides.");
}

Result<Inspection> InspectCommand::Inspect(const std::string& file) const {
  Inspection inspection;
  inspection.file = file;
  std::vector<uint8_t> bytes = TRY(program::ReadSource(TRY(program::OpenSource(file))));
  inspection.bytes = bytes.size();
  inspection.sha256 = ToHex(HashOf(bytes));
  inspection.is_text = !wasm::LooksLikeModule(bytes) && !wasm::LooksLikeComponent(bytes);
  bytes = TRY_AS(ToBinary(std::move(bytes)), "{}", file);
  inspection.outline = TRY_AS(wasm::ReadOutline(bytes), "{}", file);
  inspection.needs = NeedsOf(inspection.outline, *program::NewHost().table);
  if (const Status found = FindCached(cache_directory_, inspection); !found)
    inspection.cache_problem = found.error().message();
  return inspection;
}

Result<int> InspectCommand::Run() {
  int status = 0;
  bool first = true;
  for (const std::string& file : files_) {
    const Result<Inspection> inspection = Inspect(file);
    if (!inspection) {
      const Error& error = inspection.error();
      fputs((json_ ? ErrorJson(file, error) : Describe("wasmoor inspect", error)).c_str(), stderr);
      status = StatusOf(error);
      continue;
    }
    if (!json_ && !first) fputc('\n', stdout);
    first = false;
    fputs((json_ ? InspectionJson : InspectionText)(*inspection).c_str(), stdout);
  }
  return status;
}

}  // namespace wasmoor::cmd
