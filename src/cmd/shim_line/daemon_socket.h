#pragma once

namespace wasmoor::cmd {

// Where the node's daemon, containerd-wasmtimed, listens unless it is told otherwise: where
// runwasi's did.
inline constexpr const char* kDaemonSocket = "/run/io.containerd.wasmwasi.v1/manager.sock";

}  // namespace wasmoor::cmd
