// What a request of its own instance costs where many guests share a process: store, WASI context,
// instance, run to the end, and all of it gone again.
#include "wasm/wasmtime/hosts_bench.h"

namespace wasmoor::wasm::wasmtime::bench {
namespace {

template <typename Host>
void FreshInstance(benchmark::State& state, const char* guest, const Host& host) {
  const Grant grant = {{guest}, ""};
  for (auto _ : state) host.Run(grant);
  state.SetItemsProcessed(state.iterations());
}

template <typename Host>
void Hello(benchmark::State& state) {
  static const Host host("hello", Sharing::kManyGuests);
  FreshInstance(state, "hello", host);
}

// The same engine and WASI with what it does by default: memory mapped for each instance.
void HelloUnpooled(benchmark::State& state) {
  static const EngineHost host("hello", Sharing::kOneGuest);
  FreshInstance(state, "hello", host);
}

void HelloThroughCallback(benchmark::State& state) {
  static const EngineHost host("hello", Sharing::kManyGuests, Output::kCallback);
  FreshInstance(state, "hello", host);
}

template <typename Host>
void Noop(benchmark::State& state) {
  static const Host host("noop", Sharing::kManyGuests);
  FreshInstance(state, "noop", host);
}

// CPU time of the whole process, for the engine's WASI works on threads of its own too. Once alone,
// and once with a thread on every CPU, where what those threads share shows.
void Measure(benchmark::internal::Benchmark* benchmark) {
  benchmark->MeasureProcessCPUTime()->UseRealTime()->Threads(1)->ThreadPerCpu();
}

BENCHMARK_TEMPLATE(Hello, OurHost)->Name("fresh_instance/hello/wasmoor")->Apply(Measure);
BENCHMARK_TEMPLATE(Hello, EngineHost)->Name("fresh_instance/hello/wasmtime")->Apply(Measure);
BENCHMARK(HelloUnpooled)->Name("fresh_instance/hello/wasmtime-unpooled")->Apply(Measure);
BENCHMARK(HelloThroughCallback)->Name("fresh_instance/hello/wasmtime-callback")->Apply(Measure);
BENCHMARK_TEMPLATE(Noop, OurHost)->Name("fresh_instance/noop/wasmoor")->Apply(Measure);
BENCHMARK_TEMPLATE(Noop, EngineHost)->Name("fresh_instance/noop/wasmtime")->Apply(Measure);

}  // namespace
}  // namespace wasmoor::wasm::wasmtime::bench
