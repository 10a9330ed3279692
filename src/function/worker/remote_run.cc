#include "function/worker/remote_run.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "function/worker/messages.h"
#include "function/worker/outlet.h"
#include "wasmoor/base/printable.h"

namespace wasmoor::function {
namespace {

// A worker that has not ended a guest by then, which it was told to end, is ended itself.
constexpr std::chrono::seconds kPatience{10};
// What a worker sends at a guest's end, besides what it may send before: the rest of its buffer.
constexpr size_t kMostKept = 2 << 20;
constexpr uint64_t kMostRefusals = 1'000'000;

tl::unexpected<Error> Nonsense(std::string_view what) {
  return Fail(Code::kDataLoss, "it talks nonsense: {}", what);
}

}  // namespace

RemoteRun::RemoteRun(std::shared_ptr<const Ready> function, Plan plan, Outlet& outlet,
                     Station& station, Listener& listener)
    : function::Run(station, listener),
      function_(std::move(function)),
      plan_(std::move(plan)),
      outlet_(outlet) {}

std::optional<ReplyHead> RemoteRun::TakeHead() { return std::exchange(head_, std::nullopt); }

void RemoteRun::Begin() {
  // Whatever the worker says: its time is counted here.
  listener_.OnWait();
  is_short_ = true;
  outlet_.Begin(shared_from_this());
}

bool RemoteRun::TakeBack() {
  if (channel_ != nullptr || !outlet_.Withdraw(*this)) return false;
  is_short_ = false;
  // Whoever calls may be in the middle of something.
  station_.loop().Post([&outlet = outlet_, function = function_] { outlet.Passed(function); });
  return true;
}

// Whoever has its turn then begins before this returns.
void RemoteRun::Pass() {
  if (!std::exchange(is_short_, false)) return;
  outlet_.Passed(function_);
}

void RemoteRun::Stop(int signal) {
  if (channel_ == nullptr) return;
  channel_->Send(Say::kStop, number_,
                 std::string_view(reinterpret_cast<char*>(&signal), sizeof signal));
  if (patience_.pending()) return;
  patience_ = station_.loop().After(kPatience, [weak = weak_from_this()] {
    const std::shared_ptr<RemoteRun> self = weak.lock();
    if (self != nullptr && self->channel_ != nullptr)
      self->outlet_.Lose(*self->channel_, "it does not end a guest that it was told to end");
  });
}

void RemoteRun::OnNews() {
  if (channel_ == nullptr) return;
  SendInput();
  SendTaken();
}

// ---- Of its connection.

void RemoteRun::BeginAt(Channel& channel, WorkerUse& use, uint64_t number, uint64_t function) {
  channel_ = &channel;
  use_ = &use;
  number_ = number;
  began_ = Clock::now();
  use.runs.fetch_add(1, std::memory_order_relaxed);
  if (const auto* program = std::get_if<CommandPlan>(&plan_)) {
    TextPairs environment;
    if (program->environment != nullptr) program->environment->AddTo(&environment);
    Write(function, *program, environment, channel.Begin(Say::kProgram, number));
  } else {
    Write(function, std::get<ComponentRun::Plan>(plan_), channel.Begin(Say::kComponent, number));
  }
  channel.End();
  SendInput();
}

void RemoteRun::SendInput() {
  if (!wanted_ || input_over_) return;
  const BodyIn::Part part = input_.TakeAll();
  const InputEnd end = part.broken  ? InputEnd::kBroken
                       : part.ended ? InputEnd::kEnded
                                    : InputEnd::kMore;
  input_over_ = end != InputEnd::kMore;
  if (part.bytes.empty() && !input_over_) return;
  std::string_view left = part.bytes;
  do {
    const std::string_view now = left.substr(0, kMostPart);
    left.remove_prefix(now.size());
    std::string* const to = channel_->Begin(Say::kInput, number_);
    to->push_back(static_cast<char>(left.empty() ? end : InputEnd::kPart));
    *to += now;
    channel_->End();
  } while (!left.empty());
  wanted_ = false;
}

void RemoteRun::SendTaken() {
  if (!owes_taken_ || !output_.HasRoom()) return;
  owes_taken_ = false;
  channel_->Send(Say::kTaken, number_);
}

Status RemoteRun::OnFrame(const Frame& frame) {
  switch (frame.say) {
    case Say::kAside:
      listener_.OnAside();
      Pass();
      return {};
    case Say::kWanted: {
      if (wanted_) return Nonsense("it wants what it has asked for already");
      wanted_ = true;
      SendInput();
      if (!input_over_) listener_.OnWanted();
      return {};
    }
    case Say::kHead: {
      if (!std::holds_alternative<ComponentRun::Plan>(plan_) || std::exchange(has_head_, true))
        return Nonsense("a head that nobody expects");
      head_ = ReadHead(frame.payload);
      if (!head_) return Nonsense("a head that is none");
      output_.PassOn();
      listener_.OnOutput();
      return {};
    }
    case Say::kResult:
      // It comes out of the guest's memory.
      if (results_.size() + frame.payload.size() > allowance().memory_bytes)
        return Nonsense("more than a guest could return");
      results_ += frame.payload;
      return {};
    case Say::kOutput: return OnOutput(frame.payload);
    case Say::kWhole: return OnOutputEnd(BodyOut::State::kWhole);
    case Say::kBroken: return OnOutputEnd(BodyOut::State::kBroken);
    default: return Nonsense("what is not its to say");
  }
}

Status RemoteRun::OnOutput(std::string_view part) {
  if (owes_taken_ || has_ended_output_) return Nonsense("output before it may send it");
  owes_taken_ = true;
  output_.PassOn();
  output_.Put(part);
  SendTaken();
  return {};
}

Status RemoteRun::OnOutputEnd(BodyOut::State how) {
  if (!has_head_ || std::exchange(has_ended_output_, true))
    return Nonsense("the end of what is none");
  output_.End(how);
  return {};
}

// The rest of the output, and how it ended.
Status RemoteRun::OnEnd(const Frame& frame) {
  std::string_view left = frame.payload;
  const auto rest = TakeRest(&left);
  if (!rest || rest->bytes.size() > kMostKept) return Nonsense("an end that is cut off");
  auto result = ReadRunResult(left);
  if (!result) return Nonsense("an end that is none");
  if (!rest->bytes.empty() && has_ended_output_) return Nonsense("output after its end");
  result_ = *std::move(result);
  // It cannot have taken more than there was.
  const std::chrono::nanoseconds passed = Clock::now() - began_;
  result_.wall_time = std::min(result_.wall_time, passed);
  result_.cpu_time = std::min(result_.cpu_time, passed);
  result_.usage.memory_bytes = std::min(result_.usage.memory_bytes, allowance().memory_bytes);
  result_.usage.memory_refusals = std::min(result_.usage.memory_refusals, kMostRefusals);
  if (!result_.exit) {
    const Error& error = result_.exit.error();
    result_.exit = tl::unexpected(Error(error.code(), Printable(error.message())));
  } else {
    result_.exit->trap.message = Printable(result_.exit->trap.message);
    result_.exit->results = std::move(results_);
  }
  if (!rest->bytes.empty()) output_.Put(rest->bytes);
  if (rest->broke_off && !std::exchange(has_ended_output_, true))
    output_.End(BodyOut::State::kBroken);
  Leave();
  listener_.Ended();
  Pass();
  return {};
}

const Allowance& RemoteRun::allowance() const {
  return std::visit([](const auto& plan) -> const Allowance& { return plan.allowance; }, plan_);
}

void RemoteRun::EndWithout(Error why) {
  result_.exit = tl::unexpected(std::move(why));
  if (began_ != Clock::time_point()) result_.wall_time = Clock::now() - began_;
  Leave();
  listener_.Ended();
  Pass();
}

void RemoteRun::Leave() {
  patience_ = loop::Timer();
  channel_ = nullptr;
  if (use_ == nullptr) return;
  use_->last.store(Clock::now().time_since_epoch().count(), std::memory_order_relaxed);
  use_->runs.fetch_sub(1, std::memory_order_release);
  use_ = nullptr;
}

}  // namespace wasmoor::function
