#include <fmt/format.h>

#include <algorithm>

#include "cmd/line/pages.h"

namespace wasmoor::cmd {
namespace {

std::string Join(const Words& words) {
  std::string text;
  for (std::string_view word : words) text += (text.empty() ? "" : " ") + std::string(word);
  return text;
}

// Everything that has options of its own: commands, and the actions of those that have some. `path`
// is "run", "cache ls".
template <typename Visit>
void ForEach(const Options& options, Visit visit) {
  visit(options);
  for (const auto& action : options.actions()) visit(*action);
}

template <typename Visit>
void ForEachCommand(Executable& executable, Visit visit) {
  visit(DescribeGlobals(executable));
  for (const CommandEntry& entry : executable.commands()) {
    const Description described = Describe(executable, entry);
    ForEach(described.options, visit);
  }
}

// "_wasmoor_runtime", and with words after it.
std::string FunctionName(const Executable& executable, std::string_view path = "") {
  std::string name = fmt::format("_{}{}{}", executable.name(), path.empty() ? "" : "_", path);
  std::replace_if(name.begin(), name.end(), [](char c) { return c == ' ' || c == '-'; }, '_');
  return name;
}

Words NamesOf(const Options& options) {
  Words names = {"--help"};
  if (options.path().empty()) names.push_back("--version");
  for (const Option& option : options.options()) {
    if (!option.hidden) names.push_back(option.name);
  }
  return names;
}

Words ActionsOf(const Options& options) {
  Words names;
  for (const auto& action : options.actions()) names.push_back(action->name());
  return names;
}

// All options that take a value, each after its command, as patterns of bash: "run --dir".
std::string ValuedOptions(Executable& executable) {
  std::string text;
  const auto add = [&](const Options& options, std::string_view name) {
    if (!name.empty())
      text += fmt::format("{}\"{} {}\"", text.empty() ? "" : "|", options.path(), name);
  };
  ForEachCommand(executable, [&](const Options& options) {
    for (const Option& option : options.options()) {
      if (option.is_flag()) continue;
      add(options, option.name);
      add(options, option.letter);
    }
  });
  return text;
}

// What gives bash's candidates.
std::string BashAction(std::string_view function, Completes completes, const Words& words) {
  if (!words.empty()) return fmt::format("{}_words \"{}\"", function, Join(words));
  switch (completes) {
    case Completes::kFiles: return fmt::format("{}_paths -f", function);
    case Completes::kDirectories: return fmt::format("{}_paths -d", function);
    case Completes::kCommands:
    case Completes::kNothing: return ":";
  }
  return ":";
}

Words WordsOf(const Option& option) { return option.words == nullptr ? Words() : option.words(); }

// What stands where an operand may: a command, if there is none yet.
Words OperandsOf(const Executable& executable, const Options& options) {
  if (!options.actions().empty()) return ActionsOf(options);
  if (!options.path().empty()) return options.OperandWords();
  Words words;
  for (const CommandEntry& entry : executable.commands()) words.push_back(entry.name);
  words.insert(words.end(), {"--help", "--version"});
  return words;
}

std::string BashCases(Executable& executable) {
  const std::string function = FunctionName(executable);
  std::string values, names, operands;
  ForEachCommand(executable, [&](const Options& options) {
    for (const Option& option : options.options()) {
      if (option.is_flag()) continue;
      std::string pattern = fmt::format("\"{} {}\"", options.path(), option.name);
      if (!option.letter.empty())
        pattern += fmt::format("|\"{} {}\"", options.path(), option.letter);
      values += fmt::format("    {}) {} ;;\n", pattern,
                            BashAction(function, option.completes, WordsOf(option)));
    }
    names += fmt::format("    \"{}\") {}_words \"{}\" ;;\n", options.path(), function,
                         Join(NamesOf(options)));
    operands += fmt::format(
        "    \"{}\") {} ;;\n", options.path(),
        BashAction(function, options.operands().completes, OperandsOf(executable, options)));
  });
  return fmt::format(R"(  if [[ $valued == yes ]]; then
    case "$command $previous" in
{}    esac
    return
  fi
  if [[ $current == -* && -z $operand ]]; then
    case $command in
{}    esac
    return
  fi
  case $command in
{}  esac
)",
                     values, names, operands);
}

// The words after which another one belongs to the command: none yet, and a command with actions.
std::string WithActions(Executable& executable) {
  std::string names = "\"\"";
  for (const CommandEntry& entry : executable.commands()) {
    if (!Describe(executable, entry).options.actions().empty())
      names += fmt::format("|{}", entry.name);
  }
  return names;
}

// In zsh's and fish's single quotes. `also`: what the shell's own description takes apart.
std::string Quoted(std::string_view text, std::string_view also) {
  std::string quoted;
  for (char c : text) {
    if (c == '\'') {
      quoted += "'\\''";
      continue;
    }
    if (also.find(c) != std::string_view::npos) quoted += '\\';
    quoted += c;
  }
  return quoted;
}

std::string ZshAction(Completes completes, const Words& words) {
  if (!words.empty()) return "(" + Join(words) + ")";
  switch (completes) {
    case Completes::kFiles: return "_files";
    case Completes::kDirectories: return "_files -/";
    case Completes::kCommands:
    case Completes::kNothing: return " ";
  }
  return " ";
}

constexpr std::string_view kZshSpecial = "[]:\\";

// Its options, as arguments of _arguments.
std::string ZshOptions(const Options& options) {
  std::string text;
  for (const Option& option : options.options()) {
    if (option.hidden) continue;
    const bool repeated = std::holds_alternative<std::vector<std::string>*>(option.target);
    text += fmt::format(" \\\n    '{}{}{}[{}]", repeated ? "*" : "", option.name,
                        option.is_flag() ? "" : "=", Quoted(option.help, kZshSpecial));
    if (!option.is_flag()) {
      text += fmt::format(":{}:{}", Quoted(option.value, kZshSpecial),
                          ZshAction(option.completes, WordsOf(option)));
    }
    text += '\'';
  }
  return text;
}

std::string ZshFunction(const Options& options) {
  std::string text =
      fmt::format("{}() {{\n  _arguments -s -S '(- *)'{{-h,--help}}'[Show the help]'",
                  FunctionName(options.executable(), options.path()));
  text += ZshOptions(options);
  const Operands& operands = options.operands();
  if (!operands.usage.empty()) {
    text += fmt::format(" \\\n    '*:{}:{}'", Quoted(operands.usage, kZshSpecial),
                        ZshAction(operands.completes, options.OperandWords()));
  }
  return text + "\n}\n";
}

// A function that completes a word out of a list and leaves the rest to the word's own function.
std::string ZshChoice(const Options& options, const Options::Pairs& choices) {
  const std::string_view path = options.path();
  std::string list, cases;
  for (const auto& [word, meaning] : choices) {
    list += fmt::format("\n    '{}:{}'", word, Quoted(meaning, ""));
    const std::string below = path.empty() ? std::string(word) : fmt::format("{} {}", path, word);
    cases += fmt::format("        {}) {} ;;\n", word, FunctionName(options.executable(), below));
  }
  return fmt::format(R"({}() {{
  local state line
  local -a choices=({})
  _arguments -C '(- *)'{{-h,--help}}'[Show the help]'{} \
    '1: :->first' '*:: :->rest'
  case $state in
    first) _describe 'command' choices ;;
    rest)
      case $line[1] in
{}      esac ;;
  esac
}}
)",
                     FunctionName(options.executable(), path), list, ZshOptions(options), cases);
}

