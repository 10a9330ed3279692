// What a start pays for a module that is in the cache: verification, mapping, linking to the
// engine.
#include "bench/support.h"
#include "wasmoor/wasm/cache.h"
#include "wasmoor/wasm/wasmtime.h"

namespace wasmoor::wasm {
namespace {

void Hit(benchmark::State& state, const std::string& guest) {
  const bench::ScratchDirectory scratch;
  const auto engine = bench::Must(WasmtimeFactory().create({}));
  const Cache cache = bench::Must(Cache::Open({.directory = scratch.path() / "modules"}));
  const os::Fd file = bench::Open(bench::GuestPath(guest), O_RDONLY);
  const auto load = [&] {
    return bench::Must(cache.LoadFile(*engine, file, Cache::Policy::kOptimized));
  };
  load();
  for (auto _ : state) {
    const Cache::Found found = load();
    if (found.source != Cache::Found::Source::kHit) bench::Die("the cache forgot " + guest);
  }
}

// The Go program's code is large enough that reading it whole would show.
void HitSmall(benchmark::State& state) { Hit(state, "hello"); }
void HitLarge(benchmark::State& state) { Hit(state, "sortlines"); }
BENCHMARK(HitSmall)->Name("cache_hit/hello/wasmoor")->Unit(benchmark::kMicrosecond);
BENCHMARK(HitLarge)->Name("cache_hit/sortlines/wasmoor")->Unit(benchmark::kMicrosecond);

}  // namespace
}  // namespace wasmoor::wasm
