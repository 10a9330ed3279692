#include "cmd/shim_line/module_finder.h"

#include <utility>

namespace wasmoor::cmd {

ModuleFinder::ModuleFinder(loop::Loop& loop, std::string address, std::string name_space,
                           std::function<void(std::string_view)> warn)
    : loop_(loop),
      options_{.grpc_address = std::move(address),
               .name_space = std::move(name_space),
               .directory = "/var/cache/wasmoor/artifacts",
               .warn = std::move(warn)} {}

sandbox::FindModule ModuleFinder::AsFunction() {
  return [this](const std::string& id, const std::string& entrypoint, sandbox::Done<os::Fd> done) {
    Find(id, entrypoint, std::move(done));
  };
}

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
