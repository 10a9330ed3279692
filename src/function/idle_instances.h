#pragma once

#include <chrono>
#include <cstdint>
#include <list>
#include <memory>
#include <mutex>
#include <optional>
#include <unordered_map>
#include <vector>

#include "wasmoor/wasm/http.h"

namespace wasmoor::function {

// At once, in a process; the engine's pool has room for them.
constexpr uint32_t kMostIdleInstances = 256;

class IdleInstances;

// How instances of one component serve several requests, one after the other: its manifest asks for
// it. Whoever has this for a request may give an instance back; with the last of them all idle ones
// of the component end.
struct Reuse {
  Reuse(std::shared_ptr<IdleInstances> idle, std::shared_ptr<wasm::HttpHandler> handler,
        uint32_t requests, std::chrono::milliseconds patience)
      : idle(std::move(idle)),
        handler(std::move(handler)),
        requests(requests),
        patience(patience) {}
  Reuse(const Reuse&) = delete;
  Reuse& operator=(const Reuse&) = delete;
  ~Reuse();

  const std::shared_ptr<IdleInstances> idle;
  const std::shared_ptr<wasm::HttpHandler> handler;
  const uint32_t requests;                   // That one instance serves at most.
  const std::chrono::milliseconds patience;  // After so long without a request it ends.
};

// Instances that wait for their next request, of all components of a process. They hold memory that
// no request has asked for, so that there is a bound for all of them together: the ones that have
// waited longest make room. Any thread; guests end on the thread that drops them.
class IdleInstances {
 public:
  struct Most {
    uint64_t bytes = 16 << 20;
    size_t instances = kMostIdleInstances;
  };
  struct One {
    std::unique_ptr<wasm::HttpInstance> instance;
    uint32_t served = 0;  // Requests.
  };
  struct Counts {
    uint64_t instances = 0, bytes = 0;  // Now.
    uint64_t reused = 0;                // Requests that one was taken for, ever.
    uint64_t crowded_out = 0;           // Ended to make room, ever.
  };

  explicit IdleInstances(const Most& most) : most_(most) {}

  // The one that was given last; nothing if there is none.
  std::optional<One> Take(const Reuse& of);
  // It ends instead, if it has served often enough or is too big.
  void Give(const Reuse& of, One one);
  void EndAllOf(const Reuse& of);
  void EndOld(std::chrono::steady_clock::time_point now);
  Counts counts() const;

 private:
  struct Entry {
    // Outlives the instance, whoever ends it.
    std::shared_ptr<wasm::HttpHandler> handler;
    One one;
    const Reuse* of = nullptr;
    uint64_t bytes = 0;
    std::chrono::steady_clock::time_point until;
  };
  using Entries = std::list<Entry>;

  void Remove(Entries::iterator at, Entries* to);

  const Most most_;
  mutable std::mutex mutex_;  // Of what follows. No guest ends while it is held.
  Entries entries_;           // Who has waited longest is in front.
  std::unordered_map<const Reuse*, std::vector<Entries::iterator>> by_component_;
  Counts counts_;
};

}  // namespace wasmoor::function
