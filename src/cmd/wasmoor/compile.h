#pragma once

#include <string>
#include <vector>

#include "cmd/line/command.h"
#include "cmd/wasmoor/run_options.h"

namespace wasmoor::cmd {

// wasmoor compile: fills the cache ahead of a run.
class CompileCommand : public Command {
 public:
  void Configure(Options& options) override;
  Status Check() override { return engine_.Check(); }
  Result<int> Run() override;

 private:
  EngineFlags engine_;
  std::vector<std::string> files_;
  bool background_ = false, quiet_ = false;
};

}  // namespace wasmoor::cmd
