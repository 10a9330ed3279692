#include "wasi/descriptor_table.h"

#include <fcntl.h>
#include <unistd.h>

#include "wasi/guest_for_test.h"

namespace wasmoor::wasi {
namespace {

Descriptor Null() {
  Descriptor descriptor;
  descriptor.file = os::Fd(open("/dev/null", O_RDWR | O_CLOEXEC));
  descriptor.origin = Origin::kOpened;
  return descriptor;
}

bool IsOpenInThisProcess(int file) { return fcntl(file, F_GETFD) >= 0; }

TEST(DescriptorTableTest, GivesTheLowestNumberThatIsFree) {
  DescriptorTable table(1000);
  for (Fd i = 0; i < 300; ++i) EXPECT_EQ(table.Insert(Null()), i);
  for (Fd i : {250u, 7u, 64u, 63u}) EXPECT_EQ(table.Close(i), Errno::kSuccess);
  for (Fd i : {7u, 63u, 64u, 250u, 300u}) EXPECT_EQ(table.Insert(Null()), i);
}

TEST(DescriptorTableTest, ClosesTheFileWithTheNumber) {
  DescriptorTable table(10);
  const Fd number = table.Insert(Null());
  const int file = table.Find(number)->file.get();
  EXPECT_TRUE(IsOpenInThisProcess(file));
  EXPECT_EQ(table.Close(number), Errno::kSuccess);
  EXPECT_FALSE(IsOpenInThisProcess(file));
  EXPECT_EQ(table.Find(number), nullptr);
  EXPECT_EQ(table.Close(number), Errno::kBadf);
}

TEST(DescriptorTableTest, RenumberingMovesAFileAndClosesWhatWasThere) {
  DescriptorTable table(10);
  const Fd from = table.Insert(Null());
  const Fd to = table.Insert(Null());
  const int moved = table.Find(from)->file.get();
  const int closed = table.Find(to)->file.get();
  EXPECT_EQ(table.Renumber(from, to), Errno::kSuccess);
  EXPECT_EQ(table.Find(from), nullptr);
  EXPECT_EQ(table.Find(to)->file.get(), moved);
  EXPECT_FALSE(IsOpenInThisProcess(closed));
  EXPECT_EQ(table.Renumber(to, to), Errno::kSuccess);
  EXPECT_EQ(table.Find(to)->file.get(), moved);
  EXPECT_EQ(table.Renumber(from, to), Errno::kBadf);
  EXPECT_EQ(table.Renumber(to, from), Errno::kBadf);
  EXPECT_EQ(table.Insert(Null()), from);
}

TEST(DescriptorTableTest, SaysWhetherADescriptorOrARightIsMissing) {
  DescriptorTable table(10);
  Descriptor reads = Null();
  reads.base = kRightFdRead | kRightFdSeek;
  const Fd number = table.Insert(std::move(reads));
  Descriptor* found = nullptr;
  EXPECT_EQ(table.Get(number, kRightFdRead, &found), Errno::kSuccess);
  EXPECT_EQ(table.Get(number, kRightFdRead | kRightFdWrite, &found), Errno::kNotcapable);
  EXPECT_EQ(table.Get(number + 1, 0, &found), Errno::kBadf);
  EXPECT_EQ(table.Get(0xffffffff, 0, &found), Errno::kBadf);
}

TEST(QuotaTest, AGuestCanOpenNoMoreThanItWasGranted) {
  ScratchDirectory directory;
  directory.Write("file", "");
  Grants grants = GrantDirectory(directory);
  grants.max_descriptors = 100;
  Guest guest(std::move(grants));
  Fd last = 0;
  for (int i = 4; i < 100; ++i) last = guest.Open("file");
  EXPECT_EQ(last, 99u);
  EXPECT_EQ(guest.TryOpen("file"), Errno::kMfile);
  // What is not opened is not made either.
  EXPECT_EQ(guest.TryOpen("new", kOflagCreat), Errno::kMfile);
  EXPECT_FALSE(std::filesystem::exists(directory / "new"));
  EXPECT_EQ(guest.Call("fd_close", 50), Errno::kSuccess);
  EXPECT_EQ(guest.Open("file"), 50u);
}

TEST(QuotaTest, AContextClosesAllThatItsGuestHolds) {
  ScratchDirectory directory;
  directory.Write("file", "");
  int held = -1;
  {
    Guest guest(directory);
    const Fd file = guest.Open("file");
    held = guest.context().descriptors().Find(file)->file.get();
    EXPECT_TRUE(IsOpenInThisProcess(held));
    EXPECT_EQ(fcntl(held, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
  }
  EXPECT_FALSE(IsOpenInThisProcess(held));
}

TEST(ContextTest, RefusesGrantsThatCannotBeExpressedAndNamesThem) {
  const auto refusal = [](Grants grants) {
    const auto context = Context::Create(std::move(grants));
    EXPECT_FALSE(context.has_value());
    if (context) return std::string();
    EXPECT_EQ(context.error().code(), Code::kInvalidArgument);
    return context.error().message();
  };
  Grants grants;
  grants.arguments = {"program", std::string("a\0b", 3)};
  EXPECT_NE(refusal(std::move(grants)).find("argument 1"), std::string::npos);
  grants = {};
  grants.environment = {{"A=B", "c"}};
  EXPECT_NE(refusal(std::move(grants)).find("A=B"), std::string::npos);
  grants = {};
  grants.environment = {{"", "c"}};
  EXPECT_NE(refusal(std::move(grants)).find("variable ''"), std::string::npos);
  grants = {};
  grants.environment = {{"NAME", std::string("\0", 1)}};
  EXPECT_NE(refusal(std::move(grants)).find("NAME"), std::string::npos);
  grants = {};
  grants.preopens.push_back({"/srv/data", "/data", Access::kReadOnly, os::Fd()});
  EXPECT_NE(refusal(std::move(grants)).find("/srv/data"), std::string::npos);
  grants = {};
  grants.listeners.push_back({"127.0.0.1:80", os::Fd()});
  EXPECT_NE(refusal(std::move(grants)).find("127.0.0.1:80"), std::string::npos);
}

}  // namespace
}  // namespace wasmoor::wasi
