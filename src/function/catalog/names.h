#pragma once

#include <string>
#include <string_view>

// How functions are called. "hello" is DIR/hello.wasm, "acme/hello" is DIR/acme/hello.wasm: of the
// tenant acme.
namespace wasmoor::function {

inline constexpr std::string_view kModuleSuffix = ".wasm", kManifestSuffix = ".toml";
constexpr size_t kMostName = 128;  // Of a tenant, or of a function without its tenant.

// [A-Za-z0-9_.-]+, not beginning with a dot, not too long.
bool IsName(std::string_view name);

// The same, and it does not end as the file of a function does.
bool IsTenantName(std::string_view name);

struct FunctionName {
  std::string_view tenant;  // Empty: none.
  std::string_view name;
};
// Without `name` if it is no function's name. The views are into `function`.
FunctionName SplitName(std::string_view function);

std::string JoinName(std::string_view tenant, std::string_view name);

// The name of the function that a file is of, its module or its manifest; empty if it is of none.
std::string_view FunctionOf(std::string_view file, std::string_view suffix);

}  // namespace wasmoor::function
