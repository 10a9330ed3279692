#include <gmock/gmock.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <map>
#include <set>

#include "wasi/guest_for_test.h"

namespace wasmoor::wasi {
namespace {

TEST(Preview1Test, HasThe46FunctionsWithTheirSignatures) {
  // Parameters and results as the witx text lowers to core types: i is i32, I is i64.
  const std::map<std::string, std::string> expected = {
      {"args_get", "ii>i"},
      {"args_sizes_get", "ii>i"},
      {"environ_get", "ii>i"},
      {"environ_sizes_get", "ii>i"},
      {"clock_res_get", "ii>i"},
      {"clock_time_get", "iIi>i"},
      {"fd_advise", "iIIi>i"},
      {"fd_allocate", "iII>i"},
      {"fd_close", "i>i"},
      {"fd_datasync", "i>i"},
      {"fd_fdstat_get", "ii>i"},
      {"fd_fdstat_set_flags", "ii>i"},
      {"fd_fdstat_set_rights", "iII>i"},
      {"fd_filestat_get", "ii>i"},
      {"fd_filestat_set_size", "iI>i"},
      {"fd_filestat_set_times", "iIIi>i"},
      {"fd_pread", "iiiIi>i"},
      {"fd_prestat_get", "ii>i"},
      {"fd_prestat_dir_name", "iii>i"},
      {"fd_pwrite", "iiiIi>i"},
      {"fd_read", "iiii>i"},
      {"fd_readdir", "iiiIi>i"},
      {"fd_renumber", "ii>i"},
      {"fd_seek", "iIii>i"},
      {"fd_sync", "i>i"},
      {"fd_tell", "ii>i"},
      {"fd_write", "iiii>i"},
      {"path_create_directory", "iii>i"},
      {"path_filestat_get", "iiiii>i"},
      {"path_filestat_set_times", "iiiiIIi>i"},
      {"path_link", "iiiiiii>i"},
      {"path_open", "iiiiiIIii>i"},
      {"path_readlink", "iiiiii>i"},
      {"path_remove_directory", "iii>i"},
      {"path_rename", "iiiiii>i"},
      {"path_symlink", "iiiii>i"},
      {"path_unlink_file", "iii>i"},
      {"poll_oneoff", "iiii>i"},
      {"proc_exit", "i>"},
      {"proc_raise", "i>i"},
      {"sched_yield", ">i"},
      {"random_get", "ii>i"},
      {"sock_accept", "iii>i"},
      {"sock_recv", "iiiiii>i"},
      {"sock_send", "iiiii>i"},
      {"sock_shutdown", "ii>i"},
  };
  std::map<std::string, std::string> found;
  const auto spell = [](const std::vector<hostcall::ValueType>& types) {
    std::string text;
    for (hostcall::ValueType type : types) text += type == hostcall::ValueType::kI32 ? 'i' : 'I';
    return text;
  };
  for (const hostcall::Function& function : Preview1()) {
    EXPECT_EQ(function.module, "wasi_snapshot_preview1");
    found[std::string(function.name)] =
        spell(function.signature.params) + ">" + spell(function.signature.results);
  }
  EXPECT_EQ(found, expected);
  EXPECT_EQ(Preview1().size(), 46u);
}

TEST(Preview1Test, EveryFunctionEndsAGuestThatWasAskedToEnd) {
  Guest guest;
  guest.interrupt().Request(hostcall::StopReason::kDeadline);
  for (const hostcall::Function& function : Preview1()) {
    std::array<hostcall::Value, 16> frame = {};
    hostcall::Call call{hostcall::Memory(guest.memory().data(), guest.memory().size()), frame,
                        guest.interrupt()};
    EXPECT_EQ(function.handler(&guest.context(), call), hostcall::Outcome::kStopped)
        << function.name;
  }
}

// Calls every function with every combination of hostile values in the parameters that could be
// pointers or lengths, in a memory with guarded surroundings.
class HostileValuesTest : public testing::Test {
 protected:
  static constexpr size_t kGuard = 4096;
  static constexpr size_t kMemory = 65536;

  HostileValuesTest() : surroundings_(kGuard + kMemory + kGuard, 0xa5) {
    directory_.Write("file", "some text that can be read");
    std::filesystem::create_directory(directory_ / "sub");
    Reset();
  }

