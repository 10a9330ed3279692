#include "wasmoor/containerd/publisher.h"

#include <sys/wait.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <map>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "proto/containerd/events.pb.h"
#include "proto/wasmoor/handover.pb.h"
#include "wasmoor/base/time.h"
#include "wasmoor/os/output.h"
#include "wasmoor/os/process.h"
#include "wasmoor/os/spawn.h"
#include "wasmoor/ttrpc/client.h"
#include "wasmoor/ttrpc/timestamp.h"

namespace wasmoor::containerd {
namespace {

namespace events = ::containerd::services::events::ttrpc::v1;

constexpr std::string_view kService = "containerd.services.events.ttrpc.v1.Events";
constexpr std::string_view kMethod = "Forward";

constexpr std::chrono::milliseconds kFirstPause{50}, kLongestPause{5000};
// How long a connection stays open that has nothing to say.
constexpr std::chrono::seconds kLinger{2};
// Of an event that containerd answers with an error of its own; while it does not answer at all,
// tries do not count.
constexpr int kMostTries = 5;

// Of different lines, in one connection: what containerd confirms in a round trip of its own each.
constexpr size_t kMostUnderWay = 64;

struct Event {
  std::string topic, type, value, line;
  std::chrono::system_clock::time_point time;
  int tries = 0;
  bool under_way = false;
};

// containerd is not there, or not able to answer: later it will be.
bool IsAway(Code code) {
  return code == Code::kUnavailable || code == Code::kDeadlineExceeded || code == Code::kNotFound ||
         code == Code::kCancelled || code == Code::kPermissionDenied;
}

events::ForwardRequest RequestOf(const Event& event, const std::string& name_space) {
  events::ForwardRequest request;
  auto* const envelope = request.mutable_envelope();
  ttrpc::SetTime(event.time, envelope->mutable_timestamp());
  envelope->set_namespace_(name_space);
  envelope->set_topic(event.topic);
  envelope->mutable_event()->set_type_url(event.type);
  envelope->mutable_event()->set_value(event.value);
  return request;
}

}  // namespace

class Publisher::Parts {
 public:
  Parts(loop::Loop& loop, PublisherOptions options) : loop_(loop), options_(std::move(options)) {}
  ~Parts() { EndChild(); }

  void Add(Event event);
  void OnIdle(std::function<void()> idle);
  size_t waiting() const { return events_.size(); }
  void HandOver(handover::Publisher* state) const;
  Counts counts() const { return counts_; }

 private:
  using Number = uint64_t;  // Of an event, in the order of Publish.

  void Later(std::chrono::nanoseconds pause);
  void Pump();
  void Send(Number number);
  void SendByBinary(Number number);
  void DropOldest();
  // Out of its line, whose next one may go then.
  void Take(Number number);
  void TakeBackAll();
  void OnChild();
  void EndChild();
  void Done(Number number, const Status& status);
  void Rest();
  void Warn(std::string_view line) const {
    if (options_.warn) options_.warn(line);
  }

