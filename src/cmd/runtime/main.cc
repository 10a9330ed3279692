#include <span>

#include "cmd/runtime/runtime.h"

int main(int argc, char** argv) {
  using wasmoor::cmd::Runtime;
  // A compiler of ours, for a container that is being created: before anything else, and without
  // the command line's names.
  if (argc > 1 && argv[1] == Runtime::kCompilerWord)
    return Runtime::RunCompiler(std::span<char* const>(argv, argc).subspan(2));
  Runtime runtime(argv);
  return wasmoor::cmd::Main(runtime, argc, argv);
}
