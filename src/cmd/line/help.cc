#include "cmd/line/help.h"

#include <algorithm>

#include "cmd/line/text.h"

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
  text = options.FullPath();
  if (!SectionsOf(options).empty()) text += " [OPTIONS]";
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

Options::Pairs StatusesOf(const Executable& executable, const Options& options) {
  Options::Pairs statuses = options.statuses();
  const auto& common = executable.about().statuses;
  statuses.insert(statuses.end(), common.begin(), common.end());
  return statuses;
}

std::string OverviewSynopsis(Executable& executable) {
  const bool globals = !SectionsOf(DescribeGlobals(executable)).empty();
  return fmt::format("{}{} COMMAND [OPTIONS] ...", executable.name(), globals ? " [OPTIONS]" : "");
}

std::string HelpText(const Executable& executable, const Options& options, size_t width,
                     bool color) {
  std::string text =
      fmt::format("{}\n\n{}", options.summary(), Styled("Usage:", Style::kBold, color));
  const std::string synopsis = SynopsisOf(options);
  constexpr size_t kUsage = 7;  // "Usage: "
  text += fmt::format(" {}\n", Wrap(synopsis, Table::kUnlimited, kUsage));
  for (std::string_view paragraph : options.about())
    text += fmt::format("\n{}\n", Wrap(paragraph, width, 0));
  text += SectionsText(options, width, color);
  for (const auto& action : options.actions()) {
    text += Heading(action->FullPath(), color);
    text +=
        fmt::format("{:{}}{}\n", "", kIndent, Wrap(action->summary(), width - kIndent, kIndent));
    for (const Option& option : action->options())
      text += Entry(LabelOf(option), Sentence(option), kColumn, width, color);
  }
  text += PairsText("Exit status", StatusesOf(executable, options), width, color);
  return text + ExamplesText(options, width, color);
}

std::string OverviewText(Executable& executable, size_t width, bool color) {
  const About& about = executable.about();
  std::string text =
      fmt::format("{}\n\n{} {}\n", about.opening, Styled("Usage:", Style::kBold, color),
                  OverviewSynopsis(executable));
  Options::Pairs commands;
  for (const CommandEntry& entry : about.commands) commands.emplace_back(entry.name, entry.summary);
  text += PairsText("Commands", commands, width, color);
  text += SectionsText(DescribeGlobals(executable), width, color);
  const std::string help = fmt::format("{} help COMMAND", about.name);
  const std::string version = fmt::format("{} --version [--json]", about.name);
  text += PairsText("More",
                    {{help, "What a command takes, with examples"},
                     {version, "This program's version, and its engines'"}},
                    width, color);
  return text + PairsText("Examples", {about.examples.begin(), about.examples.end()}, width, color);
}

}  // namespace wasmoor::cmd
