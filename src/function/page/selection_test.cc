#include "function/page/selection.h"

#include <fmt/format.h>
#include <gmock/gmock.h>

#include "function/page/columns.h"

namespace wasmoor::function::page {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

template <typename Row>
std::vector<std::string> Names(const Selection<Row>& selection) {
  std::vector<std::string> names;
  for (const Row* row : selection.rows) names.push_back(row->name);
  return names;
}

Snapshot Three() {
  Snapshot snapshot;
  snapshot.functions = {{.name = "acme/Blur", .tenant = "acme", .state = State::kReady},
                        {.name = "hello", .state = State::kBroken},
                        {.name = "moor/blur", .tenant = "moor", .state = State::kReady}};
  snapshot.functions[0].now.requests = 1;
  snapshot.functions[2].now.requests = 5;
  snapshot.functions[1].sums.most_memory = 100;
  return snapshot;
}

std::vector<std::string> Shown(std::string_view query) {
  return Names(SelectFunctions(Three(), *ReadView("/", query)));
}

TEST(SelectionTest, ShowsTheBusiestFirst) {
  EXPECT_THAT(Shown(""), ElementsAre("moor/blur", "acme/Blur", "hello"));
  EXPECT_THAT(Shown("sort=nonsense"), ElementsAre("moor/blur", "acme/Blur", "hello"));
}

TEST(SelectionTest, SortsByAnyColumnEitherWay) {
  EXPECT_THAT(Shown("sort=name"), ElementsAre("acme/Blur", "hello", "moor/blur"));
  EXPECT_THAT(Shown("sort=name&order=desc"), ElementsAre("moor/blur", "hello", "acme/Blur"));
  EXPECT_THAT(Shown("sort=memory"), ElementsAre("hello", "acme/Blur", "moor/blur"));
  EXPECT_THAT(Shown("sort=memory&order=asc"), ElementsAre("acme/Blur", "moor/blur", "hello"));
  EXPECT_THAT(Shown("sort=state"), ElementsAre("hello", "acme/Blur", "moor/blur"));
  const Snapshot snapshot = Three();
  for (const auto& column : ColumnsOf(static_cast<const FunctionRow*>(nullptr))) {
    const View view{.sort = std::string(column.key)};
    EXPECT_EQ(SortingOf(view).key, column.key);
    EXPECT_EQ(SelectFunctions(snapshot, view).matching, 3U);
  }
}

TEST(SelectionTest, FindsByNameTenantAndState) {
  EXPECT_THAT(Shown("q=bLUR"), ElementsAre("moor/blur", "acme/Blur"));
  EXPECT_THAT(Shown("tenant=acme"), ElementsAre("acme/Blur"));
  EXPECT_THAT(Shown("tenant=/"), ElementsAre("hello"));
  EXPECT_THAT(Shown("state=broken"), ElementsAre("hello"));
  EXPECT_THAT(Shown("q=blur&tenant=moor&state=ready"), ElementsAre("moor/blur"));
  EXPECT_THAT(Shown("q=%3Cscript%3E"), IsEmpty());
}

TEST(SelectionTest, ShowsOnePageOfMany) {
  Snapshot snapshot;
  for (int i = 0; i < 10'000; ++i)
    snapshot.functions.push_back({.name = fmt::format("function{:04}", i)});
  const auto at = [&](std::string_view query) {
    return SelectFunctions(snapshot, *ReadView("/", query));
  };
  const auto first = at("");
  EXPECT_EQ(first.rows.size(), kRowsOfPage);
  EXPECT_EQ(first.rows.front()->name, "function0000");
  EXPECT_EQ(first.pages, 100U);
  EXPECT_EQ(first.matching, 10'000U);
  EXPECT_EQ(at("page=37").rows.front()->name, "function3600");
  EXPECT_EQ(at("page=37").first, 3600U);
  EXPECT_EQ(at("page=101").page, 100U);
  EXPECT_EQ(at("page=101").rows.back()->name, "function9999");
  EXPECT_EQ(at("q=99&page=3").rows.size(), at("q=99").matching - 2 * kRowsOfPage);
}

TEST(SelectionTest, ShowsTenantsWithoutAName) {
  Snapshot snapshot;
  snapshot.tenants = {{.name = ""}, {.name = "acme"}};
  snapshot.tenants[1].now.cpus = 1;
  EXPECT_THAT(Names(SelectTenants(snapshot, *ReadView("/tenants", ""))), ElementsAre("acme", ""));
  EXPECT_THAT(Names(SelectTenants(snapshot, *ReadView("/tenants", "sort=name"))),
              ElementsAre("", "acme"));
}

TEST(SelectionTest, FindsFailuresByFunctionAndProblem) {
  Snapshot snapshot;
  snapshot.failures = {{.function = "a", .problem = "it trapped"}, {.function = "ab"}};
  const auto found = [&](std::string_view query) {
    return SelectFailures(snapshot, *ReadView("/failures", query)).matching;
  };
  EXPECT_EQ(found(""), 2U);
  EXPECT_EQ(found("name=a"), 1U);
  EXPECT_EQ(found("q=a"), 2U);
  EXPECT_EQ(found("q=TRAP"), 1U);
}

}  // namespace
}  // namespace wasmoor::function::page
