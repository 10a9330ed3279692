#pragma once

#include <string_view>

#include "wasmoor/sandbox/sandbox.h"

namespace google::protobuf {
class MessageLite;
}  // namespace google::protobuf

namespace wasmoor::task {

// Where a task service tells what happens to its tasks. containerd's own order holds: of one
// process the start comes before the exit, and of one container the exit before the delete.
class Events {
 public:
  virtual ~Events() = default;
  // `event` is a message of containerd.events that belongs to the topic ("/tasks/exit"), valid for
  // the call. Returns at once; whether and when it arrives is the publisher's matter.
  virtual void Publish(std::string_view topic, const google::protobuf::MessageLite& event) = 0;
};

// Tells what a Sandbox tells by itself. Must outlive it.
class Reporter : public sandbox::Listener {
 public:
  explicit Reporter(Events& events) : events_(events) {}
  void OnExit(const std::string& id, const std::string& exec_id, pid_t pid,
              const sandbox::Exit& exit) override;
  void OnOutOfMemory(const std::string& id) override;

 private:
  Events& events_;
};

}  // namespace wasmoor::task
