#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>
#include <set>

// Which requests run now, which wait, and which are refused, by the resources that they ask for.
//
// A request runs while what it asks for fits beside what runs already. Else it waits in a queue
// that is bounded in requests, memory and CPU; beyond that it is refused.
//
// Who is next: of the tenants that wait, the one with the least dominant share, which is the
// largest part that it has in use of any resource (CPU, memory, places), divided by its weight
// (Ghodsi et al., "Dominant Resource Fairness", NSDI 2011); among equals the one whose first ticket
// is the oldest. Tickets of one tenant are admitted in the order in which they came. A first ticket
// that does not fit may be passed by those that rank after it until it has waited `patience`; from
// then on nobody passes it who has not a smaller share. So nobody starves: what a tenant has
// running ends, and with nothing running it ranks by age, before all that come later.
//
// Who waits: the whole queue is anybody's while nobody else wants it. Where it is full, a tenant
// that would have no more than an equal part of it (of each of its three bounds, one n-th, where n
// tenants wait, this one among them) gets its place from the tenant that has most, whose newest
// tickets are refused after all. Nobody is put out who has no more than an equal part. So no tenant
// can keep others out by coming first, however much it asks for. A ticket that asks for more than
// an equal part waits only where there is room; with a queue of twice the capacity or more, one
// tenant alone cannot be such a case.
namespace wasmoor::function {

class Admission;
class Ticket;
class Tenant;

// What a request asks for while it runs: thousandths of a CPU, and memory. It also takes one place.
struct Ask {
  uint32_t millicores = 0;
  uint64_t memory_bytes = 0;
};

struct Amounts {
  uint64_t millicores = 0;
  uint64_t memory_bytes = 0;
  uint64_t requests = 0;
};

// UINT64_MAX is "no limit". Who wants CPU to be overcommitted says more than there is.
struct Capacity {
  Amounts running;  // At once.
  Amounts waiting;  // As they ask for it. Without a place, nobody waits.
};

enum class Outcome : uint8_t { kAdmitted, kQueued, kRefusedFull, kNeverFits };
enum class Resource : uint8_t { kCpu, kMemory, kRequests };

struct Verdict {
  Outcome outcome = Outcome::kAdmitted;
  // kNeverFits: what is asked for too much of, and how much of it there is in all.
  Resource lacking = Resource::kCpu;
  uint64_t capacity = 0;
  // kRefusedFull: when what waits now may have been served, as things have been going lately; from
  // 1 to 60 seconds. For Retry-After (RFC 9110, section 10.2.3).
  std::chrono::seconds retry_after{0};
};

// Who waits with a ticket, and hears what became of it, once, from the thread that made it so: of
// whoever left, came with a better claim to a place, or changed the capacity. No lock is held, and
// the call may come before Enter has returned. It should be short (put something into a loop); it
// may leave with its own ticket, and destroy it, and enter with others.
class Waiter {
 public:
  virtual void OnAdmitted() = 0;
  // kRefusedFull: another tenant was entitled to the place. kNeverFits: the capacity has shrunk.
  // The ticket is out.
  virtual void OnRefused(const Verdict& verdict) = 0;

 protected:
  ~Waiter() = default;
};

namespace internal {
struct Telling;

// Tickets in their order; a ticket is in one list at most.
class TicketList {
 public:
  bool empty() const { return first_ == nullptr; }
  Ticket* first() const { return first_; }
  Ticket* last() const { return last_; }
  void Append(Ticket& ticket);
  void Remove(Ticket& ticket);

 private:
  Ticket* first_ = nullptr;
  Ticket* last_ = nullptr;
};
}  // namespace internal

// Whose tickets are counted together. The caller's; it outlives its tickets, belongs to one
// Admission, and costs that nothing while none of its tickets waits.
class Tenant {
 public:
  // Of two tenants with the weights 1 and 3, the second may have three times as much. 0 is as 1.
  explicit Tenant(uint32_t weight = 1) : weight_(weight == 0 ? 1 : weight) {}
  Tenant(const Tenant&) = delete;
  Tenant& operator=(const Tenant&) = delete;
  ~Tenant();  // With no ticket in or waiting.

 private:
  friend class Admission;
  struct RanksBefore {
    bool operator()(const Tenant* one, const Tenant* other) const {
      return one->share_ != other->share_ ? one->share_ < other->share_ : one->head_ < other->head_;
    }
  };
  using Order = std::set<Tenant*, RanksBefore>;

  // All of it under the lock of the Admission.
  const uint32_t weight_;
  Amounts in_use_, waiting_;
  internal::TicketList queue_;
  bool is_ranked_ = false;  // In the order, at `place_`: it has tickets that wait.
  Order::iterator place_;
  double share_ = 0;   // What it is ranked by,
  uint64_t head_ = 0;  // and the number of its first ticket.
  uint64_t admitted_ = 0, refused_ = 0;
};

// One request's way through. The caller's, who must not move it and destroys it when the request is
// over: that leaves. After Leave, or the destructor, has returned, no call of the waiter is under
// way or will come. That means that they wait for one that is under way on another thread: whoever
// calls them must not hold what the waiter waits for, and a waiter that owns its ticket destroys it
// before all that its calls need (as its last member, say). A ticket that is out may enter again.
// Enter and Leave of one ticket are for one thread at a time.
class Ticket {
 public:
  Ticket(Tenant& tenant, Ask ask, Waiter& waiter) : tenant_(tenant), ask_(ask), waiter_(waiter) {}
  Ticket(const Ticket&) = delete;
  Ticket& operator=(const Ticket&) = delete;
  ~Ticket();

