// Documents whose author means harm: large, deep, or at odds with themselves. Whatever they are,
// they are read or refused within the limits that a process of its own has here: twenty seconds of
// processor time, and memory for no more than a small multiple of the largest document.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <functional>
#include <nlohmann/json.hpp>

#include "support/child.h"
#include "wasmoor/oci/spec.h"

namespace wasmoor::oci {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::StartsWith;

constexpr rlim_t kSeconds = 20;
constexpr rlim_t kMemory = rlim_t{1} << 30;
constexpr size_t kMany = 100'000;

// Ends without a word, by a signal, if it takes more than it may.
std::string Bounded(const std::function<void()>& body) {
  return test::Child([&] {
           const struct rlimit time = {.rlim_cur = kSeconds, .rlim_max = kSeconds};
           ::setrlimit(RLIMIT_CPU, &time);
#if !defined(__SANITIZE_ADDRESS__)
           const struct rlimit memory = {.rlim_cur = kMemory, .rlim_max = kMemory};
           ::setrlimit(RLIMIT_AS, &memory);
#endif
           body();
         })
      .Wait();
}

// A whole configuration with `more` properties in it: R"("hostname":"x")".
std::string With(const std::string& more) {
  return R"({"ociVersion":"1.2.0","root":{"path":"r"},"process":{"cwd":"/","args":["x"]},)" + more +
         "}";
}

std::string Repeated(const std::string& what, size_t times) {
  std::string all;
  all.reserve((what.size() + 1) * times);
  for (size_t i = 0; i < times; ++i) all += (i == 0 ? "" : ",") + what;
  return all;
}

void IsRefused(const std::string& text, const ::testing::Matcher<const std::string&>& matcher) {
  const auto spec = ParseSpec(text);
  ASSERT_FALSE(spec);
  EXPECT_EQ(spec.error().code(), Code::kInvalidArgument);
  EXPECT_LT(spec.error().message().size(), 1000U) << "it is for an operator to read";
  EXPECT_THAT(spec.error().message(), matcher);
}

TEST(SpecAttackTest, WhatIsNestedWithoutEndIsRefusedBeforeItIsBuilt) {
  const auto too_deep = StartsWith("the document: must be nested 200 deep at most");
  EXPECT_EQ(Bounded([&] {
              constexpr size_t kDepth = kMaxSpecBytes / 2 - 100;
              const std::string deep = std::string(kDepth, '[') + std::string(kDepth, ']');
              IsRefused(deep, too_deep);
              IsRefused(std::string(kMaxSpecBytes, '['), too_deep);
              IsRefused(With(R"("unknown":)" + deep), too_deep);
              std::string objects;
              for (size_t i = 0; i < kDepth / 8; ++i) objects += R"({"a":)";
              IsRefused(objects, too_deep);
            }),
            "exit 0");
}

TEST(SpecAttackTest, WhatIsOnlyTextIsNotNested) {
  const std::string brackets(10'000, '[');
  const auto nested = [](size_t depth) {
    return With(R"("unknown":)" + std::string(depth, '[') + std::string(depth, ']'));
  };
  EXPECT_TRUE(ParseSpec(With(R"("annotations":{"a":"\\\"[)" + brackets + R"("})")));
  EXPECT_TRUE(ParseSpec(nested(199)));
  EXPECT_FALSE(ParseSpec(nested(200)));
}

TEST(SpecAttackTest, TheLargestDocumentIsReadAndALargerOneIsNot) {
  EXPECT_EQ(Bounded([] {
              std::string text = With("\"hostname\":null");
              text.resize(kMaxSpecBytes, ' ');
              EXPECT_TRUE(ParseSpec(text));
              IsRefused(text + " ", HasSubstr("at most 16777216"));
              text[text.size() - 1] = '}';
              IsRefused(text, StartsWith("not JSON"));
            }),
            "exit 0");
}

TEST(SpecAttackTest, AnErrorDoesNotRepeatTheDocument) {
  const std::string huge(4 << 20, 'x');
  EXPECT_EQ(Bounded([&] {
              IsRefused("{\"" + huge, StartsWith("not JSON"));
              IsRefused(huge, StartsWith("not JSON"));
              IsRefused("{\"a\":" + std::string(4 << 20, '1') + "x", StartsWith("not JSON"));
              IsRefused(With(R"("mounts":[{"destination":7,"type":")" + huge + "\"}]"),
                        StartsWith("mounts[0].destination: must be a string"));
              IsRefused(R"({"ociVersion":")" + huge + "\"}", StartsWith("ociVersion"));
              IsRefused(With(R"("linux":{"namespaces":[{"type":")" + huge + "\"}]}"),
                        StartsWith("linux.namespaces[0].type"));
              IsRefused(With(R"("linux":{"maskedPaths":[")" + huge + "\"]}"),
                        StartsWith("linux.maskedPaths[0]"));
              IsRefused(With(R"("annotations":{")" + huge + "\":1}"),
                        StartsWith("annotations.xxx"));
            }),
            "exit 0");
}

