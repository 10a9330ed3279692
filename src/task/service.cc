#include "wasmoor/task/service.h"

#include <optional>
#include <utility>

#include "task/sandbox_server.h"
#include "task/task_server.h"

namespace wasmoor::task {

struct Service::Servers {
  Servers(Service::Parts from, Options pod_options)
      : options(std::move(pod_options)),
        parts(std::move(from)),
        tasks(parts.sandbox, parts.pod, parts.events, options,
              // A pod outlives its containers.
              [this] {
                if (!pod || !pod->occupied()) parts.shut_down();
              }),
        tasks_v3("containerd.task.v3.Task", tasks) {
    if (parts.pod != nullptr) pod.emplace(*parts.pod, options, parts.shut_down);
  }

  const Options options;
  const Service::Parts parts;
  std::optional<SandboxServer> pod;
  TaskServer tasks;
  ttrpc::Alias tasks_v3;
};

Service::Service(Parts parts, Options options)
    : servers_(std::make_unique<Servers>(std::move(parts), std::move(options))) {}

Service::~Service() = default;

Status Service::AddTo(ttrpc::Server* server) {
  TRY(server->Add(servers_->tasks));
  TRY(server->Add(servers_->tasks_v3));
  if (servers_->pod) TRY(server->Add(*servers_->pod));
  return {};
}

void Service::HandOver(handover::Tasks* state) const {
  servers_->tasks.HandOver(state);
  if (servers_->pod) servers_->pod->HandOver(state);
}

void Service::TakeOver(const handover::Tasks& state) {
  servers_->tasks.TakeOver(state);
  if (servers_->pod) servers_->pod->TakeOver(state);
}

}  // namespace wasmoor::task
