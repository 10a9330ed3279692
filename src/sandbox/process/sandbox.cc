#include <csignal>
#include <map>
#include <memory>
#include <string>
#include <utility>

#include "sandbox/handover.h"
#include "sandbox/process/live_container.h"
#include "wasmoor/sandbox/process/process_sandbox.h"

namespace wasmoor::sandbox {
namespace {

class ProcessSandbox : public Sandbox {
 public:
  ProcessSandbox(ProcessSandboxOptions options, std::shared_ptr<const jail::Containers> containers)
      : surroundings_{options.loop,
                      options.listener,
                      std::move(options.name_space),
                      std::move(options.wasm),
                      std::move(options.find_module),
                      std::move(options.log),
                      std::move(containers)} {}

  void Create(CreateRequest request, Done<Container*> done) override;
  Result<Container*> Find(std::string_view id) override { return FindLive(id); }
  void Remove(std::string_view id, std::string_view exec_id, Done<Exit> done) override;
  std::vector<std::string> Ids() const override;
  Status HandOver(handover::Sandbox* state, os::Carried* carried) const override;
  Status TakeOver(const handover::Sandbox& state) override;

 private:
  Result<LiveContainer*> FindLive(std::string_view id) const;
  void RemoveContainer(LiveContainer& container, Done<Exit> done);

  Surroundings surroundings_;
  // Those that are being made, too.
  std::map<std::string, std::unique_ptr<LiveContainer>, std::less<>> containers_;
};

void ProcessSandbox::Create(CreateRequest request, Done<Container*> done) {
  const std::string id = request.id;
  if (containers_.contains(id))
    return loop::Answer<Container*>(
        surroundings_.loop, std::move(done),
        Fail(Code::kAlreadyExists, "container \"{}\": already exists", id));
  auto& made = containers_[id];
  made = std::make_unique<LiveContainer>(surroundings_, std::move(request));
  made->Create([this, id, done = std::move(done)](Status created) {
    if (created) return done(containers_[id].get());
    // The object is the one that calls.
    surroundings_.loop.Post([failed = std::shared_ptr(std::move(containers_[id]))] {});
    containers_.erase(id);
    done(tl::unexpected(std::move(created).error()));
  });
}

Result<LiveContainer*> ProcessSandbox::FindLive(std::string_view id) const {
  const auto found = containers_.find(id);
  if (found == containers_.end() || !found->second->exists())
    return Fail(Code::kNotFound, "container \"{}\": not found", id);
  return found->second.get();
}

void ProcessSandbox::Remove(std::string_view id, std::string_view exec_id, Done<Exit> done) {
  const auto found = FindLive(id);
  if (!found)
    return loop::Answer<Exit>(surroundings_.loop, std::move(done), tl::unexpected(found.error()));
  LiveContainer& container = **found;
  if (!exec_id.empty())
    return loop::Answer(surroundings_.loop, std::move(done), container.RemoveProcess(exec_id));
  const State state = container.first().info().state;
  if (state == State::kStopped) return RemoveContainer(container, std::move(done));
  if (state != State::kCreated)
    return loop::Answer<Exit>(surroundings_.loop, std::move(done),
                              Fail(Code::kFailedPrecondition, "cannot delete a running process"));
  if (const Status killed = container.KillAll(SIGKILL);
      !killed && killed.error().code() != Code::kNotFound)
    return loop::Answer<Exit>(surroundings_.loop, std::move(done), tl::unexpected(killed.error()));
  container.first().Wait(
      [this, name = std::string(id), done = std::move(done)](const Result<Exit>&) {
        const auto still = FindLive(name);
        if (!still) return done(tl::unexpected(still.error()));
        RemoveContainer(**still, done);
      });
}

void ProcessSandbox::RemoveContainer(LiveContainer& container, Done<Exit> done) {
  const Exit exit = container.first().info().exit;
  container.Remove([this, id = container.id(), exit, done = std::move(done)](Status removed) {
    if (!removed)
      return loop::Answer<Exit>(surroundings_.loop, done,
                                tl::unexpected(std::move(removed).error()));
    // The object is the one that calls.
    const auto found = containers_.find(id);
    surroundings_.loop.Post(
        [gone = std::shared_ptr(std::move(found->second)), done, exit] { done(exit); });
    containers_.erase(found);
  });
}

Status ProcessSandbox::HandOver(handover::Sandbox* state, os::Carried* carried) const {
  for (const auto& [id, container] : containers_)
    TRY(container->HandOver(state->add_containers(), carried));
  return {};
}

Status ProcessSandbox::TakeOver(const handover::Sandbox& state) {
  const auto make = [this](CreateRequest request) {
    return std::make_unique<LiveContainer>(surroundings_, std::move(request));
  };
  return TakeOverEach(state.containers(), make, &containers_);
}

std::vector<std::string> ProcessSandbox::Ids() const {
  std::vector<std::string> ids;
  for (const auto& [id, container] : containers_) ids.push_back(id);
  return ids;
}

}  // namespace

Result<std::shared_ptr<const jail::Containers>> OpenContainers(const std::string& state_root) {
  auto containers = TRY(jail::Containers::Open({.root = state_root, .patience = {}}));
  return std::make_shared<const jail::Containers>(std::move(containers));
}

Result<std::shared_ptr<const jail::Containers>> ContainersFor(
    const ProcessSandboxOptions& options) {
  if (options.containers) return options.containers;
  return OpenContainers(options.state_root);
}

Result<std::unique_ptr<Sandbox>> MakeProcessSandbox(ProcessSandboxOptions options) {
  auto containers = TRY(ContainersFor(options));
  return std::make_unique<ProcessSandbox>(std::move(options), std::move(containers));
}

}  // namespace wasmoor::sandbox