  const Ask& ask() const { return ask_; }
  // How long it was in the queue before it was admitted. From OnAdmitted on.
  std::chrono::nanoseconds waited() const { return waited_; }

 private:
  friend class Admission;
  friend class internal::TicketList;
  friend struct internal::Telling;
  enum class State : uint8_t { kOut, kWaiting, kIn };

  Tenant& tenant_;
  const Ask ask_;
  Waiter& waiter_;
  Admission* admission_ = nullptr;  // From Enter to Leave, which alone touch it.
  State state_ = State::kOut;
  Ticket* next_ = nullptr;
  Ticket* previous_ = nullptr;
  uint64_t number_ = 0;  // In the order of coming.
  std::chrono::steady_clock::time_point since_;
  std::chrono::nanoseconds waited_{0};
  Verdict verdict_;  // Of a refusal after all.
  internal::Telling* telling_ = nullptr;
};

struct AdmissionOptions {
  std::chrono::nanoseconds patience = std::chrono::seconds(1);
  // The clock; empty: the steady one. Asked only where somebody waits or is refused.
  std::function<std::chrono::steady_clock::time_point()> now;
};

// Any thread. A request that need not wait costs one short hold of a lock to enter and one to
// leave. Where many wait, at most kMostLooks first tickets are looked at for one that fits.
class Admission {
 public:
  static constexpr int kMostLooks = 32;

  explicit Admission(const Capacity& capacity, AdmissionOptions options = {});
  Admission(const Admission&) = delete;
  Admission& operator=(const Admission&) = delete;
  ~Admission();  // With all tickets out.

  // kAdmitted, kQueued: the ticket is in, or waits, until it leaves. Else nothing has happened. The
  // ticket is out.
  Verdict Enter(Ticket& ticket);
  // Gives back what it has, or gives up waiting. Nothing if the ticket is out.
  void Leave(Ticket& ticket);

  // What runs goes on, also where it is too much now, and what waits goes on waiting, except for
  // what can never be admitted any more.
  void SetCapacity(const Capacity& capacity);

  struct Numbers {
    Amounts in_use, waiting;
    uint64_t tenants_waiting = 0;
    uint64_t admitted = 0;                    // In all, and of them
    uint64_t admitted_late = 0;               // those that had to wait,
    std::chrono::nanoseconds time_waited{0};  // together so long.
    uint64_t refused_full = 0;                // At once, or after all.
    uint64_t never_fits = 0;
    uint64_t given_up = 0;  // Left while they waited.
  };
  Numbers numbers() const;

  struct TenantNumbers {
    Amounts in_use, waiting;
    uint64_t admitted = 0;
    uint64_t refused = 0;  // For whatever reason.
  };
  TenantNumbers NumbersOf(const Tenant& tenant) const;

 private:
  using Lock = std::unique_lock<std::mutex>;
  using Time = std::chrono::steady_clock::time_point;
  struct Mark {
    Time time;
    uint64_t departures = 0;
  };

  bool Fits(const Ask& ask) const;
  bool HasPlace(const Ask& ask) const;
  Verdict EverFits(const Ask& ask) const;
  double ShareOf(const Tenant& tenant) const;
  void Rank(Tenant& tenant);

  Verdict TakeAtOnce(Ticket& ticket);
  Verdict EnterSlowly(Ticket& ticket, Lock& lock);
  bool MayPass(const Tenant& tenant, Time now) const;
  bool IsEntitled(const Ticket& ticket) const;
  void MakePlace(const Ticket& ticket, std::chrono::seconds retry_after,
                 internal::Telling& telling);
  void PutOut(Ticket& ticket, const Verdict& verdict, internal::Telling& telling);

  void Take(Ticket& ticket);
  void GiveBack(Ticket& ticket);
  void Queue(Ticket& ticket, Time now);
  void Unqueue(Ticket& ticket);
  Tenant* Next(Time now) const;
  void AdmitWaiting(internal::Telling& telling);

  internal::Telling* MyTelling() const;
  template <typename Work>
  void DoAndTell(Lock& lock, const Work& work);
  void Tell(internal::Telling& telling, Lock& lock);
  void Forget(Ticket& ticket, Lock& lock);

  Time Now() const;
  void NoteDepartures(Time now);
  std::chrono::seconds RetryAfter(Time now) const;

  mutable std::mutex mutex_;
  Capacity capacity_;
  Amounts in_use_, waiting_;
  Tenant::Order order_;  // Of those that wait.
  uint64_t next_number_ = 0;
  uint64_t departures_ = 0;
  Mark older_, newer_;  // What the rate of departures is told by.
  Numbers counted_;     // Without what is kept above.
  // The calls of waiters under way, and who waits for one to be over.
  internal::Telling* tellings_ = nullptr;
  int awaiting_ = 0;
  std::condition_variable told_;
  const std::chrono::nanoseconds patience_;
  const std::function<Time()> now_;
};

}  // namespace wasmoor::function
