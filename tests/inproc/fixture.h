#pragma once

#include <gtest/gtest.h>
#include <sys/types.h>

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

// What a test ends with: everything that it has made is gone, and that is checked.
class InprocTest : public ::testing::Test {
 protected:
  void SetUp() override;
  void TearDown() override;

  std::unique_ptr<Sandbox> MakeSandbox(const std::string& pod);

  static Json Config(std::vector<std::string> words);
  // A bundle with a guest of tests/guests in its root, and a FIFO for its output.
  std::string MakeBundle(const std::string& id, const std::string& guest, const Json& config);

  template <typename T>
  Result<T> Wait(const std::function<void(Done<T>)>& ask) {
    auto answer = std::make_shared<std::optional<Result<T>>>();
    ask([answer](Result<T> given) { *answer = std::move(given); });
    if (!Until([&] { return answer->has_value(); }))
      return Fail(Code::kDeadlineExceeded, "no answer; the log: {}", log_);
    return **answer;
  }
  // Serves until that is so; false if it never is.
  bool Until(const std::function<bool()>& condition);

  Result<Container*> Create(const std::string& id, const std::string& bundle);
  // Created and started, with the words as its arguments; null, and a failed test, if it cannot be.
  Container* Start(const std::string& id, const std::string& guest, std::vector<std::string> words);
  Container* Start(const std::string& id, const std::string& guest, const Json& config);
  // Kills what still runs.
  Result<Exit> End(const std::string& id);
  Result<Exit> WaitFor(Process& process);

  // Of the output of a container that was made by Start or RunOnce, since the last call.
  std::string Output(const std::string& id);
  // Serves until the output has that in it.
  bool WaitForOutput(const std::string& id, const std::string& part);

  // From its bundle to its end: what it has written, and how it ended (from 990 on: not at all).
  std::pair<std::string, uint32_t> RunOnce(const std::string& id, const std::string& guest,
                                           std::vector<std::string> words);
  std::pair<std::string, uint32_t> RunOnce(const std::string& id, const std::string& bundle);

  pid_t host() const { return hosts_->pids().at(0); }

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
