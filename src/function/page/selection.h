#pragma once

#include <cstddef>
#include <vector>

#include "function/page/snapshot.h"
#include "function/page/view.h"

namespace wasmoor::function::page {

constexpr size_t kRowsOfPage = 100;

// The rows that a view shows, in its order: those that match, one page of them.
template <typename Row>
struct Selection {
  std::vector<const Row*> rows;
  size_t first = 0;     // Of `rows`, counted from 0 among
  size_t matching = 0;  // all that match.
  size_t page = 1, pages = 1;
};

// Functions are sorted by requests a second where nothing is said, the busiest first, and tenants
// by CPU; equal ones by name.
Selection<FunctionRow> SelectFunctions(const Snapshot& snapshot, const View& view);
Selection<TenantRow> SelectTenants(const Snapshot& snapshot, const View& view);
Selection<Failure> SelectFailures(const Snapshot& snapshot, const View& view);

// By what, and how, it is sorted in truth.
struct Sorting {
  std::string_view key;
  View::Order order;  // Not kUsual.
};
Sorting SortingOf(const View& view);

}  // namespace wasmoor::function::page
