#include "cmd/shim_line/module_finder.h"

namespace wasmoor::cmd {

void ModuleFinder::Find(const std::string& id, const std::string& entrypoint,
                        sandbox::Done<os::Fd> done) {
  const uint64_t number = ++last_;
  auto tell = [this, number, done = std::move(done)](Result<containerd::Artifact> found) {
    // The search goes with this function, which belongs to it.
    const sandbox::Done<os::Fd> answer = done;
    const auto search = searches_.extract(number);
    if (!found) return answer(tl::unexpected(std::move(found).error()));
    answer(std::move(found->module));
  };
  searches_[number] = containerd::FindArtifact(loop_, options_, id, entrypoint, std::move(tell));
}

}  // namespace wasmoor::cmd
