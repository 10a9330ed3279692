#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cmd/runtime/log.h"
#include "cmd/shim_line/daemon_socket.h"
#include "wasmoor/base/result.h"
#include "wasmoor/task/options.h"

namespace wasmoor::cmd {

// All that an operator can say of the node's daemon.
struct DaemonConfig {
  std::string listen = kDaemonSocket;
  std::string controller = "/run/wasmoor/wasmtimed/controller.sock";
  std::string containerd = "/run/containerd/containerd.sock";  // Whose sandbox controller it is.
  std::string state = "/run/wasmoor/wasmtimed";
  std::vector<std::string> observe;  // Where metrics and health are served: as Observation::Serve.
  task::LogLevel log_level = task::LogLevel::kInfo;
  LogFormat log_format = LogFormat::kText;
  // When guests of an earlier version are killed after an upgrade; 0: never.
  std::chrono::seconds upgrade_deadline{0};
  task::Options sandbox;  // Of sandboxes whose runtime has no options of its own.

  static constexpr const char* kUsualFile = "/etc/wasmoor/wasmtimed.toml";

  std::string SocketDirectory() const { return state + "/s"; }
  std::string SandboxDirectory() const { return state + "/sandboxes"; }
};

// What the command line says, as text; empty where it says nothing. It has the last word.
struct DaemonFlags {
  std::string config, listen, controller, state, log_level, log_format;
  std::vector<std::string> observe;
  bool check = false;  // Read, and nothing more.
};

// The defaults, then the file (--config, or kUsualFile if that exists), then the flags.
// kInvalidArgument names the file, the line and the key, or the flag.
Result<DaemonConfig> ReadDaemonConfig(const DaemonFlags& flags);
// The same from a document.
Status ApplyDaemonToml(std::string_view document, std::string_view source, DaemonConfig* config);

}  // namespace wasmoor::cmd
