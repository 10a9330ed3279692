#include "sandbox/exit_note.h"

#include <gtest/gtest.h>

#include "support/result.h"
#include "support/scratch.h"

namespace wasmoor::sandbox {
namespace {

TEST(ExitNoteTest, SaysToWhoeverComesLaterHowAContainerEnded) {
  const test::ScratchDirectory bundle;
  const Exit exit{137, std::chrono::system_clock::now()};
  test::Must(WriteExitNote(bundle.path(), 4711, exit));
  const auto read = ReadExitNote(bundle.path());
  ASSERT_TRUE(read);
  EXPECT_EQ(read->status, 137U);
  EXPECT_EQ(read->at, exit.at);
}

TEST(ExitNoteTest, TakesWhatIsCutOrStrangeForNoNote) {
  const test::ScratchDirectory bundle;
  EXPECT_FALSE(ReadExitNote(bundle.path()));
  for (const char* text :
       {"", "1", "1 2", "1 2 3", "x 2 3\n", "1 2 three\n", "999999999999999999999 1 1\n"}) {
    bundle.Write("exit", text);
    EXPECT_FALSE(ReadExitNote(bundle.path())) << text;
  }
}

}  // namespace
}  // namespace wasmoor::sandbox
