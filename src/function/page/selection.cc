#include "function/page/selection.h"

#include <algorithm>

#include "function/page/columns.h"

namespace wasmoor::function::page {
namespace {

using Order = View::Order;
constexpr std::string_view kByName = "name", kByState = "state", kByFunctions = "functions";

char Lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c; }

bool Has(std::string_view text, std::string_view part) {
  return part.empty() ||
         std::search(text.begin(), text.end(), part.begin(), part.end(),
                     [](char a, char b) { return Lower(a) == Lower(b); }) != text.end();
}

bool Matches(const FunctionRow& row, const View& view) {
  return Has(row.name, view.find) && (!view.tenant || row.tenant == *view.tenant) &&
         (view.state.empty() || view.state == NameOf(row.state));
}
bool Matches(const TenantRow& row, const View& view) { return Has(row.name, view.find); }
bool Matches(const Failure& row, const View& view) {
  const bool found = Has(row.function, view.find) || Has(row.problem, view.find);
  return found && (view.function.empty() || row.function == view.function);
}

double StateOf(const FunctionRow& row) { return static_cast<double>(row.state); }
double FunctionsOf(const TenantRow& row) { return static_cast<double>(row.functions); }

// What is sorted by; null: names.
template <typename Row>
double (*ValueOf(std::string_view key))(const Row&) {
  for (const Column<Row>& column : ColumnsOf(static_cast<const Row*>(nullptr))) {
    if (column.key == key) return column.value;
  }
  if constexpr (std::is_same_v<Row, FunctionRow>) {
    if (key == kByState) return StateOf;
  } else {
    if (key == kByFunctions) return FunctionsOf;
  }
  return nullptr;
}

template <typename Row>
void Sort(const Sorting& sorting, std::vector<const Row*>* rows) {
  const auto value = ValueOf<Row>(sorting.key);
  const bool falls = sorting.order == Order::kFalling;
  std::sort(rows->begin(), rows->end(), [&](const Row* one, const Row* other) {
    if (value == nullptr) return falls ? other->name < one->name : one->name < other->name;
    const double left = value(*one), right = value(*other);
    if (left != right) return falls ? left > right : left < right;
    return one->name < other->name;
  });
}

template <typename Row>
std::vector<const Row*> Matching(const std::vector<Row>& all, const View& view) {
  std::vector<const Row*> rows;
  for (const Row& row : all) {
    if (Matches(row, view)) rows.push_back(&row);
  }
  return rows;
}

template <typename Row>
Selection<Row> Paged(std::vector<const Row*> rows, const View& view) {
  Selection<Row> selection;
  selection.matching = rows.size();
  selection.pages = std::max<size_t>(1, (rows.size() + kRowsOfPage - 1) / kRowsOfPage);
  selection.page = std::min(view.page, selection.pages);
  selection.first = (selection.page - 1) * kRowsOfPage;
  const size_t end = std::min(rows.size(), selection.first + kRowsOfPage);
  selection.rows.assign(rows.begin() + static_cast<ptrdiff_t>(selection.first),
                        rows.begin() + static_cast<ptrdiff_t>(end));
  return selection;
}

template <typename Row>
bool IsColumn(std::string_view key) {
  return key == kByName || ValueOf<Row>(key) != nullptr;
}

}  // namespace

Sorting SortingOf(const View& view) {
  const bool tenants = view.kind == View::Kind::kTenants;
  const bool known = tenants ? IsColumn<TenantRow>(view.sort) : IsColumn<FunctionRow>(view.sort);
  Sorting sorting{known ? std::string_view(view.sort) : tenants ? "cpu" : "rate", view.order};
  if (sorting.order == Order::kUsual)
    sorting.order = sorting.key == kByName ? Order::kRising : Order::kFalling;
  return sorting;
}

Selection<FunctionRow> SelectFunctions(const Snapshot& snapshot, const View& view) {
  auto rows = Matching(snapshot.functions, view);
  Sort(SortingOf(view), &rows);
  return Paged(std::move(rows), view);
}

Selection<TenantRow> SelectTenants(const Snapshot& snapshot, const View& view) {
  auto rows = Matching(snapshot.tenants, view);
  Sort(SortingOf(view), &rows);
  return Paged(std::move(rows), view);
}

Selection<Failure> SelectFailures(const Snapshot& snapshot, const View& view) {
  return Paged(Matching(snapshot.failures, view), view);
}

}  // namespace wasmoor::function::page
