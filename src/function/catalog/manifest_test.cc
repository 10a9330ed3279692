#include "wasmoor/function/catalog/manifest.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include "support/result.h"
#include "support/scratch.h"

namespace wasmoor::function {
namespace {

using std::string_literals::operator""s;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Optional;
using testing::Pair;
using testing::StartsWith;

Manifest Parse(std::string_view text) { return test::Must(ParseManifest(text, "x.toml")); }

// Why not; "" if it can be read.
std::string WhyNot(std::string_view text) {
  const auto manifest = ParseManifest(text, "x.toml");
  if (manifest) return "";
  EXPECT_EQ(manifest.error().code(), Code::kInvalidArgument);
  EXPECT_THAT(manifest.error().message(), StartsWith("x.toml:"));
  return manifest.error().message();
}

TEST(ManifestTest, AllOfItIsRead) {
  const Manifest manifest = Parse(R"(
[limits]
cpu = 250
memory = "64MiB"
timeout = "30s"
body = "1MiB"
[run]
entry = "_main"
arguments = ["-v", "é"]
reply = "cgi"
isolate = "process"
[environment]
MODE = "fast"
A1 = ""
[secrets]
TOKEN = "/run/secrets/token"
[[directories]]
host = "/srv/data"
guest = "/data"
[[directories]]
host = "/srv/out"
guest = "."
access = "read-write"
[outgoing]
allow = ["api.example.com:443", "*.internal"]
[reuse]
requests = 50
idle = "2s"
)");
  EXPECT_THAT(manifest.limits.cpu_millicores, Optional(250u));
  EXPECT_THAT(manifest.limits.memory_bytes, Optional(64u << 20));
  EXPECT_THAT(manifest.limits.timeout, Optional(std::chrono::milliseconds(30'000)));
  EXPECT_THAT(manifest.limits.body_bytes, Optional(1u << 20));
  EXPECT_EQ(manifest.entry, "_main");
  EXPECT_THAT(manifest.arguments, ElementsAre("-v", "é"));
  EXPECT_EQ(manifest.reply, Reply::kCgi);
  EXPECT_TRUE(manifest.own_process);
  EXPECT_THAT(manifest.environment, ElementsAre(Pair("A1", ""), Pair("MODE", "fast")));
  EXPECT_THAT(manifest.secrets, ElementsAre(Pair("TOKEN", "/run/secrets/token")));
  ASSERT_EQ(manifest.directories.size(), 2u);
  EXPECT_EQ(manifest.directories[0].host, "/srv/data");
  EXPECT_EQ(manifest.directories[0].access, wasi::Access::kReadOnly);
  EXPECT_EQ(manifest.directories[1].guest, ".");
  EXPECT_EQ(manifest.directories[1].access, wasi::Access::kReadWrite);
  EXPECT_THAT(manifest.outgoing, ElementsAre("api.example.com:443", "*.internal"));
  EXPECT_EQ(manifest.reuse.requests, 50u);
  EXPECT_EQ(manifest.reuse.idle, std::chrono::seconds(2));
}

TEST(ManifestTest, NothingHasToBeThere) {
  EXPECT_EQ(Parse(""), Manifest());
  EXPECT_EQ(Parse("# nothing\n[limits]\n"), Manifest());
}

TEST(ManifestTest, NumbersMayBeWrittenInTwoWays) {
  EXPECT_THAT(Parse("limits.cpu = \"250m\"").limits.cpu_millicores, Optional(250u));
  EXPECT_THAT(Parse("limits.memory = 65536").limits.memory_bytes, Optional(65536u));
  EXPECT_THAT(Parse("limits.timeout = 2").limits.timeout,
              Optional(std::chrono::milliseconds(2000)));
  EXPECT_THAT(Parse("limits.timeout = \"1us\"").limits.timeout.has_value()
                  ? WhyNot("limits.timeout = \"0s\"")
                  : "",
              HasSubstr("above 0"));
  EXPECT_THAT(Parse("limits.body = 0").limits.body_bytes, Optional(0u));
}

TEST(ManifestTest, WhatIsNotKnownIsAnErrorWithItsLine) {
  EXPECT_EQ(WhyNot("[limits]\n\nmemroy = 3\n"),
            "x.toml:3: limits.memroy: there is no such setting");
  EXPECT_THAT(WhyNot("privileged = true"), HasSubstr("no such setting"));
  EXPECT_THAT(WhyNot("[run]\nlimits.cpu = 1"), HasSubstr("run.limits.cpu"));
  EXPECT_THAT(WhyNot("limits = 3"), HasSubstr("limits: there is no such setting"));
  EXPECT_THAT(WhyNot("[[directories]]\nhost = \"/a\"\nguest = \"/b\"\nmode = 3\n"),
              StartsWith("x.toml:4: directories[0].mode"));
  EXPECT_THAT(WhyNot("[[limits]]\ncpu = 3\n"), HasSubstr("limits[0].cpu"));
  EXPECT_NE(WhyNot("\"directories[\" = 3"), "");
  EXPECT_NE(WhyNot("\"directories[0\" = 3"), "");
  EXPECT_NE(WhyNot("\"directories[0]\" = 3"), "");
  EXPECT_NE(WhyNot("\"directories[18446744073709551616].host\" = \"/a\""), "");
  EXPECT_NE(WhyNot("directories = \"/a\""), "");
  EXPECT_NE(WhyNot("environment = \"A=b\""), "");
}

TEST(ManifestTest, ValuesThatMakeNoSenseAreErrors) {
  for (const char* bad :
       {"limits.cpu = 0",
        "limits.cpu = -1",
        "limits.cpu = 1000001",
        "limits.cpu = \"250\"",
        "limits.cpu = \"m\"",
        "limits.cpu = \"NaN\"",
        "limits.cpu = true",
        "limits.cpu = 0.5",
        "limits.cpu = nan",
        "limits.cpu = 99999999999999999999",
        "limits.cpu = \"1e3m\"",
        "limits.memory = 0",
        "limits.memory = -1",
        "limits.memory = \"1KiB\"",
        "limits.memory = \"64 MiB of it\"",
        "limits.memory = \"-1\"",
        "limits.memory = inf",
        "limits.memory = [\"64MiB\"]",
        "limits.timeout = \"soon\"",
        "limits.timeout = 0",
        "limits.timeout = -1",
        "limits.timeout = \"-1s\"",
        "limits.timeout = 1e9",
        "limits.body = -1",
        "reuse.requests = 0",
        "reuse.requests = -1",
        "reuse.requests = 1000001",
        "reuse.requests = \"many\"",
        "reuse.idle = 0",
        "reuse.idle = \"2h\"",
        "run.entry = \"\"",
        "run.entry = \"a\\u0000\"",
        "run.arguments = \"-v\"",
        "run.arguments = [1]",
        "run.arguments = [\"\\u0000\"]",
        "run.reply = \"json\"",
        "run.reply = true",
        "run.isolate = \"yes\"",
        "environment.A = 3",
        "environment.A = \"\\u0000\"",
        "environment.\"\" = \"x\"",
        "environment.\"A=B\" = \"x\"",
        "environment.1A = \"x\"",
        "environment.A.B = \"x\"",
        "environment.\"A B\" = \"x\"",
        "secrets.A = [\"/x\"]",
        "outgoing.allow = \"*\"",
        "outgoing.allow = [\"host:0\"]",
        "outgoing.allow = [\"host:99999\"]",
        "outgoing.allow = [\"\"]",
        "directories = [{host = \"srv\", guest = \"/d\"}]",
        "directories = [{host = \"/srv\", guest = \"d\"}]",
        "directories = [{host = \"/srv\", guest = \"/d\", access = \"all\"}]",
        "directories = [{host = \"/srv\", guest = \"/d\", access = 3}]",
        "directories = [{host = \"/srv\"}]",
        "directories = [{guest = \"/d\"}]",
        "directories = [{host = \"/a\", guest = \"/d\"}, {host = \"/b\", guest = \"/d\"}]",
        "environment.A = \"x\"\nsecrets.A = \"/x\"",
        "limits.cpu = 1\nlimits.cpu = 2"})
    EXPECT_NE(WhyNot(bad), "") << bad;
}

TEST(ManifestTest, ItsSizeHasABound) {
  EXPECT_THAT(WhyNot("#" + std::string(kMostManifestBytes, 'x')), HasSubstr("bytes"));
  std::string many;
  for (int number = 0; number < 65; ++number)
    many += fmt::format("[[directories]]\nhost = \"/h\"\nguest = \"/{}\"\n", number);
  EXPECT_THAT(WhyNot(many), HasSubstr("at most 64 directories"));
  std::string deep = "a";
  while (deep.size() < kMostManifestBytes - 8) deep += ".a";
  EXPECT_NE(WhyNot(deep + "=1"), "");
}

class ManifestFileTest : public ::testing::Test {
 protected:
  Result<std::optional<std::string>> Read(const std::string& file) const {
    return ReadManifestText(directory_, file);
  }
  std::string Complaint(const std::string& file) const {
    const auto text = Read(file);
    return text ? "" : text.error().message();
  }

  const test::ScratchDirectory scratch_;
  const os::Fd directory_ = scratch_.Open();
};

TEST_F(ManifestFileTest, ItIsReadFromItsDirectory) {
  scratch_.Write("x.toml", "run.entry = \"x\"\n");
  EXPECT_THAT(test::Must(Read("x.toml")), Optional("run.entry = \"x\"\n"s));
  EXPECT_EQ(test::Must(Read("y.toml")), std::nullopt);
}

TEST_F(ManifestFileTest, LinksStayInTheDirectory) {
  scratch_.Write("real", "a");
  ASSERT_EQ(::symlink("real", (scratch_ / "in.toml").c_str()), 0);
  ASSERT_EQ(::symlink("/etc/passwd", (scratch_ / "out.toml").c_str()), 0);
  ASSERT_EQ(::symlink("../../etc/passwd", (scratch_ / "up.toml").c_str()), 0);
  ASSERT_EQ(::symlink("loop.toml", (scratch_ / "loop.toml").c_str()), 0);
  EXPECT_EQ(Complaint("in.toml"), "");
  EXPECT_THAT(Complaint("out.toml"), AllOf(StartsWith("out.toml"), HasSubstr("leads out")));
  EXPECT_THAT(Complaint("up.toml"), HasSubstr("leads out"));
  EXPECT_THAT(Complaint("loop.toml"), HasSubstr("nowhere"));
}

TEST_F(ManifestFileTest, NothingButAFileIsRead) {
  ASSERT_EQ(::mkfifo((scratch_ / "fifo.toml").c_str(), 0600), 0);
  ASSERT_EQ(::mkdir((scratch_ / "dir.toml").c_str(), 0700), 0);
  scratch_.Write("big.toml", std::string(kMostManifestBytes + 1, '#'));
  EXPECT_THAT(Complaint("fifo.toml"), HasSubstr("not a regular file"));
  EXPECT_THAT(Complaint("dir.toml"), HasSubstr("not a regular file"));
  EXPECT_THAT(Complaint("big.toml"), HasSubstr("more than"));
}

}  // namespace
}  // namespace wasmoor::function
