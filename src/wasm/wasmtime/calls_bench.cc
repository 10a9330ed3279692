// What crossing between guest and host costs, and what the checks cost that let many guests share a
// process.
#include <fmt/format.h>

#include "wasm/wasmtime/hosts_bench.h"

namespace wasmoor::wasm::wasmtime::bench {
namespace {

constexpr int kCalls = 10'000;  // In one run, so that the run itself does not show.

// A module that calls `import` kCalls times with `arguments`, dropping the result if it `returns`.
std::string Caller(std::string_view import, std::string_view arguments, bool returns) {
  return fmt::format(R"((module
    {}
    (memory (export "memory") 1)
    (func (export "run") (local $left i32)
      (local.set $left (i32.const {}))
      (loop $again
        (call 0 {}) {}
        (br_if $again (local.tee $left (i32.sub (local.get $left) (i32.const 1))))))))",
                     import, kCalls, arguments, returns ? "(drop)" : "");
}

struct Nothing {};

hostcall::Outcome DoNothing(void*, hostcall::Call&) { return hostcall::Outcome::kReturned; }

// Runs the export `run` of `text`; `bind` gives the instance what its functions need.
template <typename Bind>
void RunCalls(benchmark::State& state, std::shared_ptr<hostcall::Table> table,
              const std::string& text, Bind bind) {
  EngineOptions options;
  options.host = std::move(table);
  const auto engine = Must(WasmtimeFactory().create(options));
  const auto* bytes = reinterpret_cast<const uint8_t*>(text.data());
  const auto module =
      Must(engine->Load(Must(engine->Compile({bytes, text.size()}, Tier::kOptimized))));
  InstanceOptions instance_options;
  bind(instance_options.bindings);
  const auto instance = Must(module->NewInstance(std::move(instance_options)));
  const Invocation run = {.function = "run"};
  for (auto _ : state) {
    if (!Must(instance->Run(run)).ok()) Die("the calling guest failed");
  }
  state.SetItemsProcessed(state.iterations() * kCalls);
}

void HostCall(benchmark::State& state) {
  auto table = std::make_shared<hostcall::Table>();
  const hostcall::Function function = {"bench", "nothing", {}, DoNothing};
  const auto slot = table->Add<Nothing>({&function, 1});
  Nothing nothing;
  RunCalls(state, table, Caller(R"((import "bench" "nothing" (func)))", "", false),
           [&](hostcall::Bindings& bindings) { bindings.Bind(slot, nothing); });
}

void WasiCall(benchmark::State& state) {
  auto table = std::make_shared<hostcall::Table>();
  const auto slot = table->Add<wasi::Context>(wasi::Preview1());
  const auto context = Must(wasi::Context::Create({}));
  constexpr std::string_view kImport =
      R"((import "wasi_snapshot_preview1" "clock_time_get" (func (param i32 i64 i32) (result i32))))";
  RunCalls(state, table, Caller(kImport, "(i32.const 1) (i64.const 0) (i32.const 0)", true),
           [&](hostcall::Bindings& bindings) { bindings.Bind(slot, *context); });
}

BENCHMARK(HostCall)->Name("call/nothing/wasmoor");
BENCHMARK(WasiCall)->Name("call/clock_time_get/wasmoor");

// A guest that only computes: alone in its process, without checks, and as one of many.
template <Sharing kSharing>
void Compute(benchmark::State& state, const Grant& grant) {
  const OurHost host(grant.arguments.front(), kSharing);
  for (auto _ : state) host.Run(grant);
}

template <Sharing kSharing>
void Sha256(benchmark::State& state) {
  Compute<kSharing>(state, {{"sha256", "4"}, ""});
}

template <Sharing kSharing>
void Matrix(benchmark::State& state) {
  Compute<kSharing>(state, {{"matrix", "200"}, ""});
}

template <Sharing kSharing>
void Sieve(benchmark::State& state) {
  Compute<kSharing>(state, {{"sieve", "2000000"}, ""});
}

void Measure(benchmark::internal::Benchmark* benchmark) {
  benchmark->Unit(benchmark::kMillisecond);
}

BENCHMARK_TEMPLATE(Sha256, Sharing::kOneGuest)->Name("epochs/sha256/without")->Apply(Measure);
BENCHMARK_TEMPLATE(Sha256, Sharing::kManyGuests)->Name("epochs/sha256/with")->Apply(Measure);
BENCHMARK_TEMPLATE(Matrix, Sharing::kOneGuest)->Name("epochs/matrix/without")->Apply(Measure);
BENCHMARK_TEMPLATE(Matrix, Sharing::kManyGuests)->Name("epochs/matrix/with")->Apply(Measure);
BENCHMARK_TEMPLATE(Sieve, Sharing::kOneGuest)->Name("epochs/sieve/without")->Apply(Measure);
BENCHMARK_TEMPLATE(Sieve, Sharing::kManyGuests)->Name("epochs/sieve/with")->Apply(Measure);

}  // namespace
}  // namespace wasmoor::wasm::wasmtime::bench