std::string FishOption(const Option& option, std::string_view program,
                       const std::string& condition) {
  std::string text =
      fmt::format("complete -c {} -n '{}' -l {}", program, condition, option.name.substr(2));
  if (!option.letter.empty()) text += fmt::format(" -s {}", option.letter.substr(1));
  if (!option.is_flag()) {
    text += " -r";
    if (option.words != nullptr) {
      text += fmt::format(" -f -a '{}'", Join(option.words()));
    } else if (option.completes == Completes::kDirectories) {
      text += " -f -a '(__fish_complete_directories)'";
    } else if (option.completes == Completes::kNothing) {
      text += " -f";
    }
  }
  return text + fmt::format(" -d '{}'\n", Quoted(option.help, "\\"));
}

std::string FishCondition(const Options& options) {
  const std::string_view path = options.path();
  if (path.empty()) return "__fish_use_subcommand";
  const size_t space = path.find(' ');
  if (space == std::string_view::npos) return fmt::format("__fish_seen_subcommand_from {}", path);
  return fmt::format("__fish_seen_subcommand_from {}; and __fish_seen_subcommand_from {}",
                     path.substr(0, space), path.substr(space + 1));
}

std::string FishCommand(const Options& options) {
  const std::string_view program = options.executable().name();
  const std::string condition = FishCondition(options);
  std::string text;
  for (const Option& option : options.options()) {
    if (!option.hidden) text += FishOption(option, program, condition);
  }
  if (const Words words = options.OperandWords(); !words.empty())
    text += fmt::format("complete -c {} -n '{}' -f -a '{}'\n", program, condition, Join(words));
  if (options.operands().completes == Completes::kFiles)
    text += fmt::format("complete -c {} -n '{}' -F\n", program, condition);
  const std::string none = fmt::format("{}; and not __fish_seen_subcommand_from {}", condition,
                                       Join(ActionsOf(options)));
  for (const auto& action : options.actions()) {
    text += fmt::format("complete -c {} -n '{}' -f -a {} -d '{}'\n", program, none, action->name(),
                        Quoted(action->summary(), "\\"));
  }
  return text;
}

}  // namespace

