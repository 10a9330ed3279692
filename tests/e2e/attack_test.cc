// Programs, modules and names that want out: of their directory, of their sandbox, of a line of
// text. Some have help of a process of the host that moves things about under them.

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <functional>
#include <map>
#include <random>
#include <sstream>
#include <thread>

#include "e2e/suite.h"

namespace wasmoor::e2e {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::AnyOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

// Does something to files again and again, on a thread of its own, until it is destroyed.
class Meddler {
 public:
  explicit Meddler(std::function<void()> meddle)
      : thread_([this, meddle = std::move(meddle)] {
          for (; !done_; ++times_) meddle();
        }) {}
  ~Meddler() {
    done_ = true;
    thread_.join();
  }
  uint64_t times() const { return times_; }

 private:
  std::atomic<bool> done_ = false;
  std::atomic<uint64_t> times_ = 0;
  std::thread thread_;
};

// Puts each in the place of the other, at once (rename(2)).
void Exchange(const fs::path& one, const fs::path& other) {
  if (renameat2(AT_FDCWD, one.c_str(), AT_FDCWD, other.c_str(), RENAME_EXCHANGE) != 0) abort();
}

// The directory "data" for the guest, with a public file "secret" in every directory; and outside
// of it, wherever a path could lead to, a file of the same name that begins with SECRET.
class EscapeTest : public E2eTest {
 protected:
  EscapeTest() {
    const std::string secret = "SECRET of the host", open = "for everybody";
    MakeFile("secret", secret);
    MakeFile("outside/secret", secret);
    MakeFile("outside/deeper/secret", secret);
    for (const char* name : {"data/secret", "data/folder/secret", "data/deep/inner/secret"})
      MakeFile(name, open);
    fs::create_directory_symlink("..", data / "leads-up");
    fs::create_directory_symlink(scratch / "outside", data / "leads-out");
    fs::create_symlink("../secret", data / "file-up");
    MakeFile("data/file", open);
  }

  // Every way round that a careless look-up, or one that looks before it opens, falls for.
  void Meddle() const {
    Exchange(data / "folder", data / "leads-up");
    Exchange(data / "file", data / "file-up");
    Exchange(data / "folder", data / "leads-out");
    Exchange(data / "deep/inner", scratch / "outside/deeper");
    Exchange(data / "folder", data / "leads-up");
    Exchange(data / "deep/inner", scratch / "outside/deeper");
  }

  // Counts what the guest `escape` prints.
  void ExpectNoEscape(const std::string& guest, uint64_t tries) {
    std::vector<std::string> words = {"--dir", data.native() + "::/data", Guest(guest),
                                      std::to_string(tries)};
    for (const char* path :
         {"folder/secret", "folder/../secret", "folder/../../secret", "file", "leads-up/secret",
          "leads-out/secret", "deep/inner/../../secret", "deep/inner/../../../secret",
          "folder/deeper/../../secret", "../secret"})
      words.push_back(std::string("/data/") + path);
    const Meddler meddler([this] { Meddle(); });
    const Ended ended = RunCommand(words).Run();
    EXPECT_THAT(ended, AllOf(Ends(0), IsSilent()));
    unsigned long long tried = 0, opened = 0, escaped = 1;
    ASSERT_EQ(sscanf(ended.out.c_str(), "%llu tries, %llu opened, %llu escaped", &tried, &opened,
                     &escaped),
              3)
        << ended.out;
    EXPECT_EQ(escaped, 0U);
    EXPECT_EQ(tried, tries);
    EXPECT_GT(opened, 0U) << "no path was ever one that may be opened";
    EXPECT_LT(opened, tries) << "no path was ever one that may not";
    EXPECT_GT(meddler.times(), 100U) << "nothing happened under the guest";
  }

