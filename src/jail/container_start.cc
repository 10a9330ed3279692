#include <utility>

#include "jail/container_parts.h"
#include "jail/hook.h"
#include "jail/no_program.h"
#include "jail/start_gate.h"
#include "wasmoor/jail/aside.h"

namespace wasmoor::jail {
namespace {

// One `start` (OCI runtime-spec, runtime.md, "Lifecycle", steps 6 to 8).
class Starting : public os::Pending<Warnings> {
 public:
  explicit Starting(const Container::Parts& parts) : parts_(parts), id_(parts.record.id) {}
  const os::Fd& waits_for() const override {
    return hooks_ ? hooks_->waits_for() : channel_->socket();
  }
  Result<std::optional<Warnings>> Advance() override;

 private:
  Status Begin();
  Result<Warnings> RunPoststartHooks() const;

  const Container::Parts& parts_;
  const std::string& id_;
  std::optional<Place> place_;  // Locked.
  Record record_;
  std::optional<Channel> channel_;
  std::unique_ptr<os::Pending<Warnings>> hooks_;
};

Status Starting::Begin() {
  auto [place, record] = TRY(LockContainer(parts_));
  const oci::Status status = LookAt(place, record);
  if (status != oci::Status::kCreated) return WrongState("start", id_, status, "created");
  channel_ = TRY_AS(OpenStartGate(place.directory()), "start container \"{}\"", id_);
  place_ = std::move(place);
  record_ = std::move(record);
  return {};
}

Result<Warnings> Starting::RunPoststartHooks() const {
  const oci::Spec spec = TRY(ReadSpec(*place_));
  return RunEveryHook(spec.hooks.poststart, "poststart", StateOf(record_, oci::Status::kRunning));
}

Result<std::optional<Warnings>> Starting::Advance() {
  if (!channel_) {
    TRY(Begin());
    return std::nullopt;
  }
  if (!hooks_) {
    TRY_AS(PassStartGate(*channel_, place_->directory()), "start container \"{}\"", id_);
    if (record_.has_poststart) {
      hooks_ = DoAside([this] { return RunPoststartHooks(); });
      static_cast<void>(TRY(hooks_->Advance()));
      return std::nullopt;
    }
  }
  Warnings warnings;
  if (hooks_) {
    auto done = TRY(hooks_->Advance());
    if (!done) return std::nullopt;
    warnings = *std::move(done);
  }
  if (record_.executor == kNoExecutor)
    warnings.push_back("config.json has no process: nothing was started");
  place_->Unlock();
  return warnings;
}

}  // namespace

std::unique_ptr<os::Pending<Warnings>> Container::BeginStart() const {
  return std::make_unique<Starting>(*parts_);
}

Status Container::Start(Warnings* warnings) {
  *warnings = TRY(BeginStart()->Wait());
  return {};
}

}  // namespace wasmoor::jail
