#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "support/result.h"
#include "support/scratch.h"
#include "wasmoor/function/catalog/catalog.h"
#include "wasmoor/program/program.h"
#include "wasmoor/wasm/wasmtime.h"

// What the tests of the catalog share: a directory of functions, a cache, an engine and a loop; the
// compiler is this very test program.
namespace wasmoor::function {

// What this program is started as by CatalogOptions::compiler.
constexpr std::string_view kCompilerVerb = "compile-for-the-test";

// The binary of a module whose export "answer" says this number, and which has a _start.
inline std::string ModuleOf(int answer) {
  const std::string text = fmt::format(
      R"((module (memory 1) (func (export "_start"))
                 (func (export "answer") (result i32) i32.const {})))",
      answer);
  const auto bytes = test::Must(
      wasm::WasmtimeBinaryFromText({reinterpret_cast<const uint8_t*>(text.data()), text.size()}));
  return {bytes.begin(), bytes.end()};
}

// The same, and so large that it is run on baseline code at first.
inline std::string LargeModuleOf(int answer, int functions = 3000) {
  std::string text = "(module (func (export \"_start\"))\n";
  for (int i = 0; i < functions; ++i) {
    text += fmt::format(
        "(func (param i32) (result i32) local.get 0 i32.const {} i32.mul local.get 0 i32.add "
        "i32.const {} i32.xor)\n",
        i + 3, i * 7);
  }
  text += fmt::format("(func (export \"answer\") (result i32) i32.const {}))", answer);
  const auto bytes = test::Must(
      wasm::WasmtimeBinaryFromText({reinterpret_cast<const uint8_t*>(text.data()), text.size()}));
  return {bytes.begin(), bytes.end()};
}

class CatalogTest : public ::testing::Test, public CatalogListener {
 protected:
  using ReadyPtr = std::shared_ptr<const Ready>;
  using State = FunctionInfo::State;

  explicit CatalogTest(const std::filesystem::path& parent = std::filesystem::temp_directory_path())
      : scratch(parent) {
    std::filesystem::create_directories(functions);
    options.directory = functions.native();
    options.compiler.words = {"catalog-test", std::string(kCompilerVerb)};
#ifdef __SANITIZE_ADDRESS__
    options.compiler.bytes = UINT64_MAX;  // Its shadow is as large as all memory.
#endif
    // Of what comes by itself, the tests see soon enough what is looked for.
    options.poll = std::chrono::milliseconds(50);
  }

  void OnChange(const ReadyPtr& ready) override {
    changes.push_back(fmt::format("{} {}{}", ready->function, AnswerOf(*ready),
                                  ready->tier == wasm::Tier::kBaseline ? " baseline" : ""));
    latest[ready->function] = ready;
  }
  void OnGone(const std::string& function, Gone why) override {
    changes.push_back(function + (why == Gone::kRemoved ? " removed" : " unloaded"));
    latest.erase(function);
  }
  void OnProblem(const std::string& function, const Error& error) override {
    problems.push_back(function + ": " + error.message());
  }
  void OnNotice(const std::string& line) override { notices.push_back(line); }

  void Open() { catalog = test::Must(Catalog::Create(*loop, options, *engine, cache, *this)); }
  void Close() { catalog.reset(); }

  // Puts a file into the directory as it should be done: whole.
  void Put(const std::string& file, std::string_view content) const {
    std::filesystem::create_directories((functions / file).parent_path());
    const std::filesystem::path partial = functions / ".partial";
    test::WriteFile(partial, content);
    std::filesystem::rename(partial, functions / file);
  }
  // Writes into what is there.
  void Overwrite(const std::string& file, std::string_view content) const {
    test::WriteFile(functions / file, content);
  }
  void Remove(const std::string& file) const { std::filesystem::remove_all(functions / file); }
  void Link(const std::string& to, const std::string& file) const {
    std::filesystem::create_directories((functions / file).parent_path());
    ASSERT_EQ(::symlink(to.c_str(), (functions / file).c_str()), 0);
  }

  bool RunUntil(const std::function<bool()>& done) const {
    const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(60);
    while (!done()) {
      if (std::chrono::steady_clock::now() > until) return false;
      loop->RunOnce(std::chrono::milliseconds(10));
    }
    return true;
  }
  void RunFor(std::chrono::milliseconds time) const {
    const auto until = std::chrono::steady_clock::now() + time;
    while (std::chrono::steady_clock::now() < until) loop->RunOnce(std::chrono::milliseconds(5));
  }

  Result<ReadyPtr> Want(std::string_view function) const {
    auto answer = std::make_shared<std::optional<Result<ReadyPtr>>>();
    catalog->Want(function, [answer](const Result<ReadyPtr>& ready) { *answer = ready; });
    if (!RunUntil([&] { return answer->has_value(); }))
      return Fail(Code::kDeadlineExceeded, "no answer");
    return **answer;
  }
  // What the function says that is in force, or why there is none.
  std::string Ask(std::string_view function) const {
    const auto ready = Want(function);
    return ready ? AnswerOf(**ready) : ready.error().message();
  }
  Code CodeOf(std::string_view function) const {
    const auto ready = Want(function);
    return ready ? Code::kOk : ready.error().code();
  }
  static std::string AnswerOf(const Ready& ready) {
    if (ready.module->kind() == wasm::ModuleKind::kComponent) return "component";
    auto instance = test::Must(ready.module->NewInstance({}));
    const auto exit = instance->Run({.function = "answer"});
    return exit ? exit->results : exit.error().message();
  }
  FunctionInfo Info(std::string_view function) const {
    return catalog->Find(function).value_or(FunctionInfo{.function = "none"});
  }
  // What somebody hears who asks for it again and again.
  bool ComesToSay(std::string_view function, const std::string& answer) const {
    return RunUntil([&] { return Ask(function) == answer; });
  }
  bool ComesToBe(std::string_view function, State state) const {
    return RunUntil([&] { return Info(function).state == state; });
  }

  const test::ScratchDirectory scratch;
  const std::filesystem::path functions = scratch / "functions";
  const std::filesystem::path cache_directory = scratch / "cache";
  const program::Host host = program::NewHost();
  const std::unique_ptr<wasm::Engine> engine =
      test::Must(wasm::WasmtimeFactory().create({.sharing = wasm::Sharing::kManyGuests,
                                                 .pool = {.instances = 4},
                                                 .parallel_compile = false,
                                                 .host = host.table}));
  const wasm::Cache cache = test::Must(program::OpenCache(cache_directory));
  const std::unique_ptr<loop::Loop> loop = test::Must(loop::Loop::Create());
  CatalogOptions options;
  std::vector<std::string> changes, problems, notices;
  std::map<std::string, ReadyPtr> latest;
  std::unique_ptr<Catalog> catalog;
};

}  // namespace wasmoor::function
