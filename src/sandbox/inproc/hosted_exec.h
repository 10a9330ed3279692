#pragma once

#include <memory>
#include <string>
#include <utility>

#include "sandbox/inproc/hosted_container.h"

namespace wasmoor::sandbox {

// A guest beside a container's first. Made at its start, since until then nobody needs a thread.
class HostedContainer::ExecProcess : public HostedProcess {
 public:
  ExecProcess(InprocParts& parts, HostedContainer& container, ExecRequest request);

  void Start(Done<pid_t> done) override;

  // Its start was asked for, and has not failed.
  bool begun() const { return begun_; }
  // As it came.
  const std::string& config() const { return config_; }
  void SetBegun() { begun_ = true; }

 private:
  InprocParts& parts_;
  HostedContainer& container_;
  const oci::Process process_;
  const std::string config_;
  bool begun_ = false;
};

}  // namespace wasmoor::sandbox
