#pragma once

#include <atomic>
#include <memory>
#include <string>

#include "serve/guest.h"
#include "wasmoor/http/server.h"
#include "wasmoor/loop/loop.h"

namespace wasmoor::serve {

// One thread's part of a server: its loop, its connections and their guests. Made by the thread
// that makes the server, and run by its own.
class Worker {
 public:
  struct Parts {
    wasm::HttpHandler& handler;
    const Settings& settings;
    uint32_t at_once;
    std::string name;
    Guests::Say say;
    bool is_counted;  // Others ask connections(), and the thread has nothing else to stay for.
  };
  static Result<std::unique_ptr<Worker>> Create(const Parts& parts);

  // On the thread that is to be its own; until Stop.
  void Run();

  // Any thread.
  void Take(os::Fd connection);
  // Ends what waits, finishes what runs, and calls `drained` on its thread.
  void Drain(std::function<void()> drained);
  void Stop() { loop_->Stop(); }
  size_t connections() const { return connections_.load(std::memory_order_relaxed); }

  loop::Loop& loop() { return *loop_; }

 private:
  Worker(const Parts& parts, std::unique_ptr<loop::Loop> loop)
      : parts_(parts), loop_(std::move(loop)) {}
  void Count();

  const Parts parts_;
  const std::unique_ptr<loop::Loop> loop_;
  std::unique_ptr<Guests> guests_;
  std::unique_ptr<http::Server> server_;  // Before the guests that its connections have.
  loop::Timer counting_;
  std::atomic<size_t> connections_ = 0;
};

}  // namespace wasmoor::serve
