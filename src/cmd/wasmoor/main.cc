#include <span>

#include "cmd/functions/function_server.h"
#include "cmd/wasmoor/wasmoor.h"

int main(int argc, char** argv) {
  using namespace wasmoor::cmd;
  // A compiler or a worker of a server's, before anything else, and without the command line's names.
  if (argc > 1 && argv[1] == kFunctionCompilerWord)
    return RunFunctionCompiler(std::span<char* const>(argv, argc).subspan(2));
  if (argc > 1 && argv[1] == kFunctionWorkerWord) return RunFunctionWorker();
  Wasmoor wasmoor;
  return Main(wasmoor, argc, argv);
}
