#pragma once

#include <gtest/gtest.h>
#include <sys/types.h>

#include <chrono>
#include <csignal>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "wasmoor/loop/loop.h"
#include "wasmoor/sandbox/inproc/inproc_sandbox.h"

// Guests of a real host, which is this program, started again.
namespace wasmoor::sandbox {

constexpr const char* kHostWord = "wasm-host";
constexpr const char* kCompilerWord = "compile-module";
constexpr const char* kState = "/run/wasmoor-inproc-test";

// How guests end that are ended, or trap.
constexpr uint32_t kKilled = 128 + SIGKILL, kTerminated = 128 + SIGTERM, kTrapped = 134;
// The most threads of a host without guests: its own, the engine's ticker, and one that is about to
// go.
constexpr size_t kOwnThreads = 3;

using Json = nlohmann::json;

// Takes nothing: what comes here needs a process of its own.
class NoProcesses : public Sandbox {
 public:
  void Create(CreateRequest request, Done<Container*> done) override;
  Result<Container*> Find(std::string_view id) override;
  void Remove(std::string_view id, std::string_view exec_id, Done<Exit> done) override;
  std::vector<std::string> Ids() const override { return {}; }
  std::vector<std::string> asked;
};

class Listening : public Listener {
 public:
  void OnExit(const std::string& id, const std::string& exec_id, pid_t, const Exit& exit) override;
  void OnOutOfMemory(const std::string& id) override { short_of_memory.push_back(id); }
  std::vector<std::string> exits, short_of_memory;  // exits: "id/exec:status"
};

// What a host takes of the machine.
struct HostSize {
  size_t descriptors = 0, mebibytes = 0, mappings = 0;
};

// What a test ends with: everything that it has made is gone, and that is checked.
class InprocTest : public ::testing::Test {
 protected:
  void SetUp() override;
  void TearDown() override;

  std::unique_ptr<Sandbox> MakeSandbox(const std::string& pod);

  static Json Config(std::vector<std::string> words);
  static Json WithMemory(Json config, uint64_t bytes);
  static std::filesystem::path ModuleOf(const std::string& guest);
  // A bundle with a guest of tests/guests in its root, and a FIFO for its output.
  std::string MakeBundle(const std::string& id, const std::string& guest, const Json& config);

  // What is never answered has failed the test.
  template <typename T>
  Result<T> Wait(const std::function<void(Done<T>)>& ask) {
    auto answer = std::make_shared<std::optional<Result<T>>>();
    ask([answer](Result<T> given) { *answer = std::move(given); });
    if (Until([&] { return answer->has_value(); })) return **answer;
    ADD_FAILURE() << "no answer; the log: " << log_;
    return Fail(Code::kDeadlineExceeded, "no answer");
  }
  // Serves until that is so; false if it never is.
  bool Until(const std::function<bool()>& condition);
  void ServeFor(std::chrono::milliseconds time);

  Result<Container*> Create(const std::string& id, const std::string& bundle);
  // Created and started, with the words as its arguments; null, and a failed test, if it cannot be.
  Container* Start(const std::string& id, const std::string& guest, std::vector<std::string> words);
  Container* Start(const std::string& id, const std::string& guest, const Json& config);
  Container* StartBundle(const std::string& id, const std::string& bundle);
  // The same, but that nobody reads its output.
  Container* StartUnread(const std::string& id, const std::string& bundle);
  static ExecRequest Program(const std::string& exec_id, std::vector<std::string> words);
  // Started beside the container's first; null, and a failed test, if it cannot be.
  Process* StartBeside(Container& container, ExecRequest request);
  // Kills what still runs.
  Result<Exit> End(const std::string& id);
  Result<Exit> WaitFor(Process& process);
  // The status that the signal ends the first process with; 0, and a failed test, if it does not.
  uint32_t StatusAfter(Container& container, int signal);

  // Containers GUEST0, GUEST1 and so on, asked for all at once; those that came to be.
  std::vector<Container*> CreateMany(int many, const std::string& guest);
  void StartAll(const std::vector<Container*>& containers);
  // With their bundles.
  void EndAll(const std::vector<Container*>& containers);
  // A guest runs from its beginning to its end.
  void ExpectOthersLive(const std::string& id = "after");

  // Of the output of a container that was made by Start or StartBundle, since the last call.
  std::string Output(const std::string& id);
  // Serves until the output has that in it.
  bool WaitForOutput(const std::string& id, const std::string& part);

  // From its bundle to its end: what it has written, and how it ended (from 990 on: not at all).
  std::pair<std::string, uint32_t> RunOnce(const std::string& id, const std::string& guest,
                                           std::vector<std::string> words);
  std::pair<std::string, uint32_t> RunOnce(const std::string& id, const std::string& bundle);
  std::pair<std::string, uint32_t> RunWith(const std::string& id, const std::string& guest,
                                           const Json& config);

  cgroup::Stats StatsOf(Container& container);
  uint64_t TimeOf(Container& container) { return StatsOf(container).cpu->usage_ns; }
  // Pauses it, and tells the time of the CPU at which it stands then: it ends its tick first.
  uint64_t TimePaused(Container& container);

  pid_t host() const { return hosts_->pids().at(0); }
  std::filesystem::path FolderOfHost() const;
  // Of a process's thread, or of a guest's first.
  std::filesystem::path TaskOf(pid_t thread) const;
  std::filesystem::path TaskOf(Container& container) const;
  size_t Threads() const { return Count(FolderOfHost() / "task"); }
  bool WaitForThreads(size_t most = kOwnThreads);
  HostSize SizeOfHost() const;
  // That it is as it was, but for so much: what is allocated once, or as it comes.
  void ExpectNoLarger(const HostSize& before, const HostSize& allowed) const;
  static size_t Count(const std::filesystem::path& directory);
  // Where a symbolic link leads; a failed test if it is none.
  static std::string Link(const std::filesystem::path& path);

  std::filesystem::path scratch_;
  std::string log_;
  std::unique_ptr<loop::Loop> loop_;
  Listening listening_;
  std::unique_ptr<Hosts> hosts_;
  NoProcesses* processes_ = nullptr;
  std::unique_ptr<Sandbox> sandbox_;

 private:
  std::map<std::string, int> readers_;
  std::map<std::string, std::string> texts_;
};

}  // namespace wasmoor::sandbox
