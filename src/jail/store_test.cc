#include "jail/store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <optional>
#include <thread>

#include "support/scratch.h"

namespace wasmoor::jail {
namespace {

namespace fs = std::filesystem;
using std::chrono::milliseconds;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

class StoreTest : public ::testing::Test {
 protected:
  Store Open() const {
    auto store = Store::Open(scratch / "run" / "wasmoor");
    EXPECT_TRUE(store.has_value());
    return *std::move(store);
  }

  const test::ScratchDirectory scratch;
};

Record Sample() {
  Record record;
  record.id = "box";
  record.bundle = "/bundles/box";
  record.complete = true;
  record.init = {42, 4711};
  record.cgroup = "v1:/a\nb";
  record.executor = "wasm";
  record.created =
      std::chrono::system_clock::time_point(std::chrono::nanoseconds(1'700'000'000'123'456'789));
  record.owner = 1000;
  record.annotations = {{"k", "v\"\\"}};
  return record;
}

TEST_F(StoreTest, KeepsARecordBetweenCommands) {
  const Store store = Open();
  ASSERT_TRUE(store.Make("box")->Write(Sample()).has_value());
  const auto read = Open().Find("box")->Read();
  ASSERT_TRUE(read.has_value()) << read.error().message();
  EXPECT_EQ(read->bundle, "/bundles/box");
  EXPECT_TRUE(read->complete);
  EXPECT_EQ(read->init, (ProcessId{42, 4711}));
  EXPECT_EQ(read->cgroup, "v1:/a\nb");
  EXPECT_EQ(read->created, Sample().created);
  EXPECT_EQ(read->owner, 1000u);
  EXPECT_EQ(read->annotations, Sample().annotations);
  EXPECT_EQ(fs::status(scratch / "run/wasmoor/box").permissions(), fs::perms::owner_all);
}

TEST_F(StoreTest, AnIdIsTakenOnce) {
  const Store store = Open();
  ASSERT_TRUE(store.Make("box").has_value());
  const auto again = store.Make("box");
  ASSERT_FALSE(again.has_value());
  EXPECT_EQ(again.error().code(), Code::kAlreadyExists);
}

TEST_F(StoreTest, WhatIsNotThereIsToldInTheWordsThatCallersLookFor) {
  const auto found = Open().Find("box");
  ASSERT_FALSE(found.has_value());
  EXPECT_EQ(found.error().code(), Code::kNotFound);
  EXPECT_EQ(found.error().message(), "container \"box\" does not exist");
}

TEST_F(StoreTest, AnIdIsNoPath) {
  const Store store = Open();
  for (const char* id : {"", ".", "..", "../x", "a/b", ".hidden", "a b", "a\n"}) {
    const auto place = store.Make(id);
    ASSERT_FALSE(place.has_value()) << id;
    EXPECT_EQ(place.error().code(), Code::kInvalidArgument);
  }
  EXPECT_FALSE(store.Make(std::string(1025, 'a')).has_value());
  EXPECT_TRUE(store.Make("A-z_0.9+").has_value());
}

TEST_F(StoreTest, OneCommandAtATimeHasTheLock) {
  const Store store = Open();
  {
    const auto place = store.Make("box");
    EXPECT_TRUE(place->locked());
    const auto second = store.FindAndLock("box", milliseconds(30));
    ASSERT_FALSE(second.has_value());
    EXPECT_EQ(second.error().code(), Code::kUnavailable);
    EXPECT_TRUE(store.Find("box").has_value());
  }
  EXPECT_TRUE(store.FindAndLock("box", milliseconds(0)).has_value());
}

TEST_F(StoreTest, TheLockEndsThoughACloneHasItsDescriptor) {
  const Store store = Open();
  std::optional<Place> place = *store.Make("box");
  const pid_t clone = ::fork();
  if (clone == 0) {
    ::pause();
    ::_exit(0);
  }
  place.reset();
  EXPECT_TRUE(store.FindAndLock("box", milliseconds(0)).has_value());
  ::kill(clone, SIGKILL);
  ::waitpid(clone, nullptr, 0);
}

TEST_F(StoreTest, ACloneThatLeavesTheLockDoesNotEndIt) {
  const Store store = Open();
  auto place = store.Make("box");
  const pid_t clone = ::fork();
  if (clone == 0) {
    place->LeaveLock();
    ::_exit(0);
  }
  ::waitpid(clone, nullptr, 0);
  EXPECT_FALSE(store.FindAndLock("box", milliseconds(0)).has_value());
}

TEST_F(StoreTest, TellsAPlaceFromItsSuccessor) {
  const Store store = Open();
  Place first = std::move(*store.Make("one"));
  const Place seen = std::move(*store.Find("one"));
  EXPECT_TRUE(first.IsSameAs(seen).value());
  ASSERT_TRUE(first.Remove());
  const Place second = std::move(*store.Make("one"));
  EXPECT_FALSE(second.IsSameAs(seen).value());
}

TEST_F(StoreTest, RemovesAllThatIsInAPlace) {
  const Store store = Open();
  auto place = store.Make("box");
  ASSERT_TRUE(place->Write(Sample()).has_value());
  fs::create_directories(scratch / "run/wasmoor/box/a/b");
  fs::create_symlink("/", scratch / "run/wasmoor/box/link");
  ASSERT_TRUE(place->Remove().has_value());
  EXPECT_FALSE(fs::exists(scratch / "run/wasmoor/box"));
  EXPECT_TRUE(fs::exists("/etc"));
}

TEST_F(StoreTest, ADamagedRecordIsToldFromAMissingOne) {
  const Store store = Open();
  const auto place = store.Make("box");
  EXPECT_EQ(place->Read().error().code(), Code::kNotFound);
  std::ofstream(scratch / "run/wasmoor/box/state.json") << R"({"id": "box"})";
  EXPECT_EQ(place->Read().error().code(), Code::kDataLoss);
  EXPECT_THAT(place->Read().error().message(), HasSubstr("box"));
}

TEST_F(StoreTest, ListsWhatIsThereAndNothingElse) {
  const Store store = Open();
  ASSERT_TRUE(store.Make("b").has_value());
  ASSERT_TRUE(store.Make("a").has_value());
  fs::create_directory(scratch / "run/wasmoor/.other");
  EXPECT_THAT(*store.List(), ElementsAre("a", "b"));
}

// Makers and clearers of one id at once: whoever made a place has it, with the lock, under its
// name.
TEST_F(StoreTest, MakingIsNotOvertakenByClearing) {
  const Store store = Open();
  std::atomic<bool> done = false;
  std::jthread clearer([&] {
    while (!done) {
      auto place = store.FindAndLock("box", milliseconds(0));
      if (place) static_cast<void>(place->Remove());
    }
  });
  for (int made = 0; made < 300;) {
    auto place = store.Make("box");
    if (!place) continue;
    EXPECT_TRUE(place->Write(Sample()).has_value());
    EXPECT_TRUE(store.Find("box")->Read().has_value());
    ++made;
  }
  done = true;
}

TEST(ProcessIdTest, KnowsAProcessFromItsSuccessorAndFromAZombie) {
  const auto self = ProcessId::Of(getpid());
  ASSERT_TRUE(self.has_value());
  EXPECT_TRUE(self->Alive());
  EXPECT_FALSE((ProcessId{self->pid, self->start_time + 1}).Alive());
  EXPECT_FALSE(ProcessId().Alive());
  const pid_t child = fork();
  if (child == 0) {
    pause();
    _exit(0);
  }
  const auto other = ProcessId::Of(child);
  ASSERT_TRUE(other.has_value());
  EXPECT_TRUE(other->Alive());
  kill(child, SIGKILL);
  siginfo_t ended;
  waitid(P_PID, static_cast<id_t>(child), &ended, WEXITED | WNOWAIT);
  EXPECT_FALSE(other->Alive());
  waitpid(child, nullptr, 0);
  EXPECT_FALSE(other->Alive());
}

}  // namespace
}  // namespace wasmoor::jail
