#include "wasmoor/node/records.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include "node/record_text.h"
#include "support/result.h"
#include "support/scratch.h"

namespace wasmoor::node {
namespace {

using test::Must;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

Record Full() {
  Record record{.place = {.key = {.name_space = "k8s.io", .id = "pod1"},
                          .bundle = "/bundles/pod1",
                          .ttrpc_address = "/c.sock.ttrpc",
                          .containerd_address = "/c.sock",
                          .publish_binary = "/usr/bin/containerd",
                          .life = Place::Life::kPod},
                .socket = "/run/s/abc"};
  task::Options& options = record.place.options;
  options.systemd_cgroup = true;
  options.no_pivot_root = true;
  options.log_level = task::LogLevel::kDebug;
  options.shim_cgroup = "/shims";
  options.guest.memory_bytes = 64 << 20;
  options.guest.http_outgoing = {"example.com"};
  options.guest.http_address = "0.0.0.0:80";
  options.annotations = {"guest.memory"};
  return record;
}

class RecordsTest : public testing::Test {
 protected:
  std::vector<std::string> Ids() {
    warnings.clear();
    std::vector<std::string> ids;
    const auto warn = [this](std::string_view line) { warnings.emplace_back(line); };
    for (const Record& one : Must(records.ReadAll(warn))) ids.push_back(one.place.key.id);
    return ids;
  }

  test::ScratchDirectory scratch;
  Records records = Must(Records::Open(scratch / "state"));
  std::vector<std::string> warnings;
};

TEST_F(RecordsTest, ReadsBackAllThatWasWritten) {
  const Record written = Full();
  Must(records.Write(written));
  const auto read = Must(records.ReadAll([](std::string_view) {}));
  ASSERT_THAT(read, SizeIs(1));
  EXPECT_EQ(TextOf(read.front()), TextOf(written));
  EXPECT_EQ(read.front().place.options.guest.memory_bytes, 64U << 20);
  EXPECT_EQ(read.front().place.options.guest.table_elements, std::nullopt);
  EXPECT_EQ(read.front().place.life, Place::Life::kPod);
  struct stat status;
  ASSERT_EQ(::stat((scratch / "state/k8s.io/pod1/sandbox.json").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777U, 0600U);
}

TEST_F(RecordsTest, RemovesWithEverythingBesideIt) {
  Must(records.Write(Full()));
  scratch.Write("state/k8s.io/pod1/other", "x");
  Must(records.Remove({"k8s.io", "pod1"}));
  EXPECT_THAT(test::FilesIn(scratch / "state"), IsEmpty());
  Must(records.Remove({"k8s.io", "pod1"}));
}

TEST_F(RecordsTest, PassesOverAFileThatIsCutAnywhereWithAWarning) {
  Must(records.Write(Full()));
  const std::string text = TextOf(Full());
  for (size_t length = 0; length + 2 < text.size(); length += 7) {
    scratch.Write("state/k8s.io/pod1/sandbox.json", text.substr(0, length));
    EXPECT_THAT(Ids(), IsEmpty()) << length;
    EXPECT_THAT(warnings, ElementsAre(AllOf(HasSubstr("k8s.io/pod1"), HasSubstr("passed over"))));
  }
}

TEST_F(RecordsTest, PassesOverWhatIsNotOurs) {
  Must(records.Write(Full()));
  namespace fs = std::filesystem;
  scratch.Write("state/file", "x");
  scratch.Write("state/k8s.io/file", "x");
  fs::create_directories(scratch / "state/empty/dir");
  fs::create_directory_symlink("k8s.io", scratch / "state/link");
  fs::create_directories(scratch / "state/k8s.io/strange");
  for (const char* text : {"[]", "{}", R"({"form": 2})", R"({"form": "1"})", "\xff"}) {
    scratch.Write("state/k8s.io/strange/sandbox.json", text);
    EXPECT_THAT(Ids(), ElementsAre("pod1")) << text;
    EXPECT_THAT(warnings, SizeIs(5)) << text;
  }
  // A whole one, of another sandbox.
  scratch.Write("state/k8s.io/strange/sandbox.json", TextOf(Full()));
  EXPECT_THAT(Ids(), ElementsAre("pod1"));
  EXPECT_THAT(warnings, testing::Contains(HasSubstr("it names the sandbox 'pod1'")));
}

TEST_F(RecordsTest, NamesTheFieldThatIsWrong) {
  const auto wrong = ParseRecord(R"({"form": 1, "namespace": 3})");
  ASSERT_FALSE(wrong);
  EXPECT_THAT(wrong.error().message(), HasSubstr("'namespace'"));
}

TEST_F(RecordsTest, WritesNothingOutsideOfItsDirectory) {
  Record record = Full();
  record.place.key.id = "../../escape";
  EXPECT_EQ(records.Write(record).error().code(), Code::kInvalidArgument);
  EXPECT_EQ(records.Remove({"..", ".."}).error().code(), Code::kInvalidArgument);
}

TEST_F(RecordsTest, IsLockedAgainstAnother) {
  Must(records.Lock());
  Records another = Must(Records::Open(scratch / "state"));
  EXPECT_EQ(another.Lock().error().code(), Code::kFailedPrecondition);
}

}  // namespace
}  // namespace wasmoor::node
