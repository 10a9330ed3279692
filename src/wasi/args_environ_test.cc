#include "wasi/guest_for_test.h"

namespace wasmoor::wasi {
namespace {

TEST(ArgsTest, AreCountedAndThenLaidOut) {
  Grants grants;
  grants.arguments = {"program", "", "ünï"};
  Guest guest(std::move(grants));
  EXPECT_EQ(guest.Call("args_sizes_get", Guest::kOut, Guest::kOut + 4), Errno::kSuccess);
  EXPECT_EQ(guest.Result(), 3u);
  EXPECT_EQ(guest.Result(Guest::kOut + 4), 15u);
  EXPECT_EQ(guest.Call("args_get", Guest::kOut, Guest::kData), Errno::kSuccess);
  EXPECT_EQ(guest.Text(Guest::kData, 15), std::string("program\0\0ünï\0", 15));
  EXPECT_EQ(guest.Result(Guest::kOut), Guest::kData);
  EXPECT_EQ(guest.Result(Guest::kOut + 4), Guest::kData + 8);
  EXPECT_EQ(guest.Result(Guest::kOut + 8), Guest::kData + 9);
}

TEST(EnvironTest, IsNamesAndValuesInTheOrderGranted) {
  Grants grants;
  grants.environment = {{"B", "1"}, {"A", "x=y"}, {"EMPTY", ""}};
  Guest guest(std::move(grants));
  EXPECT_EQ(guest.Call("environ_sizes_get", Guest::kOut, Guest::kOut + 4), Errno::kSuccess);
  EXPECT_EQ(guest.Result(), 3u);
  EXPECT_EQ(guest.Result(Guest::kOut + 4), 17u);
  EXPECT_EQ(guest.Call("environ_get", Guest::kOut, Guest::kData), Errno::kSuccess);
  EXPECT_EQ(guest.Text(Guest::kData, 17), std::string("B=1\0A=x=y\0EMPTY=\0", 17));
  EXPECT_EQ(guest.Result(Guest::kOut + 4), Guest::kData + 4);
  EXPECT_EQ(guest.Result(Guest::kOut + 8), Guest::kData + 10);
}

TEST(ArgsTest, AreNoneUnlessGranted) {
  Guest guest;
  guest.Put(Guest::kOut, uint64_t{0xffffffffffffffff});
  EXPECT_EQ(guest.Call("args_sizes_get", Guest::kOut, Guest::kOut + 4), Errno::kSuccess);
  EXPECT_EQ(guest.Result<uint64_t>(), 0u);
  EXPECT_EQ(guest.Call("environ_sizes_get", Guest::kOut, Guest::kOut + 4), Errno::kSuccess);
  EXPECT_EQ(guest.Result<uint64_t>(), 0u);
  EXPECT_EQ(guest.Call("args_get", Guest::kOut, Guest::kData), Errno::kSuccess);
}

TEST(ArgsTest, NothingIsWrittenIfOneOfTheTwoPlacesIsOutside) {
  Grants grants;
  grants.arguments = {"program"};
  Guest guest(std::move(grants));
  EXPECT_EQ(guest.Call("args_get", Guest::kOut, Guest::kMemory - 7), Errno::kFault);
  EXPECT_EQ(guest.Result(), 0u);
  EXPECT_EQ(guest.Call("args_get", Guest::kMemory - 3, Guest::kData), Errno::kFault);
  EXPECT_EQ(guest.Text(Guest::kData, 7), std::string(7, '\0'));
}

}  // namespace
}  // namespace wasmoor::wasi
