#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "wasmoor/base/result.h"
#include "wasmoor/oci/spec.h"
#include "wasmoor/oci/state.h"

// The programs that a configuration has run at points of a container's life (OCI runtime-spec,
// config.md, "POSIX-platform Hooks"). They run where the caller stands: for createContainer and
// startContainer that is the container's process. Each gets the state on its standard input, an
// environment of its own entry and nothing else, and a process group that is killed when its time
// is over. Before a second thread.
namespace wasmoor::jail {

// In order, until one fails: then the container cannot be made (lifecycle, steps 3 to 9). `name` is
// the list's in the configuration, for the message: "hooks.prestart[1] (/bin/x): exited with status
// 3: what it printed".
Status RunHooks(std::span<const oci::Hook> hooks, std::string_view name, const oci::State& state);

// All of them, whatever becomes of any: what went wrong, for the log (poststart and poststop).
std::vector<std::string> RunEveryHook(std::span<const oci::Hook> hooks, std::string_view name,
                                      const oci::State& state);

}  // namespace wasmoor::jail
