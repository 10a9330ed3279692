#pragma once

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <string>

#include "support/child.h"
#include "wasmoor/cgroup/group.h"

// What the tests of groups share. They use the machine's own control groups, v1 or v2, below names
// that no one else has.
namespace wasmoor::cgroup {

inline std::string ScratchPath(const std::string& name) {
  return "/wasmoor-test-" + std::to_string(getpid()) + "-" + name;
}

// A process that runs `body` and then sleeps until it is killed.
class Child : public test::Child {
 public:
  template <typename Body>
  explicit Child(Body body)
      : test::Child([&body] {
          body();
          for (;;) ::pause();
        }) {}
  Child() : Child([] {}) {}
};

// A group of its own for each test, which is gone afterwards whatever happened.
class GroupTest : public testing::Test {
 protected:
  void SetUp() override {
    auto root = Root::Detect();
    if (!root) GTEST_SKIP() << root.error().message();
    root_ = std::move(*root);
    path_ = ScratchPath(testing::UnitTest::GetInstance()->current_test_info()->name());
    auto group = Group::Create(root_, path_);
    if (!group && (group.error().error_number() == EACCES || group.error().error_number() == EROFS))
      GTEST_SKIP() << "control groups cannot be written here: " << group.error().message();
    ASSERT_TRUE(group) << group.error().message();
    group_ = std::make_unique<Group>(std::move(*group));
  }

  void TearDown() override {
    if (group_ == nullptr) return;
    static_cast<void>(group_->Thaw());
    static_cast<void>(group_->Kill());
    while (waitpid(-1, nullptr, WNOHANG) > 0) {
    }
    auto removed = group_->Remove();
    EXPECT_TRUE(removed) << removed.error().message();
  }

  bool IsV2() const { return root_.layout() == Layout::kV2; }

  // The group's directory in the hierarchy of a controller.
  std::string DirectoryOf(const std::string& controller) const {
    for (const Hierarchy& one : root_.hierarchies()) {
      if (one.version == 2 && one.controllers.empty()) return one.mount_point + path_;
      for (const std::string& own : one.controllers) {
        if (own == controller) return one.mount_point + path_;
      }
    }
    return "";
  }

  std::string ReadFile(const std::string& controller, const std::string& file) const {
    std::string text;
    FILE* stream = fopen((DirectoryOf(controller) + "/" + file).c_str(), "re");
    if (stream == nullptr) return "(none)";
    char buffer[4096];
    for (size_t got; (got = fread(buffer, 1, sizeof buffer, stream)) > 0;) text.append(buffer, got);
    fclose(stream);
    while (text.ends_with('\n')) text.pop_back();
    return text;
  }

  Root root_;
  std::string path_;
  std::unique_ptr<Group> group_;
};

}  // namespace wasmoor::cgroup
