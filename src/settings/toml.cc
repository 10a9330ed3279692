#include "settings/toml.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <map>
#include <set>

#include "settings/toml_text.h"
#include "wasmoor/base/printable.h"
#include "wasmoor/os/file.h"

// TOML as settings need it: all of version 1.0.0 but numbers with a point, times, and lists of
// anything else than strings or tables. Written here since it reads what tenants write: the library
// that there is has no defined result for some texts, and follows others with its stack.
namespace wasmoor::settings {
namespace {

constexpr uint64_t kMostText = 1 << 20;
// Of tables in tables: no setting has more.
constexpr size_t kMostDepth = 16;

constexpr std::string_view kByteOrderMark = "\xef\xbb\xbf";

using Key = std::vector<std::string>;

class Parser {
 public:
  struct Setting {
    std::string key;
    int line = 0;
    Value value;
  };

  Parser(std::string_view document, std::string_view source) : text_(document, source) {
    text_.Take(kByteOrderMark);
  }

  Result<std::vector<Setting>> Run() {
    for (;;) {
      TRY(text_.SkipLines());
      if (text_.at_end()) return std::move(settings_);
      if (text_.Take("[")) {
        TRY(Header());
      } else {
        TRY(KeyAndValue(table_, 0));
      }
      TRY(text_.EndLine());
    }
  }

 private:
  // "a.b" of a header or before a '='.
  Result<Key> ReadKey() {
    Key key;
    do {
      text_.SkipSpace();
      key.push_back(TRY(text_.KeyPart()));
      if (key.size() > kMostDepth) return text_.Complain("this key has too many parts");
      text_.SkipSpace();
    } while (text_.Take("."));
    return key;
  }

  // After the first '['.
  Status Header() {
    const bool is_list = text_.Take("[");
    const Key key = TRY(ReadKey());
    TRY(text_.Expect(is_list ? "]]" : "]"));
    table_.clear();
    for (size_t part = 0; part + 1 < key.size(); ++part) {
      table_ += key[part];
      TRY(CheckTable(table_));
      if (!lists_.contains(table_)) tables_.insert(table_);
      Descend();
    }
    table_ += key.back();
    TRY(CheckTable(table_));
    if (is_list) {
      if (tables_.contains(table_)) return Twice(table_);
      ++lists_[table_];
    } else {
      // One that was only part of other keys so far may have a header later.
      if (lists_.contains(table_) || dotted_.contains(table_) || !headers_.insert(table_).second)
        return Twice(table_);
      tables_.insert(table_);
    }
    Descend();
    return {};
  }

  // Into the table of that key, of a list the last.
  void Descend() {
    const auto list = lists_.find(table_);
    if (list != lists_.end()) table_ += fmt::format("[{}]", list->second - 1);
    table_ += '.';
  }

  Status CheckTable(const std::string& key) const {
    if (!values_.contains(key)) return {};
    return text_.Complain(fmt::format("{}: is no table that could have more in it", key));
  }

  tl::unexpected<Error> Twice(const std::string& key) const {
    return text_.Complain(fmt::format("{}: is there twice", key));
  }

  // `prefix` ends with a '.', or is empty.
  Status KeyAndValue(const std::string& prefix, size_t depth) {
    const int line = text_.line();
    const Key key = TRY(ReadKey());
    TRY(text_.Expect("="));
    std::string name = prefix;
    for (size_t part = 0; part + 1 < key.size(); ++part) {
      name += key[part];
      TRY(CheckTable(name));
      if (headers_.contains(name) || lists_.contains(name)) return Twice(name);
      tables_.insert(name);
      dotted_.insert(name);
      name += '.';
    }
    name += key.back();
    if (tables_.contains(name) || lists_.contains(name) || !values_.insert(name).second)
      return Twice(name);
    text_.SkipSpace();
    return ReadValue(name, line, depth);
  }

  Status ReadValue(const std::string& key, int line, size_t depth) {
    if (depth > kMostDepth)
      return text_.Complain(fmt::format("{}: there is no setting so deep", key));
    if (text_.Take("{")) return InlineTable(key + ".", depth);
    if (text_.Take("[")) return List(key, line, depth);
    Value value = TRY(Scalar(key));
    settings_.push_back({key, line, std::move(value)});
    return {};
  }

