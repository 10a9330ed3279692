#include "cmd/engines.h"
#include "cmd/wasmtimed/wasmtimed.h"
#include "wasmoor/container/executor.h"
#include "wasmoor/host/host.h"
#include "wasmoor/sandbox/inproc/inproc_sandbox.h"

namespace wasmoor::cmd {
namespace {

// What hosts keep: compiled code where nothing else can be written, and compiled filters.
constexpr const char* kHostState = "/run/wasmoor/hosts";

}  // namespace

int RunGuestHost(const char* program) {
  return host::RunHost({.engine = Engines().front(),
                        .caches = container::CacheDirectories(kHostState),
                        .compiler = {program, std::string(kCompilerWord)},
                        .filters = std::string(kHostState) + "/.seccomp",
                        .skeletons = std::string(kHostState) + "/skeletons"},
                       os::Fd(sandbox::kHostConnection));
}

}  // namespace wasmoor::cmd
