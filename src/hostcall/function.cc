#include "wasmoor/hostcall/function.h"

#include <algorithm>
#include <tuple>

#include "wasmoor/base/check.h"

namespace wasmoor::hostcall {
namespace {

auto KeyOf(const Table::Entry& entry) {
  return std::tie(entry.function.module, entry.function.name);
}

}  // namespace

std::string_view ValueTypeName(ValueType type) {
  switch (type) {
    case ValueType::kI32: return "i32";
    case ValueType::kI64: return "i64";
    case ValueType::kF32: return "f32";
    case ValueType::kF64: return "f64";
    case ValueType::kV128: return "v128";
    case ValueType::kFuncRef: return "funcref";
    case ValueType::kExternRef: return "externref";
    case ValueType::kOtherRef: return "ref";
  }
  return "unknown";
}

std::string ToString(const Signature& signature) {
  const auto join = [](const std::vector<ValueType>& types) {
    std::string text;
    for (ValueType type : types) {
      if (!text.empty()) text += ", ";
      text += ValueTypeName(type);
    }
    return text;
  };
  std::string text = "(" + join(signature.params) + ")";
  if (signature.results.size() == 1) return text + " -> " + join(signature.results);
  if (signature.results.size() > 1) return text + " -> (" + join(signature.results) + ")";
  return text;
}

void Table::AddSet(std::span<const Function> functions) {
  for (const Function& function : functions) entries_.push_back({function, slots_});
  ++slots_;
  std::sort(entries_.begin(), entries_.end(),
            [](const Entry& a, const Entry& b) { return KeyOf(a) < KeyOf(b); });
  CHECK(std::adjacent_find(entries_.begin(), entries_.end(), [](const Entry& a, const Entry& b) {
          return KeyOf(a) == KeyOf(b);
        }) == entries_.end());
}

const Table::Entry* Table::Find(std::string_view module, std::string_view name) const {
  const auto key = std::tie(module, name);
  const auto it = std::lower_bound(
      entries_.begin(), entries_.end(), key,
      [](const Entry& entry, const auto& wanted) { return KeyOf(entry) < wanted; });
  return it != entries_.end() && KeyOf(*it) == key ? &*it : nullptr;
}

}  // namespace wasmoor::hostcall
