#include <fcntl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/un.h>

#include <algorithm>
#include <fstream>

#include "function/catalog/catalog_for_test.h"
#include "support/namespaces.h"

// What people put into a directory of functions that should not be there, and what happens to the
// directory.
namespace wasmoor::function {
namespace {

using std::string_literals::operator""s;
using testing::AllOf;
using testing::Contains;
using testing::Each;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::SizeIs;
using testing::StartsWith;

class CatalogFaultsTest : public CatalogTest {
 protected:
  // Any of a kind of lines.
  static bool HasLine(const std::vector<std::string>& lines, std::string_view part) {
    return std::any_of(lines.begin(), lines.end(), [part](const std::string& line) {
      return line.find(part) != std::string::npos;
    });
  }
};

TEST_F(CatalogFaultsTest, NamesThatLeadElsewhereAreNobodys) {
  Put("hello.wasm", ModuleOf(1));
  scratch.Write("outside.wasm", ModuleOf(2));
  Open();
  for (const std::string& bad : {""s, "."s, ".."s, "../outside"s, "acme/../../outside"s, "/hello"s,
                                 "%2e%2e/outside"s, "..%2foutside"s, "hello\0"s, "hel\0lo"s,
                                 "hello.wasm/"s, "./hello"s, "hello/"s, std::string(4096, 'x')})
    EXPECT_EQ(CodeOf(bad), Code::kNotFound) << bad;
  EXPECT_EQ(Ask("a\x1b[2Jb"), "no function 'a\\x1b[2Jb'");
}

TEST_F(CatalogFaultsTest, WhatIsNoFunctionIsLeftAloneAndToldOnce) {
  Put("hello.wasm", ModuleOf(1));
  Put("README.md", "x");
  Put("text.wat", "(module)");
  Put("sp ace.wasm", ModuleOf(1));
  Put("\x1b[2J.wasm", ModuleOf(1));
  Put(".hidden.wasm", ModuleOf(1));
  Put("alone.toml", "run.isolate = \"process\"");
  Put("acme/deep/er.wasm", ModuleOf(1));
  Put("la st/hello.wasm", ModuleOf(1));
  Open();
  EXPECT_THAT(catalog->List(), SizeIs(1));
  EXPECT_EQ(Ask("hello"), "1");
  EXPECT_EQ(CodeOf("text"), Code::kNotFound);
  EXPECT_EQ(CodeOf("acme/deep/er"), Code::kNotFound);
  RunFor(std::chrono::milliseconds(300));
  ASSERT_THAT(notices, SizeIs(2));
  std::sort(notices.begin(), notices.end());
  EXPECT_THAT(notices[0], AllOf(StartsWith("tenant 'acme'"), HasSubstr("'deep'")));
  EXPECT_THAT(notices[1], AllOf(HasSubstr(": 5 of the names"), HasSubstr("and others")));
  EXPECT_THAT(notices, Each(Not(HasSubstr("\x1b"))));
}

TEST_F(CatalogFaultsTest, GarbageTakesNoGoodFunctionsPlace) {
  Put("hello.wasm", ModuleOf(1));
  Open();
  EXPECT_EQ(Ask("hello"), "1");
  Put("hello.wasm", "\0asm\1\0\0\0garbage"s);
  EXPECT_TRUE(RunUntil([&] { return !problems.empty(); }));
  EXPECT_THAT(problems, ElementsAre(AllOf(StartsWith("hello: hello.wasm"), HasSubstr("offset"))));
  EXPECT_EQ(Ask("hello"), "1");
  EXPECT_EQ(Info("hello").state, State::kReady);
  EXPECT_TRUE(Info("hello").problem.has_value());
  Put("hello.wasm", "just text");
  EXPECT_TRUE(RunUntil([&] { return problems.size() == 2; }));
  Put("hello.wasm", "");
  EXPECT_TRUE(RunUntil([&] { return problems.size() == 3; }));
  EXPECT_THAT(problems.back(), HasSubstr("is empty"));
  EXPECT_EQ(Ask("hello"), "1");
  Put("hello.wasm", ModuleOf(2));
  EXPECT_TRUE(RunUntil([&] { return changes.size() == 2; }));
  EXPECT_EQ(Ask("hello"), "2");
  EXPECT_FALSE(Info("hello").problem.has_value());
  EXPECT_THAT(problems, SizeIs(3));
}

TEST_F(CatalogFaultsTest, WhatWasGoodIsLoadedAgainWhileGarbageIsInItsPlace) {
  Put("hello.wasm", ModuleOf(1));
  Put("other.wasm", ModuleOf(2));
  options.max_loaded = 1;
  Open();
  EXPECT_EQ(Ask("hello"), "1");
  Put("hello.wasm", "garbage");
  EXPECT_TRUE(RunUntil([&] { return !problems.empty(); }));
  EXPECT_EQ(Ask("other"), "2");
  EXPECT_FALSE(Info("hello").loaded);
  EXPECT_EQ(Ask("hello"), "1");
  // Until its code has left the cache.
  EXPECT_EQ(Ask("other"), "2");
  for (const auto& file : test::FilesIn(cache_directory, "-")) std::filesystem::remove(file);
  EXPECT_THAT(Ask("hello"), HasSubstr("hello.wasm"));
  EXPECT_EQ(Info("hello").state, State::kBroken);
}

TEST_F(CatalogFaultsTest, GarbageIsAnErrorThatIsRememberedUntilTheFileChanges) {
  Put("hello.wasm", "\0asm\1\0\0\0garbage"s);
  Open();
  EXPECT_EQ(CodeOf("hello"), Code::kInvalidArgument);
  EXPECT_EQ(Info("hello").state, State::kBroken);
  EXPECT_EQ(catalog->counts().broken, 1u);
  for (int i = 0; i < 100; ++i) EXPECT_EQ(CodeOf("hello"), Code::kInvalidArgument);
  RunFor(std::chrono::milliseconds(200));
  EXPECT_EQ(CodeOf("hello"), Code::kInvalidArgument);
  EXPECT_THAT(problems, SizeIs(1));
  Overwrite("hello.wasm", ModuleOf(1));
  EXPECT_TRUE(ComesToSay("hello", "1"));
}

TEST_F(CatalogFaultsTest, AHalfWrittenFileTakesNoGoodFunctionsPlace) {
  const std::string bytes = ModuleOf(2);
  Put("hello.wasm", ModuleOf(1));
  Open();
  EXPECT_EQ(Ask("hello"), "1");
  // A file of its own, as rsync --inplace and cp write it: open as long as it grows.
  std::ofstream file(functions / "hello.wasm", std::ios::binary | std::ios::trunc);
  for (const char byte : bytes) {
    file.put(byte).flush();
    RunFor(std::chrono::milliseconds(10));
    ASSERT_EQ(Ask("hello"), "1");
  }
  file.close();
  EXPECT_TRUE(RunUntil([&] { return Ask("hello") == "2"; }));
  EXPECT_THAT(changes, ElementsAre("hello 1", "hello 2"));
}

TEST_F(CatalogFaultsTest, ANewFileThatIsHalfWrittenIsTriedAgain) {
  const std::string bytes = ModuleOf(1);
  Open();
  std::ofstream file(functions / "hello.wasm", std::ios::binary);
  file << bytes.substr(0, bytes.size() / 2) << std::flush;
  EXPECT_EQ(CodeOf("hello"), Code::kInvalidArgument);
  file << bytes.substr(bytes.size() / 2) << std::flush;
  EXPECT_TRUE(ComesToSay("hello", "1"));
}

TEST_F(CatalogFaultsTest, PrecompiledCodeIsRefused) {
  Put("hello.wasm", ModuleOf(1));
  Open();
  EXPECT_EQ(Ask("hello"), "1");
  const auto entries = test::FilesIn(cache_directory, "-");
  ASSERT_THAT(entries, SizeIs(1));
  Put("native.wasm", test::ReadFile(entries.front()));
  EXPECT_EQ(CodeOf("native"), Code::kInvalidArgument);
  EXPECT_THAT(Ask("native"), HasSubstr("native.wasm: is precompiled code"));
  Put("hello.wasm", test::ReadFile(entries.front()));
  EXPECT_TRUE(RunUntil([&] { return HasLine(problems, "hello: hello.wasm: is precompiled"); }));
  EXPECT_EQ(Ask("hello"), "1");
}

TEST_F(CatalogFaultsTest, LinksStayInTheDirectoryAndATenantsInItsOwn) {
  scratch.Write("outside.wasm", ModuleOf(9));
  std::filesystem::create_directory(scratch / "outside");
  test::WriteFile(scratch / "outside/hello.wasm", ModuleOf(9));
  Put("real.wasm", ModuleOf(1));
  Put("acme/real.wasm", ModuleOf(2));
  Link("real.wasm", "same.wasm");
  Link("acme/real.wasm", "in.wasm");
  Link("real.wasm", "acme/same.wasm");
  Link("../outside.wasm", "up.wasm");
  Link((scratch / "outside.wasm").native(), "away.wasm");
  Link((functions / "real.wasm").native(), "absolute.wasm");
  Link("/proc/self/exe", "magic.wasm");
  Link("round.wasm", "round.wasm");
  Link("nothing.wasm", "dangling.wasm");
  Link("../real.wasm", "acme/up.wasm");
  Link("../umbrella/real.wasm", "acme/others.wasm");
  Put("umbrella/real.wasm", ModuleOf(3));
  Link("acme", "alias");
  Link("../outside", "tenant");
  Open();
  EXPECT_EQ(Ask("same"), "1");
  EXPECT_EQ(Ask("in"), "2");
  EXPECT_EQ(Ask("acme/same"), "2");
  EXPECT_EQ(Ask("alias/real"), "2");
  for (const char* out : {"up", "away", "absolute", "magic", "acme/up", "acme/others"}) {
    EXPECT_EQ(CodeOf(out), Code::kInvalidArgument) << out;
    EXPECT_THAT(Ask(out), HasSubstr("leads out")) << out;
  }
  EXPECT_THAT(Ask("round"), HasSubstr("nowhere"));
  EXPECT_EQ(CodeOf("dangling"), Code::kNotFound);
  EXPECT_EQ(CodeOf("tenant/hello"), Code::kNotFound);
  EXPECT_TRUE(HasLine(notices, "'tenant'"));
}

TEST_F(CatalogFaultsTest, AFunctionReplacedByALinkThatLeadsOutStaysAsItWas) {
  scratch.Write("outside.wasm", ModuleOf(9));
  Put("hello.wasm", ModuleOf(1));
  Open();
  EXPECT_EQ(Ask("hello"), "1");
  Link("../outside.wasm", "partial");
  std::filesystem::rename(functions / "partial", functions / "hello.wasm");
  EXPECT_TRUE(RunUntil([&] { return HasLine(problems, "leads out"); }));
  EXPECT_EQ(Ask("hello"), "1");
}

// As Kubernetes fills the volume of a ConfigMap.
TEST_F(CatalogFaultsTest, LinksThatAreTurnedTogetherAreFollowed) {
  Put("..one/hello.wasm", ModuleOf(1));
  Put("..one/acme/hello.wasm", ModuleOf(11));
  Link("..one", "..data");
  Link("..data/hello.wasm", "hello.wasm");
  Link("..data/acme", "acme");
  Open();
  EXPECT_EQ(Ask("hello"), "1");
  EXPECT_EQ(Ask("acme/hello"), "11");
  Put("..two/hello.wasm", ModuleOf(2));
  Put("..two/acme/hello.wasm", ModuleOf(12));
  Link("..two", "..data_tmp");
  std::filesystem::rename(functions / "..data_tmp", functions / "..data");
  Remove("..one");
  EXPECT_TRUE(RunUntil([&] { return changes.size() == 4; }));
  EXPECT_EQ(Ask("hello"), "2");
  EXPECT_EQ(Ask("acme/hello"), "12");
  EXPECT_THAT(problems, IsEmpty());
}

TEST_F(CatalogFaultsTest, WhatIsNoFileIsNotOpened) {
  ASSERT_EQ(::mkfifo((functions / "fifo.wasm").c_str(), 0600), 0);
  std::filesystem::create_directories(functions / "directory.wasm");
  const os::Fd socket(::socket(AF_UNIX, SOCK_STREAM, 0));
  sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = {}};
  const std::string path = functions / "socket.wasm";
  path.copy(address.sun_path, sizeof address.sun_path - 1);
  ASSERT_EQ(::bind(socket.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  const bool has_device =
      ::mknod((functions / "device.wasm").c_str(), S_IFCHR | 0600, makedev(1, 5)) == 0;
  Open();
  EXPECT_THAT(Ask("fifo"), HasSubstr("fifo.wasm: is a FIFO"));
  EXPECT_THAT(Ask("directory"), HasSubstr("directory.wasm: is a directory"));
  EXPECT_THAT(Ask("socket"), HasSubstr("is a socket"));
  if (has_device) {
    EXPECT_THAT(Ask("device"), HasSubstr("is a device"));
  }
  for (const char* function : {"fifo", "directory", "socket"})
    EXPECT_EQ(CodeOf(function), Code::kInvalidArgument);
  // Nobody would ever write.
  Remove("fifo.wasm");
  Put("fifo.wasm", ModuleOf(1));
  EXPECT_TRUE(ComesToSay("fifo", "1"));
}

TEST_F(CatalogFaultsTest, AModuleThatCannotBeRunIsExplained) {
  const auto put = [this](const std::string& file, std::string_view text) {
    const auto bytes = test::Must(
        wasm::WasmtimeBinaryFromText({reinterpret_cast<const uint8_t*>(text.data()), text.size()}));
    Put(file, std::string(bytes.begin(), bytes.end()));
  };
  put("importer.wasm",
      R"((module (import "env" "open_the_door" (func)) (func (export "_start"))))");
  Put("entry.wasm", ModuleOf(1));
  Put("entry.toml", "run.entry = \"main\"");
  Open();
  EXPECT_EQ(CodeOf("importer"), Code::kFailedPrecondition);
  EXPECT_THAT(Ask("importer"), AllOf(StartsWith("importer.wasm"), HasSubstr("open_the_door")));
  EXPECT_EQ(CodeOf("entry"), Code::kFailedPrecondition);
  EXPECT_THAT(Ask("entry"), HasSubstr("run.entry"));
  Put("entry.toml", "run.entry = \"answer\"");
  EXPECT_TRUE(ComesToSay("entry", "1"));
}

TEST_F(CatalogFaultsTest, AManifestThatIsWrongChangesNothing) {
  Put("hello.wasm", ModuleOf(1));
  Open();
  EXPECT_EQ(Ask("hello"), "1");
  Put("hello.toml", "[run]\nisolate = maybe\n");
  EXPECT_TRUE(RunUntil([&] { return HasLine(problems, "hello.toml:2"); }));
  Put("hello.toml", "[outgoing]\nallow = [\"example.com\"]\n");
  EXPECT_TRUE(RunUntil([&] { return HasLine(problems, "grant.outgoing"); }));
  EXPECT_EQ((*Want("hello"))->manifest->outgoing.size(), 0u);
  Put("new.wasm", ModuleOf(2));
  Put("new.toml", "limits.cpu = 9");
  EXPECT_EQ(Ask("new"), "2");
  options.maxima.cpu_millicores = 8;
  Close();
  Open();
  EXPECT_EQ(CodeOf("new"), Code::kPermissionDenied);
  EXPECT_THAT(Ask("new"), HasSubstr("maxima.cpu"));
}

TEST_F(CatalogFaultsTest, WhatIsMissingForAFunctionMayComeLater) {
  Put("hello.wasm", ModuleOf(1));
  Put("hello.toml", fmt::format("secrets.A = \"{}\"", (scratch / "secrets/a").native()));
  options.granting.secrets = {(scratch / "secrets").native()};
  Open();
  EXPECT_THAT(Ask("hello"), HasSubstr("secrets.A"));
  std::filesystem::create_directory(scratch / "secrets");
  scratch.Write("secrets/a", "x");
  EXPECT_TRUE(ComesToSay("hello", "1"));
}

TEST_F(CatalogFaultsTest, WhatIsMissingForTheNextVersionMayComeLater) {
  Put("hello.wasm", ModuleOf(1));
  options.granting.secrets = {(scratch / "secrets").native()};
  Open();
  EXPECT_EQ(Ask("hello"), "1");
  Put("hello.toml", fmt::format("secrets.A = \"{}\"", (scratch / "secrets/a").native()));
  EXPECT_TRUE(RunUntil([&] { return HasLine(problems, "secrets.A"); }));
  std::filesystem::create_directory(scratch / "secrets");
  scratch.Write("secrets/a", "x");
  EXPECT_TRUE(RunUntil([&] { return latest["hello"]->manifest->secrets.size() == 1; }));
  EXPECT_THAT(problems, SizeIs(1));
}

TEST_F(CatalogFaultsTest, AnErrorNamesItsOwnFunctionOnly) {
  const std::string garbage = "\0asm\1\0\0\0garbage"s;
  Put("acme/a.wasm", garbage);
  Put("umbrella/b.wasm", garbage);
  Open();
  std::vector<std::string> answers;
  for (const char* function : {"acme/a", "umbrella/b"})
    catalog->Want(function, [&](const Result<ReadyPtr>& ready) {
      answers.push_back(ready.error().message());
    });
  EXPECT_TRUE(RunUntil([&] { return answers.size() == 2; }));
  EXPECT_THAT(answers, Contains(AllOf(StartsWith("acme/a.wasm"), Not(HasSubstr("umbrella")))));
  EXPECT_THAT(answers, Contains(AllOf(StartsWith("umbrella/b.wasm"), Not(HasSubstr("acme")))));
}

TEST_F(CatalogFaultsTest, ACompilerThatFailsIsToldOf) {
  Put("hello.wasm", LargeModuleOf(1));
  options.compiler.bytes = 40 << 20;
  Open();
  EXPECT_THAT(Ask("hello"), StartsWith("hello.wasm"));
  Close();
  options.compiler.words = {"catalog-test", "--gtest_filter=Nothing"};
  Open();
  EXPECT_THAT(Ask("hello"), AllOf(StartsWith("hello.wasm"), HasSubstr("its compiler")));
  EXPECT_EQ(Info("hello").state, State::kBroken);
}

TEST_F(CatalogFaultsTest, WithoutACacheNothingIsServed) {
  const auto no_cache = test::Must(wasm::Cache::Open({.directory = "/proc/nothing/is/made/here"}));
  const auto made = Catalog::Create(*loop, options, *engine, no_cache, *this);
  ASSERT_FALSE(made);
  EXPECT_EQ(made.error().code(), Code::kFailedPrecondition);
  EXPECT_THAT(made.error().message(), HasSubstr("WASMOOR_CACHE_DIR"));
}

TEST_F(CatalogFaultsTest, WithoutADirectoryThereIsNoCatalog) {
  std::filesystem::remove(functions);
  const auto made = Catalog::Create(*loop, options, *engine, cache, *this);
  ASSERT_FALSE(made);
  EXPECT_EQ(made.error().code(), Code::kNotFound);
  EXPECT_THAT(made.error().message(), HasSubstr(functions.native()));
  options.granting.secrets = {"relative"};
  EXPECT_FALSE(Catalog::Create(*loop, options, *engine, cache, *this));
}

TEST_F(CatalogFaultsTest, ManyUnknownNamesKeepNobodyFromTheOthers) {
  Put("hello.wasm", ModuleOf(1));
  Open();
  for (int i = 0; i < 20'000; ++i) {
    bool answered = false;
    catalog->Want(fmt::format("unknown{}", i), [&](const Result<ReadyPtr>& ready) {
      answered = !ready && ready.error().code() == Code::kNotFound;
    });
    ASSERT_TRUE(answered);
  }
  EXPECT_EQ(Ask("hello"), "1");
  Put("late.wasm", ModuleOf(2));
  EXPECT_TRUE(ComesToSay("late", "2"));
  EXPECT_THAT(catalog->List(), SizeIs(2));
}

// A directory that has come in the place of the one that was there.
TEST_F(CatalogFaultsTest, TheDirectoryMayBeReplaced) {
  Put("hello.wasm", ModuleOf(1));
  Open();
  EXPECT_EQ(Ask("hello"), "1");
  std::filesystem::rename(functions, scratch / "old");
  EXPECT_TRUE(RunUntil([&] { return catalog->away().has_value(); }));
  EXPECT_EQ(Ask("hello"), "1");
  EXPECT_EQ(CodeOf("other"), Code::kUnavailable);
  EXPECT_TRUE(RunUntil([&] { return HasLine(notices, "is away"); }));
  Put("other.wasm", ModuleOf(2));
  EXPECT_TRUE(RunUntil([&] { return !catalog->away(); }));
  EXPECT_TRUE(RunUntil([&] { return Info("hello").function == "none"; }));
  EXPECT_EQ(Ask("other"), "2");
  EXPECT_TRUE(RunUntil([&] { return HasLine(notices, "is back"); }));
  Put("third.wasm", ModuleOf(3));
  EXPECT_TRUE(ComesToBe("third", State::kReady));
}

TEST_F(CatalogFaultsTest, AVolumeThatIsUnmountedAndBackTakesNothingAlong) {
  test::InNamespaces(0, [this] {
    const auto mount = [this](const std::filesystem::path& place) {
      return ::mount("functions", place.c_str(), "tmpfs", 0, nullptr) == 0;
    };
    ASSERT_TRUE(mount(functions));
    Put("hello.wasm", ModuleOf(1));
    Put("cold.wasm", ModuleOf(2));
    Put("acme/hello.wasm", ModuleOf(3));
    Open();
    EXPECT_EQ(Ask("hello"), "1");
    EXPECT_EQ(Ask("acme/hello"), "3");
    ASSERT_EQ(::umount(functions.c_str()), 0) << "something of it is open";
    EXPECT_TRUE(RunUntil([&] { return catalog->away().has_value(); }));
    RunFor(std::chrono::milliseconds(300));
    EXPECT_THAT(catalog->List(), SizeIs(3));
    EXPECT_EQ(Ask("hello"), "1");
    EXPECT_EQ(CodeOf("cold"), Code::kUnavailable);
    EXPECT_EQ(CodeOf("unknown"), Code::kUnavailable);
    EXPECT_EQ(std::count_if(notices.begin(), notices.end(),
                            [](const auto& line) { return line.find("away") != line.npos; }),
              1);
    ASSERT_TRUE(mount(functions));
    Put("hello.wasm", ModuleOf(4));
    Put("cold.wasm", ModuleOf(2));
    EXPECT_TRUE(ComesToSay("hello", "4"));
    EXPECT_EQ(Ask("cold"), "2");
    EXPECT_TRUE(RunUntil([&] { return Info("acme/hello").function == "none"; }));
    Put("third.wasm", ModuleOf(5));
    EXPECT_TRUE(ComesToBe("third", State::kReady));
    Close();
  });
}

TEST_F(CatalogFaultsTest, ATenantsVolumeThatIsUnmountedTakesNothingAlong) {
  test::InNamespaces(0, [this] {
    const std::filesystem::path place = functions / "acme";
    std::filesystem::create_directory(place);
    const auto mount = [&] { return ::mount("f", place.c_str(), "tmpfs", 0, nullptr) == 0; };
    ASSERT_TRUE(mount());
    Put("hello.wasm", ModuleOf(1));
    Overwrite("acme/hello.wasm", ModuleOf(2));
    Open();
    EXPECT_EQ(Ask("acme/hello"), "2");
    ASSERT_EQ(::umount(place.c_str()), 0);
    EXPECT_TRUE(RunUntil([&] { return HasLine(notices, "tenant 'acme' is away"); }));
    EXPECT_EQ(Ask("acme/hello"), "2");
    EXPECT_EQ(Ask("hello"), "1");
    ASSERT_TRUE(mount());
    Overwrite("acme/hello.wasm", ModuleOf(3));
    EXPECT_TRUE(ComesToSay("acme/hello", "3"));
    EXPECT_TRUE(HasLine(notices, "tenant 'acme' is back"));
    Close();
  });
}

TEST_F(CatalogFaultsTest, ADirectoryThatIsEmptiedIsEmpty) {
  Put("hello.wasm", ModuleOf(1));
  Put("acme/hello.wasm", ModuleOf(2));
  Open();
  EXPECT_EQ(Ask("hello"), "1");
  Remove("hello.wasm");
  Remove("acme");
  EXPECT_TRUE(RunUntil([&] { return catalog->List().empty(); }));
  EXPECT_FALSE(catalog->away());
}

// Without inotify, as on a network file system.
class CatalogPollTest : public CatalogTest {
 protected:
  CatalogPollTest() { options.inotify = false; }
};

TEST_F(CatalogPollTest, ChangesAreSeen) {
  Put("hello.wasm", ModuleOf(1));
  Put("gone.wasm", ModuleOf(1));
  Open();
  EXPECT_EQ(Ask("hello"), "1");
  EXPECT_EQ(Ask("gone"), "1");
  // In its place, in itself, and its manifest.
  Put("hello.wasm", ModuleOf(2));
  EXPECT_TRUE(ComesToSay("hello", "2"));
  Overwrite("hello.wasm", ModuleOf(3));
  EXPECT_TRUE(ComesToSay("hello", "3"));
  Put("hello.toml", "run.isolate = \"process\"");
  EXPECT_TRUE(RunUntil([&] { return latest["hello"]->manifest->own_process; }));
  Overwrite("hello.toml", "run.isolate = \"thread\"");
  EXPECT_TRUE(RunUntil([&] { return !latest["hello"]->manifest->own_process; }));
  Put("new.wasm", ModuleOf(4));
  Put("acme/new.wasm", ModuleOf(5));
  EXPECT_TRUE(ComesToBe("new", State::kReady));
  EXPECT_TRUE(ComesToBe("acme/new", State::kReady));
  Overwrite("acme/new.wasm", ModuleOf(6));
  EXPECT_TRUE(ComesToSay("acme/new", "6"));
  Remove("gone.wasm");
  Remove("acme");
  EXPECT_TRUE(RunUntil([&] { return catalog->List().size() == 2; }));
  EXPECT_THAT(changes, Contains("gone removed"));
}

TEST_F(CatalogPollTest, AGrowingFileIsLeftToGrow) {
  const std::string bytes = LargeModuleOf(2);
  Put("hello.wasm", ModuleOf(1));
  Open();
  EXPECT_EQ(Ask("hello"), "1");
  std::ofstream file(functions / "hello.wasm", std::ios::binary | std::ios::trunc);
  for (size_t at = 0; at < bytes.size(); at += 4096) {
    file << bytes.substr(at, 4096) << std::flush;
    RunFor(std::chrono::milliseconds(20));
    ASSERT_EQ(Ask("hello"), "1");
  }
  file.close();
  EXPECT_TRUE(ComesToSay("hello", "2"));
}

TEST_F(CatalogPollTest, LinksThatAreTurnedTogetherAreFollowed) {
  Put("..one/hello.wasm", ModuleOf(1));
  Link("..one", "..data");
  Link("..data/hello.wasm", "hello.wasm");
  Open();
  EXPECT_EQ(Ask("hello"), "1");
  Put("..two/hello.wasm", ModuleOf(2));
  Link("..two", "..data_tmp");
  std::filesystem::rename(functions / "..data_tmp", functions / "..data");
  EXPECT_TRUE(ComesToSay("hello", "2"));
}

}  // namespace
}  // namespace wasmoor::function
