#pragma once

#include <memory>

#include "wasmoor/base/result.h"
#include "wasmoor/node/sandboxes.h"
#include "wasmoor/task/options.h"
#include "wasmoor/ttrpc/server.h"

namespace wasmoor::node {

// The service by which shims ask for sandboxes: runwasi.services.sandbox.v1.Manager, with the
// fields from 100 on that are ours (proto/containerd/manager.proto). It translates.
class Manager {
 public:
  // `defaults` are the options of sandboxes before those of a request; looked at for each.
  Manager(Sandboxes& sandboxes, const task::Options& defaults);
  Manager(const Manager&) = delete;
  Manager& operator=(const Manager&) = delete;
  ~Manager();

  // This must outlive the server.
  Status AddTo(ttrpc::Server* server);

 private:
  class Server;
  std::unique_ptr<Server> server_;
};

}  // namespace wasmoor::node
