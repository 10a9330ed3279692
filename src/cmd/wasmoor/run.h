#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "cmd/line/command.h"
#include "cmd/wasmoor/run_options.h"
#include "wasmoor/program/program.h"

namespace wasmoor::cmd {

// wasmoor run: one guest, in this process, until it ends.
class RunCommand : public Command {
 public:
  void Configure(Options& options) override;
  Status Check() override;
  Result<int> Run() override;
  std::string Describe(std::string_view who, const Error& error) const override;

 private:
  Status StartDeadline(const std::string& file);
  int Finish(const std::string& file, const wasm::Cache::Found& found, const program::Guest& guest,
             const wasm::Exit& exit);

  RunFlags flags_;
  std::vector<std::string> words_;  // FILE, and the guest's arguments.
  std::chrono::steady_clock::time_point started_;
};

}  // namespace wasmoor::cmd
