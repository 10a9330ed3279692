#include <fmt/format.h>

#include "node/record_text.h"
#include "node/sandboxes_parts.h"

namespace wasmoor::node {

void Sandboxes::Parts::Freeze() {
  for (const auto& [key, held] : held_) held->Freeze();
  for (const auto& held : retired_) held->Freeze();
}

void Sandboxes::Parts::Thaw() {
  for (const auto& [key, held] : held_) held->Thaw();
  for (const auto& held : retired_) held->Thaw();
}

Status Sandboxes::Parts::HandOver(handover::Daemon* state, os::Carried* carried) const {
  if (stopping_) return Fail(Code::kUnavailable, "the daemon is ending");
  for (const auto& [key, held] : held_) TRY(held->HandOver(state->add_sandboxes(), carried));
  for (const auto& held : retired_) {
    if (!held->gone()) TRY(held->HandOver(state->add_sandboxes(), carried));
  }
  publishers_.HandOver(state);
  return {};
}

Status Sandboxes::Parts::TakeOne(const handover::Sandbox& state) {
  Record record = TRY(ParseRecord(state.record()));
  const Key key = record.place.key;
  TRY(Check(key));
  auto publisher = publishers_.For(record.place);
  auto held = TRY_AS(Held::TakeOver(std::move(record.place), std::move(record.socket), state,
                                    UsesOf(std::move(publisher))),
                     "sandbox '{}' of the namespace '{}'", key.id, key.name_space);
  if (state.retired()) {
    retired_.push_back(std::move(held));
  } else {
    held_[key] = std::move(held);
  }
  return {};
}

// One that cannot be taken over is no reason to lose the others.
void Sandboxes::Parts::TakeOver(const handover::Daemon& state) {
  publishers_.TakeOver(state);
  for (const handover::Sandbox& one : state.sandboxes()) {
    if (const Status taken = TakeOne(one); !taken)
      Log(task::LogLevel::kError, nullptr, taken.error().message());
  }
  if (!held_.empty() || !retired_.empty())
    look_ = settings_.loop.After(settings_.between_looks, [this] { Look(); });
}

}  // namespace wasmoor::node
