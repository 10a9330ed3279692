#include "cmd/wasmtimed/daemon_service.h"

#include <unistd.h>

#include <chrono>
#include <memory>
#include <utility>

namespace wasmoor::cmd {

namespace api = ::wasmoor::daemon::v1;

DaemonService::DaemonService(Parts parts)
    : parts_(std::move(parts)),
      instance_(fmt::format("{}-{}", ::getpid(),
                            std::chrono::steady_clock::now().time_since_epoch().count())) {}

api::InfoResponse DaemonService::Describe() const {
  api::InfoResponse response;
  response.set_version(WASMOOR_VERSION);
  response.set_instance(instance_);
  response.set_pid(static_cast<uint32_t>(::getpid()));
  response.set_sandboxes(parts_.sandboxes());
  return response;
}

void DaemonService::Info(const api::InfoRequest&, const CallInfo&, Reply<api::InfoResponse> reply) {
  reply(Describe());
}

void DaemonService::Upgrade(const api::UpgradeRequest& request, const CallInfo&,
                            Reply<api::InfoResponse> reply) {
  if (request.instance() != instance_) return reply(Describe());
  const auto answer = std::make_shared<Reply<api::InfoResponse>>(std::move(reply));
  parts_.upgrade([answer](const Status& failed) {
    if (!failed) (*answer)(tl::unexpected(failed.error()));
  });
}

}  // namespace wasmoor::cmd
