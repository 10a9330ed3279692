#include "node/held.h"

#include <google/protobuf/message_lite.h>

#include <algorithm>
#include <csignal>
#include <utility>

#include "node/record_text.h"

namespace wasmoor::node {
namespace {

using sandbox::Done;
using sandbox::Exit;

constexpr int kMostIdleLooks = 3;  // Of one that somebody is connected to, and asks nothing of.
// Whoever asked last hangs up once the answer has arrived. A client in Go that sees both at once
// may take the end of the connection for the answer (ttrpc: closed).
constexpr std::chrono::milliseconds kFarewell{500};
constexpr std::chrono::milliseconds kBetweenLooks{50};

}  // namespace

// Calls `done` when everything that it was given out to has let go of it.
struct Held::Countdown {
  explicit Countdown(std::function<void()> then) : done(std::move(then)) {}
  ~Countdown() { done(); }
  Countdown(const Countdown&) = delete;
  Countdown& operator=(const Countdown&) = delete;
  const std::function<void()> done;
};

Held::Held(Place place, std::string socket, Uses uses)
    : place_(std::move(place)), socket_(std::move(socket)), uses_(std::move(uses)) {}

Result<std::unique_ptr<Held>> Held::Open(Place place, std::string socket, os::Fd listening,
                                         Uses uses) {
  std::unique_ptr<Held> held(new Held(std::move(place), std::move(socket), std::move(uses)));
  TRY(held->Make());
  TRY(held->server_->Listen(std::move(listening)));
  return held;
}

Status Held::Make() {
  parts_ = TRY(uses_.make_parts(place_, reporter_));
  service_.emplace(task::Service::Parts{.sandbox = *parts_.sandbox,
                                        .events = *this,
                                        .pod = parts_.pod.get(),
                                        .shut_down =
                                            [this] {
                                              // A pod that is somebody's outlives its tasks.
                                              if (retired_ || place_.life == Place::Life::kPod)
                                                return;
                                              uses_.shut_down(*this);
                                            }},
                   place_.options);
  server_.emplace(uses_.loop);
  server_->OnCalls(uses_.calls);
  return service_->AddTo(&*server_);
}

Result<std::unique_ptr<Held>> Held::TakeOver(Place place, std::string socket,
                                             const handover::Sandbox& state, Uses uses) {
  std::unique_ptr<Held> held(new Held(std::move(place), std::move(socket), std::move(uses)));
  TRY(held->Make());
  TRY(held->parts_.sandbox->TakeOver(state));
  TRY(held->parts_.pod->TakeOver(state.pod()));
  held->service_->TakeOver(state.tasks());
  if (state.retired()) held->Retire();
  // Last, since calls that wait are made anew by it.
  TRY(held->server_->TakeOver(state.server()));
  return held;
}

Status Held::HandOver(handover::Sandbox* state, os::Carried* carried) const {
  if (ends_ > 0) return Fail(Code::kUnavailable, "sandbox \"{}\" is being ended", place_.key.id);
  TRY(parts_.sandbox->HandOver(state, carried));
  TRY(parts_.pod->HandOver(state->mutable_pod(), carried));
  service_->HandOver(state->mutable_tasks());
  state->set_record(TextOf({.place = place_, .socket = socket_}));
  state->set_retired(retired_);
  return server_->HandOver(state->mutable_server(), carried);
}

void Held::Publish(std::string_view topic, const google::protobuf::MessageLite& event) {
  uses_.publisher->Publish(topic, event.GetTypeName(), event.SerializeAsString(), place_.key.id);
  if (uses_.on_activity) uses_.on_activity();
}

bool Held::empty() const {
  return parts_.sandbox->Ids().empty() && !parts_.pod->info().running && ends_ == 0;
}

bool Held::LooksForgotten() {
  if (place_.life == Place::Life::kPod) return false;
  const bool is_idle = empty() && server_->open_calls() == 0;
  idle_looks_ = is_idle ? idle_looks_ + 1 : 0;
  // One that was just made is about to be connected to.
  constexpr int kLooksUnconnected = 2;
  return is_idle &&
         idle_looks_ >= (server_->connections() == 0 ? kLooksUnconnected : kMostIdleLooks);
}

void Held::Retire() {
  retired_ = true;
  farewell_ = Clock::now() + kFarewell;
}

bool Held::gone() const {
  return retired_ && empty() && (server_->connections() == 0 || Clock::now() >= farewell_);
}

void Held::End(const std::string& id, Done<Ended> done) {
  ++ends_;
  auto then = [this, done = std::move(done)](Result<Ended> ended) {
    --ends_;
    done(std::move(ended));
  };
  const auto container = parts_.sandbox->Find(id);
  if (container) return EndMade(**container, std::move(then));
  WaitUntilMade(id, std::move(then));
}

// What is being made cannot be stopped in the middle; it is waited for, and then ended.
void Held::WaitUntilMade(const std::string& id, Done<Ended> done) {
  const std::vector<std::string> ids = parts_.sandbox->Ids();
  if (std::find(ids.begin(), ids.end(), id) == ids.end())
    return uses_.loop.Post([id, done = std::move(done)] {
      done(Fail(Code::kNotFound, "container \"{}\": not found", id));
    });
  being_made_.emplace_back(id, std::move(done));
  if (!made_.pending()) made_ = uses_.loop.After(kBetweenLooks, [this] { LookAtBeingMade(); });
}

void Held::LookAtBeingMade() {
  for (auto& [id, done] : std::exchange(being_made_, {})) {
    if (const auto container = parts_.sandbox->Find(id)) {
      EndMade(**container, std::move(done));
    } else {
      WaitUntilMade(id, std::move(done));
    }
  }
}

void Held::EndMade(sandbox::Container& container, Done<Ended> done) {
  const std::string id = container.id();
  const sandbox::ProcessInfo info = container.first().info();
  if (info.state == sandbox::State::kStopped || info.state == sandbox::State::kCreated)
    return RemoveEnded(id, info.pid, info.exit, std::move(done));
  const Status killed = container.KillAll(SIGKILL);
  if (!killed && killed.error().code() != Code::kNotFound)
    return uses_.loop.Post(
        [done = std::move(done), error = killed.error()] { done(tl::unexpected(error)); });
  container.first().Wait(
      [this, id, pid = info.pid, done = std::move(done)](const Result<Exit>& exit) {
        if (!exit) return done(tl::unexpected(exit.error()));
        RemoveEnded(id, pid, *exit, done);
      });
}

void Held::RemoveEnded(const std::string& id, pid_t pid, const Exit& seen, Done<Ended> done) {
  parts_.sandbox->Remove(id, "", [pid, seen, done = std::move(done)](const Result<Exit>& exit) {
    if (exit) return done(Ended{.pid = pid, .exit = *exit});
    // Somebody else has removed it meanwhile.
    if (exit.error().code() == Code::kNotFound && seen.at.time_since_epoch().count() != 0)
      return done(Ended{.pid = pid, .exit = seen});
    done(tl::unexpected(exit.error()));
  });
}

void Held::EndAll(const std::function<void(std::string_view)>& warn, std::function<void()> done) {
  ++ends_;
  const auto rest = std::make_shared<Countdown>([this, done = std::move(done)] {
    --ends_;
    done();
  });
  const Done<Ended> told = [rest, warn](const Result<Ended>& ended) {
    if (!ended && ended.error().code() != Code::kNotFound) warn(ended.error().message());
  };
  for (const std::string& id : parts_.sandbox->Ids()) End(id, told);
  parts_.pod->Stop([rest, warn](const Status& stopped) {
    if (!stopped) warn(stopped.error().message());
  });
}

void Held::KillAll(std::function<void()> done) {
  const auto rest = std::make_shared<Countdown>(std::move(done));
  for (const std::string& id : parts_.sandbox->Ids()) {
    const auto container = parts_.sandbox->Find(id);
    if (!container || (*container)->first().info().state == sandbox::State::kStopped) continue;
    static_cast<void>((*container)->KillAll(SIGKILL));
    (*container)->first().Wait([rest](const Result<Exit>&) {});
  }
  parts_.pod->Stop([rest](const Status&) {});
}

}  // namespace wasmoor::node
