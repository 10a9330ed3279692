// What a guest's WASI state costs to make and to take down, its descriptors included.
#include "bench/support.h"
#include "wasmoor/wasi/context.h"

namespace wasmoor::wasi {
namespace {

void MakeContext(benchmark::State& state) {
  const os::Fd null = bench::Open("/dev/null", O_RDWR);
  const os::Fd directory = bench::Open("/", O_PATH | O_DIRECTORY);
  for (auto _ : state) {
    Grants grants;
    grants.arguments = {"program", "argument"};
    grants.environment = {{"HOME", "/data"}};
    grants.standard_output = bench::Duplicate(null);
    grants.preopens.push_back({"/", "/data", Access::kReadWrite, bench::Duplicate(directory)});
    benchmark::DoNotOptimize(bench::Must(Context::Create(std::move(grants))));
  }
}
BENCHMARK(MakeContext)->Name("wasi/context/wasmoor");

}  // namespace
}  // namespace wasmoor::wasi
