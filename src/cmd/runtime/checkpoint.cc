#include "cmd/runtime/verb.h"

namespace wasmoor::cmd {
namespace {

// What callers ask for whose containers can be saved. Its options are taken as they come: that
// nothing is supported is a better answer than that one of them is unknown.
class Unsupported : public Command {
 public:
  Unsupported(std::string_view about, std::string_view refusal)
      : about_(about), refusal_(refusal) {}

  void Configure(Options& options) override {
    options.About(about_);
    options.Take(
        {.usage = "[OPTIONS] CONTAINER", .target = &words_, .most = SIZE_MAX, .any = true});
  }

  Result<int> Run() override { return Fail(Code::kUnimplemented, "{}", refusal_); }

 private:
  std::string_view about_, refusal_;
  std::vector<std::string> words_;
};

}  // namespace

std::unique_ptr<Command> MakeCheckpoint(Executable&) {
  return std::make_unique<Unsupported>(
      "Containers cannot be saved: neither the state of a WebAssembly engine nor that of a Linux "
      "process is written to files by this runtime. The command always fails.",
      "checkpoint is not supported: wasmoor-runtime cannot save containers");
}

std::unique_ptr<Command> MakeRestore(Executable&) {
  return std::make_unique<Unsupported>(
      "There are no saved containers: see 'wasmoor-runtime help checkpoint'. The command always "
      "fails.",
      "restore is not supported: wasmoor-runtime cannot save containers");
}

}  // namespace wasmoor::cmd
