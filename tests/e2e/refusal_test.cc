// What is not a program that can run: said in a sentence that names the file and what to do, with
// the status that a shell has for it, at once, and never with a crash.

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstdlib>
#include <random>

#include "e2e/suite.h"

namespace wasmoor::e2e {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

// Refused with one line that names the file and has these words.
MATCHER_P2(Refuses, file, words,
           "ends with status 126 and one line with '" + std::string(words) + "'") {
  const auto lines = std::count(arg.err.begin(), arg.err.end(), '\n');
  return ::testing::ExplainMatchResult(
             AllOf(Ends(126), Prints(IsEmpty()),
                   Complains(AllOf(HasSubstr(fs::path(file).native()), HasSubstr(words)))),
             arg, result_listener) &&
         lines == 1;
}

class RefusalTest : public E2eTest {
 protected:
  void Refused(const fs::path& file, std::string_view words) {
    EXPECT_THAT(Run({file}), Refuses(file, std::string(words)));
    EXPECT_THAT(Run({"--no-cache", file}), Refuses(file, std::string(words)));
  }
};

TEST_F(RefusalTest, AFileThatIsNotThere) {
  EXPECT_THAT(Run({"nowhere.wasm"}),
              AllOf(Ends(127), Complains(HasSubstr("nowhere.wasm: No such file"))));
}

TEST_F(RefusalTest, ADirectory) {
  Refused(MakeDirectory("folder"), "is a directory: name the .wasm file in it");
}

TEST_F(RefusalTest, ANativeProgram) { Refused("/bin/true", "is a native (ELF) program"); }

TEST_F(RefusalTest, AFifoWithoutWaitingForItsWriter) {
  const fs::path fifo = scratch / "fifo";
  ASSERT_EQ(mkfifo(fifo.c_str(), 0600), 0);
  EXPECT_THAT(RunCommand({fifo}).Within(std::chrono::seconds(10)).Run(),
              Refuses(fifo, "is a FIFO: give it on standard input"));
}

TEST_F(RefusalTest, ADevice) { Refused("/dev/null", "is a device"); }

TEST_F(RefusalTest, ASocket) {
  const os::Fd listener(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  struct sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  const fs::path path = scratch / "socket";
  path.native().copy(address.sun_path, sizeof(address.sun_path) - 1);
  ASSERT_EQ(bind(listener.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
  EXPECT_THAT(Run({path}), Refuses(path, "is a socket"));
}

TEST_F(RefusalTest, AnEmptyFile) { Refused(MakeFile("empty.wasm", ""), "is empty"); }

TEST_F(RefusalTest, AScript) {
  Refused(MakeFile("script", "#!/bin/sh\necho hello\n"), "run it with its interpreter");
}

TEST_F(RefusalTest, AnArchive) {
  Refused(MakeFile("hello.wasm.gz", "\x1f\x8b\x08 and so on"), "unpack it first");
  Refused(MakeFile("hello.zip", "PK\x03\x04 and so on"), "unpack it first");
  Refused(MakeFile("libhello.a", "!<arch>\n"), "link it first");
}

TEST_F(RefusalTest, PrecompiledCode) {
  std::string elf(
      "\x7f"
      "ELF\x02\x01\x01",
      7);
  elf += '\xc8';  // EI_OSABI 200: what the engine writes there.
  elf.resize(4096);
  Refused(MakeFile("hello.cwasm", elf), "run the .wasm it was made from");
}

TEST_F(RefusalTest, PrecompiledCodeThatTheSameEngineMade) {
  const char* home = getenv("HOME");
  const fs::path peer =
      fs::path(home == nullptr ? "/" : home) / ".cache/wasmoor/peers/bin/wasmtime";
  if (!fs::exists(peer))
    GTEST_SKIP() << "needs the engine's own command (tools/fetch-wasmtime-cli)";
  const fs::path precompiled = scratch / "hello.cwasm";
  ASSERT_EQ(Command({peer, "compile", Guest("hello"), "-o", precompiled}).Run().status, 0);
  Refused(precompiled, "run the .wasm it was made from");
}

TEST_F(RefusalTest, AnEntryOfOurOwnCacheUnderAnyName) {
  Run({Guest("hello")});
  ASSERT_EQ(CacheEntries().size(), 1U);
  const fs::path copy = scratch / "hello.wasm";
  fs::copy_file(CacheEntries()[0], copy);
  Refused(copy, "is precompiled code");
  EXPECT_THAT(RunCommand({"-"}).InputFile(copy).Run(), Ends(126));
}

TEST_F(RefusalTest, AModuleThatIsCutOffAnywhere) {
  const std::string whole = ReadFile(Guest("hello"));
  // Up to the end of the code section; the custom sections behind it may be missing.
  for (size_t size = 1; size < whole.size() / 2; size += whole.size() / 20) {
    const auto file = MakeFile("cut.wasm", whole.substr(0, size));
    EXPECT_THAT(Run({file}), AllOf(Ends(126), Complains(HasSubstr(file.native())))) << size;
  }
}

TEST_F(RefusalTest, RandomBytes) {
  std::mt19937 random(1);  // The same on every run.
  for (int i = 0; i < 20; ++i) {
    std::string bytes(static_cast<size_t>(1) << (i % 16), '\0');
    for (char& byte : bytes) byte = static_cast<char>(random());
    bytes[0] = '\xff';  // Never a magic number by chance.
    const auto file = MakeFile("random.wasm", bytes);
    EXPECT_THAT(Run({file}), AllOf(Ends(126), Complains(HasSubstr(file.native()))));
    const auto headed = MakeFile("headed.wasm", std::string("\0asm\x01\0\0\0", 8) + bytes);
    EXPECT_THAT(Run({headed}), AllOf(Ends(126), Complains(HasSubstr(headed.native()))));
  }
}

TEST_F(RefusalTest, AFileOfEnormousSize) {
  const auto file = MakeFile("huge.wasm", std::string("\0asm\x01\0\0\0", 8));
  fs::resize_file(file, uint64_t{1} << 40);  // A hole.
  EXPECT_THAT(Run({file}), AllOf(Ends(126), Complains(HasSubstr(file.native()))));
  EXPECT_THAT(Run({"--no-cache", file}), AllOf(Ends(126), Complains(HasSubstr(file.native()))));
}

TEST_F(RefusalTest, AFileThatMayNotBeRead) {
  if (geteuid() == 0) GTEST_SKIP() << "root may read every file";
  const auto file = MakeFile("secret.wasm", ReadFile(Guest("hello")));
  fs::permissions(file, fs::perms::none);
  EXPECT_THAT(Run({file}), AllOf(Ends(126), Complains(HasSubstr("Permission denied"))));
}

TEST_F(RefusalTest, AModuleThatNeedsWhatNobodyProvidesNamesAllOfIt) {
  EXPECT_THAT(Run({Guest("missing_import")}),
              AllOf(Ends(126),
                    Complains(AllOf(HasSubstr("env.open_the_door"), HasSubstr("env.shared_table"),
                                    HasSubstr("wasi_snapshot_preview1.fd_levitate")))));
  EXPECT_THAT(Run({Guest("wrong_type")}), AllOf(Ends(126), Complains(HasSubstr("fd_write"))));
  EXPECT_THAT(Run({Guest("unstable")}),
              AllOf(Ends(126), Complains(HasSubstr("rebuild it with a current wasi-sdk"))));
}

TEST_F(RefusalTest, AModuleThatNeedsAFeatureThatIsOffUntilItIsAllowed) {
  EXPECT_THAT(Run({Guest("threads")}), Refuses(Guest("threads"), "threads must be enabled"));
  EXPECT_THAT(Run({"--enable", "threads", Guest("threads")}), AllOf(Ends(0), IsSilent()));
  const auto fill = MakeFile("fill.wat", R"((module (memory 1) (func (export "_start")
    (memory.fill (i32.const 0) (i32.const 1) (i32.const 9)))))");
  EXPECT_THAT(Run({fill}), Ends(0));
  EXPECT_THAT(Run({"--disable", "bulk-memory", fill}), Refuses(fill, "bulk memory"));
}

TEST_F(RefusalTest, AModuleThatIsNoProgramSaysWhatItExports) {
  EXPECT_THAT(Run({Guest("library")}), Refuses(Guest("library"), "it exports answer"));
}

TEST_F(RefusalTest, AComponentThatIsNoProgramSaysWhatItExports) {
  REQUIRE_GUEST("calc-component");
  EXPECT_THAT(Run({Guest("calc-component")}), Refuses(Guest("calc-component"), "it exports add"));
}

TEST_F(RefusalTest, InputWithoutAnEndIsRefusedByItsBeginning) {
  const Ended ended =
      RunCommand({"-"}).InputFile("/dev/zero").Within(std::chrono::seconds(10)).Run();
  EXPECT_THAT(ended, Refuses("-", "is neither a WebAssembly binary nor its text"));
}

TEST_F(RefusalTest, WhatComesThroughAPipeIsLookedAtLikeAFile) {
  EXPECT_THAT(RunCommand({"-"}).Input("#!/bin/sh\necho hello\n").Run(),
              Refuses("-", "is a script"));
  EXPECT_THAT(RunCommand({"-"}).Input("").Run(), Refuses("-", "is empty"));
}

}  // namespace
}  // namespace wasmoor::e2e
