#pragma once

#include <chrono>
#include <map>
#include <memory>
#include <string>

#include "cmd/wasmtimed/daemon_log.h"
#include "wasmoor/base/result.h"
#include "wasmoor/container/executor.h"
#include "wasmoor/container/kept_modules.h"
#include "wasmoor/loop/loop.h"
#include "wasmoor/node/sandboxes.h"
#include "wasmoor/sandbox/inproc/inproc_sandbox.h"
#include "wasmoor/sandbox/process/orphans.h"
#include "wasmoor/sandbox/process/process_sandbox.h"

namespace wasmoor::cmd {

// Sandboxes whose guests are threads of hosts, and whose other containers are children of this
// process, which must have one thread. What they can share they share: the hosts, loaded modules,
// the reaper, and the descriptor of where a namespace's containers are kept. Borrows; must outlive
// the sandboxes.
class ProcessHost {
 public:
  // `program`: the name that this program goes by.
  ProcessHost(loop::Loop& loop, std::string program, const DaemonLog& log);
  // Starts the first host, so that the first guest does not wait for it. Those of the program
  // before, if there was one, are kept until `deadline`.
  Status Prepare(std::chrono::seconds deadline, const handover::Hosts* before);
  ProcessHost(const ProcessHost&) = delete;
  ProcessHost& operator=(const ProcessHost&) = delete;

  // For node::Settings.
  Result<node::Parts> Make(const node::Place& place, sandbox::Listener& listener);
  void OnActivity();
  // Ends what holds a pod that nobody serves any more.
  void ClearPod(const node::Sandboxes& sandboxes, const node::Key& key);
  // After Prepare.
  const sandbox::Hosts& hosts() const { return *hosts_; }

 private:
  Result<std::shared_ptr<const jail::Containers>> ContainersIn(const std::string& name_space);

  loop::Loop& loop_;
  const std::string program_;
  const DaemonLog& log_;
  const sandbox::Orphans orphans_;
  std::unique_ptr<sandbox::Hosts> hosts_;
  container::KeptModules kept_;
  std::map<std::string, std::weak_ptr<const jail::Containers>> containers_;
  loop::Timer quiet_;
};

}  // namespace wasmoor::cmd
