#include "function/cgi.h"

#include <gmock/gmock.h>

#include <map>

namespace wasmoor::function {
namespace {

std::map<std::string, std::string> VariablesOf(std::string_view target,
                                               const std::vector<http::Field>& fields) {
  const Head head({.method = "POST", .target = target, .fields = fields, .has_body = true});
  const Target parsed = *ParseTarget(head.target());
  Variables variables;
  AddCgiVariables({.head = head, .target = parsed, .named = 1, .body_size = "5"}, &variables);
  std::map<std::string, std::string> all;
  for (auto& [name, value] : variables) EXPECT_TRUE(all.emplace(name, value).second) << name;
  return all;
}

TEST(CgiTest, TellsOfTheRequest) {
  auto all = VariablesOf("/hello/a%20b?x=%31", {{"Host", "example.com:8080"},
                                                {"Content-Type", "text/html"},
                                                {"Content-Length", "5"},
                                                {"X-Some-Thing", "1"}});
  EXPECT_EQ(all["REQUEST_METHOD"], "POST");
  EXPECT_EQ(all["SCRIPT_NAME"], "/hello");
  EXPECT_EQ(all["PATH_INFO"], "/a b");
  EXPECT_EQ(all["QUERY_STRING"], "x=%31");
  EXPECT_EQ(all["SERVER_NAME"], "example.com");
  EXPECT_EQ(all["SERVER_PORT"], "8080");
  EXPECT_EQ(all["CONTENT_TYPE"], "text/html");
  EXPECT_EQ(all["CONTENT_LENGTH"], "5");
  EXPECT_EQ(all["HTTP_X_SOME_THING"], "1");
  EXPECT_EQ(all["GATEWAY_INTERFACE"], "CGI/1.1");
  EXPECT_EQ(all["SERVER_PROTOCOL"], "HTTP/1.1");
}

TEST(CgiTest, JoinsFieldsOfOneName) {
  auto all =
      VariablesOf("/a", {{"Accept", "a"}, {"accept", "b"}, {"Cookie", "x"}, {"Cookie", "y"}});
  EXPECT_EQ(all["HTTP_ACCEPT"], "a, b");
  EXPECT_EQ(all["HTTP_COOKIE"], "x; y");
}

TEST(CgiTest, LeavesOutWhatCouldBeTakenForSomethingElse) {
  auto all = VariablesOf("/a", {{"Proxy", "http://evil"},
                                {"X_Forwarded_For", "1"},
                                {"Connection", "close"},
                                {"Transfer-Encoding", "chunked"}});
  EXPECT_FALSE(all.contains("HTTP_PROXY"));
  EXPECT_FALSE(all.contains("HTTP_X_FORWARDED_FOR"));
  EXPECT_FALSE(all.contains("HTTP_CONNECTION"));
  EXPECT_FALSE(all.contains("HTTP_TRANSFER_ENCODING"));
}

TEST(CgiTest, KnowsTheBracketsOfAnIpv6Host) {
  EXPECT_EQ(VariablesOf("/a", {{"host", "[::1]:81"}})["SERVER_PORT"], "81");
  EXPECT_EQ(VariablesOf("/a", {{"host", "[::1]"}})["SERVER_NAME"], "[::1]");
}

}  // namespace
}  // namespace wasmoor::function