  void Reset() {
    Grants grants = GrantDirectory(directory_);
    grants.arguments = {"program", "argument"};
    grants.environment = {{"NAME", "value"}};
    int pair[2];
    ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair), 0);
    grants.listeners.push_back({"pair", os::Fd(pair[0])});
    peer_ = os::Fd(pair[1]);
    context_ = std::move(*Context::Create(std::move(grants)));
    DescriptorTable& table = context_->descriptors();
    for (const char* name : {"file", "sub"}) {
      Descriptor opened;
      opened.file = os::Fd(open((directory_ / name).c_str(), O_RDONLY | O_CLOEXEC));
      opened.origin = Origin::kOpened;
      opened.base = opened.inheriting = ~Rights{0};
      table.Insert(std::move(opened));
    }
    std::fill(memory(), memory() + kMemory, 0);
    // At 0 a list of buffers of every badness; at the end a text that ends with the memory.
    const Iovec list[] = {{0, 0},
                          {kMemory - 1, 1},
                          {kMemory - 1, 2},
                          {0xffffffff, 0xffffffff},
                          {0, 0xffffffff},
                          {0, 8},
                          {4, 8}};
    std::memcpy(memory(), list, sizeof(list));
    std::memcpy(memory() + kMemory - 4, "file", 4);
  }

  uint8_t* memory() { return surroundings_.data() + kGuard; }

  bool SurroundingsAreWhole() {
    const auto whole = [](const uint8_t* at) {
      return std::all_of(at, at + kGuard, [](uint8_t byte) { return byte == 0xa5; });
    };
    return whole(surroundings_.data()) && whole(memory() + kMemory);
  }

  ScratchDirectory directory_;
  std::vector<uint8_t> surroundings_;
  std::unique_ptr<Context> context_;
  os::Fd peer_;
  hostcall::Interrupt interrupt_;
};

TEST_F(HostileValuesTest, NeverCrashNorTouchWhatIsOutsideTheMemory) {
  const int64_t values[] = {0, 1, 3, kMemory - 4, kMemory - 1, kMemory, 0x7fffffff, 0xffffffff};
  const Fd descriptors[] = {0, 3, 4, 5, 6, 99, 0xffffffff};
  uint64_t state = 1;
  int calls = 0;
  std::set<Errno> seen;
  for (const hostcall::Function& function : Preview1()) {
    const bool first_is_descriptor =
        function.name.starts_with("fd_") || function.name.starts_with("sock_") ||
        (function.name.starts_with("path_") && function.name != "path_symlink");
    for (int round = 0; round < 600; ++round) {
      // Two parameters at a time run through everything; a linear congruence picks the rest.
      std::array<hostcall::Value, 16> frame = {};
      for (size_t i = 0; i < function.signature.params.size(); ++i) {
        state = state * 6364136223846793005u + 1442695040888963407u;
        frame[i].i64 = i == 0 && first_is_descriptor
                           ? descriptors[(state >> 33) % std::size(descriptors)]
                           : values[(state >> 33) % std::size(values)];
      }
      hostcall::Call call{hostcall::Memory(memory(), kMemory), frame, interrupt_};
      // A sleep for ever is what a guest may ask for; here it would be waited for.
      if (function.name == "poll_oneoff" && frame[0].i64 != 0) continue;
      const hostcall::Outcome outcome = function.handler(context_.get(), call);
      ++calls;
      if (outcome == hostcall::Outcome::kReturned) {
        EXPECT_GE(frame[0].i32, 0) << function.name;
        EXPECT_LE(frame[0].i32, 76) << function.name;
        seen.insert(static_cast<Errno>(frame[0].i32));
      } else {
        EXPECT_THAT(function.name, testing::AnyOf("proc_exit", "proc_raise"));
      }
    }
    ASSERT_TRUE(SurroundingsAreWhole()) << function.name;
    Reset();
  }
  EXPECT_GT(calls, 46 * 100);
  EXPECT_TRUE(seen.contains(Errno::kFault));
  EXPECT_TRUE(seen.contains(Errno::kSuccess));
}

// Where each function takes a pointer: everything else is right, so that the pointer decides.
struct PointerCase {
  const char* name;
  std::vector<int64_t> arguments;
  size_t pointer;  // Which argument is replaced.
  size_t size;     // How many bytes from there on the call touches.
};

class PointersTest : public HostileValuesTest, public testing::WithParamInterface<PointerCase> {};

