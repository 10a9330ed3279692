#include "cmd/shim_line/clear.h"

#include <cstdio>

#include "cmd/shim_line/address.h"
#include "cmd/shim_line/streams.h"
#include "proto/containerd/task.pb.h"
#include "wasmoor/base/printable.h"
#include "wasmoor/jail/container.h"
#include "wasmoor/sandbox/process/process_sandbox.h"
#include "wasmoor/ttrpc/timestamp.h"

namespace wasmoor::cmd {
namespace {

// 0 if it does not run, or nobody knows.
uint32_t PidNow(const ShimLine& shim) {
  const auto containers = jail::Containers::Open({.root = shim.StateRoot()});
  if (!containers) return 0;
  const Result<jail::Container> container = containers->Find(shim.id());
  return container ? static_cast<uint32_t>(container->state().pid) : 0;
}

// A shim that was killed has left it.
void RemoveSocket(const std::string& bundle) {
  const Result<std::string> path = ReadAddress(bundle);
  if (!path) return;
  // containerd logs what is on standard error, and goes on.
  if (const Status removed = RemoveDeadSocket(*path); !removed)
    fputs((Printable(removed.error().message()) + '\n').c_str(), stderr);
}

}  // namespace

Status ClearAndTell(const ShimLine& shim) {
  const std::string bundle = TRY(shim.OwnBundle());
  ::containerd::task::v2::DeleteResponse response;
  response.set_pid(PidNow(shim));
  const sandbox::Exit exit = TRY(sandbox::ClearContainer(shim.StateRoot(), shim.id(), bundle));
  response.set_exit_status(exit.status);
  ttrpc::SetTime(exit.at, response.mutable_exited_at());
  RemoveSocket(bundle);
  return WriteStandardOutput(response.SerializeAsString());
}

}  // namespace wasmoor::cmd
