// Many who need the same new module at once.

#include <sys/file.h>

#include <atomic>

#include "cache/support.h"
#include "wasm/cache/lock.h"
#include "wasmoor/wasm/cache.h"

namespace wasmoor::wasm {
namespace {

using std::chrono::milliseconds;
using test::BytesOf;
using test::Child;
using test::Must;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr int kMany = 10;

class FlightTest : public test::CacheFixture {
 protected:
  // Starts a process that compiles `wasm` until it is killed, and waits until it is at it.
  Child StuckCompiler() {
    Child child([this] {
      engine.behaviour.duration = std::chrono::minutes(10);
      static_cast<void>(Open().Load(engine, wasm, Policy::kOptimized));
    });
    while (engine.compiles() == 0) std::this_thread::sleep_for(milliseconds(1));
    return child;
  }

  const std::vector<uint8_t> wasm = BytesOf("module");
};

TEST_F(FlightTest, TenProcessesCompileAModuleOnce) {
  engine.behaviour.duration = milliseconds(50);
  std::vector<Child> children;
  for (int i = 0; i < kMany; ++i) {
    children.emplace_back([&] { EXPECT_EQ(Load(Open(), wasm).warning, ""); });
  }
  for (Child& child : children) EXPECT_EQ(child.Wait(), "exit 0");
  EXPECT_EQ(engine.compiles(), 1);
  EXPECT_THAT(test::FilesIn(directory), SizeIs(1)) << "no lock stays behind";
}

TEST_F(FlightTest, TenProcessesCompileABigModulesBaselineOnce) {
  engine.behaviour.duration = milliseconds(50);
  const std::vector<uint8_t> big(300'000, 'b');
  std::vector<Child> children;
  for (int i = 0; i < kMany; ++i) {
    children.emplace_back(
        [&] { EXPECT_EQ(Load(Open(), big, Policy::kFastest).tier, Tier::kBaseline); });
  }
  for (Child& child : children) EXPECT_EQ(child.Wait(), "exit 0");
  EXPECT_EQ(engine.compiles(), 1);
}

TEST_F(FlightTest, TenThreadsCompileAModuleOnce) {
  engine.behaviour.duration = milliseconds(50);
  const Cache cache = Open();
  std::atomic<int> compiled = 0;
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < kMany; ++i) {
      threads.emplace_back([&] { compiled += Load(cache, wasm).source == Source::kCompiled; });
    }
  }
  EXPECT_EQ(engine.compiles(), 1);
  EXPECT_EQ(compiled, 1);
}

TEST_F(FlightTest, DifferentModulesDoNotWaitForEachOther) {
  const Child stuck = StuckCompiler();
  EXPECT_EQ(Load(Open(), BytesOf("other")).source, Source::kCompiled);
}

TEST_F(FlightTest, EveryWaiterOfAnInvalidModuleIsTold) {
  engine.behaviour.duration = milliseconds(20);
  engine.behaviour.fails = true;
  std::vector<Child> children;
  for (int i = 0; i < 4; ++i) {
    children.emplace_back([&] {
      const auto found = Open().Load(engine, wasm, Policy::kOptimized);
      ASSERT_FALSE(found);
      EXPECT_EQ(found.error().code(), Code::kInvalidArgument);
    });
  }
  for (Child& child : children) EXPECT_EQ(child.Wait(), "exit 0");
  EXPECT_THAT(test::FilesIn(directory), IsEmpty());
}

TEST_F(FlightTest, AWaiterTakesOverFromACompilerThatIsKilled) {
  Child stuck = StuckCompiler();
  std::atomic<bool> done = false;
  std::jthread waiter([&] {
    EXPECT_EQ(Load(Open(), wasm).source, Source::kCompiled);
    done = true;
  });
  std::this_thread::sleep_for(milliseconds(30));
  EXPECT_FALSE(done);
  stuck.Kill();
  waiter.join();
  EXPECT_EQ(engine.compiles(), 2);
  EXPECT_THAT(test::FilesIn(directory), SizeIs(1));
}

TEST_F(FlightTest, AWaiterLosesPatienceWithACompilerThatIsStopped) {
  Child stuck = StuckCompiler();
  kill(stuck.pid(), SIGSTOP);
  auto options = Options();
  options.patience = milliseconds(20);
  const Cache impatient = Must(Cache::Open(options));
  const auto found = Load(impatient, wasm);
  EXPECT_EQ(found.source, Source::kCompiled);
  EXPECT_EQ(found.warning, "");
  EXPECT_EQ(Load(Open(), wasm).source, Source::kHit) << "what it compiled is kept all the same";
}

TEST_F(FlightTest, OptimizeLeavesAModuleToWhoIsAtIt) {
  const Child stuck = StuckCompiler();
  EXPECT_FALSE(Must(Open().Optimize(engine, wasm)));
}

TEST_F(FlightTest, AWaiterPicksUpAnEntryWhoseMakerIsStillBusy) {
  const Child stuck = StuckCompiler();
  // Another one, out of patience, makes the entry while the lock is still held.
  Child impatient([&] {
    auto options = Options();
    options.patience = milliseconds(30);
    Load(Must(Cache::Open(options)), wasm);
  });
  const auto found = Load(Open(), wasm);
  EXPECT_NE(found.source, Source::kCompiled);
  EXPECT_EQ(engine.compiles(), 2);
  EXPECT_EQ(impatient.Wait(), "exit 0");
}

TEST_F(FlightTest, ALockThatADeadProcessLeftIsNoObstacle) {
  StuckCompiler().Kill();
  EXPECT_THAT(test::FilesIn(directory, ".lock"), SizeIs(1));
  EXPECT_EQ(Load(Open(), wasm).source, Source::kCompiled);
  EXPECT_THAT(test::FilesIn(directory, ".lock"), IsEmpty());
}

TEST(KeyLockTest, OnlyOneHoldsItAndItLeavesNoFile) {
  const test::ScratchDirectory scratch;
  const os::Fd directory = Must(os::OpenAt(os::Fd(), scratch.path().c_str(), O_PATH | O_DIRECTORY));
  {
    const auto first = Must(KeyLock::Try(directory, "entry"));
    ASSERT_TRUE(first);
    EXPECT_FALSE(Must(KeyLock::Try(directory, "entry")));
    EXPECT_TRUE(Must(KeyLock::Try(directory, "another")));
    EXPECT_FALSE(RemoveIfDead(directory, "entry.lock"));
  }
  EXPECT_TRUE(Must(KeyLock::Try(directory, "entry")));
  EXPECT_THAT(test::FilesIn(scratch.path()), IsEmpty());
}

TEST(KeyLockTest, ExcludesOthersWhileItsFileComesAndGoes) {
  const test::ScratchDirectory scratch;
  const os::Fd directory = Must(os::OpenAt(os::Fd(), scratch.path().c_str(), O_PATH | O_DIRECTORY));
  std::atomic<int> inside = 0, most = 0, entered = 0;
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < 4; ++i) {
      threads.emplace_back([&] {
        for (int n = 0; n < 3000; ++n) {
          const auto lock = Must(KeyLock::Try(directory, "entry"));
          if (!lock) continue;
          most = std::max(most.load(), ++inside);
          ++entered;
          std::this_thread::yield();
          --inside;
        }
      });
    }
  }
  EXPECT_EQ(most, 1);
  EXPECT_GT(entered, 100);
  EXPECT_THAT(test::FilesIn(scratch.path()), IsEmpty());
}

}  // namespace
}  // namespace wasmoor::wasm