  const fs::path data = scratch / "data";
};

TEST_F(EscapeTest, NoPathLeadsOutWhateverIsSwappedUnderIt) { ExpectNoEscape("escape", 100'000); }

TEST_F(EscapeTest, NoPathOfAComponentDoes) {
  REQUIRE_GUEST("escape-component");
  ExpectNoEscape("escape-component", 10'000);
}

TEST_F(EscapeTest, TheGrantIsTheDirectoryAndNotWhatTakesItsName) {
  const Meddler meddler([this] { Exchange(data, scratch / "outside"); });
  // Whichever it was at the start, it stays: nothing of the other is ever read.
  const Ended ended = Run({"--dir", data.native() + "::/data", Guest("escape"), "20000",
                           "/data/secret", "/data/../secret"});
  EXPECT_THAT(ended.out, AnyOf("20000 tries, 10000 opened, 0 escaped\n",
                               "20000 tries, 10000 opened, 10000 escaped\n"));
}

TEST_F(EscapeTest, NamesThatAreHostileByThemselvesAreRefused) {
  const auto granted = MakeDirectory("granted");
  MakeDirectory("granted/folder");
  MakeFile("granted/file", "");
  const std::map<std::string, std::string> links = {
      {"to-absolute", "/etc/passwd"}, {"to-parent", "../secret"}, {"to-proc", "/proc"},
      {"to-fd", "/proc/self/fd/0"},   {"to-itself", "to-itself"}, {"to-file", "file"}};
  for (const auto& [name, target] : links) fs::create_symlink(target, granted / name);

  const Ended paths = Run({"--dir", granted, Guest("paths")});
  EXPECT_THAT(paths, AllOf(Ends(0), IsSilent()));
  // Numbers of WASI: 25 ilseq, 28 inval, 32 loop, 37 nametoolong, 44 noent, 54 notdir, 76
  // notcapable.
  EXPECT_EQ(
      paths.out,
      "absolute: errno 76\nparent: errno 76\nparent of a folder's parent: errno 76\n"
      "up and back: ok\nproc: errno 76\nlink to absolute: errno 76\nlink to parent: errno 76\n"
      "link to proc: errno 76\nmagic link: errno 76\nlink to itself: errno 32\n"
      "link that stays inside: ok\nthrough a file: errno 54\n"
      "NUL inside: errno 28\nNUL at the end: errno 28\nno name: errno 44\nnot UTF-8: errno 25\n"
      "newline: ok\n255 bytes: errno 44\n256 bytes: errno 37\n4096 bytes: errno 37\n"
      "4094 bytes of path: ok\na mebibyte of path: errno 37\nslashes at the end of a folder: ok\n"
      "slash at the end of a file: errno 54\n"
      "make an absolute link: errno 76\nfollow it: errno 44\nmake a link to the parent: ok\n"
      "follow it: errno 76\nhard link to outside: errno 76\nhard link through a link: errno 76\n"
      "what was linked: errno 44\nrename to outside: errno 76\nrename from outside: errno 76\n"
      "unlink outside: errno 76\nmake a directory outside: errno 76\nremove itself: errno 28\n"
      "200 directories deep: ok\nout of the deepest: errno 76\n");
  EXPECT_EQ(ReadFile(scratch / "secret"), "SECRET of the host");
  EXPECT_FALSE(fs::exists(scratch / "made"));
  EXPECT_FALSE(fs::exists(scratch / "stolen"));
}

TEST_F(EscapeTest, TheMagicLinksOfProcLeadNowhere) {
  const auto reads = [this](const std::string& name) {
    return Run({"--dir", "/proc", Guest("cat"), name});
  };
  EXPECT_THAT(reads("/proc/self/comm"), AllOf(Ends(0), Prints("wasmoor\n")));
  for (const char* name :
       {"/proc/self/root/etc/passwd", "/proc/self/cwd/.", "/proc/self/fd/0", "/proc/self/exe"})
    EXPECT_THAT(reads(name), AllOf(Ends(1), Prints(IsEmpty()))) << name;
}

TEST_F(EscapeTest, AFifoWithoutAWriterEndsWithTheProgramsTime) {
  ASSERT_EQ(mkfifo((data / "fifo").c_str(), 0600), 0);
  EXPECT_THAT(
      Run({"--timeout", "200ms", "--dir", data.native() + "::/data", Guest("cat"), "/data/fifo"}),
      Ends(124));
}

// Lines of ours about things with hostile names. None may move a cursor, set a colour or begin a
// line that seems to be ours; what the program writes itself is its own affair.
class NamesTest : public E2eTest {
 protected:
  static constexpr std::string_view kForged = "wasmoor: all is well";

  static void ExpectHarmless(const Ended& ended) {
    EXPECT_EQ(ended.signal, 0);
    EXPECT_FALSE(ended.err.empty());
    EXPECT_THAT(ended.err, HasSubstr("\\x1b")) << "the name is not in it";
    for (const char c : ended.err) {
      EXPECT_TRUE(c == '\n' || static_cast<unsigned char>(c) >= ' ') << static_cast<int>(c);
    }
    std::istringstream lines(ended.err);
    for (std::string line; std::getline(lines, line);)
      EXPECT_NE(line.rfind(kForged, 0), 0U) << line;
  }
  // A name in the text format, and as it is.
  static constexpr const char* kQuoted =
      R"("\1b[2J\1b]0;owned\07\nwasmoor: all is well\n\c2\9b31m")";
  static constexpr const char* kName =
      "\x1b[2J\x1b]0;owned\x07\nwasmoor: all is well\n\xc2\x9b"
      "31m";
};

TEST_F(NamesTest, OfFunctionsInABacktrace) {
  const std::string function = std::string("$") + kQuoted;
  const auto file = MakeFile(
      "evil.wat", "(module $\"\\1b\\nwasmoor: all is well\" (func (export \"_start\") (call " +
                      function + ")) (func " + function + " unreachable))");
  const Ended trapped = Run({file});
  EXPECT_THAT(trapped, Ends(134));
  ExpectHarmless(trapped);
  EXPECT_THAT(Run({"--json", file}).err, AllOf(HasSubstr("\\u001b[2J"), Not(HasSubstr("\x1b"))));
}

TEST_F(NamesTest, OfExportsAndImports) {
  const auto exports =
      MakeFile("exports.wat", std::string("(module (func (export ") + kQuoted + ")))");
  ExpectHarmless(Run({exports}));
  ExpectHarmless(Run({"--invoke", "nothing", exports}));
  EXPECT_THAT(Run({"--invoke", kName, exports}), AllOf(Ends(0), IsSilent()))
      << "it is a name all the same";
  const auto imports =
      MakeFile("imports.wat", std::string("(module (import ") + kQuoted + " " + kQuoted +
                                  " (func)) (func (export \"_start\")))");
  ExpectHarmless(Run({imports}));
}

TEST_F(NamesTest, OfFilesAndOptions) {
  ExpectHarmless(Run({kName}));
  ExpectHarmless(Run({MakeFile(std::string("a") + "\x1b[31m\nwasmoor: all is well", "no module")}));
  ExpectHarmless(Run({"--dir", kName, Guest("hello")}));
  ExpectHarmless(Run({"--env", kName, Guest("hello")}));
  ExpectHarmless(Run({"--tcplisten", "\x1b[31m:80", Guest("hello")}));
  ExpectHarmless(Run({"--timeout", kName, Guest("hello")}));
  ExpectHarmless(Run({std::string("--") + kName, Guest("hello")}));
  ExpectHarmless(Wasmoor({kName}).Run());
}

TEST_F(NamesTest, OfTextThatDoesNotParse) {
  // Behind the beginning of the file, in which nobody takes a control character for text.
  const std::string text = std::string("(module (memory 1) (func ") + kName + "))";
  ExpectHarmless(Run({MakeFile("syntax.wat", text)}));
}

TEST_F(NamesTest, WhatTheProgramWritesIsPassedThroughAsItIs) {
  EXPECT_THAT(RunCommand({Guest("cat")}).Input(kName).Run(), AllOf(Prints(kName), IsSilent()));
}

// Modules that are meant to break what reads them.
class ModulesTest : public E2eTest {
 protected:
  // A module whose _start has this code, many times over.
  fs::path MakeStart(const std::string& code) const {
    return MakeFile("hard.wat", "(module (func (export \"_start\") " + code + "))");
  }
  static std::string Times(size_t count, const std::string& text) {
    std::string all;
    for (size_t i = 0; i < count; ++i) all += text;
    return all;
  }
  Ended InEachTier(const fs::path& file) const {
    const Ended fast = Run({"--no-cache", "--tier", "baseline", file});
    const Ended good = Run({"--no-cache", "--tier", "optimized", file});
    EXPECT_EQ(fast.status, good.status);
    return good;
  }
};

// The beginnings of the sections of a module, and its end.
std::vector<size_t> SectionsOf(const std::string& module) {
  constexpr size_t kHeader = 8;
  constexpr unsigned kPayload = 0x7f, kMore = 0x80, kBits = 7;
  std::vector<size_t> begins;
  for (size_t at = kHeader; at < module.size();) {
    begins.push_back(at++);
    size_t size = 0;
    for (unsigned shift = 0;; shift += kBits) {
      const auto byte = static_cast<unsigned char>(module.at(at++));
      size |= static_cast<size_t>(byte & kPayload) << shift;
      if ((byte & kMore) == 0) break;
    }
    at += size;
  }
  begins.push_back(module.size());
  return begins;
}

TEST_F(ModulesTest, CutOffInEachOfItsSections) {
  const std::string whole = ReadFile(Guest("hello"));
  const auto begins = SectionsOf(whole);
  ASSERT_GT(begins.size(), 8U);
  for (size_t section = 0; section + 1 < begins.size(); ++section) {
    const size_t begin = begins[section], size = begins[section + 1] - begin;
    for (const size_t cut : {begin + 1, begin + 2, begin + size / 2, begin + size - 1}) {
      const auto file = MakeFile("cut.wasm", whole.substr(0, cut));
      EXPECT_THAT(Run({file}),
                  AllOf(Ends(126), Prints(IsEmpty()), Complains(HasSubstr(file.native()))))
          << "at byte " << cut;
    }
    // Between sections it may be a module again, but no program without its code.
    const auto file = MakeFile("cut.wasm", whole.substr(0, begin));
    EXPECT_THAT(Run({file}).status, AnyOf(0, 126, 134)) << "at byte " << begin;
  }
}

TEST_F(ModulesTest, WithAByteThatIsAnother) {
  const std::string whole = ReadFile(Guest("hello"));
  std::mt19937 random(4);  // The same on every run.
  for (int i = 0; i < 100; ++i) {
    std::string changed = whole;
    changed[random() % changed.size()] = static_cast<char>(random());
    const Ended ended =
        Run({"--timeout", "2s", "--max-memory", "64M", MakeFile("changed.wasm", changed)});
    EXPECT_EQ(ended.signal, 0) << "round " << i;
    EXPECT_NE(ended.status, 125) << "round " << i
                                 << ": it is the module's fault, not ours: " << ended.err;
  }
}

TEST_F(ModulesTest, WithBlocksInBlocksInBlocks) {
  constexpr size_t kDeep = 20'000;
  EXPECT_THAT(InEachTier(MakeStart(Times(kDeep, "block ") + Times(kDeep, "end "))), Ends(0));
  EXPECT_THAT(InEachTier(MakeStart(Times(kDeep, "i32.const 1 if ") + Times(kDeep, "end "))),
              Ends(0));
  EXPECT_THAT(InEachTier(MakeStart(Times(kDeep, "loop ") + Times(kDeep, "end "))), Ends(0));
}

TEST_F(ModulesTest, WithExpressionsInExpressions) {
  constexpr size_t kDeep = 100'000;
  const Ended ended = Run({MakeStart(Times(kDeep, "(drop ") + Times(kDeep, ")"))});
  EXPECT_THAT(ended, AllOf(Ends(126), Complains(HasSubstr("hard.wat"))));
  EXPECT_LT(ended.err.size(), 4096U) << "not the whole line of text";
}

TEST_F(ModulesTest, WithMoreLocalsThanThereMayBe) {
  const std::string header(
      "\0asm\x01\0\0\0\x01\x04\x01\x60\0\0\x03\x02\x01\0\x07\x0a\x01\x06_start\0\0", 30);
  // One function; its locals are four billion i64.
  const auto file = MakeFile(
      "locals.wasm", header + std::string("\x0a\x0a\x01\x08\x01\xff\xff\xff\xff\x0f\x7e\x0b", 12));
  EXPECT_THAT(InEachTier(file), AllOf(Ends(126), Complains(HasSubstr("too many locals"))));
}

TEST_F(ModulesTest, WithALongFunction) {
  EXPECT_THAT(InEachTier(MakeStart(Times(100'000, "i32.const 1 drop "))), Ends(0));
}

}  // namespace
}  // namespace wasmoor::e2e
