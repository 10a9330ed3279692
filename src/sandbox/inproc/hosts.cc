#include "sandbox/inproc/hosts.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <utility>

#include "wasmoor/host/host.h"
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
    if (sent || sent.error().error_number() != EAGAIN) return;
  }
  Waiting waiting{.bytes = std::move(bytes), .descriptors = {}};
  for (const os::Fd* one : descriptors)
    waiting.descriptors.emplace_back(::fcntl(one->get(), F_DUPFD_CLOEXEC, 0));
  waiting_.push_back(std::move(waiting));
  source_.OnWritable([this] { SendWaiting(); });
}

void HostLink::SendWaiting() {
  while (!waiting_.empty()) {
    std::vector<const os::Fd*> descriptors;
    for (const os::Fd& one : waiting_.front().descriptors) descriptors.push_back(&one);
    const Status sent = os::SendMessage(connection_, waiting_.front().bytes, descriptors);
    if (!sent && sent.error().error_number() == EAGAIN) return;
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
  return all;
}

std::vector<pid_t> HostList::pids() const {
  std::vector<pid_t> all;
  for (const auto& one : links_) all.push_back(one->pid());
  return all;
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
  auto link = std::make_shared<HostLink>(
      options_.loop, std::move(sockets.ours), pid,
      HostLink::Events{.lost =
                           [this, pid] {
                             // The object is the one that calls.
                             const auto found =
                                 std::find_if(links_.begin(), links_.end(),
                                              [pid](const auto& one) { return one->pid() == pid; });
                             if (found == links_.end()) return;
                             options_.loop.Post([gone = std::move(*found)] {});
                             links_.erase(found);
                           },
                       .log = options_.log});
  TRY(link->Watch());
  links_.push_back(link);
  return link;
}

}  // namespace wasmoor::sandbox
