#include <unistd.h>

#include <optional>
#include <utility>

#include "jail/attend.h"
#include "jail/channel.h"
#include "wasmoor/jail/aside.h"
#include "wasmoor/os/clone.h"
#include "wasmoor/os/process.h"

namespace wasmoor::jail {
namespace {

class Aside : public os::Pending<Warnings> {
 public:
  explicit Aside(std::function<Result<Warnings>()> work) : work_(std::move(work)) {}
  ~Aside() override {
    if (child_.process.valid()) KillChild(child_);
  }
  Aside(const Aside&) = delete;
  Aside& operator=(const Aside&) = delete;

  const os::Fd& waits_for() const override { return channel_->socket(); }
  Result<std::optional<Warnings>> Advance() override;

 private:
  Status Begin();

  const std::function<Result<Warnings>()> work_;
  os::Cloned child_;
  std::optional<Channel> channel_;
  Warnings warnings_;
};

Status Aside::Begin() {
  auto [ours, theirs] = TRY(Channel::MakePair());
  const pid_t parent = ::getpid();
  child_ = TRY(os::Clone({}));
  if (child_.pid == 0) {
    ours.Close();
    // What this process has locked, the clone holds, too.
    os::EndWithParent(parent);
    const Result<Warnings> done = work_();
    if (!done) theirs.SendError(done.error());
    for (const std::string& one : done.value_or(Warnings()))
      static_cast<void>(theirs.Send(Step::kWarning, one));
    static_cast<void>(theirs.Send(Step::kReady));
    _exit(0);
  }
  channel_ = std::move(ours);
  return {};
}

Result<std::optional<Warnings>> Aside::Advance() {
  if (!channel_) {
    TRY(Begin());
    return std::nullopt;
  }
  Message message = TRY(channel_->Receive());
  if (message.step != Step::kReady) {
    warnings_.push_back(std::move(message.text));
    return std::nullopt;
  }
  return std::move(warnings_);
}

}  // namespace

std::unique_ptr<os::Pending<Warnings>> DoAside(std::function<Result<Warnings>()> work) {
  return std::make_unique<Aside>(std::move(work));
}

}  // namespace wasmoor::jail
