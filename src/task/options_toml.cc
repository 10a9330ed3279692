#include "task/toml.h"
#include "wasmoor/task/options.h"

#define TOML_EXCEPTIONS 0
#define TOML_ENABLE_FORMATTERS 0
#include <toml++/toml.h>

// The one file that knows the TOML library.
namespace wasmoor::task {
namespace {

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
  const toml::parse_result parsed = toml::parse(document);
  if (!parsed) {
    return Fail(Code::kInvalidArgument, "{}:{}: {}", source, parsed.error().source().begin.line,
                parsed.error().description());
  }
  return Reader{source, set}.ApplyTable(parsed.table(), "");
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
