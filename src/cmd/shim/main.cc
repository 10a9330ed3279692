#include <span>

#include "cmd/shim/shim.h"

int main(int argc, char** argv) {
  using wasmoor::cmd::Shim;
  // A compiler of ours, for a container that is being created: before anything else, and without
  // the command line's names.
  if (argc > 1 && argv[1] == Shim::kCompilerWord)
    return Shim::RunCompiler(std::span<char* const>(argv, argc).subspan(2));
  Shim shim(argv);
  std::vector<char*> words = wasmoor::cmd::ArrangeWords({argv, static_cast<size_t>(argc)});
  return wasmoor::cmd::Main(shim, static_cast<int>(words.size()), words.data());
}
