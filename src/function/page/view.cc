#include "function/page/view.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>

#include "function/page/html.h"
#include "wasmoor/base/percent.h"

namespace wasmoor::function::page {
namespace {

using Kind = View::Kind;
using Order = View::Order;

struct Named {
  Kind kind;
  std::string_view name, path;
};
constexpr std::array<Named, 4> kKinds = {{{Kind::kFunctions, "functions", "/"},
                                          {Kind::kTenants, "tenants", "/tenants"},
                                          {Kind::kFailures, "failures", "/failures"},
                                          {Kind::kFunction, "function", "/function"}}};

// No tenant can have this name.
constexpr std::string_view kNoTenant = "/";
constexpr size_t kMostText = 256;

std::string Decoded(std::string_view text) {
  std::string plain(text.substr(0, kMostText));
  std::replace(plain.begin(), plain.end(), '+', ' ');
  return DecodePercents(plain);
}

void SetPage(std::string_view text, View* view) {
  size_t page = 0;
  const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), page);
  if (failed == std::errc() && end == text.data() + text.size() && page > 0) view->page = page;
}

void Set(std::string_view key, std::string value, View* view) {
  if (key == "q") {
    view->find = std::move(value);
  } else if (key == "state") {
    view->state = std::move(value);
  } else if (key == "name") {
    view->function = std::move(value);
  } else if (key == "sort") {
    view->sort = std::move(value);
  } else if (key == "tenant") {
    if (value == kNoTenant) {
      view->tenant = std::string();
    } else if (!value.empty()) {
      view->tenant = std::move(value);
    }
  } else if (key == "order" && (value == "asc" || value == "desc")) {
    view->order = value == "asc" ? Order::kRising : Order::kFalling;
  } else if (key == "page") {
    SetPage(value, view);
  }
}

template <typename Use>
void ForEach(std::string_view query, const Use& use) {
  while (!query.empty()) {
    const size_t end = query.find('&');
    const std::string_view part = query.substr(0, end);
    const size_t equals = part.find('=');
    if (equals != part.npos) use(part.substr(0, equals), Decoded(part.substr(equals + 1)));
    query.remove_prefix(end == query.npos ? query.size() : end + 1);
  }
}

}  // namespace

std::string_view NameOf(Kind kind) {
  for (const Named& one : kKinds) {
    if (one.kind == kind) return one.name;
  }
  return {};
}

std::string View::Address() const {
  std::string query;
  const auto add = [&query](std::string_view key, std::string_view value) {
    if (value.empty()) return;
    query.append(query.empty() ? "?" : "&").append(key).append("=").append(Encoded(value));
  };
  add("name", function);
  add("q", find);
  if (tenant) add("tenant", tenant->empty() ? kNoTenant : *tenant);
  add("state", state);
  add("sort", sort);
  if (order != Order::kUsual) add("order", order == Order::kRising ? "asc" : "desc");
  if (page > 1) add("page", std::to_string(page));
  for (const Named& one : kKinds) {
    if (one.kind == kind) return std::string(one.path) + query;
  }
  return query;
}

View View::SortedBy(std::string_view column, Order how) const {
  View view = At(1);
  view.sort = column;
  view.order = how;
  return view;
}

View View::At(size_t other) const {
  View view = *this;
  view.page = other;
  return view;
}

View View::OfFunction(std::string_view name) {
  return {.kind = Kind::kFunction, .function = std::string(name)};
}

View View::OfTenant(std::string_view name) { return {.tenant = std::string(name)}; }

View View::OfState(std::string_view state) { return {.state = std::string(state)}; }

View View::OfKind(Kind kind) { return {.kind = kind}; }

std::optional<View> ReadView(std::string_view path, std::string_view query) {
  for (const Named& one : kKinds) {
    if (one.path != path) continue;
    View view{.kind = one.kind};
    ForEach(query,
            [&](std::string_view key, std::string value) { Set(key, std::move(value), &view); });
    return view;
  }
  return std::nullopt;
}

std::optional<View> ReadNamedView(std::string_view query) {
  std::string name(NameOf(Kind::kFunctions));
  ForEach(query, [&](std::string_view key, std::string value) {
    if (key == "view") name = std::move(value);
  });
  for (const Named& one : kKinds) {
    if (one.name == name) return ReadView(one.path, query);
  }
  return std::nullopt;
}

}  // namespace wasmoor::function::page
