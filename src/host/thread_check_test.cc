#include "host/thread_check.h"

#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <vector>

namespace wasmoor::host {
namespace {

using oci::NamespaceType;

oci::Spec Plain() {
  oci::Spec spec;
  spec.process.emplace().args = {"/hello.wasm"};
  spec.on_linux.namespaces = {{NamespaceType::kMount, ""},
                              {NamespaceType::kPid, ""},
                              {NamespaceType::kNetwork, "/run/netns/pod"}};
  spec.mounts.push_back({"/proc", "proc", "proc", {}, {}, {}});
  return spec;
}

struct Case {
  std::string field;  // In the error.
  std::function<void(oci::Spec*)> change;
};

TEST(ThreadCheckTest, TakesWhatAContainerUsuallyHas) {
  EXPECT_TRUE(CheckForThread(Plain()));
  oci::Spec asked = Plain();
  asked.annotations[kIsolationAnnotation] = "thread";
  EXPECT_TRUE(CheckForThread(asked));
}

TEST(ThreadCheckTest, NamesWhatNeedsAProcess) {
  const std::vector<Case> cases = {
      {"process", [](auto* spec) { spec->process.reset(); }},
      {"hooks", [](auto* spec) { spec->hooks.create_runtime.emplace_back(); }},
      {"hooks", [](auto* spec) { spec->hooks.poststop.emplace_back(); }},
      {"terminal", [](auto* spec) { spec->process->terminal = true; }},
      {"apparmorProfile", [](auto* spec) { spec->process->apparmor_profile = "cri"; }},
      {"selinuxLabel", [](auto* spec) { spec->process->selinux_label = "a:b:c:d"; }},
      {"user", [](auto* spec) { spec->on_linux.namespaces.push_back({NamespaceType::kUser, ""}); }},
      {"time", [](auto* spec) { spec->on_linux.namespaces.push_back({NamespaceType::kTime, ""}); }},
      {"mount",
       [](auto* spec) {
         spec->on_linux.namespaces.push_back({NamespaceType::kMount, "/proc/1/ns/mnt"});
       }},
      {"sysctl", [](auto* spec) { spec->on_linux.sysctl["kernel.shm_rmid_forced"] = "1"; }},
      {"io.wasmoor.isolation",
       [](auto* spec) { spec->annotations[kIsolationAnnotation] = "process"; }},
      {"mounts[0]", [](auto* spec) { spec->mounts[0].destination = "/elsewhere"; }},
      {"rootfsPropagation", [](auto* spec) { spec->on_linux.rootfs_propagation = "rshared"; }},
  };
  for (const Case& one : cases) {
    oci::Spec spec = Plain();
    one.change(&spec);
    const Status checked = CheckForThread(spec);
    ASSERT_FALSE(checked) << one.field;
    EXPECT_EQ(checked.error().code(), Code::kUnimplemented) << checked.error().message();
    EXPECT_NE(checked.error().message().find(one.field), std::string::npos)
        << checked.error().message();
  }
}

// Whoever misspells it would have less isolation than was wanted.
TEST(ThreadCheckTest, RefusesAnIsolationThatThereIsNot) {
  for (const char* value : {"", "Process", "process ", "proces", "none", "vm"}) {
    oci::Spec spec = Plain();
    spec.annotations[kIsolationAnnotation] = value;
    const Status checked = CheckForThread(spec);
    ASSERT_FALSE(checked) << value;
    EXPECT_EQ(checked.error().code(), Code::kInvalidArgument) << value;
  }
}

}  // namespace
}  // namespace wasmoor::host
