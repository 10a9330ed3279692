#include "wasmoor/task/options.h"

#include <gmock/gmock.h>
#include <google/protobuf/any.pb.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include "proto/containerd/cri.pb.h"
#include "proto/containerd/runc_options.pb.h"
#include "proto/containerd/runtime_options.pb.h"
#include "support/scratch.h"
#include "wasmoor/ttrpc/any.h"

namespace wasmoor::task {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Optional;
using testing::StartsWith;

// "", or why not.
std::string Apply(std::string_view document, Options* options) {
  const Status applied = ApplyToml(document, "settings.toml", options);
  return applied ? "" : applied.error().message();
}
std::string WhyNot(std::string_view document) {
  Options options;
  return Apply(document, &options);
}

template <typename Message>
google::protobuf::Any Packed(const Message& message) {
  google::protobuf::Any any;
  ttrpc::Pack(message, &any);
  return any;
}

TEST(OptionsTest, AreReadFromTables) {
  Options options;
  EXPECT_EQ(Apply(R"(
systemd_cgroup = true
log_level = "debug"
cache_directory = "/srv/modules"
annotations = ["guest.memory", "http.outgoing"]
[guest]
memory = "64MiB"
table_elements = 1000
[http]
address = "0.0.0.0:80"
outgoing = ["api.example.com", "*.internal:8080"]
[daemon]
address = "/run/m.sock"
)",
                  &options),
            "");
  EXPECT_TRUE(options.systemd_cgroup);
  EXPECT_EQ(options.log_level, LogLevel::kDebug);
  EXPECT_EQ(options.guest.cache_directory, "/srv/modules");
  EXPECT_EQ(options.guest.memory_bytes, 64u << 20);
  EXPECT_EQ(options.guest.table_elements, 1000u);
  EXPECT_EQ(options.guest.http_address, "0.0.0.0:80");
  EXPECT_EQ(options.daemon_address, "/run/m.sock");
  EXPECT_THAT(options.guest.http_outgoing,
              Optional(ElementsAre("api.example.com", "*.internal:8080")));
  EXPECT_THAT(options.annotations, ElementsAre("guest.memory", "http.outgoing"));
}

TEST(OptionsTest, AreKnownByTheNamesOfRuncsShim) {
  Options options;
  EXPECT_EQ(Apply("SystemdCgroup = true\nBinaryName = \"/usr/bin/runc\"\nIoUid = 1000\n"
                  "NoPivotRoot = true\nTypeUrl = \"\"\n",
                  &options),
            "");
  EXPECT_TRUE(options.systemd_cgroup && options.no_pivot_root);
}

TEST(OptionsTest, NameTheLineAndTheKeyOfAMistake) {
  EXPECT_EQ(WhyNot("\n\n[guest]\nmemmory = 1\n"),
            "settings.toml:4: guest.memmory: there is no such setting");
  EXPECT_EQ(WhyNot("systemd_cgroup = \"yes\"\n"),
            "settings.toml:1: systemd_cgroup: must be true or false");
  EXPECT_THAT(WhyNot("guest.memory = \"much\"\n"), StartsWith("settings.toml:1: guest.memory: "));
  EXPECT_THAT(WhyNot("guest.memory = -1\n"), HasSubstr("must be a size above 0"));
  EXPECT_THAT(WhyNot("guest.table_elements = 0\n"), HasSubstr("above 0"));
  EXPECT_THAT(WhyNot("cache_directory = \"modules\"\n"), HasSubstr("absolute path"));
  EXPECT_THAT(WhyNot("log_level = \"loud\"\n"), HasSubstr("is 'loud'"));
  EXPECT_THAT(WhyNot("http.outgoing = [1]\n"), HasSubstr("list of strings"));
  EXPECT_THAT(WhyNot("log_level = 1.5\n"), HasSubstr("a number with a point"));
  EXPECT_THAT(WhyNot("annotations = [\"guest.memory\", \"gest\"]\n"), HasSubstr("'gest'"));
  EXPECT_THAT(WhyNot("a = = b\n"), StartsWith("settings.toml:1: "));
  EXPECT_THAT(WhyNot("\x80\xff"), StartsWith("settings.toml:1: "));
}

