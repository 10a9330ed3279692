#pragma once

#include <chrono>
#include <compare>
#include <map>
#include <memory>
#include <string>

#include "wasmoor/base/result.h"
#include "wasmoor/cgroup/stats.h"
#include "wasmoor/grpc/service.h"
#include "wasmoor/loop/loop.h"
#include "wasmoor/sandbox/pod.h"
#include "wasmoor/task/options.h"

// containerd's sandbox controller: the pods of a node, made without executing anything and without
// pause containers. containerd is told of it by [proxy_plugins.NAME] with type = "sandbox", and a
// runtime of its CRI plugin uses it by sandboxer = "NAME".
namespace wasmoor::controller {

// Whose pod, and which. Two namespaces of containerd may have pods of the same id.
struct Key {
  std::string name_space, id;  // Neither is empty; both come from a client, as anything else here.
  auto operator<=>(const Key&) const = default;
};

struct CreateRequest {
  Key key;
  // From the CRI's PodSandboxConfig, or only with an id where there is none. `id` is the key's;
  // `bundle` is empty: containerd makes no directory for a pod of a controller.
  sandbox::PodRequest pod;
  // Those of Pods::options, and then what the runtime's own options in containerd's configuration
  // say.
  task::Options options;
};

struct PodStatus {
  sandbox::PodInfo info;
  // The path of the socket where the pod's task service listens; empty before it does. containerd
  // makes one connection to it for each container, so it must serve containerd.task.v3.Task.
  std::string socket;
  // What an operator sees who asks for everything (crictl inspectp). The name "info" is taken: the
  // CRI plugin has a document of its own there.
  std::map<std::string, std::string> details;
};

// The pods of a node. Threads and answers are as in sandbox/sandbox.h: all on the loop's thread,
// and each Done exactly once, from the loop, never before the call that it was given to has
// returned. kNotFound, with the id, where a pod is not there: containerd acts upon it.
class Pods {
 public:
  virtual ~Pods() = default;

  // What holds for a pod whose runtime has no options.
  virtual task::Options options() const = 0;

  // kAlreadyExists, also while one of that name is being made. If it fails, nothing of it is left.
  virtual void Create(CreateRequest request, sandbox::Done<void> done) = 0;
  // From now on its tasks can be asked for at the socket. If it fails, the Service removes the pod.
  virtual void Start(const Key& key, sandbox::Done<PodStatus> done) = 0;
  // Ends what its containers still run: at once, or by SIGTERM first if `patience` is not zero.
  // Answered when the pod has ended; no error if it is not running.
  virtual void Stop(const Key& key, std::chrono::seconds patience, sandbox::Done<void> done) = 0;
  // Answered when it has ended, or at once if it has; kUnavailable if the node gives up watching
  // it, after which containerd asks again. Asked for once a pod at a time.
  virtual void Wait(const Key& key, sandbox::Done<sandbox::Exit> done) = 0;
  // Kills what is left in it, and forgets it: the socket, too. Waits of it are answered before.
  virtual void Remove(const Key& key, sandbox::Done<void> done) = 0;

  virtual Result<PodStatus> Find(const Key& key) const = 0;
  // Of all that is in the pod.
  virtual void ReadStats(const Key& key, sandbox::Done<cgroup::Stats> done) = 0;
};

// containerd.services.sandbox.v1.Controller over them. It translates, and does one thing besides:
// what containerd starts and then forgets it removes. containerd calls Shutdown for no pod whose
// Create or Start failed, or came back too late; nor for one that it never started, since it could
// not get the pause image meanwhile.
class Service : public grpc::Service {
 public:
  // Long enough for an image to be pulled between Create and Start.
  static constexpr std::chrono::minutes kUnstartedPatience{15};

  // Borrows both, which must outlive it; as must the Service the server that it is added to. What
  // the pods answer later than that goes nowhere.
  Service(loop::Loop& loop, Pods& pods,
          std::chrono::nanoseconds unstarted_patience = kUnstartedPatience);
  ~Service() override;

  void Call(std::string_view method, std::string_view message, const grpc::CallInfo& info,
            grpc::RawReply reply) override;
  // A client asks again where it waits (rpc/service.h).
  bool IsRepeatable(std::string_view method) const override { return method == "Wait"; }

 private:
  class Calls;
  std::shared_ptr<Calls> calls_;
};

}  // namespace wasmoor::controller
