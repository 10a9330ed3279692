#include "cmd/wasmoor/inspection.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "cmd/line/json_text.h"
#include "cmd/line/text.h"
#include "cmd/wasmoor/times.h"
#include "wasmoor/base/time.h"
#include "wasmoor/base/units.h"

namespace wasmoor::cmd {
namespace {

using std::chrono::system_clock;

std::string_view KindName(wasm::ExternKind kind) {
  switch (kind) {
    case wasm::ExternKind::kFunction: return "function";
    case wasm::ExternKind::kGlobal: return "global";
    case wasm::ExternKind::kTable: return "table";
    case wasm::ExternKind::kMemory: return "memory";
    case wasm::ExternKind::kTag: return "tag";
    case wasm::ExternKind::kInstance: return "instance";
    case wasm::ExternKind::kModule: return "module";
    case wasm::ExternKind::kOther: return "other";
  }
  return "other";
}

std::string Join(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words) text += (text.empty() ? "" : ", ") + word;
  return text;
}

std::string KindText(const Inspection& it) {
  const wasm::Outline& outline = it.outline;
  std::string text = outline.kind == wasm::ModuleKind::kComponent ? "component" : "core module";
  if (it.is_text) text += " in the text format";
  if (outline.kind == wasm::ModuleKind::kComponent) {
    text += fmt::format(" of {} core module{}", outline.modules, outline.modules == 1 ? "" : "s");
    if (outline.components > 0)
      text += fmt::format(" and {} inner component{}", outline.components,
                          outline.components == 1 ? "" : "s");
  }
  return text;
}

std::string MemoryText(const wasm::MemoryType& memory) {
  uint64_t least = 0;
  std::string text = fmt::format("{} pages", ToString(memory.pages));
  if (!__builtin_mul_overflow(memory.pages.minimum, memory.page_bytes, &least))
    text += fmt::format(", {} to begin with", FormatSize(least));
  if (memory.shared) text += ", shared";
  if (memory.pages.is_64_bit) text += ", 64 bit";
  if (memory.imported) text += ", imported";
  return text;
}

std::string ProducersText(const std::vector<wasm::Producer>& producers) {
  std::vector<std::string> words;
  for (const wasm::Producer& producer : producers) {
    std::string word = Printable(producer.name);
    if (!producer.version.empty()) word += " " + Printable(producer.version);
    if (std::find(words.begin(), words.end(), word) == words.end())
      words.push_back(std::move(word));
  }
  return Join(words);
}

std::string CustomText(const std::vector<wasm::CustomSection>& sections) {
  constexpr size_t kMostShown = 20;
  std::string text;
  for (size_t i = 0; i < sections.size() && i < kMostShown; ++i) {
    text += fmt::format("{}{} ({})", i == 0 ? "" : ", ", Printable(sections[i].name),
                        FormatSize(sections[i].bytes));
  }
  if (sections.size() > kMostShown)
    text += fmt::format(" and {} more", sections.size() - kMostShown);
  return text;
}

std::string CachedText(const Inspection::Cached& cached) {
  if (!cached.entry.damage.empty())
    return fmt::format("damaged: {}; the next run compiles it anew", cached.entry.damage);
  const auto now = system_clock::now();
  std::string text = fmt::format("{}, {}, made {}, last used {}", TierName(cached.entry.tier),
                                 FormatSize(cached.entry.bytes), Ago(cached.entry.created, now),
                                 Ago(cached.entry.last_used, now));
  if (!cached.usable) text += "; of another engine, CPU or option than a plain run has";
  return text;
}

constexpr size_t kMostMemories = 8;  // A hostile file can have a million.

Table FactsOf(const Inspection& it) {
  const wasm::Outline& outline = it.outline;
  Table table(2);
  const auto line = [&](std::string_view name, std::string text) {
    if (!text.empty()) table.Add({{std::string(name), Style::kDim}, {std::move(text)}});
  };
  line("kind", KindText(it));
  line("size", fmt::format("{} ({} bytes)", FormatSize(it.bytes), it.bytes));
  line("sha256", it.sha256);
  line("world", it.needs.world);
  line("wasi", it.needs.wasi);
  line("features",
       it.needs.features.empty() ? "none beyond WebAssembly 1.0" : Join(it.needs.features));
  if (!outline.unread.empty()) line("", "perhaps more: " + outline.unread);
  for (size_t i = 0; i < outline.memories.size() && i < kMostMemories; ++i)
    line("memory", MemoryText(outline.memories[i]));
  if (outline.memories.size() > kMostMemories)
    line("memory", fmt::format("and {} more", outline.memories.size() - kMostMemories));
  for (size_t i = 0; i < outline.tables.size() && i < kMostMemories; ++i) {
    line("table",
         fmt::format("{} {}{}", ToString(outline.tables[i].elements), outline.tables[i].element,
                     outline.tables[i].imported ? ", imported" : ""));
  }
  if (outline.start)
    line("start", fmt::format("function {} runs as soon as it is instantiated", *outline.start));
  line("code", fmt::format("{} function{}, {}", outline.functions,
                           outline.functions == 1 ? "" : "s", FormatSize(outline.code_bytes)));
  line("built by", ProducersText(outline.producers));
  line("sections", CustomText(outline.custom));
  line("debugging",
       fmt::format("{}, {}", outline.has_names ? "names of functions" : "no names of functions",
                   outline.has_debug_info ? "DWARF" : "no DWARF"));
  for (const Inspection::Cached& cached : it.cached) line("cache", CachedText(cached));
  if (!it.cache_problem.empty()) {
    line("cache", "unknown: " + it.cache_problem);
  } else if (it.cached.empty()) {
    line("cache", "not cached: its first run compiles it");
  }
  return table;
}

Table ExternsOf(const std::vector<wasm::Extern>& externs) {
  Table table(2);
  for (const wasm::Extern& item : externs) {
    std::string name = item.module.empty() ? "" : Printable(item.module) + ".";
    table.Add({{name + Printable(item.name)}, {item.type, Style::kDim}});
  }
  return table;
}

Table ToRun(const Inspection& it) {
  const Needs& needs = it.needs;
  Table table(2);
  for (const wasm::MissingImport& missing : needs.missing) {
    std::string name = missing.import.module.empty() ? "" : Printable(missing.import.module) + ".";
    table.Add({{"missing", Style::kRed},
               {fmt::format("{}{} ({})", name, Printable(missing.import.name), missing.reason)}});
  }
  for (const std::string& provider : needs.providers) table.Add({{"", Style::kPlain}, {provider}});
  for (const std::string& feature : needs.features_off)
    table.Add(
        {{"--enable " + feature, Style::kBold}, {"it uses this feature, which is off by default"}});
  if (needs.world != "command" && needs.can_run())
    table.Add({{needs.world == "proxy" ? "a server" : "--invoke EXPORT", Style::kBold},
               {needs.world == "proxy" ? "it answers HTTP requests and has no program of its own"
                                       : "it is no program: call one of its exports"}});
  for (const Grant& grant : needs.grants) table.Add({{grant.option, Style::kBold}, {grant.reason}});
  if (table.empty())
    table.Add({{"nothing", Style::kBold}, {"it asks for nothing that has to be granted"}});
  return table;
}

Json ExternsJson(const std::vector<wasm::Extern>& externs) {
  Json list = Json::array();
  for (const wasm::Extern& item : externs) {
    Json one = {{"name", item.name}, {"kind", KindName(item.kind)}, {"type", item.type}};
    if (!item.module.empty()) one["module"] = item.module;
    list.push_back(std::move(one));
  }
  return list;
}

Json RangeJson(const wasm::SizeRange& range) {
  Json json = {{"min", range.minimum}, {"max", nullptr}, {"is_64_bit", range.is_64_bit}};
  if (range.maximum) json["max"] = *range.maximum;
  return json;
}

Json MemoriesJson(const std::vector<wasm::MemoryType>& memories) {
  Json list = Json::array();
  for (const wasm::MemoryType& memory : memories) {
    Json one = RangeJson(memory.pages);
    one["page_bytes"] = memory.page_bytes;
    one["shared"] = memory.shared;
    one["imported"] = memory.imported;
    list.push_back(std::move(one));
  }
  return list;
}

Json TablesJson(const std::vector<wasm::TableType>& tables) {
  Json list = Json::array();
  for (const wasm::TableType& table : tables) {
    Json one = RangeJson(table.elements);
    one["element"] = table.element;
    one["imported"] = table.imported;
    list.push_back(std::move(one));
  }
  return list;
}

Json NeedsJson(const Needs& needs) {
  Json missing = Json::array(), grants = Json::array();
  for (const wasm::MissingImport& one : needs.missing)
    missing.push_back(
        {{"module", one.import.module}, {"name", one.import.name}, {"reason", one.reason}});
  for (const Grant& grant : needs.grants)
    grants.push_back({{"option", grant.option}, {"reason", grant.reason}});
  return {{"missing", std::move(missing)},
          {"providers", needs.providers},
          {"enable", needs.features_off},
          {"grants", std::move(grants)},
          {"memory_bytes", needs.memory_bytes}};
}

Json CacheJson(const Inspection& it) {
  if (!it.cache_problem.empty()) return {{"problem", it.cache_problem}};
  Json entries = Json::array();
  for (const Inspection::Cached& cached : it.cached) {
    Json one = {{"tier", TierName(cached.entry.tier)},
                {"bytes", cached.entry.bytes},
                {"created", Rfc3339(cached.entry.created, Precision::kSeconds)},
                {"last_used", Rfc3339(cached.entry.last_used, Precision::kSeconds)},
                {"usable", cached.usable}};
    if (!cached.entry.damage.empty()) one["damage"] = cached.entry.damage;
    entries.push_back(std::move(one));
  }
  return {{"entries", std::move(entries)}};
}

}  // namespace

