#include <chrono>
#include <cstdio>

#include "cmd/runtime/process_table.h"
#include "cmd/runtime/verb.h"
#include "wasmoor/os/output.h"

namespace wasmoor::cmd {
namespace {

constexpr std::chrono::seconds kPatience{20};
constexpr size_t kMostOutput = 64 << 20;

class PsVerb : public Verb {
 public:
  using Verb::Verb;

  void Configure(Options& options) override {
    options.About(
        "Shows the processes of the container as ps(1) of this machine does, with the options of "
        "ps that follow CONTAINER; -ef if there are none.");
    options.Value("--format", format_, "FORMAT", "table, or json: an array of process numbers")
        .Letter("-f")
        .OneOf(TableOrJson);
    options.Take({.usage = "CONTAINER [OPTIONS OF PS...]",
                  .target = &words_,
                  .least = 1,
                  .most = SIZE_MAX,
                  .verbatim = true});
    options.Example("wasmoor-runtime ps c1 -o pid,rss,args", "What c1's processes hold of memory.");
  }

  Result<int> Run() override {
    const jail::Containers containers = TRY(runtime_.Open());
    const std::vector<pid_t> pids = TRY(TRY(containers.Find(id())).Pids());
    fputs((format_ == "json" ? PidsJson(pids) : TRY(Table(pids))).c_str(), stdout);
    return 0;
  }

 private:
  Result<std::string> Table(const std::vector<pid_t>& pids) const {
    const auto program = os::FindProgram("ps");
    if (!program)
      return Fail(Code::kNotFound, "there is no ps in PATH: install procps, or use --format json");
    std::vector<std::string> words = words_;
    words.front() = "ps";
    if (words.size() == 1) words.push_back("-ef");
    const os::Output output = TRY(os::ReadOutput(*program, words, kPatience, kMostOutput));
    if (output.status != 0)
      return Fail(Code::kInvalidArgument, "ps ended with status {}: does it know these options?",
                  output.status);
    return LinesOfProcesses(output.text, pids);
  }

  std::string format_ = "table";
};

}  // namespace

std::unique_ptr<Command> MakePs(Executable& executable) { return MakeVerb<PsVerb>(executable); }

}  // namespace wasmoor::cmd
