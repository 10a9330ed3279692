#pragma once

#include <pthread.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include "wasm/wasmtime/handles.h"
#include "wasmoor/hostcall/interrupt.h"
#include "wasmoor/wasm/options.h"

namespace wasmoor::wasm::wasmtime {

// The one thread of a process with many guests that ends them in time. While guests run it advances
// the engines' epoch every tick, at which each looks at its Interrupt; it requests the interrupt of
// those whose deadline has passed; and to the thread of everyone who is to end it sends a signal,
// again at every tick, so that a blocked system call returns. With no guest running it sleeps;
// while all of them wait in host functions and none has a deadline it ticks more and more slowly,
// since thousands that sleep are to cost nothing; it starts with the first, so that who only loads
// modules stays without threads. Thread-safe.
class Ticker {
 public:
  explicit Ticker(std::chrono::milliseconds tick);
  ~Ticker();  // No guest may be running.

  // Its thread, now, and not with the first guest.
  void Start();

  // Somebody is to end, whose thread may sleep: the next tick is now.
  void Hurry();

  // Its epoch is advanced from now on. The engine outlives the ticker.
  void AddEngine(wasm_engine_t* engine);

  // A guest that runs on the calling thread for as long as the object lives.
  class Running {
   public:
    // `waits`: is set while the guest is in a host function. `driver`: of a component, which no
    // signal reaches while it waits; else null.
    Running(Ticker& ticker, hostcall::Interrupt& interrupt, const std::atomic<bool>& waits,
            std::optional<Clock::time_point> deadline, const wasmoor_driver_t* driver = nullptr);
    ~Running();
    Running(const Running&) = delete;
    Running& operator=(const Running&) = delete;

   private:
    friend class Ticker;
    Ticker& ticker_;
    hostcall::Interrupt& interrupt_;
    const std::atomic<bool>& waits_;
    const std::optional<Clock::time_point> deadline_;
    const wasmoor_driver_t* const driver_;
    const pthread_t thread_;
    size_t index_ = 0;  // In ticker_.running_.
  };

 private:
  void StartLocked();
  void Loop();
  // Whether the next tick must not be late.
  bool TickLocked(Clock::time_point now);

  const std::chrono::milliseconds tick_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<wasm_engine_t*> engines_;
  std::vector<Running*> running_;
  uint64_t begun_ = 0;   // Guests, in all.
  bool sleeps_ = false;  // Longer than a tick: the thread is to be woken by a guest that begins.
  bool stopping_ = false, hurry_ = false;
  std::thread thread_;
};

}  // namespace wasmoor::wasm::wasmtime
