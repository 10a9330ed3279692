#include "cmd/runtime/document.h"
#include "cmd/runtime/update_flags.h"
#include "cmd/runtime/verb.h"

namespace wasmoor::cmd {
namespace {

class UpdateVerb : public Verb {
 public:
  using Verb::Verb;

  void Configure(Options& options) override {
    options.About("Changes the limits that are given, and no others. Sizes may have units: 64m.");
    options
        .Value("--resources", file_, "FILE",
               "Take the limits from this file, JSON as 'linux.resources' of a configuration, '-' "
               "from standard input; other options are ignored then")
        .Letter("-r")
        .Complete(Completes::kFiles);
    flags_.Configure(options);
    TakeContainer(options);
    options.Example("wasmoor-runtime update --memory 64m --pids-limit 100 c1", "Sets two of them.");
  }

  Result<int> Run() override {
    const oci::Resources resources = TRY(Read());
    const jail::Containers containers = TRY(runtime_.Open());
    jail::Container container = TRY(containers.Find(id()));
    TRY(container.Update(resources));
    return 0;
  }

 private:
  Result<oci::Resources> Read() const {
    if (file_.empty()) return flags_.Read();
    const std::string text = TRY_AS(ReadDocument(file_), "--resources");
    return TRY_AS(oci::ParseResources(text), "--resources {}", file_);
  }

  UpdateFlags flags_;
  std::string file_;
};

}  // namespace

std::unique_ptr<Command> MakeUpdate(Executable& executable) {
  return MakeVerb<UpdateVerb>(executable);
}

}  // namespace wasmoor::cmd
