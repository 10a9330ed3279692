#pragma once

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <csignal>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "support/result.h"
#include "support/scratch.h"
#include "wasmoor/loop/loop.h"
#include "wasmoor/os/spawn.h"
#include "wasmoor/sandbox/stdio.h"

namespace wasmoor::sandbox {

using namespace std::chrono_literals;
using test::Must;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

// A loop, a folder for FIFOs and files, and what streams say to an operator.
class StdioFixture : public testing::Test {
 protected:
  StdioFixture() : loop_(Must(loop::Loop::Create())) { ::signal(SIGPIPE, SIG_IGN); }
  ~StdioFixture() override {
    stdio_.reset();
    for (const pid_t pid : running_) {
      ::kill(pid, SIGKILL);
      ::waitpid(pid, nullptr, 0);
    }
  }

  std::string Fifo(const char* name) {
    const std::string path = scratch_ / name;
    EXPECT_EQ(::mkfifo(path.c_str(), 0700), 0);
    return path;
  }
  std::string Path(const char* name) const { return scratch_ / name; }

  Result<std::unique_ptr<Stdio>> TryOpen(const Streams& streams) {
    StdioOwner owner{
        .name_space = "default", .id = "box", .exec_id = "", .log = [this](std::string_view text) {
          log_.emplace_back(text);
        }};
    return Stdio::Open(*loop_, streams, std::move(owner));
  }
  void Open(const Streams& streams) { stdio_ = Must(TryOpen(streams)); }

  // What the loggers answer, once they do.
  Status Ready() {
    std::optional<Status> ready;
    stdio_->WhenReady([&](const Status& status) { ready = status; });
    EXPECT_TRUE(RunUntil([&] { return ready.has_value(); }));
    return ready.value_or(Fail(Code::kUnknown, "no answer"));
  }

  // A shell script as the process that has the streams.
  pid_t Start(const std::string& script) {
    const pid_t pid = Script(script, {stdio_->input(), stdio_->output(), stdio_->error()});
    Must(stdio_->Attach(os::Fd()));
    return pid;
  }
  pid_t Script(const std::string& script, std::vector<const os::Fd*> descriptors) {
    os::SpawnRequest request;
    request.program = "/bin/sh";
    request.arguments = {"sh", "-c", script};
    request.descriptors = std::move(descriptors);
    running_.push_back(Must(os::Spawn(request)));
    return running_.back();
  }

  // The exit status, or minus the signal.
  int EndOf(pid_t pid) {
    int status = 0;
    const bool ended = RunUntil([&] { return ::waitpid(pid, &status, WNOHANG) == pid; });
    EXPECT_TRUE(ended) << "process does not end";
    if (!ended) return -1;
    std::erase(running_, pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
  }

  // Until it is told that everything is handed on; how long that took.
  std::chrono::milliseconds Finish() {
    const auto start = std::chrono::steady_clock::now();
    bool finished = false;
    stdio_->Finish([&] { finished = true; });
    EXPECT_TRUE(RunUntil([&] { return finished; }));
    return std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() -
                                                                 start);
  }
  void Close() {
    bool closed = false;
    stdio_->Close([&] { closed = true; });
    EXPECT_TRUE(RunUntil([&] { return closed; }));
  }

  bool RunUntil(const std::function<bool()>& condition) {
    const auto until = std::chrono::steady_clock::now() + 20s;
    while (!condition()) {
      if (std::chrono::steady_clock::now() > until) return false;
      loop_->RunOnce(5ms);
    }
    return true;
  }

  // As a client that does not wait for the other side of a FIFO.
  static os::Fd OpenNow(const std::string& path, int flags) {
    os::Fd file(::open(path.c_str(), flags | O_NONBLOCK | O_CLOEXEC));
    EXPECT_TRUE(file.valid()) << path;
    return file;
  }
  // What can be read now is appended; false at the end.
  static bool ReadSome(const os::Fd& file, std::string* text) {
    std::array<char, 4096> buffer;
    for (;;) {
      const ssize_t got = ::read(file.get(), buffer.data(), buffer.size());
      if (got == 0) return false;
      if (got < 0) return true;
      text->append(buffer.data(), static_cast<size_t>(got));
    }
  }
  std::string ReadToEnd(const os::Fd& file) {
    std::string text;
    EXPECT_TRUE(RunUntil([&] { return !ReadSome(file, &text); })) << "no end after: " << text;
    return text;
  }
  static void Write(const os::Fd& file, std::string_view text) {
    EXPECT_EQ(::write(file.get(), text.data(), text.size()), static_cast<ssize_t>(text.size()));
  }

  test::ScratchDirectory scratch_;
  std::unique_ptr<loop::Loop> loop_;
  std::vector<std::string> log_;
  std::unique_ptr<Stdio> stdio_;
  std::vector<pid_t> running_;
};

}  // namespace wasmoor::sandbox
