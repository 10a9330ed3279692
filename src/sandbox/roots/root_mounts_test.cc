#include "sandbox/roots/root_mounts.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/mount.h>

#include <filesystem>

#include "support/namespaces.h"
#include "support/result.h"
#include "support/scratch.h"
#include "wasmoor/os/file.h"
#include "wasmoor/os/mount.h"

namespace wasmoor::sandbox {
namespace {

using ::testing::HasSubstr;

// A bundle, and layers to make its root of, in a mount namespace that ends with the test.
class Layers {
 public:
  Layers() {
    for (const char* name : {"bundle/rootfs", "one", "two", "upper", "work"})
      std::filesystem::create_directories(scratch_ / name);
    test::WriteFile(scratch_ / "one/a", "of one");
    test::WriteFile(scratch_ / "two/b", "of two");
  }
  std::string Path(std::string_view name) const { return (scratch_ / name).native(); }
  std::string bundle() const { return Path("bundle"); }

  RootMount Bind(std::string_view source, std::vector<std::string> options) const {
    options.emplace_back("rbind");
    return {.type = "bind", .source = Path(source), .target = "", .options = std::move(options)};
  }
  RootMount Overlay() const {
    return {.type = "overlay",
            .source = "overlay",
            .target = "",
            .options = {"index=off", "lowerdir=" + Path("one") + ":" + Path("two"),
                        "upperdir=" + Path("upper"), "workdir=" + Path("work")}};
  }

 private:
  test::ScratchDirectory scratch_{test::MemoryDirectory()};
};

std::string ReadBelow(const os::Fd& root, const std::string& name) {
  const os::Fd file =
      test::Must(os::OpenInRoot(root, name, O_RDONLY | O_CLOEXEC, os::Links::kNoLinks));
  const auto bytes = test::Must(os::ReadAll(file, 4096));
  return {bytes.begin(), bytes.end()};
}

TEST(RootMountsTest, ABindIsOpenedWithoutBeingMountedAnywhere) {
  test::InNamespaces(0, [] {
    const Layers layers;
    const std::vector mounts = {layers.Bind("one", {"ro"})};
    const os::Fd root = test::Must(OpenRoot(mounts));
    ASSERT_TRUE(root.valid());
    EXPECT_EQ(ReadBelow(root, "a"), "of one");
    EXPECT_TRUE(std::filesystem::is_empty(layers.bundle() + "/rootfs"));
    // Read-only holds before anybody attaches it.
    const auto written = os::OpenAt(root, "new", O_WRONLY | O_CREAT, 0600);
    ASSERT_FALSE(written);
    EXPECT_EQ(written.error().error_number(), EROFS);
  });
}

TEST(RootMountsTest, AnOverlayIsMadeOfItsLayersAndAttachedByWhoeverHasIt) {
  test::InNamespaces(0, [] {
    const Layers layers;
    const std::vector mounts = {layers.Overlay()};
    const os::Fd root = test::Must(OpenRoot(mounts));
    ASSERT_TRUE(root.valid());
    EXPECT_EQ(ReadBelow(root, "a") + ", " + ReadBelow(root, "b"), "of one, of two");
    const std::string path = layers.bundle() + "/rootfs";
    ASSERT_TRUE(os::AttachMount(root, test::Must(os::OpenAt(os::Fd(), path.c_str(), O_PATH))));
    test::WriteFile(path + "/c", "written");
    EXPECT_EQ(test::ReadFile(layers.Path("upper") + "/c"), "written");
  });
}

TEST(RootMountsTest, AnOverlayMayHaveMoreLayersThanAParameterHasRoom) {
  test::InNamespaces(0, [] {
    const Layers layers;
    RootMount mount = layers.Overlay();
    std::string lower = "lowerdir=" + layers.Path("one");
    for (int i = 0; i < 40; ++i) {
      const std::string name = layers.Path("layer" + std::to_string(i));
      std::filesystem::create_directories(name);
      lower += ":" + name;
    }
    test::WriteFile(layers.Path("layer39") + "/deepest", "there");
    mount.options[1] = lower;
    const std::vector mounts = {mount};
    const os::Fd root = test::Must(OpenRoot(mounts));
    ASSERT_TRUE(root.valid());
    EXPECT_EQ(ReadBelow(root, "deepest"), "there");
  });
}

TEST(RootMountsTest, SeveralMountsAreMadeUponEachOtherAndDetachedTogether) {
  test::InNamespaces(0, [] {
    const Layers layers;
    std::filesystem::create_directories(layers.Path("one/below"));
    RootMount below = layers.Bind("two", {});
    below.target = "/below";
    const std::vector mounts = {layers.Bind("one", {}), below};
    EXPECT_FALSE(test::Must(OpenRoot(mounts)).valid());
    test::Must(AttachRoot(layers.bundle(), mounts));
    const std::string root = layers.bundle() + "/rootfs";
    EXPECT_EQ(test::ReadFile(root + "/below/b"), "of two");
    test::Must(DetachRoot(layers.bundle()));
    EXPECT_TRUE(std::filesystem::is_empty(root));
    // Nothing there is no error.
    EXPECT_TRUE(DetachRoot(layers.bundle()));
    EXPECT_TRUE(DetachRoot("/no/such/bundle"));
  });
}

TEST(RootMountsTest, OfMountsThatFailNoneIsLeft) {
  test::InNamespaces(0, [] {
    const Layers layers;
    RootMount missing = layers.Bind("vanished", {});
    const std::vector mounts = {layers.Bind("one", {}), missing};
    const Status attached = AttachRoot(layers.bundle(), mounts);
    ASSERT_FALSE(attached);
    EXPECT_THAT(attached.error().message(), HasSubstr(layers.Path("vanished")));
    EXPECT_TRUE(std::filesystem::is_empty(layers.bundle() + "/rootfs"));
  });
}

TEST(RootMountsTest, WhatIsMissingOrUnknownIsNamed) {
  test::InNamespaces(0, [] {
    const Layers layers;
    const std::vector missing = {layers.Bind("vanished", {})};
    EXPECT_THAT(OpenRoot(missing).error().message(), HasSubstr(layers.Path("vanished")));
    const std::vector unknown = {
        RootMount{.type = "no-such-filesystem", .source = "x", .target = "", .options = {}}};
    EXPECT_THAT(OpenRoot(unknown).error().message(), HasSubstr("no-such-filesystem"));
    RootMount odd = layers.Overlay();
    odd.options.emplace_back("uidmap=0:1000");
    EXPECT_THAT(OpenRoot(std::vector{odd}).error().message(), HasSubstr("container:host:size"));
  });
}

TEST(RootMountsTest, AMappedRootShowsItsFilesAsTheUserNamespaceHasThem) {
  test::InNamespaces(0, [] {
    const Layers layers;
    RootMount mount = layers.Overlay();
    mount.options.emplace_back("uidmap=0:100000:65536");
    mount.options.emplace_back("gidmap=0:100000:65536");
    const std::vector mounts = {mount};
    const auto root = OpenRoot(mounts);
    if (!root && root.error().message().find("by its descriptor") != std::string::npos)
      GTEST_SKIP() << "needs overlays that take layers by descriptor (Linux 6.15)";
    ASSERT_TRUE(root) << root.error().message();
    const os::Fd file = test::Must(os::OpenInRoot(*root, "a", O_PATH, os::Links::kNoLinks));
    EXPECT_EQ(test::Must(os::Stat(file)).st_uid, 100000U);
  });
}

}  // namespace
}  // namespace wasmoor::sandbox
