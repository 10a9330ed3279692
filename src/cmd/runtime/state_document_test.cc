#include "cmd/runtime/state_document.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace wasmoor::cmd {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

Summary Running() {
  return {.state = {.id = "c1",
                    .status = oci::Status::kRunning,
                    .pid = 4422,
                    .bundle = "/srv/c1",
                    .annotations = {{"a", "b"}}},
          .rootfs = "/srv/c1/rootfs",
          .owner = "root",
          .created = std::chrono::system_clock::time_point(std::chrono::milliseconds(1500))};
}

TEST(StateDocumentTest, ItHasThePropertiesThatCallersRead) {
  EXPECT_EQ(StateDocument(Running()).dump(),
            R"({"ociVersion":"1.2.0","id":"c1","pid":4422,"status":"running","bundle":"/srv/c1",)"
            R"("rootfs":"/srv/c1/rootfs","created":"1970-01-01T00:00:01.500000000Z",)"
            R"("annotations":{"a":"b"},"owner":"root"})");
}

TEST(StateDocumentTest, AStoppedContainerHasProcessZero) {
  Summary summary = Running();
  summary.state.status = oci::Status::kStopped;
  summary.state.pid = 0;
  summary.state.annotations.clear();
  const std::string text = StateDocument(summary).dump();
  EXPECT_THAT(text, HasSubstr(R"("pid":0,"status":"stopped")"));
  EXPECT_THAT(text, Not(HasSubstr("annotations")));
}

TEST(ListTest, ATableHasAHeadingAndALineForEach) {
  const Summary summary = Running();
  EXPECT_EQ(ListTable({&summary, 1}),
            "ID  PID   STATUS   BUNDLE   CREATED                         OWNER\n"
            "c1  4422  running  /srv/c1  1970-01-01T00:00:01.500000000Z  root\n");
}

TEST(ListTest, NoContainerIsAnEmptyArray) {
  EXPECT_EQ(ListJson({}), "[]\n");
  const Summary summary = Running();
  EXPECT_THAT(ListJson({&summary, 1}), HasSubstr(R"([{"ociVersion":"1.2.0","id":"c1")"));
}

TEST(UserNameTest, AUserIsCalledAsInThePasswordFile) {
  constexpr std::string_view kPasswd =
      "root:x:0:0:root:/root:/bin/sh\nbroken\nann:x:1000:100:,,,:/home/user:/bin/sh";
  EXPECT_EQ(UserName(0, kPasswd), "root");
  EXPECT_EQ(UserName(1000, kPasswd), "ann");
  EXPECT_EQ(UserName(100, kPasswd), "#100");
  EXPECT_EQ(UserName(0, ""), "#0");
}

}  // namespace
}  // namespace wasmoor::cmd
