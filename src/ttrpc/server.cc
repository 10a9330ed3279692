#include "wasmoor/ttrpc/server.h"

#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <list>
#include <map>
#include <utility>
#include <vector>

#include "ttrpc/connection.h"
#include "wasmoor/loop/acceptor.h"

namespace wasmoor::ttrpc {
namespace {

struct Listener {
  os::Fd socket;
  std::unique_ptr<loop::Acceptor> acceptor;
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

  std::function<void(const Error*)> Begin(const CallInfo& info, std::string_view payload) override {
    return hook ? hook(info, payload) : nullptr;
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

  void Stop() {
    listeners.clear();
    const auto closing = std::exchange(connections, {});
    for (const auto& [address, connection] : closing) connection->Close();
  }

  loop::Loop& loop;
  const Peers peers;
  std::vector<std::unique_ptr<Service>> owned;
  std::vector<Service*> services;
  CallHook hook;
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

void Server::OnCalls(CallHook hook) { parts_->hook = std::move(hook); }

Status Server::Listen(os::Fd listening) {
  Listener& listener = parts_->listeners.emplace_back();
  listener.socket = std::move(listening);
  auto acceptor = loop::Acceptor::Create(parts_->loop, listener.socket,
                                         [parts = parts_.get()](os::Fd connection) {
                                           // Who may not call is hung up on; there is nobody to
                                           // tell.
                                           static_cast<void>(parts->Adopt(std::move(connection)));
                                         });
  if (!acceptor) {
    parts_->listeners.pop_back();
    return tl::unexpected(std::move(acceptor).error());
  }
  listener.acceptor = std::move(*acceptor);
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
