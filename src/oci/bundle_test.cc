#include "wasmoor/oci/bundle.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>

#include "support/scratch.h"
#include "wasmoor/oci/state.h"

namespace wasmoor::oci {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

class BundleTest : public ::testing::Test {
 protected:
  void WriteConfig(std::string_view text) const { scratch.Write("config.json", text); }
  std::string Refusal() const {
    const auto bundle = Bundle::Open(directory);
    return bundle ? "it was opened" : bundle.error().message();
  }

  const test::ScratchDirectory scratch;
  const std::filesystem::path directory = scratch.path();
};

constexpr std::string_view kLeast =
    R"({"ociVersion": "1.0.2", "root": {"path": "r"}, "process": {"cwd": "/", "args": ["x"]}})";

TEST_F(BundleTest, IsFoundThroughALinkAndNamedByItsOwnPath) {
  WriteConfig(kLeast);
  const auto link = directory / "link";
  std::filesystem::create_directory_symlink(directory, link);
  const auto bundle = Bundle::Open(link);
  ASSERT_TRUE(bundle.has_value()) << bundle.error().message();
  EXPECT_EQ(bundle->path, std::filesystem::canonical(directory));
  EXPECT_EQ(bundle->config, kLeast);
  EXPECT_EQ(bundle->spec.root->path, "r");
}

TEST_F(BundleTest, SaysWhichFileIsMissingOrWrong) {
  EXPECT_THAT(Refusal(), AllOf(HasSubstr(directory.native()), HasSubstr("config.json"),
                               HasSubstr("No such file")));
  WriteConfig("{");
  EXPECT_THAT(Refusal(), AllOf(HasSubstr("config.json"), HasSubstr("not JSON")));
  WriteConfig(R"({"ociVersion": 1})");
  EXPECT_THAT(Refusal(), HasSubstr("config.json: ociVersion: must be a string"));
}

TEST_F(BundleTest, AFifoInTheConfigsPlaceIsNotWaitedFor) {
  ASSERT_EQ(mkfifo((directory / "config.json").c_str(), 0600), 0);
  EXPECT_NE(Refusal(), "it was opened");
}

TEST(StateTest, IsWrittenAsTheSpecificationHasIt) {
  State state;
  state.id = "box";
  state.status = Status::kRunning;
  state.pid = 42;
  state.bundle = "/run/box";
  EXPECT_EQ(ToJson(state),
            R"({"ociVersion":"1.2.0","id":"box","status":"running","pid":42,"bundle":"/run/box"})");
  state.status = Status::kStopped;
  state.pid = 0;
  state.annotations = {{"a", "\"b\""}};
  EXPECT_EQ(ToJson(state),
            R"({"ociVersion":"1.2.0","id":"box","status":"stopped","bundle":"/run/box",)"
            R"("annotations":{"a":"\"b\""}})");
}

TEST(StateTest, BytesThatAreNoTextDoNotBreakIt) {
  State state;
  state.bundle = "/run/\xff";
  EXPECT_THAT(ToJson(state), HasSubstr("/run/\xef\xbf\xbd"));
}

}  // namespace
}  // namespace wasmoor::oci
