#pragma once

#include <string>
#include <vector>

#include "cmd/line/command.h"
#include "cmd/wasmoor/inspection.h"

namespace wasmoor::cmd {

// wasmoor inspect: reads files and runs nothing.
class InspectCommand : public Command {
 public:
  void Configure(Options& options) override;
  Result<int> Run() override;

 private:
  Result<Inspection> Inspect(const std::string& file) const;

  std::vector<std::string> files_;
  std::string cache_directory_;
  bool json_ = false;
};

}  // namespace wasmoor::cmd
