#include <cstdio>

#include "cmd/runtime/state_document.h"
#include "cmd/runtime/verb.h"

namespace wasmoor::cmd {

Words TableOrJson() { return {"table", "json"}; }

namespace {

class ListVerb : public Command {
 public:
  explicit ListVerb(Runtime& runtime) : runtime_(runtime) {}

  void Configure(Options& options) override {
    options.About("Lists the containers that are kept in the directory of --root.");
    options.Value("--format", format_, "FORMAT", "table, or json: an array of states")
        .Letter("-f")
        .OneOf(TableOrJson);
    options.Flag("--quiet", quiet_, "Only the names, one a line").Letter("-q");
    options.Example("wasmoor-runtime --root /run/containers list", "Those of another caller.");
  }

  Result<int> Run() override {
    const jail::Containers containers = TRY(runtime_.Open());
    std::vector<Summary> summaries;
    for (const jail::Container& container : TRY(containers.List()))
      summaries.push_back(Summarize(container));
    if (quiet_) {
      for (const Summary& summary : summaries) puts(summary.state.id.c_str());
      return 0;
    }
    NameOwners(summaries);
    fputs((format_ == "json" ? ListJson : ListTable)(summaries).c_str(), stdout);
    return 0;
  }

 private:
  Runtime& runtime_;
  std::string format_ = "table";
  bool quiet_ = false;
};

}  // namespace

std::unique_ptr<Command> MakeList(Executable& executable) { return MakeVerb<ListVerb>(executable); }

}  // namespace wasmoor::cmd
