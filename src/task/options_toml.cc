#include <fcntl.h>
#include <sys/stat.h>

#include "task/toml.h"
#include "wasmoor/os/file.h"
#include "wasmoor/task/options.h"

#define TOML_EXCEPTIONS 0
#define TOML_ENABLE_FORMATTERS 0
#include <toml++/toml.h>

// The one file that knows the TOML library.
namespace wasmoor::task {
namespace {

constexpr uint64_t kMostText = 1 << 20;

// Outside of strings and comments a document is ASCII (toml.io, v1.0.0). The library's own look at
// other letters there has no defined result for some of them (3.3), so it is given none. A string
// ends with its line here: no setting has more than one.
Status CheckLetters(std::string_view document, std::string_view source) {
  constexpr unsigned char kBeyondAscii = 0x80;
  int line = 1;
  char inside = '\0';  // A string or a comment: how it began.
  bool escaped = false;
  for (const char c : document) {
    if (c == '\n') {
      ++line;
      inside = '\0';
      escaped = false;
    } else if (inside == '\0') {
      if (static_cast<unsigned char>(c) >= kBeyondAscii)
        return Fail(Code::kInvalidArgument,
                    "{}:{}: only strings and comments can have letters that are not ASCII", source,
                    line);
      if (c == '"' || c == '\'' || c == '#') inside = c;
    } else if (escaped) {
      escaped = false;
    } else if (inside == '"' && c == '\\') {
      escaped = true;
    } else if (inside == c && c != '#') {
      inside = '\0';
    }
  }
  return {};
}

struct Reader {
  std::string_view source;
  const std::function<Status(const std::string&, const Value&)>& set;

  tl::unexpected<Error> Complain(const toml::node& node, std::string_view key,
                                 std::string_view what) const {
    return Fail(Code::kInvalidArgument, "{}:{}: {}: {}", source, node.source().begin.line, key,
                what);
  }

  Result<Value> ValueOf(const toml::node& node, std::string_view key) const {
    if (const auto* flag = node.as_boolean()) return Value(flag->get());
    if (const auto* integer = node.as_integer()) return Value(integer->get());
    if (const auto* text = node.as_string()) return Value(text->get());
    const toml::array* array = node.as_array();
    if (array == nullptr)
      return Complain(node, key, "no setting is a number with a point, or a time");
    std::vector<std::string> list;
    for (const toml::node& one : *array) {
      const auto* text = one.as_string();
      if (text == nullptr) return Complain(one, key, "must be a list of strings");
      list.push_back(text->get());
    }
    return Value(std::move(list));
  }

  Status ApplyOne(const toml::node& node, const std::string& key) const {
    const Value value = TRY(ValueOf(node, key));
    if (const Status done = set(key, value); !done)
      return Complain(node, key, done.error().message());
    return {};
  }

  Status ApplyTable(const toml::table& table, const std::string& prefix) const {
    for (const auto& [name, node] : table) {
      const std::string key = prefix + std::string(name.str());
      if (const toml::table* inner = node.as_table()) {
        TRY(ApplyTable(*inner, key + "."));
      } else {
        TRY(ApplyOne(node, key));
      }
    }
    return {};
  }
};

}  // namespace

Status ReadToml(std::string_view document, std::string_view source,
                const std::function<Status(const std::string&, const Value&)>& set) {
  TRY(CheckLetters(document, source));
  const toml::parse_result parsed = toml::parse(document);
  if (!parsed) {
    return Fail(Code::kInvalidArgument, "{}:{}: {}", source, parsed.error().source().begin.line,
                parsed.error().description());
  }
  return Reader{source, set}.ApplyTable(parsed.table(), "");
}

Result<std::string> ReadSettingsFile(const std::string& path) {
  const os::Fd file = TRY(os::OpenAt(os::Fd(), path.c_str(), O_RDONLY | O_NONBLOCK));
  if (!S_ISREG(TRY_AS(os::Stat(file), "{}", path).st_mode))
    return Fail(Code::kInvalidArgument, "{}: is not a regular file", path);
  const auto bytes = TRY_AS(os::ReadAll(file, kMostText), "{}", path);
  return std::string(bytes.begin(), bytes.end());
}

Status Set(std::string_view key, const Value& value, Options* options) {
  const Setting* setting = FindSetting(key);
  if (setting == nullptr) return Fail(Code::kInvalidArgument, "there is no such setting");
  return setting->set(value, options);
}

Status ApplyToml(std::string_view document, std::string_view source, Options* options) {
  return ReadToml(document, source, [options](const std::string& key, const Value& value) {
    return Set(key, value, options);
  });
}

}  // namespace wasmoor::task
