#include <span>

#include "cmd/wasmtimed_shim/wasmtimed_shim.h"

int main(int argc, char** argv) {
  using namespace wasmoor::cmd;
  const std::unique_ptr<ShimLine> shim = MakeWasmtimedShim();
  std::vector<char*> words = ArrangeWords({argv, static_cast<size_t>(argc)});
  return Main(*shim, static_cast<int>(words.size()), words.data());
}