TEST(SpecAttackTest, AHundredThousandOfAnythingAreReadInAMoment) {
  const struct {
    const char* before;
    const char* one;
    const char* after;
  } kLists[] = {
      {R"("mounts":[)", R"({"destination":"/a","options":["ro","size=1"]})", "]"},
      {R"("linux":{"maskedPaths":[)", R"("/proc/x")", "]}"},
      {R"("linux":{"devices":[)", R"({"path":"/dev/x","type":"c","major":1,"minor":2})", "]}"},
      {R"("linux":{"resources":{"devices":[)", R"({"allow":true,"access":"r"})", "]}}"},
      {R"("hooks":{"prestart":[)", R"({"path":"/bin/true"})", "]}"},
      {R"("linux":{"seccomp":{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[)",
       R"({"names":["read"],"action":"SCMP_ACT_LOG"})", "]}}"},
      {R"("linux":{"namespaces":[{"type":"user"}],"uidMappings":[)",
       R"({"containerID":1,"hostID":2,"size":3})", "]}"},
  };
  for (const auto& [before, one, after] : kLists) {
    EXPECT_EQ(Bounded([&] {
                const auto spec = ParseSpec(With(before + Repeated(one, kMany) + after));
                EXPECT_TRUE(spec) << spec.error().message();
              }),
              "exit 0")
        << before;
  }
}

TEST(SpecAttackTest, AHundredThousandOfWhatAProcessHasAreReadInAMoment) {
  const auto process = [](const std::string& more) {
    return R"({"cwd":"/","args":["x"],)" + more + "}";
  };
  EXPECT_EQ(Bounded([&] {
              const auto read =
                  ParseProcess(process("\"env\":[" + Repeated("\"A=b\"", kMany) + "]"));
              ASSERT_TRUE(read);
              EXPECT_EQ(read->env.size(), kMany);
              EXPECT_TRUE(ParseProcess(process(R"("capabilities":{"bounding":[)" +
                                               Repeated("\"CAP_KILL\"", kMany) + "]}")));
              const auto twice = ParseProcess(
                  process("\"rlimits\":[" +
                          Repeated(R"({"type":"RLIMIT_CORE","soft":0,"hard":0})", kMany) + "]"));
              ASSERT_FALSE(twice);
              EXPECT_THAT(twice.error().message(), StartsWith("rlimits: RLIMIT_CORE"));
            }),
            "exit 0");
}

TEST(SpecAttackTest, WhatContradictsItselfIsRefusedByField) {
  const struct {
    const char* more;
    const char* field;
  } kSpecs[] = {
      {R"("linux":{"uidMappings":[{"containerID":0,"hostID":0,"size":1}]})", "linux.uidMappings: "},
      {R"("linux":{"namespaces":[{"type":"user"}],"uidMappings":[{"size":0}]})",
       "linux.uidMappings[0].size: "},
      {R"("linux":{"namespaces":[{"type":"user"}],)"
       R"("gidMappings":[{"containerID":4294967295,"hostID":0,"size":2}]})",
       "linux.gidMappings[0]: "},
      {R"("linux":{"timeOffsets":{"boottime":{"secs":1}}})", "linux.timeOffsets: "},
      {R"("linux":{"namespaces":[{"type":"time"}],"timeOffsets":{"realtime":{"secs":1}}})",
       "linux.timeOffsets: 'realtime'"},
      {R"("linux":{"namespaces":[{"type":"pid"},{"type":"mount"},{"type":"pid"}]})",
       "linux.namespaces[2]: "},
      {R"("linux":{"namespaces":[{"type":"pid","path":"proc/1/ns/pid"}]})",
       "linux.namespaces[0].path: "},
      {R"("mounts":[{"type":"proc"}])", "mounts[0].destination: "},
      {R"("mounts":[{"destination":"/a","uidMappings":[{"size":1}]}])", "mounts[0]: "},
      {R"("linux":{"rootfsPropagation":"private,shared"})", "linux.rootfsPropagation: "},
      {R"("linux":{"resources":{"memory":{"limit":1e300}}})", "linux.resources.memory.limit: "},
      {R"("linux":{"resources":{"memory":{"limit":9223372036854775808}}})",
       "linux.resources.memory.limit: "},
      {R"("linux":{"resources":{"cpu":{"shares":-1}}})", "linux.resources.cpu.shares: "},
      {R"("linux":{"resources":{"unified":{"../cgroup.procs":"1"}}})", "linux.resources.unified"},
      {R"("linux":{"resources":{"unified":{"cpu.max\u0000x":"1"}}})", "linux.resources.unified"},
      {R"("linux":{"sysctl":{"net.ipv4.\u0000":"1"}})", "linux.sysctl."},
      {R"("linux":{"seccomp":{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"action":"a"}]}})",
       "linux.seccomp.syscalls[0]: "},
      {R"("process":{"cwd":"/","args":["x\u0000y"]})", "process.args[0]: "},
      {R"("process":{"cwd":"/","args":[]})", "process.args: "},
      {R"("process":{"cwd":"/","args":["x"],"rlimits":[{"type":"RLIMIT_CORE","soft":2,"hard":1}]})",
       "process.rlimits: "},
  };
  for (const auto& [more, field] : kSpecs) {
    SCOPED_TRACE(more);
    IsRefused(With(more), StartsWith(field));
  }
}

TEST(SpecAttackTest, BytesThatAreNoTextAreRefused) {
  IsRefused(With("\"hostname\":\"\xff\xfe\""), StartsWith("not JSON"));
  IsRefused(With("\"hostname\":\"\xc0\xaf\""), StartsWith("not JSON"));
  IsRefused(With(R"("hostname":"\ud800")"), StartsWith("not JSON"));
  IsRefused(std::string("\xef\xbb\xbf") + std::string(3, '\0'), StartsWith("not JSON"));
}

}  // namespace
}  // namespace wasmoor::oci
