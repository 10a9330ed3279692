#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace wasmoor::function::page {

// What of the page is looked at, as its address has it: "/tenants?sort=cpu&page=2". Everything in
// an address is anybody's; what makes no sense is as if it were not there.
struct View {
  enum class Kind : uint8_t { kFunctions, kTenants, kFailures, kFunction };
  enum class Order : uint8_t { kUsual, kRising, kFalling };

  Kind kind = Kind::kFunctions;
  std::string find;                   // In names; in letters of either case.
  std::optional<std::string> tenant;  // Functions of it alone; "": of none.
  std::string state;                  // Functions in it alone: "ready".
  std::string function;               // kFunction, kFailures: of it alone.
  std::string sort;                   // A column's key.
  Order order = Order::kUsual;
  size_t page = 1;

  std::string Address() const;

  // The same, looked at otherwise, from its first page on.
  View SortedBy(std::string_view column, Order how) const;
  View At(size_t other) const;

  static View OfFunction(std::string_view name);
  static View OfTenant(std::string_view name);
  static View OfState(std::string_view state);
  static View OfKind(Kind kind);
};

// "/tenants", "sort=cpu"; none: there is no such path.
std::optional<View> ReadView(std::string_view path, std::string_view query);

// The same of "view=tenants&sort=cpu", in which the view is a name.
std::optional<View> ReadNamedView(std::string_view query);

std::string_view NameOf(View::Kind kind);

}  // namespace wasmoor::function::page
