#include "cmd/line/options.h"

#include <algorithm>

#include "cmd/line/executable.h"
#include "cmd/line/nearest.h"

namespace wasmoor::cmd {
namespace {

constexpr std::string_view kHelp = "--help";
constexpr std::string_view kHelpLetter = "-h";
constexpr std::string_view kEndOfOptions = "--";
constexpr size_t kUsualOptions = 24;  // One allocation for the longest list.

bool IsOption(std::string_view word) { return word.size() > 1 && word.front() == '-'; }

Status CheckWord(std::string_view what, std::string_view word, const Words& known) {
  if (known.empty()) return {};
  if (std::find(known.begin(), known.end(), word) != known.end()) return {};
  return Fail(Code::kInvalidArgument, "{} '{}': must be {}{}", what, word, JoinOr(known),
              DidYouMean(word, known));
}

// What Go's strconv.ParseBool takes.
Result<bool> ParseBool(std::string_view text) {
  for (std::string_view word : {"1", "t", "T", "true", "TRUE", "True"})
    if (text == word) return true;
  for (std::string_view word : {"0", "f", "F", "false", "FALSE", "False"})
    if (text == word) return false;
  return Fail(Code::kInvalidArgument, "'{}': must be true or false", text);
}

}  // namespace

// Where parsing stands: at an option.
struct Options::Cursor {
  std::span<char* const> words;
  size_t at = 0;
};

Option& Options::Add(Option option) {
  if (options_.empty()) options_.reserve(kUsualOptions);
  option.section = section_;
  return options_.emplace_back(option);
}

Option& Options::Flag(std::string_view name, bool& target, std::string_view help) {
  return Add({.name = name, .help = help, .target = &target});
}

Option& Options::Value(std::string_view name, std::string& target, std::string_view value,
                       std::string_view help) {
  return Add({.name = name, .value = value, .help = help, .target = &target});
}

Option& Options::Repeated(std::string_view name, std::vector<std::string>& target,
                          std::string_view value, std::string_view help) {
  return Add({.name = name, .value = value, .help = help, .target = &target});
}

Options& Options::Action(std::string_view path, std::string_view summary) {
  return *actions_.emplace_back(std::make_unique<Options>(*executable_, path, summary));
}

std::string Options::FullPath() const {
  return path_.empty() ? std::string(executable_->name())
                       : fmt::format("{} {}", executable_->name(), path_);
}

Words Options::OperandWords() const {
  if (operands_.words != nullptr) return operands_.words();
  Words words;
  if (operands_.completes != Completes::kCommands) return words;
  for (const CommandEntry& entry : executable_->commands()) words.push_back(entry.name);
  return words;
}

const Option* Options::Find(std::string_view name) const {
  // -name is --name for Go, and a letter may have two dashes.
  const bool any_dashes = executable_->about().dialect == Dialect::kGo;
  const auto bare = [](std::string_view text) {
    return text.substr(std::min(text.find_first_not_of('-'), size_t{2}));
  };
  const auto is = [&](std::string_view known) {
    return known == name || (any_dashes && bare(known) == bare(name));
  };
  const auto it = std::find_if(options_.begin(), options_.end(), [&](const Option& option) {
    return is(option.name) || (!option.letter.empty() && is(option.letter));
  });
  return it == options_.end() ? nullptr : &*it;
}

tl::unexpected<Error> Options::Unknown(std::string_view name) const {
  Words known = {kHelp};
  for (const Option& option : options_) {
    if (!option.hidden) known.push_back(option.name);
  }
  std::string hint = DidYouMean(name, known);
  // A file may be called like an option.
  if (hint.empty() && operands_.completes == Completes::kFiles)
    hint = fmt::format(" (a file of that name: ./{})", name);
  return Fail(Code::kInvalidArgument, "there is no option {}{}", name, hint);
}

Status Options::ParseOption(Cursor& cursor) {
  const std::string_view word = cursor.words[cursor.at];
  const bool has_equals = word.starts_with("--") || executable_->about().dialect == Dialect::kGo;
  const size_t equals = has_equals ? word.find('=') : std::string_view::npos;
  const std::string_view name = word.substr(0, equals);
  const Option* option = Find(name);
  if (option == nullptr) return Unknown(name);
  std::string_view value;
  if (equals != std::string_view::npos) value = word.substr(equals + 1);
  if (option->is_flag())
    return ParseFlag(*option, name, equals == std::string_view::npos ? nullptr : &value);
  if (equals == std::string_view::npos) {
    if (cursor.at + 1 == cursor.words.size())
      return Fail(Code::kInvalidArgument, "{} needs a value: {} {}", name, name, option->value);
    value = cursor.words[++cursor.at];
  }
  if (option->words != nullptr) TRY(CheckWord(name, value, option->words()));
  if (auto* const* one = std::get_if<std::string*>(&option->target)) {
    **one = value;
  } else {
    std::get<std::vector<std::string>*>(option->target)->emplace_back(value);
  }
  return {};
}

Status Options::ParseFlag(const Option& option, std::string_view name,
                          const std::string_view* value) const {
  bool& target = *std::get<bool*>(option.target);
  target = true;
  if (value == nullptr) return {};
  if (executable_->about().dialect != Dialect::kGo)
    return Fail(Code::kInvalidArgument, "{} takes no value", name);
  target = TRY_AS(ParseBool(*value), "{}", name);
  return {};
}

Status Options::TakeOperand(std::string_view word) {
  if (operands_.target == nullptr)
    return Fail(Code::kInvalidArgument, "'{}': takes no argument like that", word);
  TRY(CheckWord(operands_.usage, word, OperandWords()));
  operands_.target->emplace_back(word);
  return {};
}

Status Options::CheckCount() const {
  const size_t count = operands_.target == nullptr ? 0 : operands_.target->size();
  if (count < operands_.least)
    return Fail(Code::kInvalidArgument, "{} is missing: {} {}",
                operands_.usage.substr(0, operands_.usage.find(' ')), FullPath(), operands_.usage);
  if (count > operands_.most && operands_.target != nullptr)
    return Fail(Code::kInvalidArgument, "'{}' is one argument too many: {} {}",
                (*operands_.target)[operands_.most], FullPath(), operands_.usage);
  return {};
}

Result<Options::Parsed> Options::ParseAction(std::span<char* const> words) {
  Words known;
  for (const auto& action : actions_) {
    if (action->name() == words.front()) {
      if (action_ != nullptr) *action_ = action->name();
      return action->Parse(words.subspan(1));
    }
    known.push_back(action->name());
  }
  return Fail(Code::kInvalidArgument, "'{}': must be {}{}", words.front(), JoinOr(known),
              DidYouMean(words.front(), known));
}

Result<Options::Parsed> Options::Parse(std::span<char* const> words) {
  bool options_end = false;
  for (Cursor cursor{words}; cursor.at < words.size(); ++cursor.at) {
    const std::string_view word = words[cursor.at];
    if (!options_end && word == kEndOfOptions) {
      options_end = true;
    } else if (!options_end && (word == kHelp || word == kHelpLetter)) {
      return Parsed::kHelp;
    } else if (!options_end && !operands_.any && IsOption(word)) {
      TRY(ParseOption(cursor));
    } else if (!actions_.empty()) {
      return ParseAction(words.subspan(cursor.at));
    } else {
      TRY(TakeOperand(word));
      options_end |= operands_.verbatim;
    }
  }
  if (!actions_.empty()) {
    Words known;
    for (const auto& action : actions_) known.push_back(action->name());
    return Fail(Code::kInvalidArgument, "say which: {} {}", FullPath(), JoinOr(known));
  }
  TRY(CheckCount());
  return Parsed::kRun;
}

Result<Options::Leading> Options::ParseLeading(std::span<char* const> words) {
  Cursor cursor{words};
  for (; cursor.at < words.size(); ++cursor.at) {
    const std::string_view word = words[cursor.at];
    if (word == kHelp || word == kHelpLetter) return Leading{Parsed::kHelp, cursor.at};
    if (!IsOption(word) || word == kEndOfOptions) break;
    TRY(ParseOption(cursor));
  }
  return Leading{Parsed::kRun, cursor.at};
}

}  // namespace wasmoor::cmd
