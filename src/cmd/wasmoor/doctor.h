#pragma once

#include <string>

#include "cmd/line/command.h"

namespace wasmoor::cmd {

// wasmoor doctor: looks, and leaves everything as it is.
class DoctorCommand : public Command {
 public:
  void Configure(Options& options) override;
  Result<int> Run() override;

 private:
  std::string cache_directory_, try_namespaces_;
  bool json_ = false;
};

}  // namespace wasmoor::cmd
