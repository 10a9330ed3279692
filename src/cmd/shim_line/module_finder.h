#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>

#include "wasmoor/containerd/artifact.h"
#include "wasmoor/loop/loop.h"
#include "wasmoor/os/fd.h"
#include "wasmoor/sandbox/sandbox.h"

namespace wasmoor::cmd {

// Asks containerd for modules of images that have no root filesystem: what a
// sandbox::ProcessSandboxOptions::find_module does. What is under way ends with this.
class ModuleFinder {
 public:
  ModuleFinder(loop::Loop& loop, containerd::ArtifactOptions options)
      : loop_(loop), options_(std::move(options)) {}

  void Find(const std::string& id, const std::string& entrypoint, sandbox::Done<os::Fd> done);

 private:
  loop::Loop& loop_;
  containerd::ArtifactOptions options_;
  uint64_t last_ = 0;
  std::map<uint64_t, std::unique_ptr<containerd::ArtifactSearch>> searches_;
};

}  // namespace wasmoor::cmd
