#pragma once

#include <unistd.h>

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "node/held.h"
#include "node/publishers.h"
#include "wasmoor/node/records.h"
#include "wasmoor/node/sandboxes.h"

namespace wasmoor::node {

class Sandboxes::Parts {
 public:
  Parts(Settings settings, Records records)
      : settings_(std::move(settings)),
        records_(std::move(records)),
        publishers_(settings_.loop,
                    [this](std::string_view line) { Log(task::LogLevel::kWarning, {}, line); }) {}
  ~Parts() {
    for (const auto& [key, held] : held_) ::unlink(held->socket().c_str());
  }

  Result<std::string> Create(Place place);
  Result<View> Find(const Key& key) const;
  void Delete(const Key& container, const std::string& group, sandbox::Done<Ended> done);
  void Remove(const Key& key, sandbox::Done<void> done);
  void Stop(sandbox::Done<void> done);
  std::vector<Summary> List() const;
  Status TakeRest(const Again& again, const Left& left);
  // sandboxes_handover.cc.
  void Freeze();
  void Thaw();
  Status HandOver(handover::Daemon* state, os::Carried* carried) const;
  void TakeOver(const handover::Daemon& state);
  size_t size() const { return held_.size(); }
  EventCounts events() const { return publishers_.counts(); }
  const Records& records() const { return records_; }

 private:
  Result<std::string> PathOf(const Key& key) const;
  Result<std::unique_ptr<Held>> Make(Place place, const std::string& path);
  Held::Uses UsesOf(std::shared_ptr<containerd::Publisher> publisher);
  Status TakeOne(const handover::Sandbox& state);
  Held* At(const Key& key) const;
  Held* Holding(const Key& container, const std::string& group) const;
  void EndNamed(const Key& key, sandbox::Done<Ended> done);
  void EndIfLast(const Key& key);
  void Retire(Held& held);
  void Look();
  void LookAtRetired();
  void RemoveStaleSockets();
  void Log(task::LogLevel level, const Key* key, std::string_view line) const {
    if (settings_.log) settings_.log(level, key, line);
  }

  const Settings settings_;
  Records records_;
  Publishers publishers_;
  std::map<Key, std::unique_ptr<Held>> held_;
  // Without a socket's path and a record; and from retired ones, the next look destroys them.
  std::vector<std::unique_ptr<Held>> retired_;
  loop::Timer look_, farewell_;
  bool stopping_ = false;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);  // First to go: callbacks ask it.
};

}  // namespace wasmoor::node
