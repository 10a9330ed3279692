// `wasmoor inspect`: what it says of real programs, and that hostile files get a sentence and
// nothing else out of it.

#include <sys/stat.h>

#include <nlohmann/json.hpp>

#include "e2e/suite.h"

namespace wasmoor::e2e {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::AnyOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using Json = nlohmann::json;

class InspectTest : public E2eTest {
 protected:
  Ended Inspect(std::vector<std::string> words) const {
    words.insert(words.begin(), "inspect");
    return Wasmoor(std::move(words)).Within(std::chrono::seconds(20)).Run();
  }
  Json Report(const std::string& file) const { return Json::parse(Inspect({"--json", file}).out); }
};

std::string Options(const Json& report) {
  std::string options;
  for (const Json& grant : report["needs"]["grants"])
    options += std::string(grant["option"]).substr(0, std::string(grant["option"]).find(' ')) + " ";
  return options;
}

TEST_F(InspectTest, HelloIsACommandOfWasi01ThatNeedsNothing) {
  const Json hello = Report(Guest("hello"));
  EXPECT_EQ(hello["kind"], "module");
  EXPECT_EQ(hello["world"], "command");
  EXPECT_EQ(hello["wasi"], "0.1");
  EXPECT_EQ(hello["bytes"], fs::file_size(Guest("hello")));
  EXPECT_THAT(hello["needs"]["missing"], IsEmpty());
  EXPECT_EQ(hello["memories"][0]["shared"], false);
  EXPECT_THAT(Inspect({Guest("hello")}),
              AllOf(Ends(0), IsSilent(), Prints(HasSubstr("wasi_snapshot_preview1.fd_write"))));
}

TEST_F(InspectTest, TheHashIsTheFilesOwn) {
  const Ended sum = Command({"sha256sum", Guest("hello")}).Run();
  EXPECT_EQ(Report(Guest("hello"))["sha256"], sum.out.substr(0, 64));
}

TEST_F(InspectTest, GrantsAreNamedByTheirOptions) {
  EXPECT_THAT(Options(Report(Guest("files"))), HasSubstr("--dir"));
  EXPECT_THAT(Options(Report(Guest("serve"))), HasSubstr("--tcplisten"));
  EXPECT_THAT(Options(Report(Guest("args"))), HasSubstr("ARGS"));
}

TEST_F(InspectTest, AComponentTellsItsWorldAndVersion) {
  REQUIRE_GUEST("greeter-component");
  const Json greeter = Report(Guest("greeter-component"));
  EXPECT_EQ(greeter["kind"], "component");
  EXPECT_EQ(greeter["world"], "command");
  EXPECT_EQ(greeter["wasi"], "0.2");
  EXPECT_GT(greeter["modules"], 0);
  EXPECT_THAT(greeter["needs"]["missing"], IsEmpty());
  REQUIRE_GUEST("calc-component");
  EXPECT_EQ(Report(Guest("calc-component"))["world"], "library");
}

TEST_F(InspectTest, WhatNothingProvidesIsNamedWithWhatWould) {
  EXPECT_THAT(Inspect({Guest("missing_import")}),
              AllOf(Ends(0), Prints(AllOf(HasSubstr("missing\tenv.open_the_door"),
                                          HasSubstr("wasi_snapshot_preview1.fd_levitate")))));
  EXPECT_THAT(Inspect({Guest("unstable")}),
              Prints(HasSubstr("rebuild it with a current wasi-sdk")));
  EXPECT_EQ(Report(Guest("unstable"))["wasi"], "0.0");
  EXPECT_THAT(Report(Guest("wrong_type"))["needs"]["missing"], Not(IsEmpty()));
}

TEST_F(InspectTest, AFeatureThatIsOffIsNamedWithItsOption) {
  EXPECT_EQ(Report(Guest("threads"))["needs"]["enable"], Json::array({"threads"}));
  EXPECT_THAT(Inspect({Guest("threads")}), Prints(HasSubstr("--enable threads")));
}

TEST_F(InspectTest, TextIsReadToo) {
  const auto file = MakeFile("module.wat", R"((module (memory (export "m") 1 3)
    (func (export "twice") (param i32) (result i32 i32) local.get 0 local.get 0)))");
  const Json report = Report(file);
  EXPECT_EQ(report["text"], true);
  EXPECT_EQ(report["world"], "library");
  EXPECT_EQ(report["features"], Json::array({"multi-value"}));
  EXPECT_EQ(report["exports"][1]["type"], "(i32) -> (i32, i32)");
}

