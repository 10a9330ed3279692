#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <tuple>

#include "proto/wasmoor/handover.pb.h"
#include "wasmoor/containerd/publisher.h"
#include "wasmoor/node/place.h"
#include "wasmoor/node/sandboxes.h"

namespace wasmoor::node {

// Who tells containerd of events: one for all sandboxes of a namespace of one containerd, in whose
// events' order nothing else than theirs counts. One stays until it is used by nobody and has told
// everything.
class Publishers {
 public:
  Publishers(loop::Loop& loop, std::function<void(std::string_view)> warn)
      : loop_(loop), warn_(std::move(warn)) {}

  std::shared_ptr<containerd::Publisher> For(const Place& place);
  void DropUnused();
  // As Sandboxes::HandOver.
  void HandOver(handover::Daemon* state) const;
  void TakeOver(const handover::Daemon& state);
  // Of all there are and were.
  EventCounts counts() const;
  // Calls `done` once, from the loop: when everything is told, or after the patience of one try.
  void OnIdle(std::function<void()> done);

 private:
  using Name = std::tuple<std::string, std::string, std::string, std::string>;

  loop::Loop& loop_;
  const std::function<void(std::string_view)> warn_;
  std::map<Name, std::shared_ptr<containerd::Publisher>> publishers_;
  EventCounts of_dropped_;
  loop::Timer patience_;
};

}  // namespace wasmoor::node
