#pragma once

#include <deque>
#include <map>
#include <memory>
#include <span>
#include <vector>

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
class HostLink {
 public:
  struct Events {
    std::function<void()> lost;
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
  void Forget(uint64_t guest) { owners_.erase(guest); }

  size_t guests() const { return owners_.size(); }
  pid_t pid() const { return pid_; }

 private:
  struct Waiting {
    std::string bytes;
    std::vector<os::Fd> descriptors;
  };
  void Receive();
  void SendWaiting();
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

  // One that takes another guest; started if there is none.
  Result<std::shared_ptr<HostLink>> Pick();
  uint64_t NextGuest() { return ++last_guest_; }

 private:
  Result<std::shared_ptr<HostLink>> Start();

  const HostsOptions options_;
  uint64_t last_guest_ = 0;
  std::vector<std::shared_ptr<HostLink>> links_;
};

}  // namespace wasmoor::sandbox