  Result<Value> Scalar(const std::string& key) {
    if (text_.SeesString()) return Value(TRY(text_.String()));
    const std::string_view word = text_.Word();
    if (word == "true" || word == "false") return Value(word == "true");
    if (const auto integer = ParseTomlInteger(word)) return Value(*integer);
    if (word.empty()) return text_.Missing("a value");
    return text_.Complain(fmt::format("{}: {}", key, WhyNoValue(word)));
  }

  static std::string WhyNoValue(std::string_view word) {
    if (word.find_first_of(".:") != std::string_view::npos || word.ends_with("inf") ||
        word.ends_with("nan") || word.find('-', 1) != std::string_view::npos)
      return "no setting is a number with a point, or a time";
    if (word.find_first_of("0123456789") != std::string_view::npos)
      return fmt::format("'{}' is no whole number that fits", word);
    return "texts stand in quotes";
  }

  // After its '{'.
  Status InlineTable(const std::string& prefix, size_t depth) {
    text_.SkipSpace();
    if (text_.Take("}")) return {};
    for (;;) {
      TRY(KeyAndValue(prefix, depth + 1));
      text_.SkipSpace();
      if (!text_.Take(",")) return text_.Expect("}");
      text_.SkipSpace();
    }
  }

  // After its '['.
  Status List(const std::string& key, int line, size_t depth) {
    std::vector<std::string> strings;
    size_t tables = 0;
    for (TRY(text_.SkipLines()); !text_.Take("]"); TRY(text_.SkipLines())) {
      if (text_.SeesString() && tables == 0) {
        strings.push_back(TRY(text_.String()));
      } else if (text_.Sees("{") && strings.empty()) {
        TRY(ReadValue(fmt::format("{}[{}]", key, tables++), line, depth + 1));
      } else if (text_.at_end()) {
        return text_.Expect("]");
      } else {
        return text_.Complain(
            fmt::format("{}: must be a list of {}", key, tables == 0 ? "strings" : "tables"));
      }
      TRY(text_.SkipLines());
      if (text_.Take(",")) continue;
      TRY(text_.Expect("]"));
      break;
    }
    if (tables == 0) settings_.push_back({key, line, Value(std::move(strings))});
    return {};
  }

  TomlText text_;
  std::string table_;  // The one that is written now, with its '.'.
  std::vector<Setting> settings_;
  // What there is: values, inline tables among them, which nothing can be added to; tables; those
  // that had a header; those that were made by a key with dots; and lists of tables.
  std::set<std::string> values_, tables_, headers_, dotted_;
  std::map<std::string, size_t> lists_;
};

Status CheckUtf8(std::string_view document, std::string_view source) {
  for (int line = 1; !document.empty(); ++line) {
    const size_t end = std::min(document.find('\n'), document.size());
    if (!IsUtf8(document.substr(0, end)))
      return Fail(Code::kInvalidArgument, "{}:{}: is not UTF-8", source, line);
    document.remove_prefix(std::min(end + 1, document.size()));
  }
  return {};
}

}  // namespace

Status ReadToml(std::string_view document, std::string_view source,
                const std::function<Status(const std::string&, const Value&)>& set) {
  TRY(CheckUtf8(document, source));
  const auto settings = TRY(Parser(document, source).Run());
  for (const Parser::Setting& setting : settings) {
    if (const Status done = set(setting.key, setting.value); !done)
      return Fail(Code::kInvalidArgument, "{}:{}: {}: {}", source, setting.line, setting.key,
                  done.error().message());
  }
  return {};
}

Result<std::string> ReadSettingsFile(const std::string& path) {
  const os::Fd file = TRY(os::OpenAt(os::Fd(), path.c_str(), O_RDONLY | O_NONBLOCK));
  if (!S_ISREG(TRY_AS(os::Stat(file), "{}", path).st_mode))
    return Fail(Code::kInvalidArgument, "{}: is not a regular file", path);
  const auto bytes = TRY_AS(os::ReadAll(file, kMostText), "{}", path);
  return std::string(bytes.begin(), bytes.end());
}

}  // namespace wasmoor::settings
