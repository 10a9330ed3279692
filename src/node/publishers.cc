#include "node/publishers.h"

#include <utility>

namespace wasmoor::node {
namespace {

// Of thousands of sandboxes, while containerd is started again; some hundred bytes each.
constexpr size_t kMostWaiting = 100'000;

void Add(const containerd::Publisher& publisher, EventCounts* sum) {
  sum->published += publisher.counts().confirmed;
  sum->failed += publisher.counts().dropped;
  sum->waiting += publisher.waiting();
}

}  // namespace

std::shared_ptr<containerd::Publisher> Publishers::For(const Place& place) {
  Name name(place.key.name_space, place.ttrpc_address, place.publish_binary,
            place.containerd_address);
  auto& publisher = publishers_[std::move(name)];
  if (!publisher)
    publisher = std::make_shared<containerd::Publisher>(
        loop_, containerd::PublisherOptions{.ttrpc_address = place.ttrpc_address,
                                            .name_space = place.key.name_space,
                                            .publish_binary = place.publish_binary,
                                            .address = place.containerd_address,
                                            .warn = warn_,
                                            .most_waiting = kMostWaiting});
  return publisher;
}

void Publishers::HandOver(handover::Daemon* state) const {
  for (const auto& [name, publisher] : publishers_) {
    if (publisher->waiting() > 0) publisher->HandOver(state->add_publishers());
  }
}

void Publishers::TakeOver(const handover::Daemon& state) {
  for (const handover::Publisher& one : state.publishers()) {
    Place place;
    place.key.name_space = one.name_space();
    place.ttrpc_address = one.ttrpc_address();
    place.publish_binary = one.publish_binary();
    place.containerd_address = one.address();
    For(place)->TakeOver(one);
  }
}

void Publishers::DropUnused() {
  std::erase_if(publishers_, [this](const auto& named) {
    const bool is_unused = named.second.use_count() == 1 && named.second->waiting() == 0;
    if (is_unused) Add(*named.second, &of_dropped_);
    return is_unused;
  });
}

EventCounts Publishers::counts() const {
  EventCounts all = of_dropped_;
  for (const auto& [name, publisher] : publishers_) Add(*publisher, &all);
  return all;
}

void Publishers::OnIdle(std::function<void()> done) {
  struct Wait {
    size_t busy = 1;  // This function itself.
    std::function<void()> done;
    void Release() {
      if (--busy == 0 && done) std::exchange(done, nullptr)();
    }
  };
  const auto wait = std::make_shared<Wait>();
  wait->done = std::move(done);
  for (const auto& [name, publisher] : publishers_) {
    if (publisher->waiting() == 0) continue;
    ++wait->busy;
    publisher->OnIdle([wait] { wait->Release(); });
  }
  patience_ = loop_.After(containerd::Publisher::kPatience, [wait] {
    if (wait->done) std::exchange(wait->done, nullptr)();
  });
  loop_.Post([wait] { wait->Release(); });
}

}  // namespace wasmoor::node
