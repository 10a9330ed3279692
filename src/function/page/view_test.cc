#include "function/page/view.h"

#include <gtest/gtest.h>

namespace wasmoor::function::page {
namespace {

View Must(std::string_view path, std::string_view query) {
  const auto view = ReadView(path, query);
  EXPECT_TRUE(view) << path;
  return view.value_or(View());
}

TEST(ViewTest, IsReadFromItsAddress) {
  const View view = Must("/tenants", "q=ac+me%2F&sort=cpu&order=asc&page=3");
  EXPECT_EQ(view.kind, View::Kind::kTenants);
  EXPECT_EQ(view.find, "ac me/");
  EXPECT_EQ(view.sort, "cpu");
  EXPECT_EQ(view.order, View::Order::kRising);
  EXPECT_EQ(view.page, 3U);
  EXPECT_FALSE(view.tenant);
}

TEST(ViewTest, TellsNoTenantFromAnyTenant) {
  EXPECT_FALSE(Must("/", "tenant=").tenant);
  EXPECT_EQ(Must("/", "tenant=acme").tenant, "acme");
  EXPECT_EQ(Must("/", "tenant=%2F").tenant, "");
  EXPECT_EQ(View::OfTenant("").Address(), "/?tenant=/");
}

TEST(ViewTest, IsAtTheAddressThatItIsReadFrom) {
  for (const std::string_view query :
       {"", "name=acme/hello", "q=a%26b%20%22", "tenant=/", "tenant=acme&state=ready", "sort=p99",
        "sort=p99&order=asc&page=7"}) {
    const std::string address = Must("/", query).Address();
    EXPECT_EQ(address, query.empty() ? "/" : "/?" + std::string(query));
  }
  EXPECT_EQ(View::OfFunction("a<b").Address(), "/function?name=a%3Cb");
}

TEST(ViewTest, PassesOverWhatMakesNoSense) {
  for (const std::string_view query :
       {"page=0", "page=-1", "page=x", "page=1x", "page=99999999999999999999999", "order=up",
        "&&=&a&=b", "unknown=1"}) {
    EXPECT_EQ(Must("/", query).Address(), "/") << query;
  }
}

TEST(ViewTest, IsOfNoOtherPath) {
  for (const std::string_view path : {"", "//", "/Tenants", "/tenants/", "/../", "/status.json"})
    EXPECT_FALSE(ReadView(path, "")) << path;
}

TEST(ViewTest, CanBeNamedInAQuery) {
  EXPECT_EQ(ReadNamedView("")->kind, View::Kind::kFunctions);
  EXPECT_EQ(ReadNamedView("view=failures&q=x")->kind, View::Kind::kFailures);
  EXPECT_EQ(ReadNamedView("view=failures&q=x")->find, "x");
  EXPECT_FALSE(ReadNamedView("view=nothing"));
}

}  // namespace
}  // namespace wasmoor::function::page
