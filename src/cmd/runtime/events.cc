#include <poll.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <cstdio>

#include "cmd/runtime/stats_document.h"
#include "cmd/runtime/verb.h"
#include "wasmoor/base/units.h"
#include "wasmoor/os/process.h"

namespace wasmoor::cmd {
namespace {

using Clock = std::chrono::steady_clock;

// Whoever reads along wants each line when it happens.
void Print(const std::string& line) {
  fputs(line.c_str(), stdout);
  fflush(stdout);
}

uint64_t OomKills(const cgroup::Stats& stats) { return stats.memory ? stats.memory->oom_kills : 0; }

int MillisecondsUntil(Clock::time_point time) {
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(time - Clock::now()).count();
  constexpr int64_t kMost = 3'600'000;
  return static_cast<int>(std::clamp<int64_t>(left, 0, kMost));
}

class EventsVerb : public Verb {
 public:
  using Verb::Verb;

  void Configure(Options& options) override {
    options.About(
        "Prints a line of JSON at every interval, which says what the container has used, and one "
        "each time that it runs out of memory; until it ends.");
    options.Flag("--stats", once_, "Print what it has used now, and nothing more");
    options.Value("--interval", interval_text_, "DURATION", "Between two lines; 5s if not given");
    TakeContainer(options);
    options.Example("wasmoor-runtime events --stats c1 | jq .data.memory.usage",
                    "The memory that c1 holds.");
  }

  Status Check() override {
    interval_ = TRY_AS(ParseDuration(interval_text_), "--interval");
    if (interval_.count() == 0)
      return Fail(Code::kInvalidArgument, "--interval {}: must be more than 0", interval_text_);
    return {};
  }

  Result<int> Run() override {
    const jail::Containers containers = TRY(runtime_.Open());
    const jail::Container container = TRY(containers.Find(id()));
    const oci::State state = container.state();
    if (state.pid == 0 || state.status == oci::Status::kStopped)
      return Fail(Code::kFailedPrecondition, "container {} is not running", id());
    if (once_) {
      Print(StatsEvent(id(), TRY(container.ReadStats())));
      return 0;
    }
    return Follow(container, TRY(os::OpenProcess(state.pid)));
  }

 private:
  Result<int> Follow(const jail::Container& container, const os::Fd& process) {
    const os::Fd oom = TRY(container.OomEvents());
    uint64_t killed = OomKills(TRY(container.ReadStats()));
    for (Clock::time_point next = Clock::now() + interval_;;) {
      enum : size_t { kOom, kEnd };
      std::array<struct pollfd, 2> waiting = {
          {{.fd = oom.get(), .events = POLLIN, .revents = 0},
           {.fd = process.get(), .events = POLLIN, .revents = 0}}};
      if (::poll(waiting.data(), waiting.size(), MillisecondsUntil(next)) < 0 && errno != EINTR)
        return FailErrno(errno, "poll");
      if (waiting[kOom].revents != 0) {
        std::array<char, 4096> events;
        [[maybe_unused]] const ssize_t got = ::read(oom.get(), events.data(), events.size());
      }
      const bool ended = waiting[kEnd].revents != 0;
      const auto stats = container.ReadStats();
      // Its control group may be gone with it.
      if (!stats && ended) return 0;
      if (!stats) return tl::unexpected(stats.error());
      if (OomKills(*stats) > killed) Print(OomEvent(id()));
      killed = OomKills(*stats);
      if (ended) return 0;
      if (Clock::now() < next) continue;
      Print(StatsEvent(id(), *stats));
      next += interval_;
    }
  }

  bool once_ = false;
  std::string interval_text_ = "5s";
  std::chrono::nanoseconds interval_{};
};

}  // namespace

std::unique_ptr<Command> MakeEvents(Executable& executable) {
  return MakeVerb<EventsVerb>(executable);
}

}  // namespace wasmoor::cmd
