#include "wasmoor/function/catalog/catalog.h"

#include <benchmark/benchmark.h>
#include <time.h>

#include "support/result.h"
#include "support/scratch.h"
#include "wasmoor/program/program.h"
#include "wasmoor/wasm/wasmtime.h"

// What a catalog of 10,000 functions costs: its first look at them, what it does while nothing
// happens, and a function whose code is in the cache.
namespace wasmoor::function {
namespace {

constexpr int kMany = 10'000;

class Deaf : public CatalogListener {
 public:
  void OnChange(const std::shared_ptr<const Ready>&) override {}
  void OnGone(const std::string&, Gone) override {}
  void OnProblem(const std::string&, const Error&) override {}
  void OnNotice(const std::string&) override {}
};

struct Fixture {
  Fixture() {
    std::filesystem::create_directories(functions);
    options.directory = functions.native();
    options.compiler.words = {"catalog-bench", "none"};
  }
  // A module of this many functions of some 600 bytes each, in the directory and in the cache.
  void Put(const std::string& name, int number, int count) {
    constexpr int kSteps = 60;
    std::string text = "(module (func (export \"_start\"))\n";
    for (int i = 0; i < count; ++i) {
      text += "(func (param i32) (result i32) local.get 0\n";
      for (int step = 0; step < kSteps; ++step)
        text += fmt::format("i32.const {} i32.rotl i32.const {} i32.mul local.get 0 i32.add\n",
                            step % 31, i * step + number);
      text += ")\n";
    }
    text += ")";
    const auto bytes = test::Must(
        wasm::WasmtimeBinaryFromText({reinterpret_cast<const uint8_t*>(text.data()), text.size()}));
    test::WriteFile(functions / (name + ".wasm"),
                    {reinterpret_cast<const char*>(bytes.data()), bytes.size()});
    test::Must(cache.Load(*engine, bytes, wasm::Cache::Policy::kOptimized));
  }
  void PutMany() {
    Put("0", 0, 1);
    for (int i = 1; i < kMany; ++i)
      std::filesystem::copy(functions / "0.wasm", functions / fmt::format("{}.wasm", i));
  }
  void Open() { catalog = test::Must(Catalog::Create(*loop, options, *engine, cache, deaf)); }
  bool Want(const std::string& name) {
    bool is_there = false;
    catalog->Want(name, [&](const auto& ready) { is_there = ready.has_value(); });
    return is_there;
  }

  const test::ScratchDirectory scratch;
  const std::filesystem::path functions = scratch / "functions";
  const program::Host host = program::NewHost();
  const std::unique_ptr<wasm::Engine> engine = test::Must(wasm::WasmtimeFactory().create(
      {.sharing = wasm::Sharing::kManyGuests, .pool = {.instances = 4}, .host = host.table}));
  const wasm::Cache cache = test::Must(program::OpenCache(scratch / "cache"));
  const std::unique_ptr<loop::Loop> loop = test::Must(loop::Loop::Create());
  Deaf deaf;
  CatalogOptions options;
  std::unique_ptr<Catalog> catalog;
};

double CpuSeconds() {
  timespec now = {};
  ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) / 1e9;
}

void FirstLook(benchmark::State& state) {
  Fixture fixture;
  fixture.PutMany();
  for (auto _ : state) {
    fixture.Open();
    state.PauseTiming();
    fixture.catalog.reset();
    state.ResumeTiming();
  }
}
BENCHMARK(FirstLook)->Name("catalog-first-look/wasmoor")->Unit(benchmark::kMillisecond);

// A thousand of them are in memory, which are looked at each time.
void Idle(benchmark::State& state) {
  Fixture fixture;
  fixture.PutMany();
  fixture.Open();
  for (int i = 0; i < 1000; ++i) fixture.Want(fmt::format("{}", i));
  constexpr std::chrono::seconds kTime{8};
  for (auto _ : state) {
    const double before = CpuSeconds();
    const auto until = std::chrono::steady_clock::now() + kTime;
    while (std::chrono::steady_clock::now() < until)
      fixture.loop->RunOnce(std::chrono::milliseconds(100));
    state.counters["cpu_percent"] = (CpuSeconds() - before) * 100 / 8;
  }
}
BENCHMARK(Idle)->Name("catalog-idle/wasmoor")->Iterations(1)->Unit(benchmark::kSecond);

// Of 90 KB, and 2.5 MB.
void Cold(benchmark::State& state) {
  Fixture fixture;
  fixture.Put("one", 1, static_cast<int>(state.range(0)));
  fixture.Put("two", 2, static_cast<int>(state.range(0)));
  fixture.options.max_loaded = 1;
  fixture.Open();
  bool is_there = true;
  for (auto _ : state) {
    is_there = is_there && fixture.Want("one");
    is_there = is_there && fixture.Want("two");
  }
  if (!is_there) state.SkipWithError("the code is not in the cache");
}
BENCHMARK(Cold)->Name("catalog-cold/wasmoor")->Arg(150)->Arg(4000)->Unit(benchmark::kMicrosecond);

}  // namespace
}  // namespace wasmoor::function
