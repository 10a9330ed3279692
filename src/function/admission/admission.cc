#include "wasmoor/function/admission/admission.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <thread>
#include <utility>
#include <vector>

#include "wasmoor/base/check.h"

namespace wasmoor::function {
namespace {

using std::chrono::duration;
using std::chrono::nanoseconds;
using std::chrono::seconds;

// How far back departures are looked at: at most three of these.
constexpr seconds kWindow{5};
constexpr seconds kLeastRetry{1}, kMostRetry{60};

constexpr uint64_t Amounts::* kResources[] = {&Amounts::millicores, &Amounts::memory_bytes,
                                              &Amounts::requests};

Amounts AmountsOf(const Ask& ask) { return {ask.millicores, ask.memory_bytes, 1}; }

// Never by a sum, which might be more than there is a number for.
bool HasRoom(uint64_t limit, uint64_t taken, uint64_t more) {
  return taken <= limit && more <= limit - taken;
}

bool HasRoom(const Amounts& limit, const Amounts& taken, const Amounts& more) {
  return HasRoom(limit.millicores, taken.millicores, more.millicores) &&
         HasRoom(limit.memory_bytes, taken.memory_bytes, more.memory_bytes) &&
         HasRoom(limit.requests, taken.requests, more.requests);
}

void Add(const Amounts& more, Amounts* to) {
  for (auto resource : kResources) to->*resource += more.*resource;
}

void Subtract(const Amounts& less, Amounts* from) {
  for (auto resource : kResources) {
    CHECK(from->*resource >= less.*resource);
    from->*resource -= less.*resource;
  }
}

double PartOf(uint64_t part, uint64_t whole) {
  if (part == 0) return 0;
  if (whole == 0) return std::numeric_limits<double>::infinity();
  return static_cast<double>(part) / static_cast<double>(whole);
}

}  // namespace

namespace internal {

void TicketList::Append(Ticket& ticket) {
  ticket.next_ = nullptr;
  ticket.previous_ = last_;
  (last_ == nullptr ? first_ : last_->next_) = &ticket;
  last_ = &ticket;
}

void TicketList::Remove(Ticket& ticket) {
  (ticket.previous_ == nullptr ? first_ : ticket.previous_->next_) = ticket.next_;
  (ticket.next_ == nullptr ? last_ : ticket.next_->previous_) = ticket.previous_;
}

// What a thread has to tell the waiters of tickets whose state it has changed. On its stack; under
// the lock of the Admission. A waiter that enters or leaves adds to the telling that called it, so
// that calls do not nest.
struct Telling {
  decltype(std::this_thread::get_id()) thread = std::this_thread::get_id();
  TicketList untold;
  Ticket* now = nullptr;  // Whose waiter is being called; null if the ticket is gone meanwhile.
  Telling* next = nullptr;

