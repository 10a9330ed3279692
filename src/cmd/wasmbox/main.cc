#include <span>

#include "cmd/wasmbox/wasmbox.h"

int main(int argc, char** argv) {
  using namespace wasmoor::cmd;
  const std::span<char* const> words(argv, static_cast<size_t>(argc));
  // A compiler or a worker of this server's, before anything else, and without the command line's names.
  if (argc > 1 && argv[1] == kFunctionCompilerWord) return RunFunctionCompiler(words.subspan(2));
  if (argc > 1 && argv[1] == kFunctionWorkerWord) return RunFunctionWorker();
  Wasmbox wasmbox;
  std::vector<char*> arranged = Wasmbox::Arrange(words);
  return Main(wasmbox, static_cast<int>(arranged.size()), arranged.data());
}
