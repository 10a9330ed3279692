#include "sandbox/inproc/hosts.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <utility>

#include "wasmoor/host/host.h"
#include "wasmoor/os/carried.h"
#include "wasmoor/os/file.h"
#include "wasmoor/os/spawn.h"
#include "wasmoor/os/unix_socket.h"

namespace wasmoor::sandbox {
namespace {

// Of the C library's allocator (kTunables): guests sleep, most of them, and what a thread keeps for
// its next allocation is nobody's else.
constexpr size_t kMostNote = 64 << 10;
constexpr const char* kTunables = "GLIBC_TUNABLES=glibc.malloc.tcache_count=1";

Status MakeRoom(const os::Fd& socket) {
  const int bytes = host::kMostInMessage;
  if (::setsockopt(socket.get(), SOL_SOCKET, SO_SNDBUFFORCE, &bytes, sizeof(bytes)) != 0)
    return FailErrno(errno, "SO_SNDBUFFORCE");
  return {};
}

host::Order RemovalOf(uint64_t guest) {
  host::Order order;
  order.set_guest(guest);
  order.mutable_remove();
  return order;
}

std::vector<std::string> EnvironmentForHost() {
  std::vector<std::string> variables;
  for (char** one = environ; *one != nullptr; ++one) {
    if (!std::string_view(*one).starts_with("GLIBC_TUNABLES=")) variables.emplace_back(*one);
  }
  variables.emplace_back(kTunables);
  return variables;
}

}  // namespace

HostLink::HostLink(loop::Loop& loop, os::Fd connection, pid_t pid, Events events)
    : loop_(loop), connection_(std::move(connection)), pid_(pid), events_(std::move(events)) {}

// It ends when its connection does. Its process is reaped with other orphans.
HostLink::~HostLink() = default;

Status HostLink::Watch() {
  source_ = TRY(loop_.Watch(connection_));
  source_.OnReadable([this] { Receive(); });
  return {};
}

void HostLink::Send(const host::Order& order, std::span<const os::Fd* const> descriptors) {
  if (lost_) return;
  std::string bytes = order.SerializeAsString();
  if (waiting_.empty()) {
    const Status sent = os::SendMessage(connection_, bytes, descriptors);
    if (sent) return;
    if (sent.error().error_number() != EAGAIN) return Refuse(order.guest(), sent.error());
  }
  Waiting waiting{.guest = order.guest(), .bytes = std::move(bytes), .descriptors = {}};
  for (const os::Fd* one : descriptors) {
    const int copy = ::fcntl(one->get(), F_DUPFD_CLOEXEC, 0);
    if (copy < 0) return Refuse(order.guest(), Error(Code::kResourceExhausted, "dup", errno));
    waiting.descriptors.emplace_back(copy);
  }
  waiting_.push_back(std::move(waiting));
  source_.OnWritable([this] { SendWaiting(); });
}

void HostLink::Refuse(uint64_t guest, const Error& why) {
  // One that is broken is told of by its end.
  if (why.error_number() == EPIPE || why.error_number() == ECONNRESET) return;
  host::Note note;
  note.set_guest(guest);
  note.mutable_not_made()->set_code(static_cast<int>(why.code()));
  note.mutable_not_made()->set_message("tell the host of guests: " + why.message());
  loop_.Post([self = weak_from_this(), guest, note] {
    const auto link = self.lock();
    if (!link) return;
    const auto owner = link->owners_.find(guest);
    if (owner != link->owners_.end()) owner->second->OnNote(note);
  });
}

void HostLink::SendWaiting() {
  while (!waiting_.empty()) {
    std::vector<const os::Fd*> descriptors;
    for (const os::Fd& one : waiting_.front().descriptors) descriptors.push_back(&one);
    const Status sent = os::SendMessage(connection_, waiting_.front().bytes, descriptors);
    if (!sent && sent.error().error_number() == EAGAIN) return;
    if (!sent) Refuse(waiting_.front().guest, sent.error());
    waiting_.pop_front();
  }
  source_.OnWritable(nullptr);
}

void HostLink::Receive() {
  constexpr int kMostAtOnce = 64;
  for (int i = 0; i < kMostAtOnce; ++i) {
    auto message = os::ReceiveMessage(connection_, kMostNote);
    if (!message && message.error().code() == Code::kOutOfRange) continue;
    if (!message) return Lose();
    if (!*message) return;
    host::Note note;
    if (!note.ParseFromString((*message)->bytes)) continue;
    if (note.has_log()) {
      events_.log(note.log().line());
      continue;
    }
    const auto owner = owners_.find(note.guest());
    if (owner != owners_.end())
      owner->second->OnNote(note);
    else if (note.has_made())
      Send(RemovalOf(note.guest()));  // Whoever wanted it has gone meanwhile.
  }
}

void HostLink::Lose() {
  lost_ = true;
  source_ = loop::Source();
  ::kill(pid_, SIGKILL);
  events_.log(fmt::format("the host {} of {} guests has died; its guests have ended with it", pid_,
                          owners_.size()));
  // Each may forget itself.
  const std::map<uint64_t, GuestOwner*> owners = owners_;
  for (const auto& [guest, owner] : owners) {
    if (owners_.contains(guest)) owner->OnLost();
  }
  events_.lost();
}

void HostLink::Forget(uint64_t guest) {
  if (owners_.erase(guest) > 0 && owners_.empty() && !lost_ && events_.idle) events_.idle();
}

Status HostLink::HandOver(handover::Host* state, os::Carried* carried) const {
  if (!waiting_.empty()) return Fail(Code::kUnavailable, "the host {} is behind", pid_);
  state->set_connection(carried->Keep(connection_));
  state->set_pid(pid_);
  return {};
}

Result<std::unique_ptr<Hosts>> Hosts::Create(HostsOptions options) {
  return std::make_unique<HostList>(std::move(options));
}

Status HostList::Prepare() {
  TRY(Pick());
  return {};
}

size_t HostList::guests() const {
  size_t all = 0;
  for (const auto& one : links_) all += one->guests();
  for (const auto& one : taken_) all += one ? one->guests() : 0;
  return all;
}

std::vector<pid_t> HostList::pids() const {
  std::vector<pid_t> all;
  for (const auto& one : links_) all.push_back(one->pid());
  for (const auto& one : taken_) {
    if (one) all.push_back(one->pid());
  }
  return all;
}

Status HostList::HandOver(handover::Hosts* state, os::Carried* carried) const {
  state->set_last_guest(last_guest_);
  for (const auto& one : links_) TRY(one->HandOver(state->add_hosts(), carried));
  for (const auto& one : taken_) {
    if (one) TRY(one->HandOver(state->add_hosts(), carried));
  }
  return {};
}

uint32_t HostList::NumberOf(const HostLink& link) const {
  uint32_t number = 0;
  for (const auto* list : {&links_, &taken_}) {
    for (const auto& one : *list) {
      if (one.get() == &link) return number;
      number += one ? 1 : 0;
    }
  }
  return number;  // One that is lost.
}

std::shared_ptr<HostLink> HostList::Taken(uint32_t number) const {
  return number < taken_.size() ? taken_[number] : nullptr;
}

void HostList::TakeOver(const handover::Hosts& state) {
  last_guest_ = state.last_guest();
  for (const handover::Host& one : state.hosts()) {
    auto link = Link(os::TakeCarried(one.connection()), one.pid());
    taken_.push_back(link ? std::move(*link) : nullptr);
    if (!link) options_.log(link.error().message());
  }
  // Once it is known who has guests there.
  options_.loop.Post([this] { DropIdle(); });
  if (options_.deadline.count() == 0) return;
  deadline_ = options_.loop.After(options_.deadline, [this] {
    for (const auto& one : taken_) {
      if (!one) continue;
      options_.log(
          fmt::format("the host {} is of an earlier version, and its time is up: its {} "
                      "guests are killed",
                      one->pid(), one->guests()));
      ::kill(one->pid(), SIGKILL);
    }
  });
}

// The objects are those that call.
void HostList::Drop(const HostLink* link) {
  const auto is_it = [link](const auto& one) { return one.get() == link; };
  if (const auto found = std::find_if(links_.begin(), links_.end(), is_it); found != links_.end()) {
    options_.loop.Post([gone = std::move(*found)] {});
    links_.erase(found);
  }
  const auto old = std::find_if(taken_.begin(), taken_.end(), is_it);
  if (old != taken_.end()) options_.loop.Post([gone = std::exchange(*old, nullptr)] {});
}

void HostList::DropIdle() {
  for (const auto& one : taken_) {
    if (one && one->guests() == 0) Drop(one.get());
  }
}

Result<std::shared_ptr<HostLink>> HostList::Pick() {
  for (const auto& one : links_) {
    if (one->guests() < options_.guests_per_host) return one;
  }
  return Start();
}

Result<std::shared_ptr<HostLink>> HostList::Start() {
  os::SocketPair sockets = TRY(os::MakeMessageSockets());
  TRY(MakeRoom(sockets.ours));
  TRY(MakeRoom(sockets.theirs));
  const os::Fd error(::fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 0));
  const pid_t pid = TRY_AS(os::Spawn({.program = os::kThisProgram,
                                      .arguments = options_.words,
                                      .descriptors = {nullptr, nullptr, &error, &sockets.theirs},
                                      .environment = EnvironmentForHost()}),
                           "start a host of guests");
  if (::fcntl(sockets.ours.get(), F_SETFL, O_NONBLOCK) != 0) return FailErrno(errno, "fcntl");
  auto link = TRY(Link(std::move(sockets.ours), pid));
  links_.push_back(link);
  return link;
}

Result<std::shared_ptr<HostLink>> HostList::Link(os::Fd connection, pid_t pid) {
  auto address = std::make_shared<const HostLink*>(nullptr);
  auto link =
      std::make_shared<HostLink>(options_.loop, std::move(connection), pid,
                                 HostLink::Events{.lost = [this, address] { Drop(*address); },
                                                  .idle = [this] { DropIdle(); },
                                                  .log = options_.log});
  *address = link.get();
  TRY(link->Watch());
  return link;
}

}  // namespace wasmoor::sandbox
