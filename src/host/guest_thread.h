#pragma once

#include <pthread.h>
#include <sys/types.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>

#include "host/common.h"
#include "host/guest_setup.h"
#include "wasmoor/base/result.h"
#include "wasmoor/wasm/options.h"

namespace wasmoor::host {

// One guest and the thread that it is. Made, told and destroyed by the thread that speaks with the
// service; what becomes of the guest goes to the mailbox. To be destroyed only when it is gone.
class GuestThread : private wasm::TickHandler {
 public:
  // Its thread begins at once with the order. `stack_bytes` is that of the engine's guests.
  static Result<std::unique_ptr<GuestThread>> Begin(const Common& common, GuestOrder order,
                                                    std::shared_ptr<wasm::MemoryPool> pool,
                                                    uint64_t stack_bytes);
  GuestThread(const GuestThread&) = delete;
  GuestThread& operator=(const GuestThread&) = delete;
  ~GuestThread() override;

  uint64_t guest() const { return guest_; }
  pid_t thread() const { return number_; }  // 0 until it has told its first note.

  void Start();
  // As a signal that ends a process does; before Start, too. Kept for a guest that is not there
  // yet.
  void Stop(int signal);
  // Interrupts a system call in which it waits. The engine does so for as long as it runs the
  // guest; what the host itself says of the guest's end can meet a pipe that is full, too.
  void Nudge();
  // From the next tick on, if it computes, and from its next host call on if it waits in one.
  void Pause();
  void Resume();
  void Change(const Update& update);
  // Of the container, in bytes; kept for a guest that is not there yet.
  void LimitMemory(uint64_t bytes);
  // What it has of the CPUs; null if that is as much as there is.
  std::shared_ptr<CpuShare> share() const;
  // What it holds for readers that have not come is let go, too.
  void LetGo();

  std::chrono::nanoseconds cpu_time() const;
  wasm::Usage usage() const;
  uint64_t memory_limit() const { return memory_limit_; }

  // Nothing is left of its thread, neither here nor in the kernel. `is_reused`: the kernel has
  // given its number to another thread of this process, and so cannot be asked about this one.
  bool IsGone(bool is_reused);

 private:
  GuestThread(const Common& common, GuestOrder order, std::shared_ptr<wasm::MemoryPool> pool);
  static void* Enter(void* self);
  void Live();
  Result<std::optional<ReadyGuest>> Prepare();
  void AskForModule(ModuleWanted wanted);
  void Run(ReadyGuest ready);
  void LimitRunning(uint64_t bytes);  // With mutex_.
  // False: it was stopped before.
  bool WaitForStart();
  void WaitForReaders();
  void OnTick() override;

  const Common& common_;
  const uint64_t guest_;
  const std::shared_ptr<wasm::MemoryPool> pool_;  // Of its pod; may be null.
  std::unique_ptr<GuestOrder> order_;
  ModuleTable::Loaded module_;
  pthread_t handle_ = {};
  bool joined_ = false;
  std::atomic<pid_t> number_ = 0;
  std::atomic<int64_t> final_time_ = 0;  // Nanoseconds, once it has ended.
  std::atomic<uint64_t> memory_limit_ = 0;

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  bool started_ = false, paused_ = false, let_go_ = false;
  int stop_signal_ = 0;
  GuestRun* running_ = nullptr;  // While there is one.
  std::optional<uint64_t> changed_limit_;
  std::shared_ptr<CpuShare> share_;
  std::chrono::nanoseconds counted_{0};  // Of the guest's thread: what its share knows of.
  wasm::Usage final_usage_;
  std::chrono::nanoseconds other_time_{0};  // GuestRun's, once it has ended.
};

}  // namespace wasmoor::host
