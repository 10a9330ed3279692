#include "wasmoor/os/process.h"

#include <fcntl.h>
#include <gtest/gtest.h>

#include <string_view>

#include "support/child.h"
#include "wasmoor/os/file.h"

namespace wasmoor::os {
namespace {

constexpr std::string_view kText = "of the other process";

// A process that has one file which this one has not, and says as which descriptor.
class CopyDescriptorTest : public ::testing::Test {
 protected:
  CopyDescriptorTest() {
    if (::pipe2(ends_, O_CLOEXEC) != 0) abort();
  }
  ~CopyDescriptorTest() override {
    ::close(ends_[0]);
    ::close(ends_[1]);
  }

  int OpenAndSay() const {
    const auto file =
        FileInMemory("other", {reinterpret_cast<const uint8_t*>(kText.data()), kText.size()});
    if (!file) return 1;
    const int number = file->get();
    if (::write(ends_[1], &number, sizeof(number)) != sizeof(number)) return 2;
    for (;;) ::pause();
  }
  int Hear() const {
    int number = -1;
    EXPECT_EQ(::read(ends_[0], &number, sizeof(number)), ssize_t{sizeof(number)});
    return number;
  }

  int ends_[2] = {-1, -1};
};

TEST_F(CopyDescriptorTest, TheCopyIsTheSameFileAndClosesOnExec) {
  const test::Child child([this] { return OpenAndSay(); });
  const auto process = OpenProcess(child.pid());
  ASSERT_TRUE(process) << process.error().message();
  const auto copy = CopyDescriptor(*process, Hear());
  ASSERT_TRUE(copy) << copy.error().message();
  const auto bytes = ReadAll(*copy, 100);
  ASSERT_TRUE(bytes);
  EXPECT_EQ(std::string(bytes->begin(), bytes->end()), kText);
  EXPECT_EQ(::fcntl(copy->get(), F_GETFD), FD_CLOEXEC);
}

TEST_F(CopyDescriptorTest, ADescriptorThatIsNotOpenAndAProcessThatHasEndedAreErrors) {
  test::Child child([this] { return OpenAndSay(); });
  const auto process = OpenProcess(child.pid());
  ASSERT_TRUE(process);
  Hear();
  const auto unused = CopyDescriptor(*process, 1'000'000);
  ASSERT_FALSE(unused);
  EXPECT_EQ(unused.error().error_number(), EBADF);
  EXPECT_EQ(unused.error().message().rfind("descriptor 1000000 of another process", 0), 0U);
  child.Kill();
  const auto ended = CopyDescriptor(*process, 0);
  ASSERT_FALSE(ended);
  EXPECT_EQ(ended.error().code(), Code::kNotFound);
}

TEST_F(CopyDescriptorTest, AProcessThatMayNotBeTracedKeepsItsDescriptors) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs root, to become somebody else";
  const test::Child owner([this] { return OpenAndSay(); });
  const int number = Hear();
  EXPECT_EQ(test::InChild([&] {
              if (::setgid(65534) != 0 || ::setuid(65534) != 0) return 1;
              const auto process = OpenProcess(owner.pid());
              if (!process) return 2;
              const auto copy = CopyDescriptor(*process, number);
              return !copy && copy.error().code() == Code::kPermissionDenied ? 0 : 3;
            }),
            "exit 0");
}

}  // namespace
}  // namespace wasmoor::os