std::string InspectionText(const Inspection& it) {
  const bool color = WantsColor(stdout);
  const auto section = [&](std::string_view heading, const Table& table) {
    if (table.empty()) return std::string();
    return fmt::format("{}\n{}", Styled(heading, Style::kBold, color), ForStandardOutput(table));
  };
  return section(Printable(it.file), FactsOf(it)) +
         section("Imports", ExternsOf(it.outline.imports)) +
         section("Exports", ExternsOf(it.outline.exports)) + section("To run it", ToRun(it));
}

std::string InspectionJson(const Inspection& it) {
  const wasm::Outline& outline = it.outline;
  Json custom = Json::array(), producers = Json::array();
  for (const wasm::CustomSection& section : outline.custom)
    custom.push_back({{"name", section.name}, {"bytes", section.bytes}});
  for (const wasm::Producer& producer : outline.producers)
    producers.push_back(
        {{"field", producer.field}, {"name", producer.name}, {"version", producer.version}});
  Json json = {{"file", it.file},
               {"kind", outline.kind == wasm::ModuleKind::kComponent ? "component" : "module"},
               {"text", it.is_text},
               {"bytes", it.bytes},
               {"sha256", it.sha256},
               {"wasi", it.needs.wasi},
               {"world", it.needs.world},
               {"features", it.needs.features},
               {"imports", ExternsJson(outline.imports)},
               {"exports", ExternsJson(outline.exports)},
               {"memories", MemoriesJson(outline.memories)},
               {"tables", TablesJson(outline.tables)},
               {"start", outline.start ? Json(*outline.start) : Json(nullptr)},
               {"functions", outline.functions},
               {"code_bytes", outline.code_bytes},
               {"custom_sections", std::move(custom)},
               {"producers", std::move(producers)},
               {"has_names", outline.has_names},
               {"has_debug_info", outline.has_debug_info},
               {"needs", NeedsJson(it.needs)},
               {"cache", CacheJson(it)}};
  if (outline.kind == wasm::ModuleKind::kComponent) json["modules"] = outline.modules;
  if (!outline.unread.empty()) json["unread"] = outline.unread;
  return JsonLine(json);
}

}  // namespace wasmoor::cmd
