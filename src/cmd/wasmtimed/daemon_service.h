#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "proto/wasmoor/daemon.pb.h"
#include "proto/wasmoor/daemon.ttrpc.h"
#include "wasmoor/base/result.h"

namespace wasmoor::cmd {

// What the daemon answers its own program: `containerd-wasmtimed upgrade`.
class DaemonService : public ::wasmoor::daemon::v1::DaemonService {
 public:
  struct Parts {
    std::function<uint64_t()> sandboxes;
    // Answers only if it failed: otherwise there is another program, which is asked again.
    std::function<void(std::function<void(Status)>)> upgrade;
  };
  explicit DaemonService(Parts parts);

  // An upgrade is answered by the program that comes.
  bool IsRepeatable(std::string_view method) const override { return method == "Upgrade"; }

 private:
  using CallInfo = ttrpc::CallInfo;
  template <typename T>
  using Reply = ttrpc::Reply<T>;

  void Info(const ::wasmoor::daemon::v1::InfoRequest& request, const CallInfo&,
            Reply<::wasmoor::daemon::v1::InfoResponse> reply) override;
  void Upgrade(const ::wasmoor::daemon::v1::UpgradeRequest& request, const CallInfo&,
               Reply<::wasmoor::daemon::v1::InfoResponse> reply) override;
  ::wasmoor::daemon::v1::InfoResponse Describe() const;

  const Parts parts_;
  const std::string instance_;
};

}  // namespace wasmoor::cmd
