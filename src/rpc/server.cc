#include "wasmoor/rpc/server.h"

#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <list>
#include <map>
#include <utility>
#include <vector>

#include "proto/wasmoor/handover.pb.h"
#include "rpc/connection.h"
#include "wasmoor/loop/acceptor.h"

namespace wasmoor::rpc {
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

struct Server::Parts : ConnectionOwner, std::enable_shared_from_this<Parts> {
  Parts(loop::Loop& its_loop, Peers taken, Opener its_open)
      : loop(its_loop), peers(taken), open(std::move(its_open)) {}

  Service* Find(std::string_view name) override {
    const auto found = std::find_if(services.begin(), services.end(),
                                    [name](const Service* one) { return one->name() == name; });
    return found == services.end() ? nullptr : *found;
  }

  std::function<void(const Error*)> Begin(const CallInfo& info, std::string_view payload) override {
    return hook ? hook(info, payload) : nullptr;
  }

  void OnLost(Connection& connection) override { connections.erase(&connection); }

  Result<Connection*> Adopt(os::Fd socket) {
    if (peers == Peers::kTrusted) TRY(CheckPeer(socket));
    auto connection = TRY(open(std::move(socket), weak_from_this()));
    Connection* const adopted = connection.get();
    connections.emplace(adopted, std::move(connection));
    return adopted;
  }

  Status Accept(Listener* listener) {
    listener->acceptor = TRY(loop::Acceptor::Create(loop, listener->socket, [this](os::Fd socket) {
      // Who may not call is hung up on; there is nobody to tell.
      static_cast<void>(Adopt(std::move(socket)));
    }));
    return {};
  }

  loop::Loop& loop;
  const Peers peers;
  const Opener open;
  std::vector<std::unique_ptr<Service>> owned;
  std::vector<Service*> services;
  CallHook hook;
  std::list<Listener> listeners;
  std::map<Connection*, std::shared_ptr<Connection>> connections;
};

Server::Server(loop::Loop& loop, Peers peers, Opener open)
    : parts_(std::make_shared<Parts>(loop, peers, std::move(open))) {}
Server::~Server() { Stop(); }

Status Server::Add(Service& service) {
  if (parts_->Find(service.name()) != nullptr)
    return Fail(Code::kAlreadyExists, "service {} is served already", service.name());
  parts_->services.push_back(&service);
  return {};
}

Status Server::Add(std::unique_ptr<Service> service) {
  TRY(Add(*service));
  parts_->owned.push_back(std::move(service));
  return {};
}

void Server::OnCalls(CallHook hook) { parts_->hook = std::move(hook); }

Status Server::Listen(os::Fd listening) {
  Listener& listener = parts_->listeners.emplace_back();
  listener.socket = std::move(listening);
  Status accepting = parts_->Accept(&listener);
  if (!accepting) parts_->listeners.pop_back();
  return accepting;
}

Status Server::Adopt(os::Fd connection) {
  TRY(parts_->Adopt(std::move(connection)));
  return {};
}

size_t Server::connections() const { return parts_->connections.size(); }

size_t Server::open_calls() const {
  size_t calls = 0;
  for (const auto& [address, connection] : parts_->connections) calls += connection->open_calls();
  return calls;
}

void Server::Stop() {
  parts_->listeners.clear();
  HangUp();
}

void Server::Freeze() {
  for (Listener& listener : parts_->listeners) listener.acceptor.reset();
  for (const auto& [address, connection] : parts_->connections) connection->Freeze();
}

void Server::Thaw() {
  // Where that fails, nothing could be watched any more at all.
  for (Listener& listener : parts_->listeners) static_cast<void>(parts_->Accept(&listener));
  for (const auto& [address, connection] : parts_->connections) connection->Thaw();
}

Status Server::HandOver(handover::Server* state, os::Carried* carried) const {
  for (const Listener& listener : parts_->listeners)
    state->add_listeners(carried->Keep(listener.socket));
  for (const auto& [address, connection] : parts_->connections)
    TRY(connection->HandOver(state->add_connections(), carried));
  return {};
}

Status Server::TakeOver(const handover::Server& state) {
  for (const handover::Server::Connection& one : state.connections()) {
    os::Fd socket = os::TakeCarried(one.socket());
    if (!socket.valid()) continue;
    // Its client may have gone meanwhile.
    if (const auto connection = parts_->Adopt(std::move(socket))) (*connection)->TakeOver(one);
  }
  for (const int listener : state.listeners()) TRY(Listen(os::TakeCarried(listener)));
  return {};
}

void Server::HangUp() {
  const auto closing = std::exchange(parts_->connections, {});
  for (const auto& [address, connection] : closing) connection->Close();
}

}  // namespace wasmoor::rpc
