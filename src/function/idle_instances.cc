#include "function/idle_instances.h"

#include <algorithm>
#include <utility>

namespace wasmoor::function {

Reuse::~Reuse() { idle->EndAllOf(*this); }

// With the lock.
void IdleInstances::Remove(Entries::iterator at, Entries* to) {
  const auto found = by_component_.find(at->of);
  std::erase(found->second, at);
  if (found->second.empty()) by_component_.erase(found);
  counts_.bytes -= at->bytes;
  --counts_.instances;
  to->splice(to->end(), entries_, at);
}

std::optional<IdleInstances::One> IdleInstances::Take(const Reuse& of) {
  Entries taken;
  const std::lock_guard lock(mutex_);
  const auto found = by_component_.find(&of);
  if (found == by_component_.end()) return std::nullopt;
  Remove(found->second.back(), &taken);
  ++counts_.reused;
  return std::move(taken.front().one);
}

void IdleInstances::Give(const Reuse& of, One one) {
  if (++one.served >= of.requests) return;
  const uint64_t bytes = one.instance->memory_bytes();
  if (bytes > most_.bytes || most_.instances == 0) return;
  Entries ended;
  const std::lock_guard lock(mutex_);
  while (counts_.bytes + bytes > most_.bytes || counts_.instances >= most_.instances) {
    Remove(entries_.begin(), &ended);
    ++counts_.crowded_out;
  }
  entries_.push_back({.handler = of.handler,
                      .one = std::move(one),
                      .of = &of,
                      .bytes = bytes,
                      .until = std::chrono::steady_clock::now() + of.patience});
  by_component_[&of].push_back(std::prev(entries_.end()));
  counts_.bytes += bytes;
  ++counts_.instances;
}

void IdleInstances::EndAllOf(const Reuse& of) {
  Entries ended;
  const std::lock_guard lock(mutex_);
  for (auto found = by_component_.find(&of); found != by_component_.end();
       found = by_component_.find(&of))
    Remove(found->second.back(), &ended);
}

void IdleInstances::EndOld(std::chrono::steady_clock::time_point now) {
  Entries ended;
  const std::lock_guard lock(mutex_);
  for (auto at = entries_.begin(); at != entries_.end();) {
    const auto next = std::next(at);
    if (at->until <= now) Remove(at, &ended);
    at = next;
  }
}

IdleInstances::Counts IdleInstances::counts() const {
  const std::lock_guard lock(mutex_);
  return counts_;
}

}  // namespace wasmoor::function
