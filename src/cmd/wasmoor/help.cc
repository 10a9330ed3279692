#include "cmd/wasmoor/help.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "cmd/engines.h"
#include "cmd/wasmoor/json_text.h"
#include "cmd/wasmoor/text.h"

namespace wasmoor::cmd {
namespace {

constexpr size_t kIndent = 2;
constexpr size_t kWidestLabel = 26;  // A longer one has a line of its own.
constexpr size_t kColumn = kIndent + kWidestLabel + 2;

// One label with its text beside it, or below it where it does not fit.
std::string Entry(std::string_view label, std::string_view text, size_t column, size_t width,
                  bool color) {
  std::string entry(kIndent, ' ');
  entry += Styled(label, Style::kBold, color);
  const size_t used = kIndent + Width(label);
  if (used + 2 > column) {
    entry += '\n';
    entry.append(column, ' ');
  } else {
    entry.append(column - used, ' ');
  }
  return entry + Wrap(text, width - column, column) + '\n';
}

std::string Heading(std::string_view text, bool color) {
  return '\n' + Styled(fmt::format("{}:", text), Style::kBold, color) + '\n';
}

std::string Sentence(const Option& option) {
  std::string text(option.help);
  if (std::holds_alternative<std::vector<std::string>*>(option.target)) text += ". Repeatable";
  return text;
}

std::string SectionsText(const Options& options, size_t width, bool color) {
  std::string text;
  for (std::string_view section : SectionsOf(options)) {
    text += Heading(section, color);
    for (const Option& option : options.options()) {
      if (option.section == section && !option.hidden)
        text += Entry(LabelOf(option), Sentence(option), kColumn, width, color);
    }
  }
  return text;
}

std::string PairsText(std::string_view heading, const Options::Pairs& pairs, size_t width,
                      bool color) {
  if (pairs.empty()) return {};
  size_t column = 0;
  for (const auto& [label, meaning] : pairs) column = std::max(column, Width(label));
  std::string text = Heading(heading, color);
  for (const auto& [label, meaning] : pairs)
    text += Entry(label, meaning, kIndent + column + 2, width, color);
  return text;
}

std::string ExamplesText(const Options& options, size_t width, bool color) {
  if (options.examples().empty()) return {};
  std::string text = Heading("Examples", color);
  for (const auto& [command, meaning] : options.examples()) {
    constexpr size_t kBelow = kIndent + 4;
    text += fmt::format("{:{}}{}\n{:{}}{}\n", "", kIndent, Styled(command, Style::kBold, color), "",
                        kBelow, Wrap(meaning, width - kBelow, kBelow));
  }
  return text;
}

}  // namespace

Words SectionsOf(const Options& options) {
  Words sections;
  for (const Option& option : options.options()) {
    if (!option.hidden &&
        std::find(sections.begin(), sections.end(), option.section) == sections.end())
      sections.push_back(option.section);
  }
  return sections;
}

std::string SynopsisOf(const Options& options) {
  std::string text;
  for (const auto& action : options.actions())
    text += (text.empty() ? "" : "\n") + SynopsisOf(*action);
  if (!text.empty()) return text;
  text = fmt::format("wasmoor {}", options.path());
  const bool any = std::any_of(options.options().begin(), options.options().end(),
                               [](const Option& option) { return !option.hidden; });
  if (any) text += " [OPTIONS]";
  if (!options.operands().usage.empty()) text += fmt::format(" {}", options.operands().usage);
  return text;
}

std::string LabelOf(const Option& option) {
  std::string label;
  if (!option.letter.empty()) label += fmt::format("{}, ", option.letter);
  label += option.name;
  if (!option.value.empty()) label += fmt::format(" {}", option.value);
  return label;
}

Options::Pairs StatusesOf(const Options& options) {
  Options::Pairs statuses = options.statuses();
  statuses.emplace_back("125", "wasmoor itself failed");
  statuses.emplace_back("2", "The command line is wrong");
  return statuses;
}

std::string HelpText(const Options& options, size_t width, bool color) {
  std::string text =
      fmt::format("{}\n\n{}", options.summary(), Styled("Usage:", Style::kBold, color));
  const std::string synopsis = SynopsisOf(options);
  constexpr size_t kUsage = 7;  // "Usage: "
  text += fmt::format(" {}\n", Wrap(synopsis, Table::kUnlimited, kUsage));
  for (std::string_view paragraph : options.about())
    text += fmt::format("\n{}\n", Wrap(paragraph, width, 0));
  text += SectionsText(options, width, color);
  for (const auto& action : options.actions()) {
    text += Heading(fmt::format("wasmoor {}", action->path()), color);
    text +=
        fmt::format("{:{}}{}\n", "", kIndent, Wrap(action->summary(), width - kIndent, kIndent));
    for (const Option& option : action->options())
      text += Entry(LabelOf(option), Sentence(option), kColumn, width, color);
  }
  text += PairsText("Exit status", StatusesOf(options), width, color);
  return text + ExamplesText(options, width, color);
}

std::string OverviewText(size_t width, bool color) {
  std::string text = "wasmoor runs WebAssembly programs, each in a sandbox of its own.\n\n";
  text += Styled("Usage:", Style::kBold, color) + " wasmoor COMMAND [OPTIONS] ...\n";
  Options::Pairs commands;
  for (const CommandEntry& entry : AllCommands()) commands.emplace_back(entry.name, entry.summary);
  text += PairsText("Commands", commands, width, color);
  text += PairsText("More",
                    {{"wasmoor help COMMAND", "What a command takes, with examples"},
                     {"wasmoor --version [--json]", "This program's version, and its engines'"}},
                    width, color);
  return text +
         PairsText("Examples",
                   {{"wasmoor run hello.wasm", "Runs it; it sees no file, no variable, no network"},
                    {"wasmoor inspect hello.wasm", "Says what it is and what it needs"},
                    {"wasmoor doctor", "Says what of this machine can be used"}},
                   width, color);
}

std::string VersionText(bool json) {
  if (json) {
    nlohmann::ordered_json report = {{"version", WASMOOR_VERSION}};
    for (const wasm::EngineFactory& engine : Engines())
      report["engines"].push_back({{"name", engine.name}, {"version", engine.version}});
    return JsonLine(report);
  }
  std::string text = "wasmoor " WASMOOR_VERSION "\n";
  for (const wasm::EngineFactory& engine : Engines())
    text += fmt::format("engine {} {}\n", engine.name, engine.version);
  return text;
}

}  // namespace wasmoor::cmd
