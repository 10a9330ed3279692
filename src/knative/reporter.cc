#include "wasmoor/knative/reporter.h"

#include <sys/random.h>

#include <algorithm>
#include <cmath>
#include <optional>
#include <random>
#include <utility>

#include "knative/address.h"
#include "knative/connection.h"
#include "proto/knative/superpod.pb.h"
#include "wasmoor/base/check.h"
#include "wasmoor/base/printable.h"

namespace wasmoor::knative {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kLeastPause{100}, kMostPause{3'600'000}, kMostTimeout{3'600'000};
constexpr int64_t kMostDoublings = 20;
constexpr double kLeastOfPause = 0.75, kMostOfPause = 1.25;

uint32_t Chance() {
  uint32_t chance = 0;
  CHECK(::getrandom(&chance, sizeof chance, 0) == sizeof chance);
  return chance;
}

std::string Message(double cores) {
  v1::SuperPodMetrics metrics;
  metrics.set_cpu_utilization(std::isfinite(cores) && cores > 0 ? cores : 0);
  return metrics.SerializeAsString();
}

Status Check(const ReporterOptions& options) {
  const auto is_plain = [](char c) { return c > ' ' && c < 0x7f; };
  const std::string& path = options.path;
  if (!path.starts_with('/') || !std::all_of(path.begin(), path.end(), is_plain))
    return Fail(Code::kInvalidArgument, "'{}' is not the path of a queue-proxy: write /",
                Printable(path));
  if (options.period < milliseconds(1))
    return Fail(Code::kInvalidArgument, "a period of {} ms between reports: at least 1 is needed",
                options.period.count());
  if (options.timeout < milliseconds(1) || options.timeout > kMostTimeout)
    return Fail(Code::kInvalidArgument, "a timeout of {} ms: it must be from 1 ms to an hour",
                options.timeout.count());
  if (!options.sample) return Fail(Code::kInvalidArgument, "there is nothing to report");
  return {};
}

}  // namespace

class Reporter::Parts : private ConnectionOwner {
 public:
  Parts(loop::Loop& loop, ReporterOptions options, Address address)
      : loop_(loop),
        options_(std::move(options)),
        address_(std::move(address)),
        most_pause_(std::clamp(options_.most_pause, kLeastPause, kMostPause)),
        random_(Chance()) {
    Try();
  }

  Counts counts() const {
    Counts counts = counts_;
    counts.is_connected = connection_->is_open();
    return counts;
  }

 private:
  // What the operator has heard last.
  enum class Told : uint8_t { kNothing, kAbsent, kConnected, kLost };

  void Try();
  void OnOpen() override;
  void OnSent() override { ++counts_.sent; }
  void OnIdle() override;
  void OnClosed(std::string_view why) override;
  void OnSettled();
  void Tick();
  milliseconds Pause();
  template <typename... Args>
  void Say(fmt::format_string<Args...> format, Args&&... args) {
    if (options_.warn) options_.warn(fmt::format(format, std::forward<Args>(args)...));
  }

  loop::Loop& loop_;
  const ReporterOptions options_;
  const Address address_;
  const milliseconds most_pause_;
  std::minstd_rand random_;
  Told told_ = Told::kNothing;
  int64_t failures_ = 0;  // In a row.
  Counts counts_;
  std::optional<std::string> waiting_;  // The newest report, where the one before is not gone yet.
  std::unique_ptr<Connection> connection_;  // The last one, which may be closed.
  loop::Timer tick_, settled_, again_;
};

void Reporter::Parts::Try() {
  ++counts_.tries;
  connection_ = std::make_unique<Connection>(loop_, address_, options_.path, options_.timeout,
                                             static_cast<ConnectionOwner&>(*this));
}

void Reporter::Parts::OnOpen() {
  ++counts_.connections;
  settled_ = loop_.After(options_.settled, [this] { OnSettled(); });
  Tick();
}

// A peer that takes a connection and drops it again is none, however often it does so.
void Reporter::Parts::OnSettled() {
  failures_ = 0;
  if (std::exchange(told_, Told::kConnected) != Told::kConnected)
    Say("knative: the queue-proxy at {} is told every {} ms how much CPU is in use",
        address_.authority, options_.period.count());
}

void Reporter::Parts::Tick() {
  tick_ = loop_.After(options_.period, [this] { Tick(); });
  if (std::exchange(waiting_, Message(options_.sample()))) ++counts_.superseded;
  if (connection_->is_idle()) OnIdle();
}

void Reporter::Parts::OnIdle() {
  if (const auto message = std::exchange(waiting_, std::nullopt)) connection_->Send(*message);
}

void Reporter::Parts::OnClosed(std::string_view why) {
  tick_ = loop::Timer();
  settled_ = loop::Timer();
  waiting_.reset();
  ++failures_;
  const milliseconds pause = Pause();
  again_ = loop_.After(pause, [this] { Try(); });
  if (told_ == Told::kConnected) {
    told_ = Told::kLost;
    Say("knative: the queue-proxy at {} is lost, and is looked for again: {}", address_.authority,
        why);
  } else if (told_ == Told::kNothing) {
    told_ = Told::kAbsent;
    Say("knative: there is no queue-proxy at {} to be told how much CPU is in use: {}. It is "
        "looked "
        "for again; everything else works without one",
        address_.authority, why);
  }
  if (failures_ == options_.most_tries_told)
    Say("knative: no queue-proxy at {} in {} tries: {}. It is looked for every {} s from now on",
        address_.authority, failures_, why,
        std::chrono::ceil<std::chrono::seconds>(most_pause_).count());
}

milliseconds Reporter::Parts::Pause() {
  milliseconds pause = most_pause_;
  if (failures_ < options_.most_tries_told) {
    const int64_t times = int64_t{1} << std::min(failures_ - 1, kMostDoublings);
    const milliseconds first = std::clamp(options_.first_pause, kLeastPause, most_pause_);
    pause = std::min(first * times, most_pause_);
  }
  std::uniform_real_distribution<double> part(kLeastOfPause, kMostOfPause);
  return std::chrono::duration_cast<milliseconds>(pause * part(random_));
}

Reporter::Reporter(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}
Reporter::~Reporter() = default;

Result<std::unique_ptr<Reporter>> Reporter::Create(loop::Loop& loop, ReporterOptions options) {
  Address address = TRY_AS(ParseAddress(options.host, options.port), "knative");
  TRY_AS(Check(options), "knative");
  return std::unique_ptr<Reporter>(
      new Reporter(std::make_unique<Parts>(loop, std::move(options), std::move(address))));
}

Reporter::Counts Reporter::counts() const { return parts_->counts(); }

}  // namespace wasmoor::knative
