#include <algorithm>

#include "cmd/wasmoor/help.h"
#include "cmd/wasmoor/pages.h"

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
void ForEachCommand(Visit visit) {
  for (const CommandEntry& entry : AllCommands()) {
    const Description described = Describe(entry);
    ForEach(described.options, visit);
  }
}

Words NamesOf(const Options& options) {
  Words names = {"--help"};
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

// The names of all options that take a value; one name means one thing in every command.
std::string ValuedOptions() {
  Words names;
  ForEachCommand([&](const Options& options) {
    for (const Option& option : options.options()) {
      if (!option.is_flag() && std::find(names.begin(), names.end(), option.name) == names.end())
        names.push_back(option.name);
    }
  });
  std::string text;
  for (std::string_view name : names) text += (text.empty() ? "" : "|") + std::string(name);
  return text;
}

// What gives bash's candidates.
std::string BashAction(Completes completes, Words (*words)()) {
  if (words != nullptr) return fmt::format("_wasmoor_words \"{}\"", Join(words()));
  switch (completes) {
    case Completes::kFiles: return "_wasmoor_paths -f";
    case Completes::kDirectories: return "_wasmoor_paths -d";
    case Completes::kNothing: return ":";
  }
  return ":";
}

std::string BashCases() {
  std::string values, names, operands;
  ForEachCommand([&](const Options& options) {
    for (const Option& option : options.options()) {
      if (!option.is_flag()) {
        values += fmt::format("    \"{} {}\") {} ;;\n", options.path(), option.name,
                              BashAction(option.completes, option.words));
      }
    }
    names += fmt::format("    \"{}\") _wasmoor_words \"{}\" ;;\n", options.path(),
                         Join(NamesOf(options)));
    const std::string action =
        options.actions().empty()
            ? BashAction(options.operands().completes, options.operands().words)
            : fmt::format("_wasmoor_words \"{}\"", Join(ActionsOf(options)));
    operands += fmt::format("    \"{}\") {} ;;\n", options.path(), action);
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

std::string WithActions() {
  std::string names;
  for (const CommandEntry& entry : AllCommands()) {
    if (!Describe(entry).options.actions().empty())
      names += (names.empty() ? "" : "|") + std::string(entry.name);
  }
  return names;
}

Words CommandWords() {
  Words words;
  for (const CommandEntry& entry : AllCommands()) words.push_back(entry.name);
  words.insert(words.end(), {"--help", "--version"});
  return words;
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

std::string FunctionName(std::string_view path) {
  std::string name = "_wasmoor_" + std::string(path);
  std::replace(name.begin(), name.end(), ' ', '_');
  return name;
}

std::string ZshAction(Completes completes, Words (*words)()) {
  if (words != nullptr) return "(" + Join(words()) + ")";
  switch (completes) {
    case Completes::kFiles: return "_files";
    case Completes::kDirectories: return "_files -/";
    case Completes::kNothing: return " ";
  }
  return " ";
}

constexpr std::string_view kZshSpecial = "[]:\\";

std::string ZshFunction(const Options& options) {
  std::string text =
      fmt::format("{}() {{\n  _arguments -s -S '(- *)'{{-h,--help}}'[Show the help]'",
                  FunctionName(options.path()));
  for (const Option& option : options.options()) {
    if (option.hidden) continue;
    const bool repeated = std::holds_alternative<std::vector<std::string>*>(option.target);
    text += fmt::format(" \\\n    '{}{}{}[{}]", repeated ? "*" : "", option.name,
                        option.is_flag() ? "" : "=", Quoted(option.help, kZshSpecial));
    if (!option.is_flag()) {
      text += fmt::format(":{}:{}", Quoted(option.value, kZshSpecial),
                          ZshAction(option.completes, option.words));
    }
    text += '\'';
  }
  const Operands& operands = options.operands();
  if (!operands.usage.empty()) {
    text += fmt::format(" \\\n    '*:{}:{}'", Quoted(operands.usage, kZshSpecial),
                        ZshAction(operands.completes, operands.words));
  }
  return text + "\n}\n";
}

// A function that completes a word out of a list and leaves the rest to the word's own function.
std::string ZshChoice(std::string_view name, const Options::Pairs& choices, std::string_view path) {
  std::string list, cases;
  for (const auto& [word, meaning] : choices) {
    list += fmt::format("\n    '{}:{}'", word, Quoted(meaning, ""));
    const std::string below = path.empty() ? std::string(word) : fmt::format("{} {}", path, word);
    cases += fmt::format("        {}) {} ;;\n", word, FunctionName(below));
  }
  return fmt::format(R"({}() {{
  local state line
  local -a choices=({})
  _arguments -C '(- *)'{{-h,--help}}'[Show the help]' '1: :->first' '*:: :->rest'
  case $state in
    first) _describe 'command' choices ;;
    rest)
      case $line[1] in
{}      esac ;;
  esac
}}
)",
                     name, list, cases);
}

