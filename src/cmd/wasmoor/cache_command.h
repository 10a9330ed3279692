#pragma once

#include <string>

#include "cmd/line/command.h"
#include "wasmoor/wasm/cache.h"

namespace wasmoor::cmd {

// wasmoor cache ls | verify | prune | dir: the folder of the compiled modules.
class CacheCommand : public Command {
 public:
  void Configure(Options& options) override;
  Status Check() override;
  Result<int> Run() override;

 private:
  void ConfigureCommon(Options& options);
  int List(const std::vector<wasm::Cache::Entry>& entries) const;
  Result<int> Verify(const wasm::Cache& cache) const;
  Result<int> Prune(const wasm::Cache& cache) const;

  std::string cache_directory_, max_size_text_, older_than_text_;
  bool json_ = false, remove_ = false, all_ = false, dry_run_ = false;
  std::string_view action_;  // Which was asked for.

  // What Check makes of them.
  uint64_t max_bytes_ = 0;
  std::optional<std::chrono::system_clock::time_point> older_than_;
};

}  // namespace wasmoor::cmd
