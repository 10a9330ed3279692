#pragma once

#include <cstdint>
#include <forward_list>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "wasmoor/base/result.h"

// What a command takes on its command line. Parsing, --help, man pages and completion all read the
// one description that a command gives here. It is a plain table of literals because every start of
// a guest pays for making it, and that is why no library parses it: the start of a cached hello
// executes 0.91 million instructions, to which CLI11 2.1 adds 0.08 million by being linked (it
// includes <iostream>, whose set-up runs at every start), 0.02 million for a parser without options
// and 0.17 million for the fifteen of `run` (callgrind).
namespace wasmoor::cmd {

class Executable;

enum class Completes : uint8_t { kNothing, kFiles, kDirectories, kCommands };

// How options are written. kGo is what programs accept that are written in Go, as the callers of
// those take for granted: one dash is as good as two, and a flag may have a value ("--all=false").
enum class Dialect : uint8_t { kGnu, kGo };

using Words = std::vector<std::string_view>;

struct Option {
  using Target = std::variant<bool*, std::string*, std::vector<std::string>*>;

  std::string_view name;     // "--dir"
  std::string_view letter;   // "-q"; empty if it has none.
  std::string_view value;    // What stands for its value in the help: "SIZE". Empty for a flag.
  std::string_view help;     // One or two sentences, without a full stop at the end.
  std::string_view section;  // The heading that it stands under.
  Target target;
  Completes completes = Completes::kNothing;
  Words (*words)() = nullptr;  // The only values it takes; none: any.
  bool hidden = false;         // From help and completion.

  Option& Letter(std::string_view text) { return letter = text, *this; }
  Option& Complete(Completes what) { return completes = what, *this; }
  Option& OneOf(Words (*values)()) { return words = values, *this; }
  Option& Hide() { return hidden = true, *this; }
  bool is_flag() const { return std::holds_alternative<bool*>(target); }
};

// The words that are no options.
struct Operands {
  std::string_view usage;  // "FILE [ARGS...]"
  std::vector<std::string>* target = nullptr;
  size_t least = 0, most = 0;
  // Everything from the first one on is an operand, options of somebody else included.
  bool verbatim = false;
  // Every word is one, from the very first, but --help.
  bool any = false;
  Completes completes = Completes::kNothing;  // kCommands: the executable's, and no others.
  Words (*words)() = nullptr;
};

// The descriptions are literals: nothing is copied. Targets and the executable outlive it.
class Options {
 public:
  // `path`: the words after the executable's name: "run", "cache ls"; empty for the options that
  // stand before a command.
  Options(const Executable& executable, std::string_view path, std::string_view summary)
      : executable_(&executable), path_(path), summary_(summary) {}

  // Heading of the options that are declared from here on. Two stretches of one name are one
  // section.
  void Section(std::string_view name) { section_ = name; }
  Option& Flag(std::string_view name, bool& target, std::string_view help);
  // The last one counts if it stands there more than once.
  Option& Value(std::string_view name, std::string& target, std::string_view value,
                std::string_view help);
  Option& Repeated(std::string_view name, std::vector<std::string>& target, std::string_view value,
                   std::string_view help);
  void Take(Operands operands) { operands_ = operands; }
  // A verb of its own after the command's name: `cache ls`. `path` is the whole of it. The
  // reference holds as long as this.
  Options& Action(std::string_view path, std::string_view summary);
  // Where the name of the action goes that Parse meets: "ls".
  void TakeAction(std::string_view& target) { action_ = &target; }

  // Makes a text as good as a literal, for one that has the executable's name in it.
  std::string_view Keep(std::string text) { return kept_.emplace_front(std::move(text)); }
  void About(std::string_view paragraph) { about_.push_back(paragraph); }
  void ExitStatus(std::string_view status, std::string_view meaning) {
    statuses_.emplace_back(status, meaning);
  }
  void Example(std::string_view command, std::string_view meaning) {
    examples_.emplace_back(command, meaning);
  }

  enum class Parsed : uint8_t { kRun, kHelp };
  // Fills the targets. kInvalidArgument says what is wrong and, if something known is near it, what
  // was probably meant.
  Result<Parsed> Parse(std::span<char* const> words);

  // The same for options that stand before something else: `count` words are theirs.
  struct Leading {
    Parsed parsed = Parsed::kRun;
    size_t count = 0;
  };
  Result<Leading> ParseLeading(std::span<char* const> words);

  const Executable& executable() const { return *executable_; }
  // "wasmoor cache ls"
  std::string FullPath() const;
  // The only words that stand for an operand; empty: any.
  Words OperandWords() const;

  using Pairs = std::vector<std::pair<std::string_view, std::string_view>>;
  std::string_view path() const { return path_; }
  std::string_view name() const { return path_.substr(path_.rfind(' ') + 1); }
  std::string_view summary() const { return summary_; }
  std::span<const Option> options() const { return options_; }
  const Operands& operands() const { return operands_; }
  std::span<const std::unique_ptr<Options>> actions() const { return actions_; }
  std::span<const std::string_view> about() const { return about_; }
  const Pairs& statuses() const { return statuses_; }
  const Pairs& examples() const { return examples_; }

 private:
  struct Cursor;

  Option& Add(Option option);
  Status ParseOption(Cursor& cursor);
  Status ParseFlag(const Option& option, std::string_view name,
                   const std::string_view* value) const;
  Status TakeOperand(std::string_view word);
  Status CheckCount() const;
  Result<Parsed> ParseAction(std::span<char* const> words);
  const Option* Find(std::string_view name) const;
  tl::unexpected<Error> Unknown(std::string_view name) const;

  const Executable* executable_;
  std::string_view path_, summary_, section_ = "Options";
  std::string_view* action_ = nullptr;
  std::vector<Option> options_;
  Operands operands_;
  std::vector<std::unique_ptr<Options>> actions_;
  std::vector<std::string_view> about_;
  Pairs statuses_, examples_;
  std::forward_list<std::string> kept_;
};

}  // namespace wasmoor::cmd
