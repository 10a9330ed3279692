#include <algorithm>
#include <csignal>
#include <map>
#include <memory>
#include <string>
#include <utility>

#include "sandbox/handover.h"
#include "sandbox/inproc/hosted_container.h"
#include "wasmoor/oci/bundle.h"
#include "wasmoor/sandbox/inproc/inproc_sandbox.h"

namespace wasmoor::sandbox {
namespace {

class InprocSandbox : public GuestSandbox {
 public:
  explicit InprocSandbox(InprocSandboxOptions options)
      : parts_{options.loop,
               static_cast<HostList&>(options.hosts),
               options.listener,
               options.name_space,
               options.name_space + "/" + options.pod,
               std::move(options.find_module),
               std::move(options.log)},
        processes_(std::move(options.processes)) {}

  void Create(CreateRequest request, Done<Container*> done) override;
  Result<Container*> Find(std::string_view id) override;
  void Remove(std::string_view id, std::string_view exec_id, Done<Exit> done) override;
  std::vector<std::string> Ids() const override;
  Status HandOver(handover::Sandbox* state, os::Carried* carried) const override;
  Status TakeOver(const handover::Sandbox& state) override;
  void ReadUse(const std::function<void(const GuestUse&)>& tell) override {
    for (const auto& [id, container] : containers_) container->ReadUse(tell);
  }

 private:
  using Made = std::map<std::string, std::unique_ptr<HostedContainer>, std::less<>>;

  void OnCreated(const std::string& id, Status created, const Done<Container*>& done);
  void CreateProcess(CreateRequest request, Done<Container*> done);
  Status CheckProcesses(const CreateRequest& request) const;
  void RemoveContainer(HostedContainer& container, Done<Exit> done);
  // Out of the list, and gone once whoever calls is done with it.
  void Drop(Made::iterator container);

  InprocParts parts_;
  std::unique_ptr<Sandbox> processes_;
  Made containers_;  // Those that are being made, too.
};

void InprocSandbox::Create(CreateRequest request, Done<Container*> done) {
  const std::string id = request.id;
  const std::vector<std::string> others = processes_->Ids();
  if (containers_.contains(id) || std::find(others.begin(), others.end(), id) != others.end())
    return loop::Answer<Container*>(
        parts_.loop, std::move(done),
        Fail(Code::kAlreadyExists, "container \"{}\": already exists", id));
  // A terminal is a process's.
  if (request.streams.terminal) return CreateProcess(std::move(request), std::move(done));
  auto& made = containers_[id];
  made = std::make_unique<HostedContainer>(parts_, std::move(request));
  made->Create([this, id, done = std::move(done)](Status created) {
    OnCreated(id, std::move(created), done);
  });
}

void InprocSandbox::OnCreated(const std::string& id, Status created, const Done<Container*>& done) {
  const auto found = containers_.find(id);
  if (created) return done(found->second.get());
  CreateRequest request = found->second->request();
  Drop(found);
  if (created.error().code() == Code::kUnimplemented) {
    if (parts_.log)
      parts_.log(
          fmt::format("container {} has a process of its own: {}", id, created.error().message()));
    return CreateProcess(std::move(request), done);
  }
  done(tl::unexpected(std::move(created).error()));
}

// A thread's PID namespace is its host's, which is the machine's: who joined it would see and reach
// all processes of the node.
Status InprocSandbox::CheckProcesses(const CreateRequest& request) const {
  const oci::Bundle bundle = TRY(oci::Bundle::Open(request.bundle));
  for (const oci::Namespace& one : bundle.spec.on_linux.namespaces) {
    if (one.type != oci::NamespaceType::kPid) continue;
    for (const auto& [id, container] : containers_) {
      if (one.path != fmt::format("/proc/{}/ns/pid", container->first().info().pid)) continue;
      return Fail(
          Code::kFailedPrecondition,
          "container \"{}\": is to see the processes of \"{}\", whose guest is a thread and "
          "none: leave the target out, or give the pod the annotation "
          "io.wasmoor.isolation: process",
          request.id, id);
    }
  }
  return {};
}

void InprocSandbox::CreateProcess(CreateRequest request, Done<Container*> done) {
  if (Status good = CheckProcesses(request); !good)
    return loop::Answer<Container*>(parts_.loop, std::move(done), tl::unexpected(good.error()));
  processes_->Create(std::move(request), std::move(done));
}

void InprocSandbox::Drop(Made::iterator container) {
  parts_.loop.Post([gone = std::shared_ptr(std::move(container->second))] {});
  containers_.erase(container);
}

Result<Container*> InprocSandbox::Find(std::string_view id) {
  const auto found = containers_.find(id);
  if (found == containers_.end()) return processes_->Find(id);
  if (!found->second->exists()) return Fail(Code::kNotFound, "container \"{}\": not found", id);
  return found->second.get();
}

void InprocSandbox::Remove(std::string_view id, std::string_view exec_id, Done<Exit> done) {
  const auto found = containers_.find(id);
  if (found == containers_.end()) return processes_->Remove(id, exec_id, std::move(done));
  HostedContainer& container = *found->second;
  if (!container.exists())
    return loop::Answer<Exit>(parts_.loop, std::move(done),
                              Fail(Code::kNotFound, "container \"{}\": not found", id));
  if (!exec_id.empty()) return container.RemoveProcess(exec_id, std::move(done));
  const State state = container.first().info().state;
  if (state == State::kStopped) return RemoveContainer(container, std::move(done));
  if (state != State::kCreated)
    return loop::Answer<Exit>(parts_.loop, std::move(done),
                              Fail(Code::kFailedPrecondition, "cannot delete a running process"));
  static_cast<void>(container.KillAll(SIGKILL));
  container.first().Wait(
      [this, name = std::string(id), done = std::move(done)](const Result<Exit>&) {
        const auto still = containers_.find(name);
        if (still == containers_.end())
          return done(Fail(Code::kNotFound, "container \"{}\": not found", name));
        RemoveContainer(*still->second, done);
      });
}

void InprocSandbox::RemoveContainer(HostedContainer& container, Done<Exit> done) {
  const Exit exit = container.first().info().exit;
  container.Remove([this, id = container.id(), exit, done = std::move(done)](Status removed) {
    const auto found = containers_.find(id);
    if (found != containers_.end()) Drop(found);
    if (!removed)
      return loop::Answer<Exit>(parts_.loop, done, tl::unexpected(std::move(removed).error()));
    loop::Answer<Exit>(parts_.loop, done, exit);
  });
}

std::vector<std::string> InprocSandbox::Ids() const {
  std::vector<std::string> ids = processes_->Ids();
  for (const auto& [id, container] : containers_) ids.push_back(id);
  return ids;
}

Status InprocSandbox::HandOver(handover::Sandbox* state, os::Carried* carried) const {
  TRY(processes_->HandOver(state, carried));
  for (const auto& [id, container] : containers_)
    TRY(container->HandOver(state->add_hosted(), carried));
  return {};
}

Status InprocSandbox::TakeOver(const handover::Sandbox& state) {
  const auto make = [this](CreateRequest request) {
    return std::make_unique<HostedContainer>(parts_, std::move(request));
  };
  const Status processes = processes_->TakeOver(state);
  Status guests = TakeOverEach(state.hosted(), make, &containers_);
  return guests ? processes : guests;
}

}  // namespace

std::unique_ptr<Sandbox> MakeInprocSandbox(InprocSandboxOptions options) {
  return std::make_unique<InprocSandbox>(std::move(options));
}

}  // namespace wasmoor::sandbox