  void Append(Ticket& ticket) {
    ticket.telling_ = this;
    untold.Append(ticket);
  }
};

}  // namespace internal

using internal::Telling;

Tenant::~Tenant() { CHECK(in_use_.requests == 0 && waiting_.requests == 0); }

Ticket::~Ticket() {
  if (admission_ != nullptr) admission_->Leave(*this);
}

Admission::Admission(const Capacity& capacity, AdmissionOptions options)
    : capacity_(capacity), patience_(options.patience), now_(std::move(options.now)) {}

Admission::~Admission() {
  CHECK(in_use_.requests == 0 && waiting_.requests == 0 && tellings_ == nullptr);
}

Admission::Time Admission::Now() const { return now_ ? now_() : std::chrono::steady_clock::now(); }

bool Admission::Fits(const Ask& ask) const {
  return HasRoom(capacity_.running, in_use_, AmountsOf(ask));
}

bool Admission::HasPlace(const Ask& ask) const {
  return HasRoom(capacity_.waiting, waiting_, AmountsOf(ask));
}

// kNeverFits, or kQueued.
Verdict Admission::EverFits(const Ask& ask) const {
  const Amounts& all = capacity_.running;
  const auto never = [](Resource lacking, uint64_t capacity) {
    return Verdict{.outcome = Outcome::kNeverFits, .lacking = lacking, .capacity = capacity};
  };
  if (ask.memory_bytes > all.memory_bytes) return never(Resource::kMemory, all.memory_bytes);
  if (ask.millicores > all.millicores) return never(Resource::kCpu, all.millicores);
  if (all.requests == 0) return never(Resource::kRequests, 0);
  return {.outcome = Outcome::kQueued};
}

double Admission::ShareOf(const Tenant& tenant) const {
  double share = 0;
  for (auto resource : kResources)
    share = std::max(share, PartOf(tenant.in_use_.*resource, capacity_.running.*resource));
  return share / tenant.weight_;
}

// Puts the tenant where it belongs in the order, after what it has, or which ticket is its first,
// has changed.
void Admission::Rank(Tenant& tenant) {
  if (tenant.queue_.empty()) {
    if (std::exchange(tenant.is_ranked_, false)) order_.erase(tenant.place_);
    return;
  }
  const double share = ShareOf(tenant);
  const uint64_t head = tenant.queue_.first()->number_;
  if (tenant.is_ranked_ && share == tenant.share_ && head == tenant.head_) return;
  Tenant::Order::node_type node;
  if (tenant.is_ranked_) node = order_.extract(tenant.place_);
  tenant.share_ = share;
  tenant.head_ = head;
  tenant.place_ = node ? order_.insert(std::move(node)).position : order_.insert(&tenant).first;
  tenant.is_ranked_ = true;
}

Verdict Admission::Enter(Ticket& ticket) {
  CHECK(ticket.admission_ == nullptr);
  Lock lock(mutex_);
  if (!order_.empty() || !Fits(ticket.ask_)) return EnterSlowly(ticket, lock);
  return TakeAtOnce(ticket);
}

Verdict Admission::TakeAtOnce(Ticket& ticket) {
  ticket.waited_ = nanoseconds(0);
  ticket.admission_ = this;
  Take(ticket);
  return {};
}

Verdict Admission::EnterSlowly(Ticket& ticket, Lock& lock) {
  Tenant& tenant = ticket.tenant_;
  Verdict verdict = EverFits(ticket.ask_);
  if (verdict.outcome == Outcome::kNeverFits) {
    ++counted_.never_fits;
    ++tenant.refused_;
    return verdict;
  }
  const Time now = Now();
  NoteDepartures(now);
  if (tenant.queue_.empty() && Fits(ticket.ask_) && MayPass(tenant, now)) return TakeAtOnce(ticket);
  if (HasPlace(ticket.ask_)) {
    Queue(ticket, now);
    return verdict;
  }
  const seconds retry_after = RetryAfter(now);
  if (!IsEntitled(ticket)) {
    ++counted_.refused_full;
    ++tenant.refused_;
    return {.outcome = Outcome::kRefusedFull, .retry_after = retry_after};
  }
  DoAndTell(lock, [&](Telling& telling) {
    MakePlace(ticket, retry_after, telling);
    Queue(ticket, now);
    // One that is out may have held up others.
    AdmitWaiting(telling);
  });
  return verdict;
}

// Whether a ticket that fits, of a tenant of which none waits, need not wait for another. Those
// that wait and rank before it do not fit, or would not wait.
bool Admission::MayPass(const Tenant& tenant, Time now) const {
  const double share = ShareOf(tenant);
  int looks = kMostLooks;
  for (const Tenant* other : order_) {
    if (other->share_ > share) return true;
    if (now - other->queue_.first()->since_ >= patience_ || --looks == 0) return false;
  }
  return true;
}

// Whether its tenant would have no more than an equal part of the queue with it.
bool Admission::IsEntitled(const Ticket& ticket) const {
  const Tenant& tenant = ticket.tenant_;
  const uint64_t tenants = order_.size() + (tenant.is_ranked_ ? 0 : 1);
  Amounts part;
  for (auto resource : kResources) part.*resource = capacity_.waiting.*resource / tenants;
  return HasRoom(part, tenant.waiting_, AmountsOf(ticket.ask_));
}

// For one that is entitled to it. What is missing is then with tenants that have more than an equal
// part: all others together have more than their parts.
void Admission::MakePlace(const Ticket& ticket, seconds retry_after, Telling& telling) {
  const Verdict verdict = {.outcome = Outcome::kRefusedFull, .retry_after = retry_after};
  const Amounts ask = AmountsOf(ticket.ask_);
  const uint64_t tenants = order_.size() + (ticket.tenant_.is_ranked_ ? 0 : 1);
  for (auto resource : kResources) {
    const uint64_t limit = capacity_.waiting.*resource;
    const auto has_less = [resource](const Tenant* one, const Tenant* other) {
      return one->waiting_.*resource < other->waiting_.*resource;
    };
    while (!HasRoom(limit, waiting_.*resource, ask.*resource)) {
      Tenant& most = **std::max_element(order_.begin(), order_.end(), has_less);
      CHECK(most.waiting_.*resource > limit / tenants);
      Ticket* newest = most.queue_.last();
      while (most.waiting_.*resource > limit / tenants &&
             !HasRoom(limit, waiting_.*resource, ask.*resource)) {
        Ticket* const before = newest->previous_;
        if (AmountsOf(newest->ask_).*resource > 0) PutOut(*newest, verdict, telling);
        newest = before;
      }
      Rank(most);
    }
  }
}

// A ticket that waits is refused after all. The tenant is to be ranked anew.
void Admission::PutOut(Ticket& ticket, const Verdict& verdict, Telling& telling) {
  Unqueue(ticket);
  ticket.state_ = Ticket::State::kOut;
  ticket.verdict_ = verdict;
  ++ticket.tenant_.refused_;
  ++(verdict.outcome == Outcome::kNeverFits ? counted_.never_fits : counted_.refused_full);
  telling.Append(ticket);
}

void Admission::Take(Ticket& ticket) {
  const Amounts ask = AmountsOf(ticket.ask_);
  Add(ask, &in_use_);
  Add(ask, &ticket.tenant_.in_use_);
  ++ticket.tenant_.admitted_;
  ++counted_.admitted;
  ticket.state_ = Ticket::State::kIn;
}

void Admission::GiveBack(Ticket& ticket) {
  const Amounts ask = AmountsOf(ticket.ask_);
  Subtract(ask, &in_use_);
  Subtract(ask, &ticket.tenant_.in_use_);
  ++departures_;
}

void Admission::Queue(Ticket& ticket, Time now) {
  const Amounts ask = AmountsOf(ticket.ask_);
  Add(ask, &waiting_);
  Add(ask, &ticket.tenant_.waiting_);
  ticket.tenant_.queue_.Append(ticket);
  ticket.number_ = next_number_++;
  ticket.since_ = now;
  ticket.state_ = Ticket::State::kWaiting;
  ticket.admission_ = this;
  Rank(ticket.tenant_);
}

// The tenant is to be ranked anew.
void Admission::Unqueue(Ticket& ticket) {
  const Amounts ask = AmountsOf(ticket.ask_);
  Subtract(ask, &waiting_);
  Subtract(ask, &ticket.tenant_.waiting_);
  ticket.tenant_.queue_.Remove(ticket);
}

Tenant* Admission::Next(Time now) const {
  if (in_use_.requests >= capacity_.running.requests) return nullptr;
  int looks = kMostLooks;
  for (Tenant* tenant : order_) {
    const Ticket& first = *tenant->queue_.first();
    if (Fits(first.ask_)) return tenant;
    if (now - first.since_ >= patience_ || --looks == 0) return nullptr;
  }
  return nullptr;
}

void Admission::AdmitWaiting(Telling& telling) {
  if (order_.empty()) return;
  const Time now = Now();
  NoteDepartures(now);
  while (Tenant* const tenant = Next(now)) {
    Ticket& ticket = *tenant->queue_.first();
    Unqueue(ticket);
    Take(ticket);
    Rank(*tenant);
    ticket.waited_ = now - ticket.since_;
    ++counted_.admitted_late;
    counted_.time_waited += ticket.waited_;
    telling.Append(ticket);
  }
}

void Admission::Leave(Ticket& ticket) {
  if (ticket.admission_ == nullptr) return;
  CHECK(ticket.admission_ == this);
  Lock lock(mutex_);
  if (ticket.telling_ != nullptr) Forget(ticket, lock);
  Tenant& tenant = ticket.tenant_;
  const Ticket::State was = std::exchange(ticket.state_, Ticket::State::kOut);
  ticket.admission_ = nullptr;
  if (was == Ticket::State::kIn) GiveBack(ticket);
  if (was == Ticket::State::kWaiting) {
    Unqueue(ticket);
    ++counted_.given_up;
  }
  if (order_.empty()) return;
  Rank(tenant);
  DoAndTell(lock, [this](Telling& telling) { AdmitWaiting(telling); });
}

void Admission::SetCapacity(const Capacity& capacity) {
  Lock lock(mutex_);
  capacity_ = capacity;
  DoAndTell(lock, [this](Telling& telling) {
    // Everybody's share has changed.
    const std::vector<Tenant*> tenants(order_.begin(), order_.end());
    order_.clear();
    for (Tenant* tenant : tenants) {
      tenant->is_ranked_ = false;
      for (Ticket* ticket = tenant->queue_.first(); ticket != nullptr;) {
        Ticket* const next = ticket->next_;
        const Verdict verdict = EverFits(ticket->ask_);
        if (verdict.outcome == Outcome::kNeverFits) PutOut(*ticket, verdict, telling);
        ticket = next;
      }
      Rank(*tenant);
    }
    AdmitWaiting(telling);
  });
}

Telling* Admission::MyTelling() const {
  if (tellings_ == nullptr) return nullptr;
  const auto self = std::this_thread::get_id();
  Telling* telling = tellings_;
  while (telling != nullptr && telling->thread != self) telling = telling->next;
  return telling;
}

template <typename Work>
void Admission::DoAndTell(Lock& lock, const Work& work) {
  if (Telling* const outer = MyTelling()) return work(*outer);
  Telling telling;
  work(telling);
  if (!telling.untold.empty()) Tell(telling, lock);
}

void Admission::Tell(Telling& telling, Lock& lock) {
  telling.next = std::exchange(tellings_, &telling);
  while (Ticket* const ticket = telling.untold.first()) {
    telling.untold.Remove(*ticket);
    telling.now = ticket;
    const bool is_admitted = ticket->state_ == Ticket::State::kIn;
    const Verdict verdict = ticket->verdict_;
    Waiter& waiter = ticket->waiter_;
    lock.unlock();
    if (is_admitted) {
      waiter.OnAdmitted();
    } else {
      waiter.OnRefused(verdict);
    }
    lock.lock();
    if (telling.now != nullptr) telling.now->telling_ = nullptr;
    telling.now = nullptr;
    if (awaiting_ > 0) told_.notify_all();
  }
  Telling** link = &tellings_;
  while (*link != &telling) link = &(*link)->next;
  *link = telling.next;
}

// Sees to it that nobody is told of the ticket any more.
void Admission::Forget(Ticket& ticket, Lock& lock) {
  const auto is_elsewhere = [&ticket, self = std::this_thread::get_id()] {
    return ticket.telling_ != nullptr && ticket.telling_->now == &ticket &&
           ticket.telling_->thread != self;
  };
  ++awaiting_;
  told_.wait(lock, [&] { return !is_elsewhere(); });
  --awaiting_;
  Telling* const telling = std::exchange(ticket.telling_, nullptr);
  if (telling == nullptr) return;
  if (telling->now == &ticket) {
    telling->now = nullptr;
  } else {
    telling->untold.Remove(ticket);
  }
}

void Admission::NoteDepartures(Time now) {
  if (now - newer_.time < kWindow) return;
  const bool is_old = now - newer_.time >= 2 * kWindow;
  const Mark mark = {now, departures_};
  older_ = is_old ? mark : newer_;
  newer_ = mark;
}

seconds Admission::RetryAfter(Time now) const {
  const nanoseconds elapsed = now - older_.time;
  const uint64_t gone = departures_ - older_.departures;
  if (gone == 0) return elapsed < kLeastRetry ? kLeastRetry : kMostRetry;
  const double each = duration<double>(elapsed).count() / static_cast<double>(gone);
  const double all =
      std::ceil(each * static_cast<double>(std::max<uint64_t>(waiting_.requests, 1)));
  return seconds(static_cast<int64_t>(std::clamp<double>(
      all, static_cast<double>(kLeastRetry.count()), static_cast<double>(kMostRetry.count()))));
}

Admission::Numbers Admission::numbers() const {
  const Lock lock(mutex_);
  Numbers numbers = counted_;
  numbers.in_use = in_use_;
  numbers.waiting = waiting_;
  numbers.tenants_waiting = order_.size();
  return numbers;
}

Admission::TenantNumbers Admission::NumbersOf(const Tenant& tenant) const {
  const Lock lock(mutex_);
  return {.in_use = tenant.in_use_,
          .waiting = tenant.waiting_,
          .admitted = tenant.admitted_,
          .refused = tenant.refused_};
}

}  // namespace wasmoor::function
