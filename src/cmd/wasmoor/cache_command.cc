#include "cmd/wasmoor/cache_command.h"

#include <algorithm>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "cmd/line/json_text.h"
#include "cmd/line/text.h"
#include "cmd/wasmoor/cache_access.h"
#include "cmd/wasmoor/times.h"
#include "wasmoor/base/time.h"
#include "wasmoor/base/units.h"

namespace wasmoor::cmd {
namespace {

using std::chrono::system_clock;
using Entry = wasm::Cache::Entry;

constexpr int kDamageFound = 1;
constexpr size_t kShortHash = 16;  // Enough to tell modules apart, and to grep for.

std::string Plural(uint64_t count, std::string_view one, std::string_view many) {
  return fmt::format("{} {}", count, count == 1 ? one : many);
}

Json EntryJson(const Entry& entry) {
  Json json = {{"module", entry.module_hash},
               {"tier", TierName(entry.tier)},
               {"kind", entry.is_component ? "component" : "module"},
               {"bytes", entry.bytes},
               {"created", Rfc3339(entry.created, Precision::kSeconds)},
               {"last_used", Rfc3339(entry.last_used, Precision::kSeconds)},
               {"engine", entry.fingerprint}};
  if (!entry.damage.empty()) json["damage"] = entry.damage;
  return json;
}

std::string EntriesJson(const std::vector<Entry>& entries) {
  Json list = Json::array();
  for (const Entry& entry : entries) list.push_back(EntryJson(entry));
  return JsonLine(list);
}

uint64_t SizeOf(const std::vector<Entry>& entries) {
  uint64_t bytes = 0;
  for (const Entry& entry : entries) bytes += entry.bytes;
  return bytes;
}

}  // namespace

void CacheCommand::ConfigureCommon(Options& options) {
  options.Flag("--json", json_, "JSON instead of text");
  options.Value("--cache-dir", cache_directory_, "DIR", "Folder of the compiled modules")
      .Complete(Completes::kDirectories);
}

void CacheCommand::Configure(Options& options) {
  options.TakeAction(action_);
  options.About(
      "A module is compiled once; its machine code is kept in a folder that only its owner can "
      "write, and every "
      "later start takes it from there. Nothing in it is ever missed: what is removed is compiled "
      "again. A "
      "module is named by the SHA-256 of its file, which 'wasmoor inspect FILE' prints.");
  options.About(
      "Without --cache-dir the folder is $WASMOOR_CACHE_DIR, else wasmoor/modules in "
      "$XDG_CACHE_HOME "
      "or ~/.cache.");
  ConfigureCommon(options.Action("cache ls", "List what is compiled, most recently used first."));
  Options& verify =
      options.Action("cache verify", "Read every entry whole and compare its checksum.");
  verify.Flag("--remove", remove_, "Remove the damaged ones");
  ConfigureCommon(verify);
  Options& prune = options.Action(
      "cache prune",
      "Remove damaged entries, what killed processes left behind, and what the options name.");
  prune.Value("--max-size", max_size_text_, "SIZE",
              "Least recently used entries go until the rest has this size (2GiB)");
  prune.Value("--older-than", older_than_text_, "DURATION",
              "Entries go that were not used for so long: 30d");
  prune.Flag("--all", all_, "Everything goes");
  prune.Flag("--dry-run", dry_run_, "Only say what would go");
  ConfigureCommon(prune);
  ConfigureCommon(options.Action("cache dir", "Print the folder."));
  options.ExitStatus("0", "Done, and nothing is damaged");
  options.ExitStatus("1", "verify found damage and did not remove it");
  options.Example("wasmoor cache ls", "What is there.");
  options.Example("wasmoor cache verify --remove",
                  "After a disk error: finds and removes what is damaged.");
  options.Example("wasmoor cache prune --older-than 30d --max-size 500MiB", "Tidies up.");
}

Status CacheCommand::Check() {
  max_bytes_ = wasm::CacheOptions().max_bytes;
  if (!max_size_text_.empty()) max_bytes_ = TRY_AS(ParseSize(max_size_text_), "--max-size");
  if (all_ && !max_size_text_.empty())
    return Fail(Code::kInvalidArgument, "--all and --max-size: give one of them");
  if (all_) max_bytes_ = 0;
  if (!older_than_text_.empty()) {
    const auto age = TRY_AS(ParseDuration(older_than_text_), "--older-than");
    older_than_ = system_clock::now() - std::chrono::duration_cast<system_clock::duration>(age);
  }
  return {};
}

Result<int> CacheCommand::Run() {
  const std::filesystem::path directory = TRY(CacheDirectory(cache_directory_));
  if (action_ == "dir") {
    fputs(json_ ? JsonLine({{"directory", directory.native()}}).c_str()
                : (directory.native() + '\n').c_str(),
          stdout);
    return 0;
  }
  std::optional<wasm::Cache> cache = TRY(OpenExistingCache(directory));
  if (!cache) {
    if (json_) {
      fputs(action_ == "prune" ? "{\"entries\":0,\"bytes\":0}\n" : "[]\n", stdout);
    } else {
      fputs(
          fmt::format("{} does not exist yet: nothing was compiled\n", directory.native()).c_str(),
          stdout);
    }
    return 0;
  }
  if (action_ == "verify") return Verify(*cache);
  if (action_ == "prune") return Prune(*cache);
  return List(TRY(cache->List()));
}

int CacheCommand::List(const std::vector<Entry>& entries) const {
  if (json_) {
    fputs(EntriesJson(entries).c_str(), stdout);
    return 0;
  }
  const auto now = system_clock::now();
  Table table;
  table.Add({{"MODULE", Style::kBold},
             {"KIND", Style::kBold},
             {"TIER", Style::kBold},
             {"SIZE", Style::kBold},
             {"LAST USED", Style::kBold},
             {"COMPILED", Style::kBold}});
  for (const Entry& entry : entries) {
    if (!entry.damage.empty()) {
      table.Add({{entry.module_hash.substr(0, kShortHash)},
                 {"damaged", Style::kRed},
                 {Printable(entry.damage)}});
      continue;
    }
    table.Add({{entry.module_hash.substr(0, kShortHash)},
               {entry.is_component ? "component" : "module"},
               {std::string(TierName(entry.tier))},
               {FormatSize(entry.bytes)},
               {Ago(entry.last_used, now)},
               {Ago(entry.created, now)}});
  }
  fputs(ForStandardOutput(table).c_str(), stdout);
  fputs(fmt::format("{}, {}\n", Plural(entries.size(), "entry", "entries"),
                    FormatSize(SizeOf(entries)))
            .c_str(),
        stdout);
  return 0;
}

Result<int> CacheCommand::Verify(const wasm::Cache& cache) const {
  const std::vector<Entry> entries = TRY(cache.Verify());
  const auto damaged = std::count_if(entries.begin(), entries.end(),
                                     [](const Entry& entry) { return !entry.damage.empty(); });
  // Pruning to an unlimited size removes the damaged and nothing else but leftovers.
  const bool removes = remove_ && damaged > 0;
  if (removes) TRY(cache.Prune(UINT64_MAX, std::nullopt));
  const int status = damaged > 0 && !removes ? kDamageFound : 0;
  if (json_) {
    fputs(EntriesJson(entries).c_str(), stdout);
    return status;
  }
  for (const Entry& entry : entries) {
    if (entry.damage.empty()) continue;
    fputs(fmt::format("{}: {}{}\n", entry.module_hash, Printable(entry.damage),
                      removes ? "; removed" : "")
              .c_str(),
          stdout);
  }
  std::string line = fmt::format("{} of {} sound", entries.size() - static_cast<size_t>(damaged),
                                 Plural(entries.size(), "entry", "entries"));
  if (status != 0)
    line += "; no run uses a damaged one, and 'wasmoor cache verify --remove' removes them";
  puts(line.c_str());
  return status;
}

Result<int> CacheCommand::Prune(const wasm::Cache& cache) const {
  const auto mode = dry_run_ ? wasm::Cache::PruneMode::kCountOnly : wasm::Cache::PruneMode::kRemove;
  const wasm::Cache::Pruned pruned = TRY(cache.Prune(max_bytes_, older_than_, mode));
  if (json_) {
    fputs(JsonLine({{"entries", pruned.entries}, {"bytes", pruned.bytes}, {"dry_run", dry_run_}})
              .c_str(),
          stdout);
    return 0;
  }
  puts(fmt::format("{} {}, {}", dry_run_ ? "would remove" : "removed",
                   Plural(pruned.entries, "entry", "entries"), FormatSize(pruned.bytes))
           .c_str());
  return 0;
}

}  // namespace wasmoor::cmd
