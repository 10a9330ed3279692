#pragma once

#include "cmd/wasmtimed/config.h"
#include "wasmoor/base/result.h"

namespace wasmoor::cmd {

// The life of the node's daemon, in this process, from its start to its end by a signal. May start
// this program anew, with `arguments`, from a place where nobody can write it (os::ProtectSelf).
Status RunDaemon(char* const* arguments, const DaemonFlags& flags);

}  // namespace wasmoor::cmd
