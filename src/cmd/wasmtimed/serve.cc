#include <array>

#include "cmd/wasmtimed/config.h"
#include "cmd/wasmtimed/daemon.h"
#include "cmd/wasmtimed/wasmtimed.h"

namespace wasmoor::cmd {
namespace {

Words LogLevels() { return {"error", "warning", "info", "debug"}; }
Words LogFormats() { return {"text", "json"}; }

class ServeCommand : public Command {
 public:
  explicit ServeCommand(Wasmtimed& daemon) : daemon_(daemon) {}

  void Configure(Options& options) override {
    AddDaemonOptions(options, &flags_);
    options
        .Value("--controller", flags_.controller, "PATH",
               "Socket of the sandbox controller for containerd; "
               "/run/wasmoor/wasmtimed/controller.sock")
        .Complete(Completes::kFiles);
    options
        .Value("--state", flags_.state, "DIR",
               "What it keeps of its sandboxes, and their sockets; /run/wasmoor/wasmtimed")
        .Complete(Completes::kDirectories);
    options
        .Repeated("--observe", flags_.observe, "WHERE",
                  "Serves metrics and health over HTTP: at ADDRESS:PORT, as 127.0.0.1:9464, or at "
                  "the path of a socket; off")
        .Complete(Completes::kFiles);
    options.Value("--log-level", flags_.log_level, "LEVEL", "How much it logs; info")
        .OneOf(LogLevels);
    options.Value("--log-format", flags_.log_format, "FORMAT", "How its log is written; text")
        .OneOf(LogFormats);
    options.Flag("--check", flags_.check, "Says what is wrong with the settings, and ends");
    options.About(
        "Serves until SIGTERM or SIGINT, and logs to standard error. The settings are listen, "
        "controller, containerd (the socket of the containerd that has that controller), "
        "state, observe (one or a list), upgrade_deadline (seconds until guests of an earlier "
        "version are killed after an upgrade; 0, never), log.level and log.format, which flags "
        "override, and in "
        "the table [sandbox] those "
        "of the runtime's options, which hold for pods whose runtime has none: systemd_cgroup, "
        "cache_directory, guest.memory and so on.");
    options.About(
        "SIGHUP has the settings read again: log.* and [sandbox] hold from then on, the others "
        "after a restart; if the file is wrong, the log names the line, and nothing changes.");
    options.About(
        "Where --observe says, /metrics is for Prometheus, /healthz answers as long as it lives, "
        "and /readyz whether it takes work. Nobody is asked who he is: let it be an address of the "
        "machine's own. Traces of containerd's calls go to the collector that "
        "OTEL_EXPORTER_OTLP_ENDPOINT names.");
    options.About(
        "SIGTERM and SIGINT end it, and with it what runs in the containers of its sandboxes, "
        "native ones included: containerd is told that they have ended by SIGKILL. A second one "
        "ends it without waiting for that.");
  }

  Result<int> Run() override {
    TRY(RunDaemon(daemon_.arguments(), flags_));
    return 0;
  }

 private:
  Wasmtimed& daemon_;
  DaemonFlags flags_;
};

}  // namespace

std::unique_ptr<Command> MakeServeDaemon(Executable& daemon) {
  return std::make_unique<ServeCommand>(static_cast<Wasmtimed&>(daemon));
}

}  // namespace wasmoor::cmd
