// SIGKILL at every moment of compiling and publishing, on filesystems with and without O_TMPFILE.

#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include <atomic>
#include <cstddef>
#include <random>

#include "cache/support.h"
#include "wasmoor/wasm/cache.h"

namespace wasmoor::wasm {
namespace {

using std::chrono::microseconds;
using test::BytesOf;
using test::Child;
using test::Must;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr int kRounds = 150;

// From here on, a system call `number` whose argument `index` has one of `bits` fails with
// `error_number` in this process: a kernel or a filesystem that lacks something.
void MakeFail(int number, unsigned index, uint32_t bits, uint16_t error_number) {
  sock_filter code[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, static_cast<uint32_t>(number), 0, 3),
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
               static_cast<uint32_t>(offsetof(seccomp_data, args) + index * sizeof(uint64_t))),
      BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, bits, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | error_number),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  const sock_fprog program = {.len = std::size(code), .filter = code};
  ASSERT_EQ(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
  ASSERT_EQ(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program), 0);
}

// The one bit of O_TMPFILE that is not O_DIRECTORY.
constexpr uint32_t kUnnamed = O_TMPFILE & ~O_DIRECTORY;

enum class Files { kUnnamed, kNamed };

class CrashTest : public test::CacheFixture, public ::testing::WithParamInterface<Files> {
 protected:
  CrashTest() {
    engine.behaviour.code_bytes = 2'000'000;
    engine.behaviour.duration = microseconds(300);
  }
  static void LimitFilesystem() {
    if (GetParam() == Files::kNamed) MakeFail(SYS_openat, 2, kUnnamed, EOPNOTSUPP);
  }
};

TEST_P(CrashTest, AKillAtAnyMomentLeavesAWholeEntryOrNone) {
  const Cache cache = Open();
  std::mt19937 random(20240229);  // The same moments every time, as far as the machine goes.
  std::vector<uint8_t> wasm;
  const auto load = [&] {
    LimitFilesystem();
    static_cast<void>(Open().Load(engine, wasm, Policy::kOptimized));
  };
  // Kills come within twice the time that a whole load takes here, at best.
  auto longest = microseconds::max();
  for (int i = 0; i < 5; ++i) {
    wasm = BytesOf(fmt::format("timed {}", i));
    const auto start = Clock::now();
    EXPECT_EQ(Child(load).Wait(), "exit 0");
    const auto took = std::chrono::duration_cast<microseconds>(Clock::now() - start);
    longest = std::min(longest, 2 * took);
  }
  int whole = 0, leftovers = 0;
  for (int round = 0; round < kRounds; ++round) {
    wasm = BytesOf(std::to_string(round));
    {
      const Child child(load);
      std::this_thread::sleep_for(microseconds(random() % static_cast<unsigned>(longest.count())));
    }
    leftovers += static_cast<int>(test::FilesIn(directory, ".tmp").size());
    for (const auto& entry : Must(cache.Verify())) EXPECT_EQ(entry.damage, "");
    const auto found = Load(cache, wasm);
    EXPECT_EQ(found.warning, "");
    whole += found.source == Source::kHit;
    static_cast<void>(Must(cache.Prune(0, std::nullopt)));
    EXPECT_THAT(test::FilesIn(directory), IsEmpty());
  }
  RecordProperty("whole", whole);
  RecordProperty("leftovers", leftovers);
  EXPECT_GT(whole, 0) << "every kill came too early to say anything";
  EXPECT_LT(whole, kRounds) << "every kill came too late to say anything";
}

TEST_P(CrashTest, PublishesWithoutALeftover) {
  Child child([&] {
    LimitFilesystem();
    EXPECT_EQ(Load(Open(), BytesOf("module")).warning, "");
  });
  EXPECT_EQ(child.Wait(), "exit 0");
  EXPECT_EQ(Load(Open(), BytesOf("module")).source, Source::kHit);
  EXPECT_THAT(test::FilesIn(directory), SizeIs(1));
}

