// Programs that nobody wrote for wasmoor: CPython, and what the compilers of Go, Rust, C++ and
// wit-bindgen make of ordinary sources. They say the same as on the machine itself.

#include <algorithm>
#include <map>
#include <sstream>

#include "e2e/suite.h"

namespace wasmoor::e2e {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::StartsWith;

std::vector<std::string> LinesOf(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);) lines.push_back(line);
  return lines;
}

// CPython has 26 MB. Its tests share a cache, so that it is compiled once, by the fast compiler.
class PythonTest : public E2eTest {
 protected:
  static void SetUpTestSuite() { shared_cache = MakeScratch(); }
  static void TearDownTestSuite() { fs::remove_all(shared_cache); }

  Command Python(std::vector<std::string> options, std::vector<std::string> arguments) const {
    options.insert(options.begin(), {"--tier", "baseline"});
    options.push_back(Guest("python"));
    options.insert(options.end(), arguments.begin(), arguments.end());
    return RunCommand(std::move(options)).Env("WASMOOR_CACHE_DIR", shared_cache);
  }
  Ended Says(const std::string& script) const { return Python({}, {"-c", script}).Run(); }

  static fs::path shared_cache;
};
fs::path PythonTest::shared_cache;

TEST_F(PythonTest, RunsAScriptThatUsesItsLibraryAndWritesAFile) {
  REQUIRE_GUEST("python");
  MakeFile("scripts/report.py", R"py(
import csv, hashlib, json, os, sqlite3, sys
with open("/data/people.csv") as file:
    people = [(row["name"], int(row["age"])) for row in csv.DictReader(file)]
database = sqlite3.connect(":memory:")
database.execute("create table people (name text, age integer)")
database.executemany("insert into people values (?, ?)", people)
oldest = database.execute("select name from people order by age desc").fetchall()
report = {"oldest": [name for (name,) in oldest], "arguments": sys.argv[1:], "home": os.environ["HOME"]}
text = json.dumps(report, sort_keys=True)
os.makedirs("/data/out", exist_ok=True)
with open("/data/out/report.json", "w") as file:
    file.write(text + "\n")
print(hashlib.sha256(text.encode()).hexdigest())
)py");
  const auto data = MakeDirectory("data");
  MakeFile("data/people.csv", "name,age\nAnn,36\nBob,51\nEve,44\n");
  const Ended report = Python({"--dir", (scratch / "scripts").native() + "::/scripts:ro", "--dir",
                               data.native() + "::/data", "--env", "HOME=/data"},
                              {"/scripts/report.py", "one", "two"})
                           .Run();
  ASSERT_THAT(report, AllOf(Ends(0), IsSilent()));
  const std::string text =
      R"({"arguments": ["one", "two"], "home": "/data", "oldest": ["Bob", "Eve", "Ann"]})";
  EXPECT_EQ(ReadFile(data / "out/report.json"), text + "\n");
  // The same sum by a program of the machine.
  EXPECT_THAT(Command({"sha256sum"}).Input(text).Run(),
              Prints(StartsWith(report.out.substr(0, 64))));
}

TEST_F(PythonTest, KeepsADatabaseInAFile) {
  REQUIRE_GUEST("python");
  const auto data = MakeDirectory("data");
  const std::vector<std::string> grant = {"--dir", data.native() + "::/data"};
  const std::string open = "import sqlite3; db = sqlite3.connect('/data/db')\n";
  EXPECT_THAT(
      Python(
          grant,
          {"-c", open + "with db:\n db.execute('create table t (n)')\n"
                        " db.executemany('insert into t values (?)', [(n,) for n in range(1000)])"})
          .Run(),
      AllOf(Ends(0), IsSilent()));
  EXPECT_THAT(
      Python(grant,
             {"-c", open + "print(*db.execute('select sum(n), count(*) from t').fetchone())"})
          .Run(),
      AllOf(Ends(0), Prints("499500 1000\n")));
}

TEST_F(PythonTest, EndsWithTheStatusOfTheScript) {
  REQUIRE_GUEST("python");
  EXPECT_THAT(Says("import sys; sys.exit(3)"), AllOf(Ends(3), IsSilent()));
  EXPECT_THAT(Says("raise ValueError('wrong')"),
              AllOf(Ends(1), Complains(HasSubstr("ValueError: wrong"))));
}

TEST_F(PythonTest, ReadsAScriptFromStandardInput) {
  REQUIRE_GUEST("python");
  EXPECT_THAT(Python({}, {"-"}).Input("print(sum(range(101)))\n").Run(),
              AllOf(Ends(0), Prints("5050\n")));
}

TEST_F(PythonTest, SeesNothingThatIsNotGranted) {
  REQUIRE_GUEST("python");
  EXPECT_THAT(Says("import os; print(dict(os.environ))"), Prints("{}\n"));
  EXPECT_THAT(Says("import os; os.listdir('/')"),
              AllOf(Ends(1), Complains(HasSubstr("FileNotFoundError"))));
  EXPECT_THAT(Says("open('/etc/passwd')"),
              AllOf(Ends(1), Complains(HasSubstr("FileNotFoundError"))));
  EXPECT_THAT(Says("import socket; socket.create_connection(('127.0.0.1', 1))"), Ends(1));
  const auto data = MakeDirectory("data");
  EXPECT_THAT(
      Python({"--dir", data.native() + "::/data:ro"}, {"-c", "open('/data/new', 'w')"}).Run(),
      AllOf(Ends(1), Complains(HasSubstr("PermissionError"))));
  EXPECT_TRUE(fs::is_empty(data));
}

