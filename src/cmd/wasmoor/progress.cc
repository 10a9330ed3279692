#include "cmd/wasmoor/progress.h"

#include <unistd.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <mutex>
#include <thread>

#include "wasmoor/base/units.h"

namespace wasmoor::cmd {
namespace {

// What compiles before a person has begun to wait gets no line.
constexpr uint64_t kLargeModule = 512 << 10;
constexpr std::chrono::milliseconds kInterval{100};
constexpr const char* kEraseLine = "\r\x1b[K";

// A thread of its own, only while a compiler works on a terminal: the compiler says nothing until
// it is done.
class Line {
 public:
  Line(wasm::Tier tier, uint64_t bytes) : thread_([this, tier, bytes] { Loop(tier, bytes); }) {}
  ~Line() {
    {
      const std::lock_guard lock(mutex_);
      done_ = true;
    }
    changed_.notify_all();
    thread_.join();
    fputs(kEraseLine, stderr);
  }

 private:
  void Loop(wasm::Tier tier, uint64_t bytes) {
    const auto started = std::chrono::steady_clock::now();
    std::unique_lock lock(mutex_);
    while (!changed_.wait_for(lock, kInterval, [this] { return done_; })) {
      const auto elapsed = std::chrono::steady_clock::now() - started;
      fputs(fmt::format("{}compiling {} of WebAssembly ({}) … {:.1f} s", kEraseLine,
                        FormatSize(bytes), wasm::TierName(tier),
                        std::chrono::duration<double>(elapsed).count())
                .c_str(),
            stderr);
    }
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  bool done_ = false;
  std::thread thread_;
};

std::unique_ptr<Line>& Current() {
  static std::unique_ptr<Line> current;
  return current;
}

}  // namespace

void ShowProgress(wasm::Tier tier, uint64_t wasm_bytes) {
  if (wasm_bytes < kLargeModule || isatty(STDERR_FILENO) == 0) return;
  Current() = std::make_unique<Line>(tier, wasm_bytes);
}

void HideProgress() { Current().reset(); }

}  // namespace wasmoor::cmd
