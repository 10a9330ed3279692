#pragma once

#include <deque>
#include <map>
#include <memory>
#include <span>
#include <vector>

#include "proto/wasmoor/handover.pb.h"
#include "proto/wasmoor/host.pb.h"
#include "wasmoor/loop/loop.h"
#include "wasmoor/os/fd.h"
#include "wasmoor/sandbox/inproc/inproc_sandbox.h"

namespace wasmoor::sandbox {

// Whoever has a guest at a host. Called from the loop; may do anything.
class GuestOwner {
 public:
  virtual ~GuestOwner() = default;
  virtual void OnNote(const host::Note& note) = 0;
  // The host has died, and the guest with it.
  virtual void OnLost() = 0;
};

// One host, seen from here.
class HostLink : public std::enable_shared_from_this<HostLink> {
 public:
  struct Events {
    std::function<void()> lost;
    std::function<void()> idle;  // The last guest has gone; may be empty.
    std::function<void(std::string_view)> log;
  };
  HostLink(loop::Loop& loop, os::Fd connection, pid_t pid, Events events);
  ~HostLink();
  HostLink(const HostLink&) = delete;
  HostLink& operator=(const HostLink&) = delete;

  Status Watch();

  // What is ordered is done in the order of the calls. Nothing happens if the host is gone.
  void Send(const host::Order& order, std::span<const os::Fd* const> descriptors = {});
  void Register(uint64_t guest, GuestOwner* owner) { owners_[guest] = owner; }
  void Forget(uint64_t guest);

  // kUnavailable while orders wait to be sent.
  Status HandOver(handover::Host* state, os::Carried* carried) const;

  size_t guests() const { return owners_.size(); }
  pid_t pid() const { return pid_; }
  bool lost() const { return lost_; }

 private:
  struct Waiting {
    uint64_t guest = 0;
    std::string bytes;
    std::vector<os::Fd> descriptors;
  };
  void Receive();
  void SendWaiting();
  // An order that cannot be sent: who waits for a guest of it is told so.
  void Refuse(uint64_t guest, const Error& why);
  void Lose();

  loop::Loop& loop_;
  const os::Fd connection_;
  const pid_t pid_;
  Events events_;
  bool lost_ = false;
  std::map<uint64_t, GuestOwner*> owners_;
  std::deque<Waiting> waiting_;
  loop::Source source_;  // Destroyed before what it watches.
};

class HostList : public Hosts {
 public:
  explicit HostList(HostsOptions options) : options_(std::move(options)) {}

  Status Prepare() override;
  size_t guests() const override;
  std::vector<pid_t> pids() const override;

  Status HandOver(handover::Hosts* state, os::Carried* carried) const override;
  void TakeOver(const handover::Hosts& state) override;
  // Its place among those that HandOver tells of.
  uint32_t NumberOf(const HostLink& link) const;
  // The one that had that place in what TakeOver was told; null if there is none.
  std::shared_ptr<HostLink> Taken(uint32_t number) const;

  // One that takes another guest; started if there is none.
  Result<std::shared_ptr<HostLink>> Pick();
  uint64_t NextGuest() { return ++last_guest_; }

 private:
  Result<std::shared_ptr<HostLink>> Start();
  Result<std::shared_ptr<HostLink>> Link(os::Fd connection, pid_t pid);
  void Drop(const HostLink* link);
  void DropIdle();

  const HostsOptions options_;
  uint64_t last_guest_ = 0;
  std::vector<std::shared_ptr<HostLink>> links_;
  // Of the program before: they take no more containers, and end with their last guest.
  std::vector<std::shared_ptr<HostLink>> taken_;
  loop::Timer deadline_;
};

}  // namespace wasmoor::sandbox
