#include "wasmoor/loop/acceptor.h"

#include <sys/socket.h>

#include <cerrno>
#include <chrono>
#include <utility>

namespace wasmoor::loop {
namespace {

// One after the other, before anything else gets its turn.
constexpr int kAtOnce = 16;
constexpr std::chrono::milliseconds kPause{100};  // Of one who has no descriptor left.

}  // namespace

Result<std::unique_ptr<Acceptor>> Acceptor::Create(Loop& loop, const os::Fd& listener,
                                                   std::function<void(os::Fd)> take) {
  auto acceptor = std::unique_ptr<Acceptor>(new Acceptor(loop, listener, std::move(take)));
  acceptor->source_ = TRY_AS(loop.Watch(listener), "listen");
  acceptor->Watch();
  return acceptor;
}

Acceptor::Acceptor(Loop& loop, const os::Fd& listener, std::function<void(os::Fd)> take)
    : loop_(loop), listener_(listener), take_(std::move(take)) {}
Acceptor::~Acceptor() = default;

void Acceptor::Watch() {
  source_.OnReadable([this] { Accept(); });
}

void Acceptor::Accept() {
  for (int i = 0; i < kAtOnce; ++i) {
    os::Fd one(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
    if (one.valid()) {
      take_(std::move(one));
      continue;
    }
    // accept(2): a client that is gone again is no error of the socket's.
    if (errno == EAGAIN || errno == ECONNABORTED || errno == EINTR) return;
    source_.OnReadable(nullptr);
    pause_ = loop_.After(kPause, [this] { Watch(); });
    return;
  }
}

}  // namespace wasmoor::loop
