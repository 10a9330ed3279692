#include "wasmoor/ttrpc/server.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <list>
#include <map>
#include <utility>
#include <vector>

#include "ttrpc/connection.h"

namespace wasmoor::ttrpc {
namespace {

// Where there are no descriptors left, callers wait in the listener's queue.
constexpr std::chrono::milliseconds kNoDescriptors{100};

struct Listener {
  os::Fd socket;
  loop::Source source;
  loop::Timer pause;
};

Status CheckPeer(const os::Fd& connection) {
  ucred peer = {};
  socklen_t size = sizeof(peer);
  if (::getsockopt(connection.get(), SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0)
    return FailErrno(errno, "ask who connects");
  if (peer.uid != 0 && peer.uid != ::geteuid())
    return Fail(Code::kPermissionDenied,
                "user {} (process {}) is neither root nor who runs this server", peer.uid,
                peer.pid);
  return {};
}

}  // namespace

struct Server::Parts : Connection::Owner, std::enable_shared_from_this<Parts> {
  Parts(loop::Loop& its_loop, Peers taken) : loop(its_loop), peers(taken) {}

  Service* Find(std::string_view name) override {
    const auto found = std::find_if(services.begin(), services.end(),
                                    [name](const Service* one) { return one->name() == name; });
    return found == services.end() ? nullptr : *found;
  }

  void OnLost(Connection& connection) override { connections.erase(&connection); }

  Status Add(Service& service) {
    if (Find(service.name()) != nullptr)
      return Fail(Code::kAlreadyExists, "service {} is served already", service.name());
    services.push_back(&service);
    return {};
  }

  Status Adopt(os::Fd socket) {
    if (peers == Peers::kTrusted) TRY(CheckPeer(socket));
    auto connection = TRY(Connection::Open(loop, std::move(socket), weak_from_this()));
    connections.emplace(connection.get(), std::move(connection));
    return {};
  }

  void Accept(Listener& listener) {
    os::Fd connection(::accept4(listener.socket.get(), nullptr, nullptr, SOCK_CLOEXEC));
    if (connection.valid()) {
      // Who may not call is hung up on; there is nobody to tell.
      static_cast<void>(Adopt(std::move(connection)));
      return;
    }
    if (errno != EMFILE && errno != ENFILE && errno != ENOBUFS && errno != ENOMEM) return;
    listener.source.OnReadable(nullptr);
    listener.pause = loop.After(kNoDescriptors, [this, &listener] { Watch(listener); });
  }

  void Watch(Listener& listener) {
    listener.source.OnReadable([this, &listener] { Accept(listener); });
  }

  void Stop() {
    listeners.clear();
    const auto closing = std::exchange(connections, {});
    for (const auto& [address, connection] : closing) connection->Close();
  }

  loop::Loop& loop;
  const Peers peers;
  std::vector<std::unique_ptr<Service>> owned;
  std::vector<Service*> services;
  std::list<Listener> listeners;
  std::map<Connection*, std::shared_ptr<Connection>> connections;
};

Server::Server(loop::Loop& loop, Peers peers) : parts_(std::make_shared<Parts>(loop, peers)) {}
Server::~Server() { Stop(); }

Status Server::Add(Service& service) { return parts_->Add(service); }

Status Server::Add(std::unique_ptr<Service> service) {
  TRY(parts_->Add(*service));
  parts_->owned.push_back(std::move(service));
  return {};
}

Status Server::Listen(os::Fd listening) {
  // Not to be stopped by one who connects and is gone again (accept(2)).
  const int flags = ::fcntl(listening.get(), F_GETFL);
  if (flags < 0 || ::fcntl(listening.get(), F_SETFL, flags | O_NONBLOCK) < 0)
    return FailErrno(errno, "listen");
  Listener& listener = parts_->listeners.emplace_back();
  listener.socket = std::move(listening);
  auto source = parts_->loop.Watch(listener.socket);
  if (!source) {
    parts_->listeners.pop_back();
    return tl::unexpected(std::move(source).error().WithContext("listen"));
  }
  listener.source = std::move(*source);
  parts_->Watch(listener);
  return {};
}

Status Server::Adopt(os::Fd connection) { return parts_->Adopt(std::move(connection)); }

size_t Server::connections() const { return parts_->connections.size(); }

size_t Server::open_calls() const {
  size_t calls = 0;
  for (const auto& [address, connection] : parts_->connections) calls += connection->open_calls();
  return calls;
}

void Server::Stop() { parts_->Stop(); }

}  // namespace wasmoor::ttrpc