TEST_P(PointersTest, AreGoodToTheLastByteAndAFaultBeyondIt) {
  const PointerCase& test = GetParam();
  const hostcall::Function* function = Guest::Find(test.name);
  ASSERT_NE(function, nullptr);
  ASSERT_EQ(function->signature.params.size(), test.arguments.size());
  const auto call_with = [&](uint32_t pointer) {
    Reset();
    std::memset(memory(), 0, 256);
    std::memset(memory() + kMemory - 256, 0, 256);
    std::memcpy(memory() + 1024, "newname", 7);
    std::array<hostcall::Value, 16> frame = {};
    for (size_t i = 0; i < test.arguments.size(); ++i) frame[i].i64 = test.arguments[i];
    frame[test.pointer].i64 = pointer;
    hostcall::Call call{hostcall::Memory(memory(), kMemory), frame, interrupt_};
    EXPECT_EQ(function->handler(context_.get(), call), hostcall::Outcome::kReturned);
    return static_cast<Errno>(frame[0].i32);
  };
  const auto size = static_cast<uint32_t>(test.size);
  EXPECT_NE(call_with(kMemory - size), Errno::kFault) << "the last bytes of the memory";
  for (uint32_t bad : {static_cast<uint32_t>(kMemory) - size + 1, static_cast<uint32_t>(kMemory),
                       0x7fffffffu, 0x80000000u, 0u - size, 0xffffffffu}) {
    EXPECT_EQ(call_with(bad), Errno::kFault) << test.name << " at " << bad;
  }
  EXPECT_TRUE(SurroundingsAreWhole());
}

constexpr int64_t kOut = 64;     // A good place for a result.
constexpr int64_t kName = 1024;  // "newname" is there.
constexpr int64_t kBuffer = 4096;

INSTANTIATE_TEST_SUITE_P(
    EachPointer, PointersTest,
    testing::Values(PointerCase{"args_get", {kOut, kBuffer}, 0, 8},
                    PointerCase{"args_get", {kOut, kBuffer}, 1, 17},
                    PointerCase{"args_sizes_get", {kOut, kOut + 8}, 0, 4},
                    PointerCase{"args_sizes_get", {kOut, kOut + 8}, 1, 4},
                    PointerCase{"environ_get", {kOut, kBuffer}, 0, 4},
                    PointerCase{"environ_get", {kOut, kBuffer}, 1, 11},
                    PointerCase{"environ_sizes_get", {kOut, kOut + 8}, 0, 4},
                    PointerCase{"environ_sizes_get", {kOut, kOut + 8}, 1, 4},
                    PointerCase{"clock_res_get", {0, kOut}, 1, 8},
                    PointerCase{"clock_time_get", {0, 0, kOut}, 2, 8},
                    PointerCase{"fd_fdstat_get", {3, kOut}, 1, 24},
                    PointerCase{"fd_filestat_get", {3, kOut}, 1, 64},
                    PointerCase{"fd_pread", {5, 0, 1, 0, kOut}, 1, 8},
                    PointerCase{"fd_pread", {5, 0, 1, 0, kOut}, 4, 4},
                    PointerCase{"fd_prestat_get", {3, kOut}, 1, 8},
                    PointerCase{"fd_prestat_dir_name", {3, kOut, 1}, 1, 1},
                    PointerCase{"fd_pwrite", {5, 0, 1, 0, kOut}, 1, 8},
                    PointerCase{"fd_pwrite", {5, 0, 1, 0, kOut}, 4, 4},
                    PointerCase{"fd_read", {5, 0, 1, kOut}, 1, 8},
                    PointerCase{"fd_read", {5, 0, 1, kOut}, 3, 4},
                    PointerCase{"fd_readdir", {3, kBuffer, 100, 0, kOut}, 1, 100},
                    PointerCase{"fd_readdir", {3, kBuffer, 100, 0, kOut}, 4, 4},
                    PointerCase{"fd_seek", {5, 0, 0, kOut}, 3, 8},
                    PointerCase{"fd_tell", {5, kOut}, 1, 8},
                    PointerCase{"fd_write", {1, 0, 1, kOut}, 1, 8},
                    PointerCase{"fd_write", {1, 0, 1, kOut}, 3, 4},
                    PointerCase{"path_create_directory", {3, kName, 4}, 1, 4},
                    PointerCase{"path_filestat_get", {3, 0, kName, 4, kOut}, 2, 4},
                    PointerCase{"path_filestat_get", {3, 0, kName, 7, kOut}, 4, 64},
                    PointerCase{"path_filestat_set_times", {3, 0, kName, 4, 0, 0, 0}, 2, 4},
                    PointerCase{"path_link", {3, 0, kName, 4, 3, kName, 7}, 2, 4},
                    PointerCase{"path_link", {3, 0, kName, 7, 3, kName, 4}, 5, 4},
                    PointerCase{"path_open", {3, 0, kName, 4, 0, 0, 0, 0, kOut}, 2, 4},
                    PointerCase{"path_open", {3, 0, kName, 7, 0, 0, 0, 0, kOut}, 8, 4},
                    PointerCase{"path_readlink", {3, kName, 4, kBuffer, 100, kOut}, 1, 4},
                    PointerCase{"path_readlink", {3, kName, 7, kBuffer, 100, kOut}, 3, 100},
                    PointerCase{"path_readlink", {3, kName, 7, kBuffer, 100, kOut}, 5, 4},
                    PointerCase{"path_remove_directory", {3, kName, 4}, 1, 4},
                    PointerCase{"path_rename", {3, kName, 4, 3, kName, 7}, 1, 4},
                    PointerCase{"path_rename", {3, kName, 7, 3, kName, 4}, 4, 4},
                    PointerCase{"path_symlink", {kName, 4, 3, kName, 7}, 0, 4},
                    PointerCase{"path_symlink", {kName, 7, 3, kName, 4}, 3, 4},
                    PointerCase{"path_unlink_file", {3, kName, 4}, 1, 4},
                    PointerCase{"poll_oneoff", {0, kBuffer, 1, kOut}, 0, 48},
                    PointerCase{"poll_oneoff", {0, kBuffer, 1, kOut}, 1, 32},
                    PointerCase{"poll_oneoff", {0, kBuffer, 1, kOut}, 3, 4},
                    PointerCase{"random_get", {kBuffer, 100}, 0, 100},
                    PointerCase{"sock_accept", {4, 0, kOut}, 2, 4},
                    PointerCase{"sock_recv", {5, 0, 1, 0, kOut, kOut + 8}, 1, 8},
                    PointerCase{"sock_recv", {5, 0, 1, 0, kOut, kOut + 8}, 4, 4},
                    PointerCase{"sock_recv", {5, 0, 1, 0, kOut, kOut + 8}, 5, 2},
                    PointerCase{"sock_send", {5, 0, 1, 0, kOut}, 1, 8},
                    PointerCase{"sock_send", {5, 0, 1, 0, kOut}, 4, 4}),
    [](const testing::TestParamInfo<PointerCase>& info) {
      return std::string(info.param.name) + "_" + std::to_string(info.param.pointer) + "_" +
             std::to_string(info.index);
    });

