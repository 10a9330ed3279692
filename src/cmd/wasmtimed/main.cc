#include <span>

#include "cmd/wasmtimed/wasmtimed.h"

int main(int argc, char** argv) {
  using namespace wasmoor::cmd;
  // A compiler of ours, for a container that is being created: before anything else, and without
  // the command line's names.
  if (argc > 1 && argv[1] == kCompilerWord)
    return RunCompiler(std::span<char* const>(argv, argc).subspan(2));
  if (argc > 1 && argv[1] == kHostWord) return RunGuestHost(argv[0]);
  Wasmtimed daemon(argv);
  std::vector<char*> words = daemon.Arrange({argv, static_cast<size_t>(argc)});
  return Main(daemon, static_cast<int>(words.size()), words.data());
}
