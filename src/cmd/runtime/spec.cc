#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <nlohmann/json.hpp>

#include "cmd/line/json_text.h"
#include "cmd/runtime/spec_document.h"
#include "cmd/runtime/verb.h"
#include "wasmoor/os/file.h"

namespace wasmoor::cmd {
namespace {

class SpecCommand : public Command {
 public:
  void Configure(Options& options) override {
    options.About(
        "Writes config.json, of a shell on a terminal, or of PROGRAM without one, in a root "
        "filesystem that lies beside it in rootfs/. What is there already is left alone.");
    options.Value("--bundle", bundle_, "DIR", "Write it into this directory")
        .Letter("-b")
        .Complete(Completes::kDirectories);
    options.Flag("--rootless", rootless_, "For this user, without root's rights");
    options.Take(
        {.usage = "[PROGRAM [ARGS...]]", .target = &program_, .most = SIZE_MAX, .verbatim = true});
    options.Example("wasmoor-runtime spec --bundle /srv/c1", "Makes a bundle of a directory.");
    options.Example("wasmoor-runtime spec /hello.wasm", "One that runs rootfs/hello.wasm.");
  }

  Result<int> Run() override {
    constexpr mode_t kReadable = 0644;
    constexpr const char* kName = "config.json";
    const os::Fd directory =
        TRY(os::OpenAt(os::Fd(AT_FDCWD), bundle_.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
    const auto file =
        os::OpenAt(directory, kName, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, kReadable);
    if (!file && file.error().error_number() == EEXIST)
      return Fail(Code::kAlreadyExists, "{}/{} exists: remove it first", bundle_, kName);
    if (!file) return tl::unexpected(file.error());
    std::optional<RootlessUser> user;
    if (rootless_) user = {.uid = ::geteuid(), .gid = ::getegid()};
    TRY(os::WriteAll(*file, JsonText(SpecDocument(program_, user))));
    return 0;
  }

 private:
  std::string bundle_ = ".";
  bool rootless_ = false;
  std::vector<std::string> program_;
};

}  // namespace

std::unique_ptr<Command> MakeSpec(Executable& executable) { return Make<SpecCommand>(executable); }

}  // namespace wasmoor::cmd
