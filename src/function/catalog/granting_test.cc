#include "wasmoor/function/catalog/granting.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include "support/result.h"
#include "support/scratch.h"
#include "wasmoor/os/file.h"

namespace wasmoor::function {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Pair;
using testing::SizeIs;
using wasi::Access;

class GrantingTest : public ::testing::Test {
 protected:
  // Why not; "" if it may have that.
  std::string WhyNot(const Manifest& manifest, std::string_view tenant = "") const {
    const Status checked = Check(manifest, granting, maxima, tenant);
    const auto granted = Grant(manifest, granting, tenant);
    if (!checked) {
      EXPECT_EQ(checked.error().code(), Code::kPermissionDenied);
      return checked.error().message();
    }
    return granted ? "" : granted.error().message();
  }
  static Manifest Directory(const std::string& host, Access access = Access::kReadOnly) {
    return {.directories = {{.host = host, .guest = "/d", .access = access}}};
  }
  static Manifest Secret(const std::string& path) { return {.secrets = {{"TOKEN", path}}}; }
  static Manifest Outgoing(const std::string& destination) { return {.outgoing = {destination}}; }

  std::string Path(std::string_view name) const { return (scratch_ / name).native(); }
  void MakeDirectory(std::string_view name) const {
    std::filesystem::create_directories(scratch_ / name);
  }
  void Link(const std::string& to, std::string_view name) const {
    ASSERT_EQ(::symlink(to.c_str(), (scratch_ / name).c_str()), 0);
  }
  // Which directory was granted.
  std::string Granted(const Manifest& manifest, std::string_view tenant = "") const {
    const auto granted = Grant(manifest, granting, tenant);
    if (!granted) return granted.error().message();
    return std::filesystem::read_symlink(
        fmt::format("/proc/self/fd/{}", granted->preopens.front().directory.get()));
  }
  std::string Value(const Manifest& manifest, std::string_view tenant = "") const {
    const auto granted = Grant(manifest, granting, tenant);
    return granted ? granted->environment.front().second : granted.error().message();
  }

