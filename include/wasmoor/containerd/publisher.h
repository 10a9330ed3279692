#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "wasmoor/base/result.h"
#include "wasmoor/loop/loop.h"

namespace wasmoor::handover {
class Publisher;
}

namespace wasmoor::containerd {

struct PublisherOptions {
  std::string ttrpc_address;  // TTRPC_ADDRESS: where containerd takes events.
  std::string name_space;
  // Where there is no such address: `publish_binary` (-publish-binary) is started for each event,
  // and given containerd's `address` (-address).
  std::string publish_binary, address;
  // Hears of events that could not be told: a line without its end. May be empty.
  std::function<void(std::string_view)> warn;
  // When so many wait, the oldest is dropped.
  size_t most_waiting = 2048;
};

// Tells containerd of events. Those of one line are told strictly in their order: the next one goes
// when containerd has confirmed the one before; those of different lines do not wait for each
// other. While containerd is away, events wait and are sent again, at growing intervals; an event
// that containerd itself refuses is dropped. One may arrive twice, if the confirmation was lost.
// Has a connection while it has something to say and a little longer. Loop thread only; destroying
// it drops what waits.
class Publisher {
 public:
  Publisher(loop::Loop& loop, PublisherOptions options);
  ~Publisher();
  Publisher(const Publisher&) = delete;
  Publisher& operator=(const Publisher&) = delete;

  // `topic`: "/tasks/create"; `type` and `value`: the event as google.protobuf.Any has it, the bare
  // name of its message and its bytes. Its time is now. `line`: whose order it is in, such as a
  // sandbox's id.
  void Publish(std::string_view topic, std::string_view type, std::string_view value,
               std::string_view line = "");

  size_t waiting() const;  // Not confirmed yet.
  // Calls `idle` once, from the loop, when nothing waits: before the process may end.
  void OnIdle(std::function<void()> idle);

  struct Counts {
    uint64_t confirmed = 0;
    uint64_t dropped = 0;
  };
  Counts counts() const;

  // For a program that goes on in place of this one: what waits, which that publishes again; what
  // is under way may arrive twice then.
  void HandOver(handover::Publisher* state) const;
  void TakeOver(const handover::Publisher& state);

  static constexpr std::chrono::seconds kPatience{5};  // Of one try.

 private:
  class Parts;
  std::unique_ptr<Parts> parts_;
};

}  // namespace wasmoor::containerd
