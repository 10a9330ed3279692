#include <poll.h>
#include <sys/ioctl.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <limits>
#include <memory>
#include <span>

#include "wasi/clock.h"
#include "wasi/descriptor_table.h"
#include "wasi/functions.h"

namespace wasmoor::wasi {
namespace {

constexpr Timestamp kNever = std::numeric_limits<Timestamp>::max();

// The memory of the host that one call may take is bounded by this, not by the guest's memory. More
// files than this no guest has open.
constexpr Size kMostSubscriptions = 1 << 16;

// One subscription and what became of it.
struct Wait {
  uint64_t userdata;
  EventType type;
  Errno error;
  bool ready;          // Without asking: a file that was not granted, a stream that has something.
  int32_t poll_index;  // Among the files polled; -1 for none.
  Timestamp deadline;  // Of a clock, on CLOCK_MONOTONIC.
  bool is_stream = false;  // What is polled is not what is read.
};

Timestamp SaturatingAdd(Timestamp a, Timestamp b) { return a > kNever - b ? kNever : a + b; }

// When a clock's subscription is due, on CLOCK_MONOTONIC. A time of the real clock becomes the span
// until then, as of now.
Errno DeadlineOf(const Subscription& subscription, Timestamp now, Timestamp* deadline) {
  const bool absolute = (subscription.clock_flags & kSubclockAbstime) != 0;
  if ((subscription.clock_flags & ~kSubclockAbstime) != 0) return Errno::kInval;
  switch (static_cast<ClockId>(subscription.id)) {
    case ClockId::kRealtime: {
      if (!absolute) break;
      const Timestamp real_now = Now(CLOCK_REALTIME);
      const Timestamp left = subscription.timeout > real_now ? subscription.timeout - real_now : 0;
      *deadline = SaturatingAdd(now, left);
      return Errno::kSuccess;
    }
    case ClockId::kMonotonic:
      if (!absolute) break;
      *deadline = subscription.timeout;
      return Errno::kSuccess;
    case ClockId::kProcessCputime:
    case ClockId::kThreadCputime: return Errno::kNotsup;
    default: return Errno::kInval;
  }
  *deadline = SaturatingAdd(now, subscription.timeout);
  return Errno::kSuccess;
}

// A sleep: one clock and nothing else. On the clock that was asked for, so that a wait for a time
// of day heeds one who sets the clock.
Reply Sleep(Context& context, const Call& call, const Subscription& subscription, Ptr events,
            Ptr stored) {
  Event event = {};
  event.userdata = subscription.userdata;
  event.type = subscription.tag;
  Timestamp deadline = 0;
  event.error = DeadlineOf(subscription, Now(CLOCK_MONOTONIC), &deadline);
  if (event.error == Errno::kSuccess) {
    const bool time_of_day = static_cast<ClockId>(subscription.id) == ClockId::kRealtime &&
                             (subscription.clock_flags & kSubclockAbstime) != 0;
    const timespec until = ToTimespec(time_of_day ? subscription.timeout : deadline);
    context.BeforeWait();
    const Reply reply = Interruptible(call, [&] {
      // Returns the error instead of setting it: clock_nanosleep(2).
      errno = clock_nanosleep(time_of_day ? CLOCK_REALTIME : CLOCK_MONOTONIC, TIMER_ABSTIME, &until,
                              nullptr);
      return errno == 0 ? 0 : -1;
    });
    if (!reply.ok()) return reply;
  }
  if (!call.memory.Store(events, event) || !call.memory.Store(stored, Size{1}))
    return Errno::kFault;
  return Errno::kSuccess;
}

class Poll {
 public:
  // Room for `count` subscriptions, on the stack if they are few.
  explicit Poll(Size count) {
    if (count <= kFew) {
      waits_ = {few_waits_.data(), count};
      files_ = {few_files_.data(), count};
      return;
    }
    many_waits_ = std::make_unique_for_overwrite<Wait[]>(count);
    many_files_ = std::make_unique_for_overwrite<pollfd[]>(count);
    waits_ = {many_waits_.get(), count};
    files_ = {many_files_.get(), count};
  }

  // kInval for an event type that does not exist. What else is wrong is told by the event.
  Errno Add(Context& context, const Subscription& subscription, Timestamp now);

  // Until one of them is ready, due or wrong.
  Reply Run(Context& context, const Call& call);

  // Stores an event for each that is; how many.
  Size Store(uint8_t* events) const;

 private:
  static constexpr Size kFew = 32;

  void AddFile(Context& context, Fd fd, Wait* wait);
  bool EventOf(const Wait& wait, Timestamp now, Event* event) const;

