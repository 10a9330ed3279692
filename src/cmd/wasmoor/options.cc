#include "cmd/wasmoor/options.h"

#include <algorithm>

#include "cmd/wasmoor/nearest.h"

namespace wasmoor::cmd {
namespace {

constexpr std::string_view kHelp = "--help";
constexpr std::string_view kHelpLetter = "-h";
constexpr std::string_view kEndOfOptions = "--";
constexpr size_t kUsualOptions = 24;  // One allocation for the longest list.

bool IsOption(std::string_view word) { return word.size() > 1 && word.front() == '-'; }

Status CheckWord(std::string_view what, std::string_view word, Words (*words)()) {
  if (words == nullptr) return {};
  const Words known = words();
  if (std::find(known.begin(), known.end(), word) != known.end()) return {};
  return Fail(Code::kInvalidArgument, "{} '{}': must be {}{}", what, word, JoinOr(known),
              DidYouMean(word, known));
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
  return *actions_.emplace_back(std::make_unique<Options>(path, summary));
}

const Option* Options::Find(std::string_view name) const {
  const auto it = std::find_if(options_.begin(), options_.end(), [&](const Option& option) {
    return option.name == name || (!option.letter.empty() && option.letter == name);
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
  const size_t equals = word.starts_with("--") ? word.find('=') : std::string_view::npos;
  const std::string_view name = word.substr(0, equals);
  const Option* option = Find(name);
  if (option == nullptr) return Unknown(name);
  if (option->is_flag()) {
    if (equals != std::string_view::npos)
      return Fail(Code::kInvalidArgument, "{} takes no value", name);
    *std::get<bool*>(option->target) = true;
    return {};
  }
  std::string_view value;
  if (equals != std::string_view::npos) {
    value = word.substr(equals + 1);
  } else if (cursor.at + 1 < cursor.words.size()) {
    value = cursor.words[++cursor.at];
  } else {
    return Fail(Code::kInvalidArgument, "{} needs a value: {} {}", name, name, option->value);
  }
  TRY(CheckWord(name, value, option->words));
  if (auto* const* one = std::get_if<std::string*>(&option->target)) {
    **one = value;
  } else {
    std::get<std::vector<std::string>*>(option->target)->emplace_back(value);
  }
  return {};
}

Status Options::TakeOperand(std::string_view word) {
  if (operands_.target == nullptr)
    return Fail(Code::kInvalidArgument, "'{}': takes no argument like that", word);
  TRY(CheckWord(operands_.usage, word, operands_.words));
  operands_.target->emplace_back(word);
  return {};
}

Status Options::CheckCount() const {
  const size_t count = operands_.target == nullptr ? 0 : operands_.target->size();
  if (count < operands_.least)
    return Fail(Code::kInvalidArgument, "{} is missing: wasmoor {} {}",
                operands_.usage.substr(0, operands_.usage.find(' ')), path_, operands_.usage);
  if (count > operands_.most && operands_.target != nullptr)
    return Fail(Code::kInvalidArgument, "'{}' is one argument too many: wasmoor {} {}",
                (*operands_.target)[operands_.most], path_, operands_.usage);
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
    } else if (!options_end && IsOption(word)) {
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
    return Fail(Code::kInvalidArgument, "say which: wasmoor {} {}", path_, JoinOr(known));
  }
  TRY(CheckCount());
  return Parsed::kRun;
}

}  // namespace wasmoor::cmd
