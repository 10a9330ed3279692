#include "cmd/shim_line/address.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <filesystem>
#include <thread>

#include "support/result.h"
#include "support/scratch.h"

namespace wasmoor::cmd {
namespace {

using test::Must;
using test::ScratchDirectory;
using testing::HasSubstr;

// In a bundle, which is the current directory.
class AddressTest : public testing::Test {
 protected:
  AddressTest() { std::filesystem::current_path(bundle_.path()); }
  ~AddressTest() override { std::filesystem::current_path(before_); }

  std::string Socket() const { return (bundle_ / "s/socket").string(); }

  std::filesystem::path before_ = std::filesystem::current_path();
  ScratchDirectory bundle_;
};

TEST_F(AddressTest, GroupsByAnnotations) {
  EXPECT_EQ(Must(GroupOf("c1")), "c1");  // A pod's own bundle may have no configuration.
  bundle_.Write("config.json", R"({"annotations": {"a": "b"}, "process": {"args": ["x"]}})");
  EXPECT_EQ(Must(GroupOf("c1")), "c1");
  bundle_.Write("config.json",
                R"({"process": {"annotations": {"io.kubernetes.cri.sandbox-id": "no"}},
                    "annotations": {"io.kubernetes.cri.sandbox-id": "pod1"}})");
  EXPECT_EQ(Must(GroupOf("c1")), "pod1");
  bundle_.Write("config.json", R"({"annotations": {"io.kubernetes.cri.sandbox-id": "pod1",
                                                   "io.containerd.runc.v2.group": "group1"}})");
  EXPECT_EQ(Must(GroupOf("c1")), "group1");
}

// Whether it is a configuration at all is found out by who makes the container.
TEST_F(AddressTest, TakesABrokenConfigurationForOneWithoutAGroup) {
  for (const char* text : {"", "{", "[]", "\xff", R"({"annotations": 3})",
                           R"({"annotations": {"io.containerd.runc.v2.group": 3}})"}) {
    bundle_.Write("config.json", text);
    EXPECT_EQ(Must(GroupOf("c1")), "c1") << text;
  }
}

TEST(SocketNameTest, IsContainerdsHash) {
  const SocketName name = {.directory = "",
                           .containerd_address = "/run/containerd/containerd.sock",
                           .name_space = "default",
                           .group = "c1"};
  // echo -n /run/containerd/containerd.sock/default/c1 | sha256sum
  EXPECT_EQ(Must(name.Path()),
            "/run/containerd/s/"
            "d25aa4ef11a84e954e74a5bcff06557d0b6ea8d0c00243896f29826694bbd888");
}

TEST(SocketNameTest, IsDifferentInTwoNamespacesAndForIdsOf64Characters) {
  const std::string id(64, 'f');
  const SocketName one = {
      .directory = "/s", .containerd_address = "/c.sock", .name_space = "a", .group = id};
  SocketName other = one;
  other.name_space = "b";
  EXPECT_NE(Must(one.Path()), Must(other.Path()));
  EXPECT_LE(Must(one.Path()).size(), 106u);
}

TEST(SocketNameTest, RefusesADirectoryThatIsTooLong) {
  const SocketName name = {.directory = "/" + std::string(42, 'd'),
                           .containerd_address = "/c.sock",
                           .name_space = "a",
                           .group = "c1"};
  const auto path = name.Path();
  ASSERT_FALSE(path.has_value());
  EXPECT_THAT(path.error().message(), HasSubstr("108 characters, and 106 is the most"));
}

TEST_F(AddressTest, ClaimsASocketOnceForThisUserAlone) {
  const Claim first = Must(ClaimSocket(Socket()));
  EXPECT_FALSE(first.is_served);
  struct stat status;
  ASSERT_EQ(::stat(Socket().c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0600u);
  EXPECT_TRUE(IsSocketServed(Socket()));
  EXPECT_TRUE(Must(ClaimSocket(Socket())).is_served);
}

TEST_F(AddressTest, TakesOverASocketThatNobodyServes) {
  {
    const Claim ended = Must(ClaimSocket(Socket()));
  }
  EXPECT_FALSE(IsSocketServed(Socket()));
  const Claim second = Must(ClaimSocket(Socket()));
  EXPECT_FALSE(second.is_served);
  EXPECT_TRUE(IsSocketServed(Socket()));
  Must(RemoveDeadSocket(Socket()));
  EXPECT_TRUE(IsSocketServed(Socket()));
}

TEST_F(AddressTest, RemovesASocketThatNobodyServes) {
  {
    const Claim ended = Must(ClaimSocket(Socket()));
  }
  Must(RemoveDeadSocket(Socket()));
  EXPECT_FALSE(std::filesystem::exists(Socket()));
  Must(RemoveDeadSocket(Socket()));
}

// As a process that is being killed does, which still has the socket when the shim is cleared away.
TEST_F(AddressTest, RemovesASocketThatIsClosedWithoutAnAnswer) {
  Claim ending = Must(ClaimSocket(Socket()));
  std::thread closing([&] {
    const os::Fd asked(::accept(ending.listening.get(), nullptr, nullptr));
    ending.listening = os::Fd();
  });
  Must(RemoveDeadSocket(Socket()));
  closing.join();
  EXPECT_FALSE(std::filesystem::exists(Socket()));
}

TEST_F(AddressTest, IsNotedInTheBundle) {
  Must(WriteAddress("/run/s/x"));
  EXPECT_EQ(bundle_.Read("address"), "unix:///run/s/x");
  EXPECT_EQ(Must(ReadAddress(bundle_.path().string())), "/run/s/x");
  bundle_.Write("address", "elsewhere");
  EXPECT_FALSE(ReadAddress(bundle_.path().string()).has_value());
}

}  // namespace
}  // namespace wasmoor::cmd
