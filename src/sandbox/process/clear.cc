#include <csignal>

#include "sandbox/exit_note.h"
#include "sandbox/roots/root_mounts.h"
#include "wasmoor/cgroup/group.h"
#include "wasmoor/jail/container.h"
#include "wasmoor/oci/bundle.h"
#include "wasmoor/sandbox/process/process_sandbox.h"

namespace wasmoor::sandbox {
namespace {

constexpr uint32_t kKilledStatus = 128 + SIGKILL;

}  // namespace

Result<Exit> ClearContainer(const std::string& state_root, const std::string& id,
                            const std::string& bundle) {
  const jail::Containers containers = TRY(jail::Containers::Open({.root = state_root}));
  jail::Warnings warnings;
  Status deleted = containers.Delete(id, jail::Force::kYes, &warnings);
  TRY(DetachRoot(bundle));
  // One whose guests were threads has nothing else.
  if (const auto opened = oci::Bundle::Open(bundle))
    TRY(cgroup::RemoveThreadGroup(opened->spec.on_linux.cgroups_path));
  TRY(std::move(deleted));
  const Exit killed{kKilledStatus, std::chrono::system_clock::now()};
  return ReadExitNote(bundle).value_or(killed);
}

}  // namespace wasmoor::sandbox