TEST_F(HostileValuesTest, ResultsMayOverlapWhatIsReadAndEachOther) {
  Guest guest(directory_);
  const Fd file = guest.Open("file");
  // The buffer is the list that names it, and the count is stored over both.
  guest.Put(Guest::kList, Iovec{Guest::kList, 26});
  EXPECT_EQ(guest.Call("fd_read", file, Guest::kList, 1, Guest::kList), Errno::kSuccess);
  EXPECT_EQ(guest.Result(Guest::kList), 26u);
  EXPECT_EQ(guest.Text(Guest::kList + 4, 22), " text that can be read");
  // Two buffers that overlap: the second is filled last.
  guest.Put(Guest::kList, std::array{Iovec{Guest::kData, 8}, Iovec{Guest::kData + 4, 8}});
  EXPECT_EQ(guest.Call("fd_pread", file, Guest::kList, 2, 0, guest.kOut), Errno::kSuccess);
  EXPECT_EQ(guest.Text(Guest::kData, 12), "somet that c");
  EXPECT_EQ(guest.Result(), 16u);
  // Count and bytes of the arguments at the same place: the call returns.
  EXPECT_EQ(guest.Call("args_sizes_get", Guest::kOut, Guest::kOut), Errno::kSuccess);
}

TEST_F(HostileValuesTest, AListLongerThanTheMemoryIsAFault) {
  Guest guest(directory_);
  const Fd file = guest.Open("file");
  for (uint32_t count : {0x20000001u, 0x80000000u, 0xffffffffu}) {
    EXPECT_EQ(guest.Call("fd_read", file, 0, count, Guest::kOut), Errno::kFault);
    EXPECT_EQ(guest.Call("sock_recv", file, 0, count, 0, Guest::kOut, Guest::kOut), Errno::kFault);
    EXPECT_EQ(guest.Call("poll_oneoff", 0, 0, count, Guest::kOut), Errno::kInval);
  }
}

TEST(NoMemoryTest, AGuestWithoutMemoryIsToldFault) {
  Guest guest;
  for (const hostcall::Function& function : Preview1()) {
    std::array<hostcall::Value, 16> frame = {};
    hostcall::Call call{hostcall::Memory(), frame, guest.interrupt()};
    const hostcall::Outcome outcome = function.handler(&guest.context(), call);
    if (function.name == "proc_exit") {
      EXPECT_EQ(outcome, hostcall::Outcome::kExited);
    } else {
      EXPECT_EQ(outcome, hostcall::Outcome::kReturned) << function.name;
    }
  }
}

}  // namespace
}  // namespace wasmoor::wasi