TEST_F(PythonTest, EndsAtItsTimeAsleepOrBusy) {
  REQUIRE_GUEST("python");
  const auto timed = [this](const std::string& script) {
    return Python({"--timeout", "2s"}, {"-c", script}).Run();
  };
  EXPECT_THAT(timed("import time; time.sleep(1000)"), Ends(124));
  EXPECT_THAT(timed("while True: pass"), Ends(124));
}

TEST_F(PythonTest, IsToldThatMemoryIsShort) {
  REQUIRE_GUEST("python");
  EXPECT_THAT(Python({"--max-memory", "64M"}, {"-c", "bytearray(100 << 20)"}).Run(),
              AllOf(Ends(1), Complains(HasSubstr("MemoryError"))));
}

class ProgramsTest : public E2eTest {
 protected:
  // A tree with some lines in every corner.
  fs::path MakeTree() const {
    for (int folder = 0; folder < 20; ++folder) {
      for (int file = 0; file < 10; ++file) {
        std::string text;
        for (int line = 0; line < 10; ++line)
          text +=
              std::to_string((folder * 7919 + file * 104729 + line * 1299709) % 100003) + " line\n";
        MakeFile("tree/" + std::to_string(folder) + "/deeper/" + std::to_string(file) + ".txt",
                 text);
      }
    }
    return scratch / "tree";
  }
};

TEST_F(ProgramsTest, AGoProgramWalksADirectoryAndSortsItsLines) {
  REQUIRE_GUEST("sortlines");
  const auto tree = MakeTree();
  const std::string sorted =
      Command({"sh", "-euc", "find . -type f -exec cat {} + | LC_ALL=C sort"}).In(tree).Run().out;
  ASSERT_THAT(LinesOf(sorted), ::testing::SizeIs(2000));
  EXPECT_THAT(
      Run({"--tier", "baseline", "--dir", tree.native() + "::/tree", Guest("sortlines"), "/tree"}),
      AllOf(Ends(0), IsSilent(), Prints(sorted + "200 files, 2000 lines\n")));
}

TEST_F(ProgramsTest, AGoProgramSaysWhatItMayNotSee) {
  REQUIRE_GUEST("sortlines");
  EXPECT_THAT(Run({"--tier", "baseline", Guest("sortlines"), "/"}),
              AllOf(Ends(1), Prints(IsEmpty()), Complains(StartsWith("sortlines: "))));
}

TEST_F(ProgramsTest, ACppProgramCountsWordsWithTheStandardLibrary) {
  std::string text;
  for (int i = 0; i < 5000; ++i)
    text +=
        (i % 7 == 0 ? "Word" : "word") + std::to_string(i * i % 997) + (i % 11 == 0 ? "\n" : " ");
  std::map<std::string, size_t> counts;
  std::istringstream words(text);
  for (std::string word; words >> word;) {
    std::transform(word.begin(), word.end(), word.begin(),
                   [](unsigned char c) { return std::tolower(c); });
    ++counts[word];
  }
  ASSERT_GT(counts.size(), 100U);
  const Ended said = RunCommand({"--tier", "baseline", Guest("words"), "100000"}).Input(text).Run();
  EXPECT_THAT(
      said, AllOf(Ends(0), IsSilent(),
                  Prints(HasSubstr("\n" + std::to_string(counts.size()) + " different words\n"))));
  std::map<std::string, size_t> told;
  for (const std::string& line : LinesOf(said.out)) {
    std::istringstream fields(line);
    size_t times = 0;
    std::string word;
    if (fields >> times >> word && line.front() == ' ') told[word] = times;
  }
  EXPECT_EQ(told, counts);
}

TEST_F(ProgramsTest, ARustProgramReadsADirectoryAndWritesAReport) {
  REQUIRE_GUEST("report");
  MakeFile("data/one", "b\na\nb\n");
  MakeFile("data/two", "c\nb\n");
  EXPECT_THAT(
      Run({"--dir", (scratch / "data").native() + "::/data", "--env", "NAME=Ann", Guest("report"),
           "/data"}),
      AllOf(Ends(0), IsSilent(), Prints("3 different lines\nNAME is Ann\ntook time: true\n")));
  EXPECT_EQ(ReadFile(scratch / "data/report.txt"), "1 a\n3 b\n1 c\n");
  EXPECT_THAT(Run({Guest("report"), "/data"}),
              AllOf(Ends(1), Complains(HasSubstr("report: /data"))));
}

TEST_F(ProgramsTest, AComponentMadeFromCWithWitBindgenRuns) {
  REQUIRE_GUEST("greeter-component");
  EXPECT_THAT(Run({Guest("greeter-component")}),
              AllOf(Ends(0), Prints("Hello from a component!\n"), IsSilent()));
  EXPECT_THAT(Run({"--invoke", "greet(\"wasm\")", Guest("calc-component")}),
              Prints("\"Hello, wasm!\"\n"));
}

TEST_F(ProgramsTest, ComputeBoundProgramsComputeTheRightThingInBothTiers) {
  for (const std::string tier : {"baseline", "optimized"}) {
    EXPECT_THAT(
        Run({"--tier", tier, "--no-cache", Guest("sha256"), "1"}),
        Prints(HasSubstr("9bc1b2a288b26af7257a36277ae3816a7d4f16e89c1e7e77d0a5c48bad62b360")));
    EXPECT_THAT(Run({"--tier", tier, "--no-cache", Guest("sieve"), "100000"}),
                Prints("9592 primes\n"));
  }
}

}  // namespace
}  // namespace wasmoor::e2e