  std::array<Wait, kFew> few_waits_;
  std::array<pollfd, kFew> few_files_;
  std::unique_ptr<Wait[]> many_waits_;
  std::unique_ptr<pollfd[]> many_files_;
  std::span<Wait> waits_;
  std::span<pollfd> files_;
  size_t wait_count_ = 0;
  size_t file_count_ = 0;
  bool at_once_ = false;  // Something is ready or wrong already.
  Timestamp deadline_ = kNever;
};

Errno Poll::Add(Context& context, const Subscription& subscription, Timestamp now) {
  if (subscription.tag > static_cast<uint8_t>(EventType::kFdWrite)) return Errno::kInval;
  Wait wait = {subscription.userdata,
               static_cast<EventType>(subscription.tag),
               Errno::kSuccess,
               false,
               -1,
               kNever};
  if (wait.type == EventType::kClock) {
    wait.error = DeadlineOf(subscription, now, &wait.deadline);
    deadline_ = std::min(deadline_, wait.deadline);
  } else {
    AddFile(context, subscription.id, &wait);
  }
  at_once_ = at_once_ || wait.ready || wait.error != Errno::kSuccess;
  waits_[wait_count_++] = wait;
  return Errno::kSuccess;
}

void Poll::AddFile(Context& context, Fd fd, Wait* wait) {
  Descriptor* descriptor = nullptr;
  wait->error = context.descriptors().Get(fd, kRightPollFdReadwrite, &descriptor);
  if (wait->error != Errno::kSuccess) return;
  const bool reads = wait->type == EventType::kFdRead;
  // What is waited for on a listener is a connection to accept.
  const Rights one_of = reads ? kRightFdRead | kRightSockAccept : kRightFdWrite;
  if ((descriptor->base & one_of) == 0) {
    wait->error = Errno::kNotcapable;
    return;
  }
  const os::Fd* file = &descriptor->file;
  short event = reads ? POLLIN : POLLOUT;
  if (descriptor->stream != nullptr) {
    file = descriptor->stream->WaitsFor();
    event = POLLIN;
    wait->is_stream = true;
  }
  if (file == nullptr || !file->valid()) {
    wait->ready = true;
    return;
  }
  wait->poll_index = static_cast<int32_t>(file_count_);
  files_[file_count_++] = {file->get(), event, 0};
}

Reply Poll::Run(Context& context, const Call& call) {
  if (!at_once_) context.BeforeWait();
  return Interruptible(call, [&] {
    timespec left = {};
    if (!at_once_ && deadline_ != kNever) {
      const Timestamp now = Now(CLOCK_MONOTONIC);
      left = ToTimespec(deadline_ > now ? deadline_ - now : 0);
    }
    const bool forever = !at_once_ && deadline_ == kNever;
    return ppoll(files_.data(), file_count_, forever ? nullptr : &left, nullptr);
  });
}

bool Poll::EventOf(const Wait& wait, Timestamp now, Event* event) const {
  event->userdata = wait.userdata;
  event->type = static_cast<uint8_t>(wait.type);
  event->error = wait.error;
  if (wait.error != Errno::kSuccess) return true;
  if (wait.type == EventType::kClock) return wait.deadline <= now;
  if (wait.ready) {
    event->nbytes = wait.type == EventType::kFdWrite || wait.is_stream ? 1 : 0;
    return true;
  }
  const pollfd& file = files_[static_cast<size_t>(wait.poll_index)];
  if (file.revents == 0) return false;
  if ((file.revents & POLLNVAL) != 0) {
    event->error = Errno::kBadf;
    return true;
  }
  // An error of a pipe or socket is left for the read or write that follows to report.
  if ((file.revents & (POLLHUP | POLLERR)) != 0) event->flags = kEventHangup;
  event->nbytes = 1;
  if (wait.type == EventType::kFdRead && !wait.is_stream) {
    int readable = 0;
    const bool ready = (file.revents & POLLIN) != 0;
    // A listener has connections and no bytes; a file beyond 2 GiB has more than an int.
    if (ioctl(file.fd, FIONREAD, &readable) != 0 || readable < 0) readable = ready ? 1 : 0;
    event->nbytes = static_cast<uint64_t>(readable);
  }
  return true;
}

Size Poll::Store(uint8_t* events) const {
  const Timestamp now = Now(CLOCK_MONOTONIC);
  Size count = 0;
  for (const Wait& wait : waits_.first(wait_count_)) {
    Event event = {};
    if (!EventOf(wait, now, &event)) continue;
    std::memcpy(events + uint64_t{count} * sizeof(event), &event, sizeof(event));
    ++count;
  }
  return count;
}

}  // namespace

Reply PollOneoff(Context& context, Call& call, Ptr subscriptions, Ptr events, Size count,
                 Ptr stored) {
  if (count == 0 || count > kMostSubscriptions) return Errno::kInval;
  const uint8_t* in = call.memory.At(subscriptions, uint64_t{count} * sizeof(Subscription));
  uint8_t* out = call.memory.At(events, uint64_t{count} * sizeof(Event));
  if (in == nullptr || out == nullptr || !call.memory.Contains(stored, sizeof(Size)))
    return Errno::kFault;

  Poll poll(count);
  const Timestamp now = Now(CLOCK_MONOTONIC);
  for (Size i = 0; i < count; ++i) {
    Subscription subscription;
    std::memcpy(&subscription, in + uint64_t{i} * sizeof(subscription), sizeof(subscription));
    if (count == 1 && subscription.tag == static_cast<uint8_t>(EventType::kClock))
      return Sleep(context, call, subscription, events, stored);
    const Errno error = poll.Add(context, subscription, now);
    if (error != Errno::kSuccess) return error;
  }
  Size happened = 0;
  while (happened == 0) {  // A timeout may come a tick before the clock that it waited for.
    if (const Reply reply = poll.Run(context, call); !reply.ok()) return reply;
    happened = poll.Store(out);
  }
  return call.memory.Store(stored, happened) ? Errno::kSuccess : Errno::kFault;
}

}  // namespace wasmoor::wasi
