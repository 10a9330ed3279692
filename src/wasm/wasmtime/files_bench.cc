// What files cost a guest: the same programs and files under our WASI and under the engine's.
#include "wasm/wasmtime/hosts_bench.h"

namespace wasmoor::wasm::wasmtime::bench {
namespace {

constexpr int kSmallFiles = 1000;
constexpr int kEntries = 10'000;
constexpr int64_t kCopyBytes = int64_t{1} << 30;
constexpr size_t kSourceBytes = 16 << 20;  // Read again from its start until all is copied.

std::string In(const char* name) { return std::string(kDirectory) + "/" + name; }

template <typename Host>
void Run(benchmark::State& state, const char* guest, const Grant& grant) {
  const Host host(guest, Sharing::kManyGuests);
  for (auto _ : state) host.Run(grant);
}

template <typename Host>
void SmallFiles(benchmark::State& state) {
  const wasmoor::bench::ScratchDirectory scratch;
  for (int i = 0; i < kSmallFiles; ++i) scratch.Write("f" + std::to_string(i), 100);
  const std::string count = std::to_string(kSmallFiles);
  Run<Host>(state, "smallfiles", {{"smallfiles", "read", kDirectory, count}, scratch.path()});
  state.SetItemsProcessed(state.iterations() * kSmallFiles);
}

template <typename Host>
void List(benchmark::State& state) {
  const wasmoor::bench::ScratchDirectory scratch;
  for (int i = 0; i < kEntries; ++i) scratch.Write("entry-" + std::to_string(i), 0);
  Run<Host>(state, "list", {{"list", kDirectory}, scratch.path()});
  state.SetItemsProcessed(state.iterations() * kEntries);
}

template <typename Host>
void Copy(benchmark::State& state) {
  const wasmoor::bench::ScratchDirectory scratch;
  scratch.Write("from", kSourceBytes);
  const std::string bytes = std::to_string(kCopyBytes);
  Run<Host>(state, "copy", {{"copy", In("from"), In("to"), bytes}, scratch.path()});
  state.SetBytesProcessed(state.iterations() * kCopyBytes);
}

void Measure(benchmark::internal::Benchmark* benchmark) {
  // CPU time of all threads, for the engine's WASI works on threads of its own too.
  benchmark->MeasureProcessCPUTime()->UseRealTime()->Unit(benchmark::kMillisecond);
}

BENCHMARK_TEMPLATE(SmallFiles, OurHost)->Name("files/small/wasmoor")->Apply(Measure);
BENCHMARK_TEMPLATE(SmallFiles, EngineHost)->Name("files/small/wasmtime")->Apply(Measure);
BENCHMARK_TEMPLATE(List, OurHost)->Name("files/list/wasmoor")->Apply(Measure);
// Half a minute a run, since every fd_readdir reads the directory from its start: once is enough.
BENCHMARK_TEMPLATE(List, EngineHost)
    ->Name("files/list/wasmtime")
    ->Apply(Measure)
    ->Iterations(1)
    ->Repetitions(1);
BENCHMARK_TEMPLATE(Copy, OurHost)->Name("files/copy/wasmoor")->Apply(Measure);
BENCHMARK_TEMPLATE(Copy, EngineHost)->Name("files/copy/wasmtime")->Apply(Measure);

}  // namespace
}  // namespace wasmoor::wasm::wasmtime::bench
