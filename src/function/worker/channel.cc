#include "function/worker/channel.h"

#include <sys/socket.h>
#include <sys/uio.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "wasmoor/os/unix_socket.h"

namespace wasmoor::function {
namespace {

constexpr size_t kUsualRoom = 64 << 10;
// So much is not kept back for the round's end.
constexpr size_t kEnough = 32 << 10;
// Descriptors that may come with what one call reads: the kernel ends a part at each that has one.
constexpr size_t kMostAtOnce = 4;

union Control {
  cmsghdr header;  // For its alignment.
  char bytes[CMSG_SPACE(kMostAtOnce * sizeof(int))];
};

}  // namespace

Result<std::unique_ptr<Channel>> Channel::Create(loop::Loop& loop, os::Fd socket, size_t most,
                                                 Descriptors descriptors, Listener& listener) {
  std::unique_ptr<Channel> channel(
      new Channel(loop, std::move(socket), most, descriptors, listener));
  channel->source_ = TRY(loop.Watch(channel->socket_));
  channel->source_.OnReadable([own = channel.get()] { own->Read(); });
  return channel;
}

Channel::Channel(loop::Loop& loop, os::Fd socket, size_t most, Descriptors descriptors,
                 Listener& listener)
    : loop_(loop),
      socket_(std::move(socket)),
      most_(most),
      descriptors_(descriptors),
      listener_(listener),
      in_(kUsualRoom) {}

Channel::~Channel() { *alive_ = false; }

void Channel::Close() {
  closed_ = true;
  source_ = loop::Source();
  socket_ = os::Fd();
  out_.clear();
  going_.clear();
  sent_ = 0;
}

// Told from the loop: whoever sends must not be called back meanwhile.
void Channel::Lose(Error why) {
  if (closed_) return;
  Close();
  loop_.Post([this, alive = alive_, why = std::move(why)] {
    if (*alive) listener_.OnClosed(why);
  });
}

// ---- Reading.

Result<size_t> Channel::Receive(std::span<char> room) {
  iovec part = {room.data(), room.size()};
  Control control = {};
  msghdr message = {};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  // Without room for them, the kernel closes descriptors that come (unix(7)).
  if (descriptors_ == Descriptors::kTaken) {
    message.msg_control = control.bytes;
    message.msg_controllen = sizeof control.bytes;
  }
  ssize_t got = -1;
  do {
    got = ::recvmsg(socket_.get(), &message, MSG_CMSG_CLOEXEC);
  } while (got < 0 && errno == EINTR);
  if (got < 0 && errno == EAGAIN) return 0;
  if (got == 0 || (got < 0 && errno == ECONNRESET)) return Fail(Code::kUnavailable, "it is gone");
  if (got < 0) return FailErrno(errno, "it cannot be heard any more");
  for (os::Fd& one : os::DescriptorsIn(message)) came_.push_back(std::move(one));
  return static_cast<size_t>(got);
}

void Channel::Read() {
  if (in_begin_ == in_end_) in_begin_ = in_end_ = 0;
  auto got = Receive(std::span(in_).subspan(in_end_));
  if (!got) return Lose(std::move(got).error());
  in_end_ += *got;
  bool whole = true;
  while (whole && !closed_) {
    const Status next = Next(&whole);
    if (!next) return Lose(next.error());
  }
  if (closed_ || in_begin_ == 0) return;
  // A part of one frame is left, for which there is room then.
  std::copy(in_.begin() + static_cast<ptrdiff_t>(in_begin_),
            in_.begin() + static_cast<ptrdiff_t>(in_end_), in_.begin());
  in_end_ -= in_begin_;
  in_begin_ = 0;
  if (in_.size() > kUsualRoom && in_end_ < kUsualRoom) {
    in_.resize(kUsualRoom);
    in_.shrink_to_fit();
  }
}

// Delivers the next frame if it is `whole`.
Status Channel::Next(bool* whole) {
  const size_t there = in_end_ - in_begin_;
  *whole = false;
  if (there < sizeof(Head)) return {};
  Head head;
  std::memcpy(&head, in_.data() + in_begin_, sizeof head);
  if (head.say > static_cast<uint16_t>(Say::kEnd) || head.size > most_ || head.descriptors > 1 ||
      (head.descriptors > 0 && descriptors_ == Descriptors::kRefused)) {
    return Fail(Code::kDataLoss, "it says what is none of its words ({}, of {} bytes)", head.say,
                head.size);
  }
  const size_t size = sizeof head + head.size;
  if (there < size) {
    if (in_.size() - in_begin_ < size) in_.resize(std::max(in_begin_ + size, in_.size()));
    return {};
  }
  Frame frame{.say = static_cast<Say>(head.say),
              .number = head.number,
              .payload = {in_.data() + in_begin_ + sizeof head, head.size},
              .descriptor = {}};
  if (head.descriptors > 0) {
    if (came_.empty()) return Fail(Code::kDataLoss, "a descriptor is missing");
    frame.descriptor = std::move(came_.front());
    came_.pop_front();
  }
  in_begin_ += size;
  *whole = true;
  return listener_.OnFrame(frame);
}

// ---- Writing.

std::string* Channel::Begin(Say say, uint64_t number) {
  head_at_ = out_.size();
  const Head head{.size = 0, .say = static_cast<uint16_t>(say), .descriptors = 0, .number = number};
  out_.append(reinterpret_cast<const char*>(&head), sizeof head);
  return &out_;
}

void Channel::End(os::Fd descriptor) {
  if (closed_) return out_.clear();
  Head head;
  std::memcpy(&head, out_.data() + head_at_, sizeof head);
  head.size = static_cast<uint32_t>(out_.size() - head_at_ - sizeof head);
  head.descriptors = descriptor.valid() ? 1 : 0;
  std::memcpy(out_.data() + head_at_, &head, sizeof head);
  if (descriptor.valid()) going_.emplace_back(head_at_, std::move(descriptor));
  SendSoon();
}

void Channel::Send(Say say, uint64_t number, std::string_view payload, os::Fd descriptor) {
  *Begin(say, number) += payload;
  End(std::move(descriptor));
}

void Channel::SendSoon() {
  if (blocked_) return;
  if (unsent() >= kEnough) return Flush();
  if (std::exchange(soon_, true)) return;
  loop_.AfterRound([this, alive = alive_] {
    if (!*alive) return;
    soon_ = false;
    if (!blocked_) Flush();
  });
}

void Channel::Flush() {
  while (!closed_ && unsent() > 0) {
    if (SendSome()) continue;
    if (closed_ || std::exchange(blocked_, true)) return;
    DropSent();
    source_.OnWritable([this] {
      source_.OnWritable(nullptr);
      blocked_ = false;
      Flush();
    });
    return;
  }
  out_.clear();
  sent_ = 0;
}

void Channel::DropSent() {
  out_.erase(0, sent_);
  for (auto& [at, descriptor] : going_) at -= sent_;
  sent_ = 0;
}

// False: there is no room now, or nobody.
bool Channel::SendSome() {
  // A descriptor goes with the first byte of its frame, and is told apart by being alone.
  size_t end = out_.size();
  const os::Fd* descriptor = nullptr;
  if (!going_.empty()) {
    const bool is_its_turn = going_.front().first == sent_;
    if (is_its_turn) descriptor = &going_.front().second;
    const size_t next = is_its_turn ? 1 : 0;
    if (going_.size() > next) end = going_[next].first;
  }
  iovec part = {out_.data() + sent_, end - sent_};
  msghdr message = {};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  Control control = {};
  if (descriptor != nullptr) {
    message.msg_control = control.bytes;
    message.msg_controllen = CMSG_SPACE(sizeof(int));
    cmsghdr* const rights = CMSG_FIRSTHDR(&message);
    rights->cmsg_level = SOL_SOCKET;
    rights->cmsg_type = SCM_RIGHTS;
    rights->cmsg_len = CMSG_LEN(sizeof(int));
    const int number = descriptor->get();
    std::memcpy(CMSG_DATA(rights), &number, sizeof number);
  }
  ssize_t size = -1;
  do {
    size = ::sendmsg(socket_.get(), &message, MSG_NOSIGNAL);
  } while (size < 0 && errno == EINTR);
  if (size < 0 && (errno == EAGAIN || errno == ETOOMANYREFS)) return false;
  if (size < 0) {
    Lose(Error(Code::kUnavailable, "it is gone", errno));
    return false;
  }
  if (descriptor != nullptr) going_.pop_front();
  sent_ += static_cast<size_t>(size);
  return true;
}

}  // namespace wasmoor::function
