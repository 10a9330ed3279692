// What it costs a request to be admitted and to leave.
#include "wasmoor/function/admission/admission.h"

#include <deque>
#include <memory>

#include "bench/support.h"

namespace wasmoor::function {
namespace {

constexpr uint64_t kLarge = uint64_t{1} << 40;

class Ignore : public Waiter {
 public:
  void OnAdmitted() override {}
  void OnRefused(const Verdict&) override {}
};

// Nothing waits, everything fits; as many threads as the benchmark has.
void EnterAndLeave(benchmark::State& state) {
  static Admission& admission = *new Admission({.running = {kLarge, kLarge, kLarge}});
  Tenant tenant;
  Ignore waiter;
  for (auto _ : state) {
    Ticket ticket(tenant, {500, 200}, waiter);
    benchmark::DoNotOptimize(admission.Enter(ticket));
  }
}
BENCHMARK(EnterAndLeave)->Name("admission-fits/wasmoor")->ThreadRange(1, 2)->UseRealTime();

// As many tenants as the argument says wait with a ticket each, of which each is admitted in turn:
// one leaves, which admits the next, and comes again.
void LeaveToTheNext(benchmark::State& state) {
  const auto tenants = static_cast<size_t>(state.range(0));
  Admission admission({.running = {kLarge, kLarge, 1}, .waiting = {kLarge, kLarge, kLarge}});
  std::deque<Tenant> owners(tenants + 1);
  Ignore waiter;
  std::deque<Ticket> tickets;
  for (Tenant& owner : owners) {
    tickets.emplace_back(owner, Ask{500, 200}, waiter);
    admission.Enter(tickets.back());
  }
  size_t next = 0;
  for (auto _ : state) {
    admission.Leave(tickets[next]);
    benchmark::DoNotOptimize(admission.Enter(tickets[next]));
    next = (next + 1) % tickets.size();
  }
}
BENCHMARK(LeaveToTheNext)->Name("admission-next-of/wasmoor")->Arg(1)->Arg(100)->Arg(10'000);

// As many tenants wait for more than is free, so that others are looked at in vain.
void PassThoseThatDoNotFit(benchmark::State& state) {
  const auto tenants = static_cast<size_t>(state.range(0));
  Admission admission({.running = {1000, kLarge, kLarge}, .waiting = {kLarge, kLarge, kLarge}},
                      {.patience = std::chrono::hours(1)});
  std::deque<Tenant> owners(tenants);
  Tenant runs, small;
  Ignore waiter;
  std::deque<Ticket> tickets;
  tickets.emplace_back(runs, Ask{900, 0}, waiter);
  admission.Enter(tickets.back());
  for (Tenant& owner : owners) {
    tickets.emplace_back(owner, Ask{500, 200}, waiter);
    admission.Enter(tickets.back());
  }
  for (auto _ : state) {
    Ticket ticket(small, {100, 0}, waiter);
    benchmark::DoNotOptimize(admission.Enter(ticket));
  }
}
BENCHMARK(PassThoseThatDoNotFit)->Name("admission-passing/wasmoor")->Arg(1)->Arg(30)->Arg(10'000);

// A flood is refused where the queue is full of many tenants.
void Refuse(benchmark::State& state) {
  Admission admission({.running = {kLarge, kLarge, 1}, .waiting = {kLarge, kLarge, 10'000}});
  std::deque<Tenant> owners(10'000);
  Tenant flood;
  Ignore waiter;
  std::deque<Ticket> tickets;
  tickets.emplace_back(flood, Ask{500, 200}, waiter);
  admission.Enter(tickets.back());
  for (Tenant& owner : owners) {
    tickets.emplace_back(owner, Ask{500, 200}, waiter);
    admission.Enter(tickets.back());
  }
  for (auto _ : state) {
    Ticket ticket(flood, {500, 200}, waiter);
    benchmark::DoNotOptimize(admission.Enter(ticket));
  }
}
BENCHMARK(Refuse)->Name("admission-refused/wasmoor");

}  // namespace
}  // namespace wasmoor::function
