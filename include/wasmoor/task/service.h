#pragma once

#include <functional>
#include <memory>

#include "wasmoor/base/result.h"
#include "wasmoor/sandbox/pod.h"
#include "wasmoor/sandbox/sandbox.h"
#include "wasmoor/task/events.h"
#include "wasmoor/task/options.h"
#include "wasmoor/ttrpc/server.h"

// A sandbox as containerd sees it: its task services (containerd.task.v2.Task and v3, which are
// alike) and its sandbox service (containerd.runtime.sandbox.v1.Sandbox). They translate, and leave
// everything else to the sandbox: whoever implements that has a shim.
namespace wasmoor::handover {
class Tasks;
}

namespace wasmoor::task {

class Service {
 public:
  struct Parts {
    sandbox::Sandbox& sandbox;
    Events& events;
    // Of surroundings without a pause container; null: no such service is offered.
    sandbox::Pod* pod = nullptr;
    // Called when containerd has no use for this service any more: nothing is left in the sandbox,
    // and the answer that says so is on its way. May be called again.
    std::function<void()> shut_down;
  };

  // `options` are those of the pod. A container that comes with options of its own has those.
  Service(Parts parts, Options options);
  Service(const Service&) = delete;
  Service& operator=(const Service&) = delete;
  ~Service();  // Not before the sandbox has answered, or is destroyed itself.

  // This must outlive the server.
  Status AddTo(ttrpc::Server* server);

  // What it knows besides the sandbox, for a program that goes on in place of this one, and is told
  // before anybody calls.
  void HandOver(handover::Tasks* state) const;
  void TakeOver(const handover::Tasks& state);

 private:
  struct Servers;
  std::unique_ptr<Servers> servers_;
};

}  // namespace wasmoor::task
