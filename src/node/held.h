#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "proto/wasmoor/handover.pb.h"
#include "wasmoor/containerd/publisher.h"
#include "wasmoor/node/sandboxes.h"
#include "wasmoor/os/fd.h"
#include "wasmoor/task/events.h"
#include "wasmoor/task/service.h"
#include "wasmoor/ttrpc/server.h"

namespace wasmoor::node {

// One sandbox of a node, served.
class Held : public task::Events {
 public:
  using Clock = std::chrono::steady_clock;
  struct Uses {
    loop::Loop& loop;
    const MakeParts& make_parts;
    const ttrpc::CallHook& calls;
    const std::function<void()>& on_activity;
    std::shared_ptr<containerd::Publisher> publisher;
    // containerd has no use for this any more. Called from within a call of it; not after Retire.
    std::function<void(Held&)> shut_down;
  };

  // Serves at `listening`, which is at the path `socket`.
  static Result<std::unique_ptr<Held>> Open(Place place, std::string socket, os::Fd listening,
                                            Uses uses);

  // The same for what another program has served, as HandOver has told it.
  static Result<std::unique_ptr<Held>> TakeOver(Place place, std::string socket,
                                                const handover::Sandbox& state, Uses uses);
  Status HandOver(handover::Sandbox* state, os::Carried* carried) const;
  // As those of ttrpc::Server.
  void Freeze() { server_->Freeze(); }
  void Thaw() { server_->Thaw(); }

  const Place& place() const { return place_; }
  const std::string& socket() const { return socket_; }
  sandbox::Sandbox& sandbox() const { return *parts_.sandbox; }
  sandbox::Pod& pod() const { return *parts_.pod; }
  size_t connections() const { return server_->connections(); }

  // Whether nothing is in it, and nobody is waited for.
  bool empty() const;
  // Whether it has been idle, with nothing in it, at as many of the last calls of this that
  // containerd must have forgotten it.
  bool LooksForgotten();

  // From now on it serves only who is connected, until the farewell is over.
  void Retire();
  bool retired() const { return retired_; }
  // Nobody asks for anything any more: it can be destroyed.
  bool gone() const;

  // Kills and removes a container. As the functions of sandbox::Sandbox.
  void End(const std::string& id, sandbox::Done<Ended> done);
  // All of them, and the pod. Errors are `warn`'s.
  void EndAll(const std::function<void(std::string_view)>& warn, std::function<void()> done);
  // All of them, which stay to be removed by others: calls `done` when nothing runs any more.
  void KillAll(std::function<void()> done);

 private:
  struct Countdown;
  Held(Place place, std::string socket, Uses uses);
  Status Make();
  void Publish(std::string_view topic, const google::protobuf::MessageLite& event) override;
  void EndMade(sandbox::Container& container, sandbox::Done<Ended> done);
  void RemoveEnded(const std::string& id, pid_t pid, const sandbox::Exit& seen,
                   sandbox::Done<Ended> done);
  void WaitUntilMade(const std::string& id, sandbox::Done<Ended> done);
  void LookAtBeingMade();

  const Place place_;
  const std::string socket_;
  Uses uses_;
  task::Reporter reporter_{*this};
  std::optional<task::Service> service_;
  Parts parts_;
  std::optional<ttrpc::Server> server_;  // First to go.
  int idle_looks_ = 0;
  int ends_ = 0;  // Under way.
  bool retired_ = false;
  Clock::time_point farewell_;
  // Containers that are to be ended once they are made.
  std::vector<std::pair<std::string, sandbox::Done<Ended>>> being_made_;
  loop::Timer made_;
};

}  // namespace wasmoor::node
