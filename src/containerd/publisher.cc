#include "wasmoor/containerd/publisher.h"

#include <sys/wait.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <optional>
#include <utility>
#include <vector>

#include "proto/containerd/events.pb.h"
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

struct Event {
  std::string topic, type, value;
  std::chrono::system_clock::time_point time;
  int tries = 0;
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
  size_t waiting() const { return queue_.size(); }

 private:
  void Later(std::chrono::nanoseconds pause);
  void Pump();
  void PumpBinary();
  void OnChild();
  void EndChild();
  void Done(const Status& status);
  void Rest();
  void Warn(std::string_view line) const {
    if (options_.warn) options_.warn(line);
  }

  loop::Loop& loop_;
  const PublisherOptions options_;
  std::deque<Event> queue_;
  bool sending_ = false;  // The first of the queue.
  bool said_ = false;     // That containerd is away.
  std::chrono::nanoseconds pause_{0};
  std::function<void()> idle_;
  std::unique_ptr<ttrpc::Client> client_;
  // Of publish_binary.
  pid_t child_ = 0;
  os::Fd child_descriptor_;
  loop::Source child_source_;
  loop::Timer later_, patience_;
};

void Publisher::Parts::Add(Event event) {
  if (queue_.size() >= kMostWaiting) {
    // The one that is under way cannot be taken back.
    const auto oldest = queue_.begin() + (sending_ ? 1 : 0);
    Warn(fmt::format("event {} is dropped: more than {} wait for containerd", oldest->topic,
                     kMostWaiting));
    queue_.erase(oldest);
  }
  queue_.push_back(std::move(event));
  if (sending_ || pause_.count() > 0) return;
  Pump();
}

void Publisher::Parts::OnIdle(std::function<void()> idle) {
  idle_ = std::move(idle);
  if (queue_.empty()) Later({});
}

void Publisher::Parts::Later(std::chrono::nanoseconds pause) {
  later_ = loop_.After(pause, [this] { Pump(); });
}

void Publisher::Parts::Pump() {
  if (queue_.empty()) return Rest();
  if (sending_) return;
  later_ = loop::Timer();  // The connection is needed.
  if (options_.ttrpc_address.empty()) return PumpBinary();
  if (!client_ || !client_->connected()) {
    auto client = ttrpc::Client::Connect(loop_, options_.ttrpc_address);
    if (!client) return Done(tl::unexpected(std::move(client).error()));
    client_ = std::move(*client);
  }
  sending_ = true;
  client_->Call(kService, kMethod, RequestOf(queue_.front(), options_.name_space),
                {.timeout = kPatience}, [this](Result<std::string> answer) {
                  sending_ = false;
                  if (answer) return Done({});
                  Done(tl::unexpected(std::move(answer).error()));
                });
}

// What became of the first of the queue.
void Publisher::Parts::Done(const Status& status) {
  Event& event = queue_.front();
  if (status) {
    if (std::exchange(said_, false)) Warn("containerd takes events again");
    pause_ = {};
    queue_.pop_front();
    return Pump();
  }
  const Error& error = status.error();
  if (IsAway(error.code())) {
    if (!std::exchange(said_, true))
      Warn(fmt::format("containerd does not take events, which wait for it: {}", error.message()));
    client_.reset();
  } else if (error.code() == Code::kInvalidArgument || ++event.tries >= kMostTries) {
    Warn(fmt::format("event {} is dropped: containerd refuses it: {}", event.topic,
                     error.message()));
    pause_ = {};
    queue_.pop_front();
    return Later({});
  }
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
void Publisher::Parts::PumpBinary() {
  const Event& event = queue_.front();
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
    return Done(started);
  }
  sending_ = true;
  child_source_.OnReadable([this] { OnChild(); });
  patience_ = loop_.After(kPatience, [this] { ::kill(child_, SIGKILL); });
}

void Publisher::Parts::OnChild() {
  int status = 0;
  const pid_t ended = ::waitpid(child_, &status, WNOHANG);
  if (ended == 0) return;
  child_ = 0;
  EndChild();
  sending_ = false;
  // Somebody else may have reaped it (ECHILD): then nothing is known, and nothing is said twice.
  if (ended < 0 || status == 0) return Done({});
  Done(Fail(Code::kUnknown, "{} failed (wait status {:#x})", options_.publish_binary, status));
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

Publisher::Publisher(loop::Loop& loop, PublisherOptions options)
    : parts_(std::make_unique<Parts>(loop, std::move(options))) {}
Publisher::~Publisher() = default;

void Publisher::Publish(std::string_view topic, std::string_view type, std::string_view value) {
  parts_->Add({.topic = std::string(topic),
               .type = std::string(type),
               .value = std::string(value),
               .time = std::chrono::system_clock::now()});
}

size_t Publisher::waiting() const { return parts_->waiting(); }

void Publisher::OnIdle(std::function<void()> idle) { parts_->OnIdle(std::move(idle)); }

}  // namespace wasmoor::containerd