  const test::ScratchDirectory scratch_;
  Granting granting;
  Maxima maxima;
};

TEST_F(GrantingTest, ByDefaultNothingIsGrantedAndTheSettingIsNamed) {
  EXPECT_EQ(WhyNot({}), "");
  EXPECT_THAT(WhyNot(Directory(Path("a"))),
              AllOf(HasSubstr(Path("a")), HasSubstr("grant.directories")));
  EXPECT_THAT(WhyNot(Secret("/run/secrets/token")),
              AllOf(HasSubstr("secrets.TOKEN"), HasSubstr("grant.secrets")));
  EXPECT_THAT(WhyNot(Outgoing("api.example.com:443")),
              AllOf(HasSubstr("api.example.com:443"), HasSubstr("grant.outgoing")));
}

TEST_F(GrantingTest, ADirectoryIsGrantedWithWhatIsBelow) {
  MakeDirectory("a/b/c");
  MakeDirectory("ab");
  granting.directories = {{.path = Path("a") + "/"}};
  EXPECT_EQ(Granted(Directory(Path("a"))), Path("a"));
  EXPECT_EQ(Granted(Directory(Path("a//b/c/"))), Path("a/b/c"));
  EXPECT_NE(WhyNot(Directory(Path("ab"))), "");
  EXPECT_NE(WhyNot(Directory(scratch_.path())), "");
  EXPECT_NE(WhyNot(Directory("/")), "");
  EXPECT_NE(WhyNot(Directory(Path("a/x"))), "");
}

TEST_F(GrantingTest, WritingIsGrantedByItself) {
  MakeDirectory("a/out");
  granting.directories = {{.path = Path("a")}};
  EXPECT_THAT(WhyNot(Directory(Path("a/out"), Access::kReadWrite)), HasSubstr("read-write"));
  granting.directories.push_back({.path = Path("a/out"), .access = Access::kReadWrite});
  EXPECT_EQ(WhyNot(Directory(Path("a/out"), Access::kReadWrite)), "");
  EXPECT_NE(WhyNot(Directory(Path("a"), Access::kReadWrite)), "");
}

TEST_F(GrantingTest, DotsLeadNowhere) {
  MakeDirectory("a/b");
  MakeDirectory("secret");
  granting.directories = {{.path = Path("a")}};
  granting.secrets = {Path("a")};
  scratch_.Write("token", "x");
  for (const std::string& path : {Path("a/../secret"), Path("a/b/../../secret"), Path("a/.."),
                                  Path("a/./b"), Path("a/b/..")}) {
    EXPECT_NE(WhyNot(Directory(path)), "") << path;
    EXPECT_NE(WhyNot(Secret(path)), "") << path;
  }
  EXPECT_NE(WhyNot(Secret(Path("a/../token"))), "");
}

TEST_F(GrantingTest, LinksLeadNowhereElse) {
  MakeDirectory("a/b");
  MakeDirectory("secret");
  scratch_.Write("token", "x");
  Link("../secret", "a/up");
  Link(Path("secret"), "a/away");
  Link("b", "a/in");
  Link(Path("token"), "a/token");
  Link("/proc/self/root", "a/magic");
  granting.directories = {{.path = Path("a")}};
  granting.secrets = {Path("a")};
  EXPECT_THAT(WhyNot(Directory(Path("a/up"))), HasSubstr("leads out"));
  EXPECT_THAT(WhyNot(Directory(Path("a/away"))), HasSubstr("leads out"));
  EXPECT_NE(WhyNot(Directory(Path("a/magic/etc"))), "");
  EXPECT_EQ(Granted(Directory(Path("a/in"))), Path("a/b"));
  EXPECT_THAT(WhyNot(Secret(Path("a/token"))), HasSubstr("leads out"));
}

TEST_F(GrantingTest, AnOperatorsOwnPathMayBeALink) {
  MakeDirectory("real/b");
  Link("real", "a");
  granting.directories = {{.path = Path("a")}};
  EXPECT_EQ(Granted(Directory(Path("a"))), Path("real"));
  EXPECT_EQ(Granted(Directory(Path("a/b"))), Path("real/b"));
}

TEST_F(GrantingTest, EachTenantHasItsOwn) {
  MakeDirectory("data/acme/in");
  MakeDirectory("data/umbrella");
  MakeDirectory("data/{tenant}");
  granting.directories = {{.path = Path("data/{tenant}"), .access = Access::kReadWrite}};
  EXPECT_EQ(Granted(Directory(Path("data/acme")), "acme"), Path("data/acme"));
  EXPECT_EQ(Granted(Directory(Path("data/acme/in"), Access::kReadWrite), "acme"),
            Path("data/acme/in"));
  EXPECT_NE(WhyNot(Directory(Path("data/umbrella")), "acme"), "");
  EXPECT_NE(WhyNot(Directory(Path("data")), "acme"), "");
  // And who is no tenant has none, nor all of them.
  EXPECT_NE(WhyNot(Directory(Path("data"))), "");
  EXPECT_NE(WhyNot(Directory(Path("data/acme"))), "");
  EXPECT_NE(WhyNot(Directory(Path("data/{tenant}"))), "");
  EXPECT_NE(WhyNot(Directory(Path("data/{tenant}")), "acme"), "");
}

TEST_F(GrantingTest, ATenantsLinkIsNoWayToAnothers) {
  MakeDirectory("data/acme");
  MakeDirectory("data/umbrella/public");
  // What a tenant could have put there who can write its own directory.
  Link("../umbrella/public", "data/acme/public");
  Link("umbrella", "data/evil");
  granting.directories = {{.path = Path("data/{tenant}/public")}, {.path = Path("data/{tenant}")}};
  EXPECT_NE(WhyNot(Directory(Path("data/acme/public")), "acme"), "");
  EXPECT_NE(WhyNot(Directory(Path("data/evil")), "evil"), "");
  EXPECT_NE(WhyNot(Directory(Path("data/evil/public")), "evil"), "");
  EXPECT_EQ(WhyNot(Directory(Path("data/umbrella/public")), "umbrella"), "");
}

TEST_F(GrantingTest, WhatWasGrantedIsTheDirectoryAndNotItsName) {
  MakeDirectory("a");
  MakeDirectory("secret");
  granting.directories = {{.path = Path("a")}};
  const auto granted = test::Must(Grant(Directory(Path("a")), granting, ""));
  std::filesystem::rename(scratch_ / "a", scratch_ / "old");
  Link("secret", "a");
  EXPECT_EQ(std::filesystem::read_symlink(
                fmt::format("/proc/self/fd/{}", granted.preopens.front().directory.get())),
            Path("old"));
  EXPECT_EQ(granted.preopens.front().guest, "/d");
}

TEST_F(GrantingTest, SecretsAreContentsOfFiles) {
  MakeDirectory("secrets/..data");
  scratch_.Write("secrets/..data/token", "hush\n");
  scratch_.Write("secrets/two", "a\n\n");
  scratch_.Write("secrets/binary", std::string("a\0b", 3));
  scratch_.Write("secrets/big", std::string(100'000, 'x'));
  scratch_.Write("alone", "one");
  Link("..data/token", "secrets/token");
  ASSERT_EQ(::mkfifo((scratch_ / "secrets/fifo").c_str(), 0600), 0);
  granting.secrets = {Path("secrets"), Path("alone")};
  EXPECT_EQ(Value(Secret(Path("secrets/token"))), "hush");
  EXPECT_EQ(Value(Secret(Path("secrets/two"))), "a\n");
  EXPECT_EQ(Value(Secret(Path("alone"))), "one");
  EXPECT_THAT(WhyNot(Secret(Path("secrets/binary"))), AllOf(HasSubstr("TOKEN"), HasSubstr("NUL")));
  EXPECT_THAT(WhyNot(Secret(Path("secrets/big"))), HasSubstr("more than"));
  EXPECT_THAT(WhyNot(Secret(Path("secrets/fifo"))), HasSubstr("regular"));
  EXPECT_NE(WhyNot(Secret(Path("secrets"))), "");
  EXPECT_THAT(WhyNot(Secret(Path("secrets/none"))), HasSubstr("secrets.TOKEN"));
}

TEST_F(GrantingTest, SecretsOfATenantAreNotReadThroughLinks) {
  MakeDirectory("secrets/acme");
  scratch_.Write("secrets/umbrella", "hush");
  scratch_.Write("secrets/acme/token", "own");
  Link("umbrella", "secrets/evil");
  granting.secrets = {Path("secrets/{tenant}")};
  EXPECT_EQ(Value(Secret(Path("secrets/acme/token")), "acme"), "own");
  EXPECT_EQ(Value(Secret(Path("secrets/umbrella")), "umbrella"), "hush");
  EXPECT_THAT(WhyNot(Secret(Path("secrets/evil")), "evil"), HasSubstr("link"));
  EXPECT_NE(WhyNot(Secret(Path("secrets/umbrella")), "acme"), "");
}

TEST_F(GrantingTest, DestinationsAreCoveredByWhatIsAllowed) {
  const std::vector<std::string> allowed = {"api.example.com:443", "*.internal", "*.web.net:80"};
  granting.outgoing = test::Must(serve::ParseDestinations(allowed));
  for (const char* good :
       {"api.example.com:443", "API.example.com:443", "a.internal", "a.b.internal:8080",
        "*.internal:1", "*.x.internal", "*.web.net:80", "a.web.net:80"})
    EXPECT_EQ(WhyNot(Outgoing(good)), "") << good;
  for (const char* bad :
       {"api.example.com", "api.example.com:80", "*", "*:443", "internal", "xinternal", "*.com",
        "*.example.com:443", "a.web.net", "web.net:80", "*.web.net"})
    EXPECT_NE(WhyNot(Outgoing(bad)), "") << bad;
  const std::vector<std::string> all = {"*"};
  granting.outgoing = test::Must(serve::ParseDestinations(all));
  EXPECT_EQ(WhyNot(Outgoing("*")), "");
  EXPECT_EQ(WhyNot(Outgoing("*.example.com:7")), "");
}

TEST_F(GrantingTest, LimitsStayBelowTheMaxima) {
  maxima = {.cpu_millicores = 500,
            .memory_bytes = 64 << 20,
            .body_bytes = 1 << 20,
            .timeout = std::chrono::seconds(30)};
  EXPECT_EQ(WhyNot({.limits = {.cpu_millicores = 500,
                               .memory_bytes = 64 << 20,
                               .body_bytes = 1 << 20,
                               .timeout = std::chrono::seconds(30)}}),
            "");
  EXPECT_THAT(WhyNot({.limits = {.cpu_millicores = 501}}),
              AllOf(HasSubstr("limits.cpu"), HasSubstr("501m"), HasSubstr("maxima.cpu")));
  EXPECT_THAT(WhyNot({.limits = {.memory_bytes = (64 << 20) + 1}}), HasSubstr("maxima.memory"));
  EXPECT_THAT(WhyNot({.limits = {.body_bytes = (1 << 20) + 1}}), HasSubstr("maxima.body"));
  EXPECT_THAT(WhyNot({.limits = {.timeout = std::chrono::seconds(31)}}),
              HasSubstr("maxima.timeout"));
}

TEST_F(GrantingTest, AnOperatorsPathsAreCheckedToo) {
  EXPECT_TRUE(CheckGranting({.directories = {{.path = "/"}}, .secrets = {"/run/{tenant}/s"}}));
  for (const char* bad : {"", "data", "./data", "/data/../etc", "/data/."}) {
    EXPECT_FALSE(CheckGranting({.directories = {{.path = bad}}})) << bad;
    EXPECT_FALSE(CheckGranting({.secrets = {bad}})) << bad;
  }
}

}  // namespace
}  // namespace wasmoor::function
