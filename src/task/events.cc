#include "wasmoor/task/events.h"

#include "proto/containerd/task_events.pb.h"
#include "task/topics.h"
#include "wasmoor/ttrpc/timestamp.h"

namespace wasmoor::task {

void Reporter::OnExit(const std::string& id, const std::string& exec_id, pid_t pid,
                      const sandbox::Exit& exit) {
  ::containerd::events::TaskExit event;
  event.set_container_id(id);
  event.set_id(exec_id.empty() ? id : exec_id);
  event.set_pid(static_cast<uint32_t>(pid));
  event.set_exit_status(exit.status);
  ttrpc::SetTime(exit.at, event.mutable_exited_at());
  events_.Publish(kExitTopic, event);
}

void Reporter::OnOutOfMemory(const std::string& id) {
  ::containerd::events::TaskOOM event;
  event.set_container_id(id);
  events_.Publish(kOomTopic, event);
}

}  // namespace wasmoor::task
