#include "wasmoor/loop/loop.h"

#include <atomic>
#include <utility>
#include <vector>

#include "loop/posts.h"
#include "loop/timers.h"
#include "loop/watches.h"

namespace wasmoor::loop {
namespace {

// As long as this what is to be done together may wait for more of its kind.
constexpr std::chrono::microseconds kRound{200};
constexpr int kForever = -1;

}  // namespace

Source::Source() = default;
Source::Source(std::shared_ptr<Watched> watched) : watched_(std::move(watched)) {}
Source::Source(Source&&) noexcept = default;
Source& Source::operator=(Source&& other) noexcept {
  if (this == &other) return *this;
  if (watched_) watched_->End();
  watched_ = std::move(other.watched_);
  return *this;
}
Source::~Source() {
  if (watched_) watched_->End();
}

void Source::OnReadable(Callback ready) { watched_->OnReadable(std::move(ready)); }
void Source::OnWritable(Callback ready) { watched_->OnWritable(std::move(ready)); }
void Source::OnHangup(Callback gone) { watched_->OnHangup(std::move(gone)); }

Timer::Timer() = default;
Timer::Timer(std::shared_ptr<Waiting> waiting) : waiting_(std::move(waiting)) {}
Timer::Timer(Timer&&) noexcept = default;
Timer& Timer::operator=(Timer&&) noexcept = default;
Timer::~Timer() = default;

bool Timer::pending() const { return waiting_ != nullptr && waiting_->pending(); }

struct Loop::Parts {
  std::shared_ptr<Watches> watches;
  std::shared_ptr<Timers> timers;
  std::unique_ptr<Posts> posts;
  std::shared_ptr<Watched> bell, clock;  // Of the posts, and of the timers.
  std::atomic<bool> stopped = false;
  bool timers_due = false;
  bool own = false;  // What was served last was one of those two.
  std::vector<Callback> after_round;
  Timers::Clock::time_point round_began;  // When the first of those came.

  // The bell and the clock are always waited for.
  bool HasWork() const {
    return watches->waiting() > 2 || !timers->empty() || !after_round.empty() || !posts->empty();
  }

  // Finds what is ready; waits for that as long as it may.
  void BeginRound(int milliseconds) {
    const bool may_wait = after_round.empty() && posts->Sleep();
    watches->Wait(may_wait ? milliseconds : 0);
    posts->Collect();
  }

  void EndRound() {
    const std::vector<Callback> all = std::exchange(after_round, {});
    for (const Callback& work : all) work();
  }

  // One thing of this round. False: there is none left.
  bool ServeNext() {
    if (!after_round.empty() && Timers::Clock::now() - round_began >= kRound) {
      EndRound();
      return true;
    }
    if (posts->ServeNext()) return true;
    do {
      if (timers_due && timers->ServeNext()) return true;
      timers_due = own = false;
      if (watches->ServeNext() && !own) return true;
    } while (own);
    if (after_round.empty()) return false;
    EndRound();
    return true;
  }
};

Loop::Loop(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}

Loop::~Loop() {
  parts_->bell->End();
  parts_->clock->End();
  parts_->after_round.clear();
  parts_->posts->Clear();
}

Result<std::unique_ptr<Loop>> Loop::Create() {
  auto parts = std::make_unique<Parts>();
  parts->watches = TRY(Watches::Create());
  parts->timers = TRY(Timers::Create());
  parts->posts = TRY(Posts::Create());
  parts->bell = TRY(parts->watches->Add(parts->posts->descriptor()));
  parts->bell->OnReadable([own = parts.get()] {
    own->own = true;
    own->posts->Hear();
  });
  parts->clock = TRY(parts->watches->Add(parts->timers->descriptor()));
  parts->clock->OnReadable([own = parts.get()] {
    own->own = own->timers_due = true;
    own->timers->Hear();
  });
  return std::unique_ptr<Loop>(new Loop(std::move(parts)));
}

void Loop::Run() {
  parts_->stopped = false;
  while (parts_->HasWork() && ServeOne()) {
  }
}

void Loop::Stop() {
  parts_->stopped = true;
  parts_->posts->Wake();
}

bool Loop::RunOnce(std::chrono::milliseconds patience) {
  bool served = false;
  parts_->BeginRound(0);
  while (parts_->ServeNext()) served = true;
  if (served || patience.count() == 0) return served;
  parts_->BeginRound(static_cast<int>(patience.count()));
  while (parts_->ServeNext()) served = true;
  return served;
}

bool Loop::ServeOne() {
  while (!parts_->stopped) {
    if (parts_->ServeNext()) return true;
    parts_->BeginRound(kForever);
  }
  return false;
}

void Loop::Post(Callback work) { parts_->posts->Put(std::move(work)); }

void Loop::AfterRound(Callback work) {
  if (parts_->after_round.empty()) parts_->round_began = Timers::Clock::now();
  parts_->after_round.push_back(std::move(work));
}

Result<Source> Loop::Watch(const os::Fd& descriptor) {
  return Source(TRY(parts_->watches->Add(descriptor.get())));
}

Timer Loop::After(std::chrono::nanoseconds delay, Callback work) {
  return Timer(parts_->timers->Add(Timers::Clock::now() + delay, std::move(work)));
}

}  // namespace wasmoor::loop
