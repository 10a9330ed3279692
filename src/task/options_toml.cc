#include "task/settings.h"
#include "wasmoor/task/options.h"

#define TOML_EXCEPTIONS 0
#define TOML_ENABLE_FORMATTERS 0
#include <toml++/toml.h>

// The one file that knows the TOML library.
namespace wasmoor::task {
namespace {

struct Reader {
  std::string_view source;
  Options* options;

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
    const Setting* setting = FindSetting(key);
    if (setting == nullptr) return Complain(node, key, "there is no such setting");
    const Value value = TRY(ValueOf(node, key));
    if (const Status set = setting->set(value, options); !set)
      return Complain(node, key, set.error().message());
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

Status ApplyToml(std::string_view document, std::string_view source, Options* options) {
  const toml::parse_result parsed = toml::parse(document);
  if (!parsed) {
    return Fail(Code::kInvalidArgument, "{}:{}: {}", source, parsed.error().source().begin.line,
                parsed.error().description());
  }
  return Reader{source, options}.ApplyTable(parsed.table(), "");
}

}  // namespace wasmoor::task
