#include "function/worker/outlet.h"

#include <algorithm>
#include <utility>

namespace wasmoor::function {
namespace {

// Of one loop's requests, for all of its workers together: enough that they go by few system calls.
constexpr uint32_t kMostAtHand = 16;
constexpr std::chrono::milliseconds kAskEvery{5};

}  // namespace

// A connection, and what runs at its other end.
class Outlet::Link final : public Channel::Listener {
 public:
  Link(Outlet& outlet, const Given& given)
      : outlet_(outlet), worker_(given.worker), pid_(given.pid), use_(given.use) {}

  Status Open(os::Fd connection) {
    channel_ = TRY(Channel::Create(outlet_.station_.loop(), std::move(connection), kMostFromWorker,
                                   Channel::Descriptors::kRefused, *this));
    return {};
  }

  void Begin(std::shared_ptr<RemoteRun> run, uint64_t function) {
    const uint64_t number = ++last_;
    RemoteRun& begun = *run;
    runs_.emplace(number, std::move(run));
    begun.BeginAt(*channel_, *use_, number, function);
  }

  Status OnFrame(Frame& frame) override {
    const auto found = runs_.find(frame.number);
    if (found == runs_.end()) return Fail(Code::kDataLoss, "it talks of a run that is none");
    if (frame.say != Say::kEnd) return found->second->OnFrame(frame);
    const std::shared_ptr<RemoteRun> run = found->second;
    TRY(run->OnEnd(frame));
    runs_.erase(frame.number);
    if (retired_ && runs_.empty()) CloseSoon();
    return {};
  }

  void OnClosed(const Error& why) override {
    Break(why.code() == Code::kUnavailable ? "" : why.message());
  }

  // What runs there has ended. `why`: empty if it is gone.
  void Break(const std::string& why) {
    if (std::exchange(broken_, true)) return;
    channel_->Close();
    const auto runs = std::exchange(runs_, {});
    outlet_.source_.OnLost(worker_, why, runs.size());
    outlet_.ForgetLink(*this);
    for (const auto& [number, run] : runs) {
      run->EndWithout(
          Error(Code::kInternal, fmt::format("the process that it ran in ({}) has ended{}{}", pid_,
                                             why.empty() ? "" : ": ", why)));
    }
    outlet_.Gone(*this);
  }

  void Retire() {
    retired_ = true;
    outlet_.ForgetLink(*this);
    if (runs_.empty()) CloseSoon();
  }

  WorkerNumber worker() const { return worker_; }
  bool Has(const Channel& channel) const { return channel_.get() == &channel; }

 private:
  // It may be the channel that calls.
  void CloseSoon() {
    outlet_.station_.loop().Post([this, self = outlet_.HoldOf(*this)] {
      if (self == nullptr || broken_) return;
      channel_->Close();
      outlet_.source_.OnClosed(worker_);
      outlet_.Gone(*this);
    });
  }

