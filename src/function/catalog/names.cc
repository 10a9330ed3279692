#include "function/catalog/names.h"

#include <algorithm>

namespace wasmoor::function {
namespace {

bool IsLetter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
         c == '.' || c == '-';
}

}  // namespace

bool IsName(std::string_view name) {
  return !name.empty() && name.size() <= kMostName && name.front() != '.' &&
         std::all_of(name.begin(), name.end(), IsLetter);
}

bool IsTenantName(std::string_view name) {
  return IsName(name) && !name.ends_with(kModuleSuffix) && !name.ends_with(kManifestSuffix);
}

FunctionName SplitName(std::string_view function) {
  const size_t slash = function.find('/');
  if (slash == std::string_view::npos) return {"", IsName(function) ? function : ""};
  const std::string_view tenant = function.substr(0, slash), name = function.substr(slash + 1);
  if (!IsTenantName(tenant) || !IsName(name)) return {};
  return {tenant, name};
}

std::string JoinName(std::string_view tenant, std::string_view name) {
  std::string joined(tenant);
  if (!tenant.empty()) joined += '/';
  return joined += name;
}

std::string_view FunctionOf(std::string_view file, std::string_view suffix) {
  if (!file.ends_with(suffix)) return {};
  const std::string_view name = file.substr(0, file.size() - suffix.size());
  return IsName(name) ? name : "";
}

}  // namespace wasmoor::function
