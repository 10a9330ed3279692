#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>

#include "wasmoor/containerd/artifact.h"
#include "wasmoor/loop/loop.h"
#include "wasmoor/os/fd.h"
#include "wasmoor/sandbox/find_module.h"

namespace wasmoor::cmd {

// Asks containerd for modules of images that have no root filesystem, and keeps them in
// /var/cache/wasmoor/artifacts. What is under way ends with this.
class ModuleFinder {
 public:
  // At the containerd at `address`, in its namespace `name_space`. `warn` hears what an operator
  // should know.
  ModuleFinder(loop::Loop& loop, std::string address, std::string name_space,
               std::function<void(std::string_view)> warn);

  // To be called while this lives.
  sandbox::FindModule AsFunction();

 private:
  void Find(const std::string& id, const std::string& entrypoint, sandbox::Done<os::Fd> done);

  loop::Loop& loop_;
  containerd::ArtifactOptions options_;
  uint64_t last_ = 0;
  std::map<uint64_t, std::unique_ptr<containerd::ArtifactSearch>> searches_;
};

}  // namespace wasmoor::cmd