TEST_F(InspectTest, TheStateOfTheCacheIsTold) {
  EXPECT_THAT(Inspect({Guest("hello")}), Prints(HasSubstr("not cached")));
  EXPECT_FALSE(fs::exists(cache));
  Run({Guest("hello")});
  const Json report = Report(Guest("hello"));
  ASSERT_EQ(report["cache"]["entries"].size(), 1U);
  EXPECT_EQ(report["cache"]["entries"][0]["tier"], "optimized");
  EXPECT_EQ(report["cache"]["entries"][0]["usable"], true);
  EXPECT_EQ(report["cache"]["entries"][0]["bytes"], fs::file_size(CacheEntries()[0]));
  EXPECT_THAT(Inspect({Guest("hello")}), Prints(HasSubstr("made just now")));
}

TEST_F(InspectTest, SeveralFilesAreSeveralReportsAndOneFailureDoesNotHideTheOthers) {
  const Ended ended = Inspect({"--json", Guest("hello"), "/bin/true", Guest("exit42")});
  EXPECT_EQ(ended.status, 126);
  EXPECT_EQ(std::count(ended.out.begin(), ended.out.end(), '\n'), 2);
  EXPECT_EQ(Json::parse(ended.err)["file"], "/bin/true");
}

TEST_F(InspectTest, StandardInputIsReadToo) {
  EXPECT_THAT(Wasmoor({"inspect", "-"}).Input(ReadFile(Guest("hello"))).Run(), Ends(0));
}

TEST_F(InspectTest, NamesCannotCommandATerminal) {
  const auto file = MakeFile("evil\x1b[2J.wat", R"((module (import "\1b[31mred\07" "a\0ab" (func))
    (export "\e2\80\aetxet" (func 0)) (@custom "\1b]0;title\07" "")))");
  for (const bool terminal : {false, true}) {
    Command inspect = Wasmoor({"inspect", file}).Env("TERM", "dumb");
    const Ended ended = terminal ? inspect.OnTerminal().Run() : inspect.Run();
    EXPECT_THAT(ended, AllOf(Ends(0), Prints(Not(HasSubstr("\x1b")))));
    EXPECT_THAT(ended.out,
                AllOf(HasSubstr("\\x1b[31mred\\x07.a\\x0ab"), HasSubstr("\\u{202e}txet")));
  }
}

TEST_F(InspectTest, WhatIsNoModuleIsRefusedInASentence) {
  const fs::path fifo = scratch / "fifo";
  ASSERT_EQ(mkfifo(fifo.c_str(), 0600), 0);
  const std::pair<fs::path, const char*> files[] = {
      {"/bin/true", "native (ELF) program"},
      {MakeDirectory("folder"), "is a directory"},
      {fifo, "is a FIFO"},
      {MakeFile("empty.wasm", ""), "is empty"},
      {MakeFile("half.wasm", ReadFile(Guest("hello")).substr(0, 1000)), "at offset 0x"},
      {MakeFile("text.txt", "hello"), "neither a WebAssembly binary nor its text format"},
  };
  for (const auto& [file, words] : files)
    EXPECT_THAT(Inspect({file}), AllOf(Ends(126), Prints(IsEmpty()), Complains(HasSubstr(words))));
  EXPECT_THAT(Inspect({"nowhere.wasm"}), Ends(127));
}

TEST_F(InspectTest, CountsWithoutContentCostNothing) {
  const std::string core("\0asm\x01\0\0\0", 8), component("\0asm\x0d\0\x01\0", 8);
  const std::string billion("\x80\x94\xeb\xdc\x03", 5);  // 1,000,000,000
  for (const char section : {1, 2, 3, 4, 5, 7, 10}) {
    const auto file = MakeFile("many.wasm", core + section + '\x05' + billion);
    EXPECT_THAT(Inspect({file}), AllOf(Ends(126), Complains(HasSubstr("1000000000"))))
        << int{section};
  }
  for (const char section : {10, 11}) {
    const auto file = MakeFile("many.wasm", component + section + '\x05' + billion);
    EXPECT_THAT(Inspect({file}), AllOf(Ends(126), Complains(HasSubstr("1000000000"))))
        << int{section};
  }
  const auto hole = MakeFile("hole.wasm", core);
  fs::resize_file(hole, uint64_t{1} << 40);
  EXPECT_THAT(Inspect({hole}), AllOf(Ends(126), Complains(HasSubstr("too big"))));
}

}  // namespace
}  // namespace wasmoor::e2e
