#include <utility>

#include "jail/container_parts.h"
#include "jail/hook.h"
#include "jail/start_gate.h"

namespace wasmoor::jail {
namespace {

// One `start` (OCI runtime-spec, runtime.md, "Lifecycle", steps 6 to 8).
class Starting : public os::Pending<Warnings> {
 public:
  Starting(const Store& store, std::string id) : store_(store), id_(std::move(id)) {}
  const os::Fd& waits_for() const override { return channel_->socket(); }
  Result<std::optional<Warnings>> Advance() override;

 private:
  Status Begin();

  const Store& store_;
  const std::string id_;
  std::optional<Place> place_;  // Locked.
  Record record_;
  std::optional<Channel> channel_;
};

Status Starting::Begin() {
  auto [place, record] = TRY(LockContainer(store_, id_));
  const oci::Status status = LookAt(place, record);
  if (status != oci::Status::kCreated) return WrongState("start", id_, status, "created");
  channel_ = TRY_AS(OpenStartGate(place.directory()), "start container \"{}\"", id_);
  place_ = std::move(place);
  record_ = std::move(record);
  return {};
}

Result<std::optional<Warnings>> Starting::Advance() {
  if (!channel_) {
    TRY(Begin());
    return std::nullopt;
  }
  TRY_AS(PassStartGate(*channel_, place_->directory()), "start container \"{}\"", id_);
  const oci::Spec spec = TRY(ReadSpec(*place_));
  Warnings warnings;
  if (!spec.hooks.poststart.empty())
    warnings =
        RunEveryHook(spec.hooks.poststart, "poststart", StateOf(record_, oci::Status::kRunning));
  if (!spec.process) warnings.push_back("config.json has no process: nothing was started");
  place_->Unlock();
  return warnings;
}

}  // namespace

std::unique_ptr<os::Pending<Warnings>> Container::BeginStart() const {
  return std::make_unique<Starting>(parts_->store, id());
}

Status Container::Start(Warnings* warnings) {
  *warnings = TRY(BeginStart()->Wait());
  return {};
}

}  // namespace wasmoor::jail
