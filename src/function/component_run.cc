#include "function/component_run.h"

#include <algorithm>
#include <utility>

namespace wasmoor::function {
ComponentRun::ComponentRun(Plan plan, Station& station, Listener& listener)
    : function::Run(station, listener), plan_(std::move(plan)) {
  memory_.max = plan_.allowance.memory_bytes;
}

// On the loop.
void ComponentRun::Resume() {
  if (over_) return;
  if (plan_.stays) {
    const std::lock_guard lock(mutex_);
    has_news_ = true;
    came_.notify_one();
    return;
  }
  if (is_begun_) {
    again_ = true;
    return;
  }
  is_begun_ = true;
  station_.Begin(*this);
}

bool ComponentRun::TakeBack() {
  if (!station_.Withdraw(*this)) return false;
  is_begun_ = false;
  over_ = true;
  return true;
}

void ComponentRun::Stop(int signal) {
  stop_signal_ = signal;
  {
    const std::lock_guard lock(mutex_);
    // One that is held back could not end.
    if (limited_ != nullptr) limited_->Limit(0);
    if (running_ != nullptr) running_->Interrupt();
  }
  Resume();
}

std::optional<ReplyHead> ComponentRun::TakeHead() {
  const std::lock_guard lock(mutex_);
  return std::exchange(head_, std::nullopt);
}

// ---- A stretch, on a lane's thread.

void ComponentRun::Run(Lane& lane) {
  watch_.Begin(plan_.until);
  if (plan_.stays) StepAside(lane);
  RunStretch(lane);
  while (plan_.stays && request_ != nullptr) {
    WaitForNews();
    RunStretch(lane);
  }
  const Stopwatch::Time time = watch_.End();
  result_.cpu_time += time.cpu;
  result_.wall_time += time.wall;
  const std::lock_guard lock(mutex_);
  limited_ = nullptr;
}

void ComponentRun::StepAside(Lane& lane) {
  lane.StepAside(plan_.allowance.millicores);
  {
    const std::lock_guard lock(mutex_);
    limited_ = &lane;
  }
  listener_.OnAside();
}

// Until the guest waits, or has ended.
void ComponentRun::RunStretch(Lane& lane) {
  Step step = request_ != nullptr || MakeRequest() ? Step::kGoOn : Step::kEnd;
  while (step == Step::kGoOn) {
    if (stop_signal_ != 0) return EndWith(Stopped());
    Feed();
    step = Poll();
    if (step != Step::kGoOn) return;
    const auto taken = watch_.Look();
    if (!lane.leads()) {
      lane.Pace();
    } else if (taken >= kSlice) {
      StepAside(lane);
    }
  }
}

// Of one that stays.
void ComponentRun::WaitForNews() {
  watch_.Look();  // What passes from now on is not its time.
  std::unique_lock lock(mutex_);
  came_.wait(lock, [this] { return has_news_; });
  has_news_ = false;
}

bool ComponentRun::MakeRequest() {
  std::weak_ptr<ComponentRun> weak = weak_from_this();
  wasm::HttpBegin begin{.memory = &memory_, .instance = nullptr, .keeps_instance = false};
  if (plan_.reuse != nullptr) {
    if (auto one = plan_.reuse->idle->Take(*plan_.reuse)) {
      begin.instance = std::move(one->instance);
      served_ = one->served;
    }
    begin.keeps_instance = served_ + 1 < plan_.reuse->requests;
  }
  auto made = plan_.handler->Begin(
      {.method = plan_.method,
       .target = plan_.target,
       .fields = plan_.fields,
       .has_body = plan_.has_body},
      [this, weak] {
        // Any thread. The request's end waits for this call, so that the station is there still.
        station_.loop().Post([weak] {
          if (const auto self = weak.lock()) self->Resume();
        });
      },
      std::move(begin));
  if (!made) {
    EndWith(tl::unexpected(std::move(made).error()));
    return false;
  }
  request_ = *std::move(made);
  if (plan_.stays) {
    const std::lock_guard lock(mutex_);
    running_ = request_.get();
    if (stop_signal_ != 0) running_->Interrupt();
  }
  // What waited has more than this request may have.
  if (!request_->is_reused()) served_ = 0;
  return true;
}

// What there is of the body.
void ComponentRun::Feed() {
  if (fed_all_) return;
  const BodyIn::Part part = input_.TakeAll();
  if (!part.bytes.empty()) request_->WriteBody(part.bytes);
  fed_all_ = part.ended || part.broken;
  if (part.broken) {
    request_->BreakBody();
  } else if (part.ended) {
    request_->EndBody({});
  }
}

ComponentRun::Step ComponentRun::Poll() {
  const wasm::HttpRequest::News news = request_->Poll();
  result_.usage.memory_bytes = std::max(result_.usage.memory_bytes, memory_.peak.load());
  // What it does after that, such as an answer to a call that was ended, is not its own.
  if (stop_signal_ != 0) {
    EndWith(Stopped());
    return Step::kEnd;
  }
  if (news.answered) Answer();
  if (request_ == nullptr) return Step::kEnd;
  wasm::HttpRequest::Failure failure;
  if (news.ended) failure = request_->TakeFailure();
  // The body of a guest that is gone ends as if it were whole.
  Carry(failure.trap || failure.error ? BodyOut::State::kBroken : BodyOut::State::kWhole);
  if (news.ended) {
    if (failure.trap) {
      EndWith(wasm::Exit{.kind = wasm::Exit::Kind::kTrapped, .trap = *std::move(failure.trap)});
    } else if (failure.error) {
      EndWith(tl::unexpected(*std::move(failure.error)));
    } else if (body_over_ || !is_answered_) {
      GiveInstance();
      EndWith(wasm::Exit());
    } else {
      // It has nothing more to say, and what it said is still in its way.
      return Step::kWait;
    }
    return Step::kEnd;
  }
  if (news.wants_body && !fed_all_) listener_.OnWanted();
  return news.runnable ? Step::kGoOn : Step::kWait;
}

void ComponentRun::Answer() {
  wasm::HttpRequest::Response response = request_->response();
  if (response.status == 0) {
    return EndWith(Fail(Code::kInternal, "it answered with an error: {}", response.error));
  }
  is_answered_ = true;
  ReplyHead head;
  head.status = response.status;
  for (const wasm::HttpField& one : response.fields) head.fields.emplace_back(one.name, one.value);
  {
    const std::lock_guard lock(mutex_);
    head_ = std::move(head);
  }
  output_.PassOn();
  listener_.OnOutput();
}

// What there is of the response, as far as there is room for it.
void ComponentRun::Carry(BodyOut::State end) {
  while (is_answered_ && !body_over_ && output_.HasRoom()) {
    std::string_view part;
    switch (request_->ReadBody(&part)) {
      case wasm::HttpRequest::BodyState::kPart: output_.Put(part); break;
      case wasm::HttpRequest::BodyState::kEnd:
        body_over_ = true;
        output_.End(end);
        break;
      case wasm::HttpRequest::BodyState::kBrokenOff:
        body_over_ = body_broken_ = true;
        output_.End(BodyOut::State::kBroken);
        break;
      case wasm::HttpRequest::BodyState::kNothingYet: return;
    }
  }
}

void ComponentRun::GiveInstance() {
  if (plan_.reuse == nullptr || !body_over_ || body_broken_) return;
  if (auto instance = request_->TakeInstance())
    plan_.reuse->idle->Give(*plan_.reuse, {.instance = std::move(instance), .served = served_});
}

void ComponentRun::EndWith(Result<wasm::Exit> exit) {
  result_.exit = std::move(exit);
  {
    const std::lock_guard lock(mutex_);
    running_ = nullptr;
  }
  request_.reset();
}

// ---- On the loop again.

void ComponentRun::Finish() {
  is_begun_ = false;
  if (request_ == nullptr) {
    over_ = true;
    return listener_.Ended();
  }
  listener_.OnWait();
  if (std::exchange(again_, false)) Resume();
}

}  // namespace wasmoor::function
