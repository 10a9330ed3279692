#include "sandbox/process/holder.h"

#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <memory>

#include "wasmoor/os/title.h"

namespace wasmoor::sandbox {
namespace {

constexpr int kEndsWell = 0;

class Holder : public jail::Program {
 public:
  explicit Holder(std::string id) : title_{"wasmoor-pod", std::move(id)} {}

  jail::Privileges privileges() const override { return jail::Privileges::kNone; }
  bool executes() const override { return false; }

  Error Become(const std::function<Status()>& confine) override {
    sigset_t signals;
    ::sigemptyset(&signals);
    for (const int one : {SIGTERM, SIGINT, SIGCHLD}) ::sigaddset(&signals, one);
    ::sigprocmask(SIG_BLOCK, &signals, nullptr);
    os::ShowAs(title_);
    if (const Status confined = confine(); !confined) return confined.error();
    for (int signal = 0; signal != SIGTERM && signal != SIGINT;) {
      ::sigwait(&signals, &signal);
      while (::waitpid(-1, nullptr, WNOHANG) > 0) continue;
    }
    ::_exit(kEndsWell);
  }

 private:
  const std::vector<std::string> title_;
};

}  // namespace

Result<std::unique_ptr<jail::Preparation>> HolderExecutor::Prepare(
    const jail::ProgramRequest& request) const {
  return std::make_unique<os::Ready<std::unique_ptr<jail::Program>>>(
      std::make_unique<Holder>(std::string(request.container_id)));
}

}  // namespace wasmoor::sandbox