std::string BashCompletion(Executable& executable) {
  return fmt::format(R"(# Completion of {0} for bash. Made by '{0} completion bash'.
{1}_words() {{
  COMPREPLY=($(compgen -W "$1" -- "$current"))
}}
{1}_paths() {{
  local IFS=$'\n'
  compopt -o filenames 2>/dev/null
  COMPREPLY=($(compgen "$1" -- "$current"))
}}
{1}() {{
  local current=$2 previous=$3 command= operand= valued=no word i
  COMPREPLY=()
  # In --option=value bash makes three words of it.
  [[ $current == = ]] && current=
  [[ $previous == = ]] && previous=${{COMP_WORDS[COMP_CWORD-2]}}
  for ((i = 1; i < COMP_CWORD; i++)); do
    word=${{COMP_WORDS[i]}}
    case "$command $word" in
      {2})
        [[ ${{COMP_WORDS[i+1]}} == = ]] && ((i++))
        ((i++))
        ((i >= COMP_CWORD)) && valued=yes
        continue
        ;;
    esac
    [[ $word == -?* ]] && continue
    case $command in
      {3}) command="${{command:+$command }}$word" ;;
      *)
        operand=$word
        break
        ;;
    esac
  done
{4}}}
complete -F {1} {0}
)",
                     executable.name(), FunctionName(executable), ValuedOptions(executable),
                     WithActions(executable), BashCases(executable));
}

std::string ZshCompletion(Executable& executable) {
  std::string text =
      fmt::format("#compdef {0}\n# Completion of {0} for zsh. Made by '{0} completion zsh'.\n",
                  executable.name());
  Options::Pairs commands;
  for (const CommandEntry& entry : executable.commands()) {
    commands.emplace_back(entry.name, entry.summary);
    const Description described = Describe(executable, entry);
    Options::Pairs actions;
    for (const auto& action : described.options.actions()) {
      text += ZshFunction(*action);
      actions.emplace_back(action->name(), action->summary());
    }
    text +=
        actions.empty() ? ZshFunction(described.options) : ZshChoice(described.options, actions);
  }
  return text + ZshChoice(DescribeGlobals(executable), commands) +
         fmt::format("{} \"$@\"\n", FunctionName(executable));
}

std::string FishCompletion(Executable& executable) {
  const std::string_view name = executable.name();
  std::string text = fmt::format(
      "# Completion of {0} for fish. Made by '{0} completion fish'.\n"
      "complete -c {0} -f\n"
      "complete -c {0} -n __fish_use_subcommand -l version -d 'Show the version'\n"
      "complete -c {0} -l help -s h -d 'Show the help'\n",
      name);
  for (const CommandEntry& entry : executable.commands()) {
    text += fmt::format("complete -c {} -n __fish_use_subcommand -a {} -d '{}'\n", name, entry.name,
                        Quoted(entry.summary, "\\"));
  }
  ForEachCommand(executable, [&](const Options& options) { text += FishCommand(options); });
  return text;
}

}  // namespace wasmoor::cmd