  loop::Loop& loop_;
  const PublisherOptions options_;
  Number last_ = 0;
  std::map<Number, Event> events_;
  std::map<std::string, std::deque<Number>> lines_;
  std::set<Number> ready_;  // The first of each line of which none is under way.
  size_t under_way_ = 0;
  Counts counts_;
  bool backing_off_ = false;
  bool said_ = false;  // That containerd is away.
  std::chrono::nanoseconds pause_{0};
  std::function<void()> idle_;
  std::unique_ptr<ttrpc::Client> client_;
  // Of publish_binary.
  pid_t child_ = 0;
  Number told_by_child_ = 0;
  os::Fd child_descriptor_;
  loop::Source child_source_;
  loop::Timer later_, patience_;
};

void Publisher::Parts::Add(Event event) {
  if (events_.size() >= options_.most_waiting) DropOldest();
  const Number number = ++last_;
  std::deque<Number>& line = lines_[event.line];
  if (line.empty()) ready_.insert(number);
  line.push_back(number);
  events_.emplace(number, std::move(event));
  Pump();
}

// Those that are under way cannot be taken back.
void Publisher::Parts::DropOldest() {
  for (const auto& [number, event] : events_) {
    if (event.under_way) continue;
    Warn(fmt::format("event {} is dropped: more than {} wait for containerd", event.topic,
                     options_.most_waiting));
    ++counts_.dropped;
    return Take(number);
  }
}

void Publisher::Parts::Take(Number number) {
  const auto event = events_.find(number);
  const auto line = lines_.find(event->second.line);
  std::deque<Number>& numbers = line->second;
  const bool was_first = numbers.front() == number;
  numbers.erase(std::find(numbers.begin(), numbers.end(), number));
  if (event->second.under_way) --under_way_;
  ready_.erase(number);
  events_.erase(event);
  if (numbers.empty()) {
    lines_.erase(line);
  } else if (was_first) {
    ready_.insert(numbers.front());
  }
}

// The connection is gone, and nobody will say what became of what was sent.
void Publisher::Parts::TakeBackAll() {
  client_.reset();
  for (auto& [number, event] : events_) {
    if (!std::exchange(event.under_way, false)) continue;
    --under_way_;
    ready_.insert(number);
  }
}

void Publisher::Parts::OnIdle(std::function<void()> idle) {
  idle_ = std::move(idle);
  if (events_.empty()) Later({});
}

void Publisher::Parts::Later(std::chrono::nanoseconds pause) {
  backing_off_ = pause.count() > 0;
  later_ = loop_.After(pause, [this] {
    backing_off_ = false;
    Pump();
  });
}

void Publisher::Parts::Pump() {
  if (events_.empty()) return Rest();
  if (backing_off_) return;
  later_ = loop::Timer();  // The connection is needed.
  const bool by_binary = options_.ttrpc_address.empty();
  const size_t most = by_binary ? 1 : kMostUnderWay;
  while (!ready_.empty() && under_way_ < most && !backing_off_) {
    const Number number = *ready_.begin();
    by_binary ? SendByBinary(number) : Send(number);
  }
}

void Publisher::Parts::Send(Number number) {
  if (!client_ || !client_->connected()) {
    TakeBackAll();
    auto client = ttrpc::Client::Connect(loop_, options_.ttrpc_address);
    if (!client) return Done(number, tl::unexpected(std::move(client).error()));
    client_ = std::move(*client);
  }
  Event& event = events_.at(number);
  event.under_way = true;
  ++under_way_;
  ready_.erase(number);
  client_->Call(kService, kMethod, RequestOf(event, options_.name_space), {.timeout = kPatience},
                [this, number](Result<std::string> answer) {
                  if (answer) return Done(number, {});
                  Done(number, tl::unexpected(std::move(answer).error()));
                });
}

// What became of one.
void Publisher::Parts::Done(Number number, const Status& status) {
  if (status) {
    if (std::exchange(said_, false)) Warn("containerd takes events again");
    pause_ = {};
    ++counts_.confirmed;
    Take(number);
    return Pump();
  }
  Event& event = events_.at(number);
  const Error& error = status.error();
  const bool is_away = IsAway(error.code());
  if (is_away) {
    if (!std::exchange(said_, true))
      Warn(fmt::format("containerd does not take events, which wait for it: {}", error.message()));
    TakeBackAll();
  } else if (error.code() == Code::kInvalidArgument || ++event.tries >= kMostTries) {
    Warn(fmt::format("event {} is dropped: containerd refuses it: {}", event.topic,
                     error.message()));
    pause_ = {};
    ++counts_.dropped;
    Take(number);
    return Pump();
  }
  if (std::exchange(event.under_way, false)) --under_way_;
  ready_.insert(number);
  pause_ = std::clamp<std::chrono::nanoseconds>(pause_ * 2, kFirstPause, kLongestPause);
  Later(pause_);
}

void Publisher::Parts::Rest() {
  pause_ = {};
  if (client_) later_ = loop_.After(kLinger, [this] { client_.reset(); });
  if (idle_) std::exchange(idle_, nullptr)();
}

// containerd 1.2 and before: the event on the standard input of a program that ends when it is
// told.
void Publisher::Parts::SendByBinary(Number number) {
  Event& event = events_.at(number);
  const auto started = [&]() -> Status {
    if (options_.publish_binary.empty())
      return Fail(Code::kInvalidArgument,
                  "nobody said where events go: neither TTRPC_ADDRESS nor "
                  "-publish-binary is given");
    const std::string any = RequestOf(event, {}).envelope().event().SerializeAsString();
    const os::Fd input =
        TRY(os::FileInMemory("event", {reinterpret_cast<const uint8_t*>(any.data()), any.size()}));
    const std::string program = options_.publish_binary.find('/') != std::string::npos
                                    ? options_.publish_binary
                                    : os::FindProgram(options_.publish_binary).value_or("");
    child_ =
        TRY(os::Spawn({.program = program,
                       .arguments = {program, "--address", options_.address, "publish", "--topic",
                                     event.topic, "--namespace", options_.name_space},
                       .descriptors = {&input}}));
    child_descriptor_ = TRY(os::OpenProcess(child_));
    child_source_ = TRY(loop_.Watch(child_descriptor_));
    return {};
  }();
  if (!started) {
    EndChild();
    return Done(number, started);
  }
  event.under_way = true;
  ++under_way_;
  ready_.erase(number);
  told_by_child_ = number;
  child_source_.OnReadable([this] { OnChild(); });
  patience_ = loop_.After(kPatience, [this] { ::kill(child_, SIGKILL); });
}

void Publisher::Parts::OnChild() {
  int status = 0;
  const pid_t ended = ::waitpid(child_, &status, WNOHANG);
  if (ended == 0) return;
  child_ = 0;
  EndChild();
  // Somebody else may have reaped it (ECHILD): then nothing is known, and nothing is said twice.
  if (ended < 0 || status == 0) return Done(told_by_child_, {});
  Done(told_by_child_,
       Fail(Code::kUnknown, "{} failed (wait status {:#x})", options_.publish_binary, status));
}

void Publisher::Parts::EndChild() {
  child_source_ = loop::Source();
  child_descriptor_.Close();
  patience_ = loop::Timer();
  if (child_ <= 0) return;
  ::kill(child_, SIGKILL);
  ::waitpid(child_, nullptr, 0);
  child_ = 0;
}

void Publisher::Parts::HandOver(handover::Publisher* state) const {
  state->set_name_space(options_.name_space);
  state->set_ttrpc_address(options_.ttrpc_address);
  state->set_publish_binary(options_.publish_binary);
  state->set_address(options_.address);
  for (const auto& [number, event] : events_) {
    handover::Event& one = *state->add_events();
    one.set_topic(event.topic);
    one.set_type(event.type);
    one.set_value(event.value);
    one.set_line(event.line);
    one.set_time(ToNanoseconds(event.time));
  }
}

Publisher::Publisher(loop::Loop& loop, PublisherOptions options)
    : parts_(std::make_unique<Parts>(loop, std::move(options))) {}
Publisher::~Publisher() = default;

void Publisher::Publish(std::string_view topic, std::string_view type, std::string_view value,
                        std::string_view line) {
  parts_->Add({.topic = std::string(topic),
               .type = std::string(type),
               .value = std::string(value),
               .line = std::string(line),
               .time = std::chrono::system_clock::now()});
}

void Publisher::HandOver(handover::Publisher* state) const { parts_->HandOver(state); }

void Publisher::TakeOver(const handover::Publisher& state) {
  for (const handover::Event& one : state.events())
    parts_->Add({.topic = one.topic(),
                 .type = one.type(),
                 .value = one.value(),
                 .line = one.line(),
                 .time = FromNanoseconds(one.time())});
}

size_t Publisher::waiting() const { return parts_->waiting(); }
Publisher::Counts Publisher::counts() const { return parts_->counts(); }

void Publisher::OnIdle(std::function<void()> idle) { parts_->OnIdle(std::move(idle)); }

}  // namespace wasmoor::containerd