  Outlet& outlet_;
  const WorkerNumber worker_;
  const pid_t pid_;
  const std::shared_ptr<WorkerUse> use_;
  std::unique_ptr<Channel> channel_;
  std::unordered_map<uint64_t, std::shared_ptr<RemoteRun>> runs_;
  uint64_t last_ = 0;
  bool retired_ = false, broken_ = false;
};

Outlet::Outlet(size_t index, Station& station, Source& source)
    : index_(index), station_(station), source_(source) {}

Outlet::~Outlet() = default;

bool Outlet::HasRoom(const Turns& turns) const {
  return turns.queued == 0 && turns.under_way < std::max(kMostAtHand / std::max(at_work_, 1u), 1u);
}

bool Outlet::HasTurn(const std::shared_ptr<const Ready>& function, std::function<void()> then) {
  const auto found = turns_.find(function.get());
  if (found == turns_.end() || HasRoom(found->second)) return true;
  found->second.waiting.push_back(std::move(then));
  return false;
}

void Outlet::OnQueued(const std::shared_ptr<const Ready>& function) {
  const auto found = turns_.find(function.get());
  if (found != turns_.end()) ++found->second.queued;
}

void Outlet::Passed(const std::shared_ptr<const Ready>& function) {
  const auto found = turns_.find(function.get());
  if (found == turns_.end()) return;
  if (--found->second.under_way == 0) --at_work_;
  Release(function.get());
}

// Who is called begins, or is queued, or refused, and then the next one has its turn.
void Outlet::Release(const Ready* function) {
  auto turns = turns_.find(function);
  while (turns != turns_.end() && HasRoom(turns->second) && !turns->second.waiting.empty()) {
    const std::function<void()> then = std::move(turns->second.waiting.front());
    turns->second.waiting.pop_front();
    then();
    turns = turns_.find(function);
  }
  if (turns == turns_.end() || turns->second.under_way > 0) return;
  if (turns->second.waiting.empty()) {
    turns_.erase(turns);
  } else if (!asking_.pending()) {
    // What is queued may wait for guests that are nobody's here to end.
    asking_ = station_.loop().After(kAskEvery, [this] { AskAgain(); });
  }
}

void Outlet::AskAgain() {
  std::vector<std::shared_ptr<const Ready>> all;
  for (auto& [key, turns] : turns_) {
    if (turns.under_way > 0 || turns.waiting.empty()) continue;
    turns.queued = 0;
    all.push_back(turns.function);
  }
  for (const auto& function : all) Release(function.get());
}

void Outlet::Begin(std::shared_ptr<RemoteRun> run) {
  const Ready* const key = run->function().get();
  Turns& turns = turns_[key];
  if (turns.function == nullptr) turns.function = run->function();
  if (turns.under_way++ == 0) ++at_work_;
  if (turns.queued > 0 && --turns.queued == 0)
    station_.loop().Post([this, function = run->function()] { Release(function.get()); });
  if (const auto known = known_.find(key); known != known_.end())
    return known->second.link->Begin(std::move(run), known->second.number);
  Waiting& waiting = waiting_[key];
  const bool is_first = waiting.runs.empty();
  if (waiting.function == nullptr) waiting.function = run->function();
  waiting.runs.push_back(std::move(run));
  if (is_first) source_.Want(index_, waiting.function);
}

bool Outlet::Withdraw(const RemoteRun& run) {
  const auto waiting = waiting_.find(run.function().get());
  if (waiting == waiting_.end()) return false;
  auto& runs = waiting->second.runs;
  const auto found =
      std::find_if(runs.begin(), runs.end(), [&](const auto& one) { return one.get() == &run; });
  if (found == runs.end()) return false;
  // The answer that it has asked for comes nevertheless.
  runs.erase(found);
  return true;
}

void Outlet::Lose(const Channel& channel, std::string why) {
  for (const auto& link : links_) {
    if (!link->Has(channel)) continue;
    return station_.loop().Post([link, why = std::move(why)] { link->Break(why); });
  }
}

void Outlet::OnGiven(const std::shared_ptr<const Ready>& function, const Given& given) {
  auto found = std::find_if(links_.begin(), links_.end(),
                            [&](const auto& one) { return one->worker() == given.worker; });
  if (found == links_.end()) {
    // It was lost meanwhile, and is asked for again.
    if (given.connection == nullptr) return source_.Want(index_, function);
    auto link = std::make_shared<Link>(*this, given);
    const Status opened = link->Open(std::move(*given.connection));
    if (!opened) return OnRefused(function, opened.error());
    links_.push_back(std::move(link));
    found = std::prev(links_.end());
  }
  const std::shared_ptr<Link> link = *found;
  known_[function.get()] = {.function = function, .link = link, .number = given.function};
  const auto waiting = waiting_.extract(function.get());
  if (waiting.empty()) return;
  for (std::shared_ptr<RemoteRun>& run : waiting.mapped().runs)
    link->Begin(std::move(run), given.function);
}

void Outlet::OnRefused(const std::shared_ptr<const Ready>& function, const Error& why) {
  const auto waiting = waiting_.extract(function.get());
  if (waiting.empty()) return;
  for (const std::shared_ptr<RemoteRun>& run : waiting.mapped().runs) run->EndWithout(why);
}

void Outlet::Forget(const std::shared_ptr<const Ready>& function) { known_.erase(function.get()); }

void Outlet::Retire(WorkerNumber worker) {
  for (const auto& link : links_) {
    if (link->worker() != worker) continue;
    const std::shared_ptr<Link> held = link;
    return held->Retire();
  }
  source_.OnClosed(worker);
}

void Outlet::ForgetLink(const Link& link) {
  std::erase_if(known_, [&](const auto& one) { return one.second.link.get() == &link; });
}

std::shared_ptr<Outlet::Link> Outlet::HoldOf(const Link& link) const {
  for (const auto& one : links_) {
    if (one.get() == &link) return one;
  }
  return nullptr;
}

// It is the one that calls.
void Outlet::Gone(Link& link) {
  station_.loop().Post([held = HoldOf(link)] {});
  std::erase_if(links_, [&](const auto& one) { return one.get() == &link; });
}

}  // namespace wasmoor::function