TEST(OptionsTest, SurviveWhatIsNested) {
  EXPECT_THAT(WhyNot("a = " + std::string(100'000, '[')), StartsWith("settings.toml:"));
}

TEST(OptionsTest, OfTheRuntimeCountMoreThanTheFileThatTheyName) {
  const wasmoor::test::ScratchDirectory scratch;
  scratch.Write("shim.toml", "systemd_cgroup = true\nlog_level = \"error\"\n");
  ::runtimeoptions::v1::Options ours;
  ours.set_config_path((scratch / "shim.toml").string());
  ours.set_config_body("log_level = \"warning\"\n");
  Options options;
  ASSERT_TRUE(ApplyAny(Packed(ours), &options).has_value());
  EXPECT_TRUE(options.systemd_cgroup);
  EXPECT_EQ(options.log_level, LogLevel::kWarning);
}

TEST(OptionsTest, NameTheFileThatIsNotThere) {
  ::runtimeoptions::v1::Options ours;
  ours.set_config_path("/nowhere/shim.toml");
  Options options;
  const Status applied = ApplyAny(Packed(ours), &options);
  ASSERT_FALSE(applied.has_value());
  EXPECT_EQ(applied.error().code(), Code::kNotFound);
  EXPECT_THAT(applied.error().message(), AllOf(HasSubstr("config_path"), HasSubstr("shim.toml")));
}

TEST(OptionsTest, AreNotWaitedForAtAFifo) {
  const wasmoor::test::ScratchDirectory scratch;
  ASSERT_EQ(::mkfifo((scratch / "fifo.toml").c_str(), 0600), 0);
  ::runtimeoptions::v1::Options ours;
  ours.set_config_path((scratch / "fifo.toml").string());
  Options options;
  const Status applied = ApplyAny(Packed(ours), &options);
  ASSERT_FALSE(applied.has_value());
  EXPECT_THAT(applied.error().message(), HasSubstr("fifo.toml: is not a regular file"));
}

TEST(OptionsTest, HaveLettersOfTheWorldInStringsAndCommentsOnly) {
  Options options;
  EXPECT_TRUE(
      ApplyToml("# \xc3\xbc\nshim_cgroup = \"/\\\"\xcf\x8a'\" # \"\xc3\xbc\n", "a", &options));
  EXPECT_EQ(options.shim_cgroup, "/\"\xcf\x8a'");
  for (const char* text :
       {"\n\xcf\x8a = 1\n", "\nlog_level = \xcf\x8a\n", "\na = ''\xe2\x80\x80\n"}) {
    const Status applied = ApplyToml(text, "a.toml", &options);
    ASSERT_FALSE(applied.has_value());
    EXPECT_THAT(applied.error().message(), HasSubstr("a.toml:2: only strings and comments"));
  }
}

TEST(OptionsTest, ComeFromRuncsMessageToo) {
  ::containerd::runc::v1::Options runc;
  runc.set_systemd_cgroup(true);
  runc.set_shim_cgroup("/shims");
  google::protobuf::Any any = Packed(runc);
  any.set_type_url("type.googleapis.com/" + any.type_url());
  Options options;
  ASSERT_TRUE(ApplyAny(any, &options).has_value());
  EXPECT_TRUE(options.systemd_cgroup);
  EXPECT_EQ(options.shim_cgroup, "/shims");
}

TEST(OptionsTest, MayBeMissingButNotOfAnotherKindOrBroken) {
  Options options;
  EXPECT_TRUE(ApplyAny({}, &options).has_value());
  const Status other = ApplyAny(Packed(::runtime::v1::PodSandboxConfig()), &options);
  ASSERT_FALSE(other.has_value());
  EXPECT_THAT(other.error().message(), HasSubstr("runtime.v1.PodSandboxConfig"));
  google::protobuf::Any broken = Packed(::containerd::runc::v1::Options());
  broken.set_value("\xff\xff\xff");
  EXPECT_FALSE(ApplyAny(broken, &options).has_value());
}

TEST(OptionsTest, ComeFromAnnotationsWhereTheyAreAllowed) {
  Options options;
  options.annotations = {"guest.memory", "http.outgoing", "annotations"};
  const Status applied = ApplyAnnotations({{"io.wasmoor.guest.memory", "1GiB"},
                                           {"io.wasmoor.http.outgoing", "a.example,b.example"},
                                           {"io.wasmoor.systemd_cgroup", "true"},
                                           {"io.wasmoor.annotations", "systemd_cgroup"},
                                           {"guest.memory", "2GiB"}},
                                          &options);
  ASSERT_TRUE(applied.has_value());
  EXPECT_EQ(options.guest.memory_bytes, 1u << 30);
  EXPECT_THAT(options.guest.http_outgoing, Optional(ElementsAre("a.example", "b.example")));
  EXPECT_FALSE(options.systemd_cgroup);
  EXPECT_EQ(options.annotations.size(), 3u);
}

TEST(OptionsTest, NameTheAnnotationThatIsWrong) {
  Options options;
  options.annotations = {"guest.table_elements"};
  const Status applied =
      ApplyAnnotations({{"io.wasmoor.guest.table_elements", "12 or so"}}, &options);
  ASSERT_FALSE(applied.has_value());
  EXPECT_THAT(applied.error().message(),
              StartsWith("annotation io.wasmoor.guest.table_elements: "));
}

}  // namespace
}  // namespace wasmoor::task
