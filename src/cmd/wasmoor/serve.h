#pragma once

#include <string>
#include <vector>

#include "cmd/functions/function_server.h"
#include "cmd/line/command.h"
#include "cmd/wasmoor/run_options.h"

namespace wasmoor::cmd {

// `wasmoor serve`: the functions of a directory, over HTTP.
class ServeCommand : public Command {
 public:
  void Configure(Options& options) override;
  Status Check() override;
  Result<int> Run() override;

 private:
  EngineFlags engine_;
  std::string config_, functions_, memory_, loops_, groups_, isolate_, reply_, access_log_, grace_;
  std::vector<std::string> listen_, health_, admin_, set_;
  FunctionServerOptions options_;
};

}  // namespace wasmoor::cmd