TEST_P(CrashTest, PruneTakesNothingFromAWriterAtWork) {
  engine.behaviour.code_bytes = 8'000'000;
  std::atomic<bool> done = false;
  const Cache cache = Open();
  for (int round = 0; round < 5; ++round) {
    Child child([&] {
      LimitFilesystem();
      EXPECT_EQ(Load(Open(), BytesOf(std::to_string(round))).warning, "");
    });
    std::jthread pruner([&] {
      while (!done) static_cast<void>(Must(cache.Prune(UINT64_MAX, std::nullopt)));
    });
    EXPECT_EQ(child.Wait(), "exit 0");
    done = true;
    pruner.join();
    done = false;
    EXPECT_EQ(Load(cache, BytesOf(std::to_string(round))).source, Source::kHit);
  }
}

INSTANTIATE_TEST_SUITE_P(OnFilesystems, CrashTest,
                         ::testing::Values(Files::kUnnamed, Files::kNamed), [](const auto& info) {
                           return info.param == Files::kUnnamed ? "WithUnnamedFiles"
                                                                : "WithoutUnnamedFiles";
                         });

class LinkTest : public test::CacheFixture {};

TEST_F(LinkTest, PublishesWithoutTheCapabilityToLinkADescriptor) {
  Child child([&] {
    MakeFail(SYS_linkat, 4, AT_EMPTY_PATH, ENOENT);
    EXPECT_EQ(Load(Open(), BytesOf("module")).warning, "");
  });
  EXPECT_EQ(child.Wait(), "exit 0");
  EXPECT_EQ(Load(Open(), BytesOf("module")).source, Source::kHit);
}

TEST_F(LinkTest, PublishesWithoutProcToo) {
  Child child([&] {
    MakeFail(SYS_linkat, 4, AT_EMPTY_PATH | AT_SYMLINK_FOLLOW, ENOENT);
    EXPECT_EQ(Load(Open(), BytesOf("module")).warning, "");
  });
  EXPECT_EQ(child.Wait(), "exit 0");
  EXPECT_EQ(Load(Open(), BytesOf("module")).source, Source::kHit);
  EXPECT_THAT(test::FilesIn(directory), SizeIs(1));
}

class LeftoverTest : public test::CacheFixture {
 protected:
  // The name of a temporary file of some entry.
  std::filesystem::path TemporaryName() const {
    return directory /
           (std::string(64, 'a') + '-' + std::string(32, 'b') + ".0123456789abcdef.tmp");
  }
};

TEST_F(LeftoverTest, PruneAndEvictionRemoveWhatTheDeadLeft) {
  const Cache cache = Open();
  const auto lock = directory / (std::string(64, 'a') + '-' + std::string(32, 'b') + ".lock");
  test::WriteFile(TemporaryName(), "half an entry");
  test::WriteFile(lock, "");
  Load(cache, BytesOf("module"));
  EXPECT_THAT(test::FilesIn(directory), SizeIs(1)) << "an insertion cleans up";
  test::WriteFile(TemporaryName(), "half an entry");
  test::WriteFile(lock, "");
  static_cast<void>(Must(cache.Prune(UINT64_MAX, std::nullopt)));
  EXPECT_THAT(test::FilesIn(directory), SizeIs(1));
}

TEST_F(LeftoverTest, AFileThatALivingProcessWritesStays) {
  const Cache cache = Open();
  test::WriteFile(TemporaryName(), "half an entry");
  const os::Fd living = Must(os::OpenAt(os::Fd(), TemporaryName().c_str(), O_RDWR));
  ASSERT_TRUE(Must(os::TryLock(living)));
  static_cast<void>(Must(cache.Prune(0, std::nullopt)));
  EXPECT_TRUE(std::filesystem::exists(TemporaryName()));
}

TEST_F(LeftoverTest, WhatIsNotOursIsLeftAlone) {
  const Cache cache = Open();
  test::WriteFile(directory / "notes.txt", "mine");
  test::WriteFile(directory / "x.lock", "mine");
  test::WriteFile(directory / (std::string(64, 'a') + ".tmp"), "mine");
  static_cast<void>(Must(cache.Prune(0, std::chrono::system_clock::now())));
  EXPECT_THAT(test::FilesIn(directory), SizeIs(3));
  EXPECT_THAT(Must(cache.List()), IsEmpty());
}

}  // namespace
}  // namespace wasmoor::wasm