std::string FishOption(const Option& option, const std::string& condition) {
  std::string text =
      fmt::format("complete -c wasmoor -n '{}' -l {}", condition, option.name.substr(2));
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

std::string FishCommand(const Options& options) {
  std::string condition = fmt::format("__fish_seen_subcommand_from {}", options.path());
  if (const size_t space = options.path().find(' '); space != std::string_view::npos) {
    condition = fmt::format("__fish_seen_subcommand_from {}; and __fish_seen_subcommand_from {}",
                            options.path().substr(0, space), options.path().substr(space + 1));
  }
  std::string text;
  for (const Option& option : options.options()) {
    if (!option.hidden) text += FishOption(option, condition);
  }
  const Operands& operands = options.operands();
  if (operands.words != nullptr)
    text +=
        fmt::format("complete -c wasmoor -n '{}' -f -a '{}'\n", condition, Join(operands.words()));
  if (operands.completes == Completes::kFiles)
    text += fmt::format("complete -c wasmoor -n '{}' -F\n", condition);
  const std::string none = fmt::format("{}; and not __fish_seen_subcommand_from {}", condition,
                                       Join(ActionsOf(options)));
  for (const auto& action : options.actions()) {
    text += fmt::format("complete -c wasmoor -n '{}' -f -a {} -d '{}'\n", none, action->name(),
                        Quoted(action->summary(), "\\"));
  }
  return text;
}

}  // namespace

std::string BashCompletion() {
  return fmt::format(R"(# Completion of wasmoor for bash. Made by 'wasmoor completion bash'.
_wasmoor_words() {{
  COMPREPLY=($(compgen -W "$1" -- "$current"))
}}
_wasmoor_paths() {{
  local IFS=$'\n'
  compopt -o filenames 2>/dev/null
  COMPREPLY=($(compgen "$1" -- "$current"))
}}
_wasmoor() {{
  local current=$2 previous=$3 command=${{COMP_WORDS[1]}} operand= valued=no word i
  COMPREPLY=()
  # In --option=value bash makes three words of it.
  [[ $current == = ]] && current=
  [[ $previous == = ]] && previous=${{COMP_WORDS[COMP_CWORD-2]}}
  if ((COMP_CWORD == 1)); then
    _wasmoor_words "{}"
    return
  fi
  for ((i = 2; i < COMP_CWORD; i++)); do
    word=${{COMP_WORDS[i]}}
    case $word in
      {})
        [[ ${{COMP_WORDS[i+1]}} == = ]] && ((i++))
        ((i++))
        ((i >= COMP_CWORD)) && valued=yes
        ;;
      -?*) ;;
      *)
        case $command in
          {}) command="$command $word" ;;
          *)
            operand=$word
            break
            ;;
        esac
        ;;
    esac
  done
{}}}
complete -F _wasmoor wasmoor
)",
                     Join(CommandWords()), ValuedOptions(), WithActions(), BashCases());
}

std::string ZshCompletion() {
  std::string text =
      "#compdef wasmoor\n# Completion of wasmoor for zsh. Made by 'wasmoor completion zsh'.\n";
  Options::Pairs commands;
  for (const CommandEntry& entry : AllCommands()) {
    commands.emplace_back(entry.name, entry.summary);
    const Description described = Describe(entry);
    Options::Pairs actions;
    for (const auto& action : described.options.actions()) {
      text += ZshFunction(*action);
      actions.emplace_back(action->name(), action->summary());
    }
    text += actions.empty() ? ZshFunction(described.options)
                            : ZshChoice(FunctionName(entry.name), actions, entry.name);
  }
  return text + ZshChoice("_wasmoor", commands, "") + "_wasmoor \"$@\"\n";
}

std::string FishCompletion() {
  std::string text =
      "# Completion of wasmoor for fish. Made by 'wasmoor completion fish'.\n"
      "complete -c wasmoor -f\n"
      "complete -c wasmoor -n __fish_use_subcommand -l version -d 'Show the version'\n"
      "complete -c wasmoor -l help -s h -d 'Show the help'\n";
  for (const CommandEntry& entry : AllCommands()) {
    text += fmt::format("complete -c wasmoor -n __fish_use_subcommand -a {} -d '{}'\n", entry.name,
                        Quoted(entry.summary, "\\"));
  }
  ForEachCommand([&](const Options& options) { text += FishCommand(options); });
  return text;
}

}  // namespace wasmoor::cmd
