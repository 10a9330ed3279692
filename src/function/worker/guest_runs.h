#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string_view>
#include <unordered_map>

#include "function/handlers.h"
#include "function/worker/channel.h"
#include "function/worker/messages.h"
#include "wasmoor/function/lanes/lanes.h"
#include "wasmoor/program/program.h"

namespace wasmoor::function {

// The functions of a worker, by the server's numbers. Any thread.
class WorkerFunctions {
 public:
  struct Function {
    uint64_t number = 0;
    Served served;
  };
  void Put(uint64_t number, Served served);
  void Remove(uint64_t number);
  std::shared_ptr<const Function> Find(uint64_t number) const;  // Null: there is none.

 private:
  mutable std::mutex mutex_;
  std::unordered_map<uint64_t, std::shared_ptr<const Function>> all_;
};

// What all runs of a worker share. Any thread.
class WorkerSide {
 public:
  virtual ~WorkerSide() = default;
  virtual const program::Host& host() const = 0;
  virtual const WorkerFunctions& functions() const = 0;
  // On a thread of its own, where its directories can be reached.
  virtual void BeginApart(Station& station, Job& job, std::shared_ptr<const Ready> function) = 0;
  // What a guest says to its standard error. Waits for whoever reads it.
  virtual void Say(std::string_view function, std::string_view lines) = 0;
};

// A worker's end of one connection: it runs what it is told to. The station's loop. Closing it ends
// what runs; it must be kept until nothing does.
class GuestRuns final : private Channel::Listener {
 public:
  GuestRuns(WorkerSide& side, Station& station) : side_(side), station_(station) {}
  Status Open(os::Fd connection);
  void EndAll();
  bool idle() const { return runs_.empty(); }
  bool closed() const { return closed_; }

 private:
  class GuestRun;
  Status OnFrame(Frame& frame) override;
  void OnClosed(const Error& why) override;
  Status Begin(const Frame& frame);

  WorkerSide& side_;
  Station& station_;
  std::unique_ptr<Channel> channel_;
  std::unordered_map<uint64_t, std::shared_ptr<GuestRun>> runs_;
  bool closed_ = false;
};

}  // namespace wasmoor::function
