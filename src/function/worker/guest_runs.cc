#include "function/worker/guest_runs.h"

#include <algorithm>
#include <csignal>
#include <cstring>
#include <utility>

#include "function/preopens.h"

namespace wasmoor::function {
namespace {

tl::unexpected<Error> Nonsense(std::string_view what) {
  return Fail(Code::kDataLoss, "the server talks nonsense: {}", what);
}

}  // namespace

// ---- The functions.

void WorkerFunctions::Put(uint64_t number, Served served) {
  auto function = std::make_shared<Function>(Function{number, std::move(served)});
  const std::lock_guard lock(mutex_);
  all_[number] = std::move(function);
}

void WorkerFunctions::Remove(uint64_t number) {
  const std::lock_guard lock(mutex_);
  all_.erase(number);
}

std::shared_ptr<const WorkerFunctions::Function> WorkerFunctions::Find(uint64_t number) const {
  const std::lock_guard lock(mutex_);
  const auto found = all_.find(number);
  return found == all_.end() ? nullptr : found->second;
}

// ---- One run, as the request of the server's is to a run of its own process.

class GuestRuns::GuestRun final : public std::enable_shared_from_this<GuestRun>,
                                  private Run::Listener,
                                  private wasi::LateEnvironment {
 public:
  GuestRun(GuestRuns& all, uint64_t number,
           std::shared_ptr<const WorkerFunctions::Function> function)
      : all_(all), number_(number), function_(std::move(function)) {}

  void Make(ProgramOrder order) {
    environment_ = std::move(order.environment);
    CommandPlan plan{.module = *function_->served.ready->module,
                     .host = all_.side_.host(),
                     .allowance = order.allowance,
                     .arguments = std::move(order.arguments),
                     .invocation = std::move(order.invocation),
                     .environment = this,
                     .granted = function_->served.ready->granted.get(),
                     .until = Stopwatch::Until::kTaken};
    Run::Listener& listener = *this;
    run_ = std::make_shared<CommandRun>(std::move(plan), all_.station_, listener);
  }

  void Make(std::string_view bytes) {
    bytes_ = bytes;
    const ComponentOrder order = *ReadComponentOrder(bytes_);
    ComponentRun::Plan plan{.handler = function_->served.handler,
                            .reuse = function_->served.reuse,
                            .allowance = order.allowance,
                            .method = order.method,
                            .target = std::string(order.target),
                            .fields = order.fields,
                            .has_body = order.has_body,
                            .stays = !function_->served.ready->granted->preopens.empty(),
                            .until = Stopwatch::Until::kTaken};
    Run::Listener& listener = *this;
    run_ = std::make_shared<ComponentRun>(std::move(plan), all_.station_, listener);
  }

  void Begin() {
    if (function_->served.ready->granted->preopens.empty()) return run_->Begin();
    all_.side_.BeginApart(all_.station_, *run_, function_->served.ready);
  }

  Status OnFrame(const Frame& frame) {
    switch (frame.say) {
      case Say::kInput: return OnInput(frame.payload);
      case Say::kStop: {
        int signal = 0;
        if (frame.payload.size() != sizeof signal) return Nonsense("a stop without a signal");
        std::memcpy(&signal, frame.payload.data(), sizeof signal);
        Stop(signal);
        return {};
      }
      case Say::kTaken:
        may_send_ = true;
        Carry();
        return {};
      default: return Nonsense("what is not its to say");
    }
  }

  void Stop(int signal) {
    // What is there is told with its end.
    streaming_ = loop::Timer();
    if (run_->TakeBack()) {
      run_->result().exit = wasm::Exit{.kind = wasm::Exit::Kind::kSignaled, .signal = signal};
      return Ended();
    }
    run_->Stop(signal);
  }

 private:
  Status OnInput(std::string_view payload) {
    if (payload.empty() || input_over_) return Nonsense("input after its end");
    const auto end = static_cast<InputEnd>(payload.front());
    const bool more = run_->input().Put(payload.substr(1));
    if (end == InputEnd::kPart) return {};
    if (end == InputEnd::kEnded) run_->input().End();
    if (end == InputEnd::kBroken) run_->input().Break();
    input_over_ = end != InputEnd::kMore;
    asked_ = false;
    if (more) AskForInput();
    run_->OnNews();
    return {};
  }

  void AskForInput() {
    if (input_over_ || std::exchange(asked_, true)) return;
    Tell(Say::kWanted);
  }

  void Tell(Say say) {
    if (!all_.closed_) all_.channel_->Send(say, number_);
  }

  // What the guest has written goes on as far as the server takes it.
  void Carry() {
    if (ended_ || all_.closed_) return;
    SendHead();
    if (!may_send_) return;
    const std::string part = run_->output().Take();
    if (!part.empty()) {
      may_send_ = false;
      all_.channel_->Send(Say::kOutput, number_, part);
    }
    const BodyOut::State state = run_->output().state();
    if (state != BodyOut::State::kOpen && !std::exchange(told_end_, true))
      Tell(state == BodyOut::State::kWhole ? Say::kWhole : Say::kBroken);
    run_->OnNews();
  }

  template <typename Work>
  void OnLoop(Work work) {
    all_.station_.loop().Post([weak = weak_from_this(), work] {
      const std::shared_ptr<GuestRun> self = weak.lock();
      if (self != nullptr && !self->ended_) work(*self);
    });
  }

  // ---- Run::Listener. Any thread, but OnWait and Ended.

  void OnAside() override {
    OnLoop([](GuestRun& self) {
      if (!std::exchange(self.aside_, true)) self.Tell(Say::kAside);
      self.StreamSoon();
    });
  }

  void StreamSoon() {
    constexpr std::chrono::seconds kWhole{1};
    if (streaming_.pending()) return;
    streaming_ = all_.station_.loop().After(kWhole, [weak = weak_from_this()] {
      const std::shared_ptr<GuestRun> self = weak.lock();
      if (self != nullptr && !self->ended_) self->run_->output().PassOn();
    });
  }

  void OnOutput() override {
    OnLoop([](GuestRun& self) { self.Carry(); });
  }
  void OnWanted() override {
    OnLoop([](GuestRun& self) { self.AskForInput(); });
  }
  void OnError(std::string_view lines) override {
    all_.side_.Say(function_->served.ready->function, lines);
  }
  void OnWait() override {}

  void Ended() override {
    const std::shared_ptr<GuestRun> self = shared_from_this();
    ended_ = true;
    streaming_ = loop::Timer();
    all_.runs_.erase(number_);
    if (all_.closed_) return;
    SendHead();
    SendResults();
    const std::string rest = told_end_ ? std::string() : run_->output().Take();
    std::string* const to = all_.channel_->Begin(Say::kEnd, number_);
    AppendRest(rest, run_->output().state(), to);
    Write(run_->result(), to);
    all_.channel_->End();
  }

  void SendHead() {
    const auto head = run_->TakeHead();
    if (!head) return;
    Write(*head, all_.channel_->Begin(Say::kHead, number_));
    all_.channel_->End();
  }

  void SendResults() {
    if (!run_->result().exit) return;
    std::string_view left = run_->result().exit->results;
    while (!left.empty()) {
      all_.channel_->Send(Say::kResult, number_, left.substr(0, kMostPart));
      left.remove_prefix(std::min(left.size(), kMostPart));
    }
  }

  void AddTo(TextPairs* environment) override {
    environment->insert(environment->end(), std::make_move_iterator(environment_.begin()),
                        std::make_move_iterator(environment_.end()));
  }

  GuestRuns& all_;
  const uint64_t number_;
  const std::shared_ptr<const WorkerFunctions::Function> function_;
  std::string bytes_;  // What a component's plan looks into.
  TextPairs environment_;
  std::shared_ptr<Run> run_;
  loop::Timer streaming_;
  bool may_send_ = true, asked_ = true, input_over_ = false, told_end_ = false;
  bool aside_ = false, ended_ = false;
};

// ---- The connection.

Status GuestRuns::Open(os::Fd connection) {
  Channel::Listener& listener = *this;
  channel_ = TRY(Channel::Create(station_.loop(), std::move(connection), kMostFromServer,
                                 Channel::Descriptors::kRefused, listener));
  return {};
}

Status GuestRuns::OnFrame(Frame& frame) {
  if (frame.say == Say::kProgram || frame.say == Say::kComponent) return Begin(frame);
  const auto found = runs_.find(frame.number);
  // It may have ended before the server knew.
  if (found == runs_.end()) return {};
  const std::shared_ptr<GuestRun> run = found->second;
  return run->OnFrame(frame);
}

Status GuestRuns::Begin(const Frame& frame) {
  uint64_t number = 0;
  if (frame.payload.size() < sizeof number) return Nonsense("an order that is cut off");
  std::memcpy(&number, frame.payload.data(), sizeof number);
  const auto function = side_.functions().Find(number);
  if (function == nullptr) {
    RunResult result;
    result.exit = Fail(Code::kUnavailable, "it was replaced, or removed, a moment ago");
    std::string* const to = channel_->Begin(Say::kEnd, frame.number);
    to->append(sizeof(uint64_t), '\0');
    Write(result, to);
    channel_->End();
    return {};
  }
  auto run = std::make_shared<GuestRun>(*this, frame.number, function);
  const bool is_component = frame.say == Say::kComponent;
  if (is_component != (function->served.handler != nullptr))
    return Nonsense("an order of another kind");
  if (is_component) {
    if (!ReadComponentOrder(frame.payload)) return Nonsense("an order that is none");
    run->Make(frame.payload);
  } else {
    auto order = ReadProgramOrder(frame.payload);
    if (!order) return Nonsense("an order that is none");
    run->Make(*std::move(order));
  }
  if (!runs_.emplace(frame.number, run).second) return Nonsense("a run of a number that is taken");
  run->Begin();
  return {};
}

void GuestRuns::OnClosed(const Error&) { EndAll(); }

void GuestRuns::EndAll() {
  closed_ = true;
  channel_->Close();
  const auto runs = runs_;
  for (const auto& [number, run] : runs) run->Stop(SIGKILL);
}

}  // namespace wasmoor::function
