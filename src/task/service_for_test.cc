#include "task/service_for_test.h"

#include "task/topics.h"

namespace wasmoor::task::test {
namespace {

namespace events = ::containerd::events;

template <typename Event>
const Event& As(const google::protobuf::MessageLite& event) {
  EXPECT_EQ(event.GetTypeName(), Event().GetTypeName());
  return static_cast<const Event&>(event);
}

std::string TextOf(std::string_view topic, const google::protobuf::MessageLite& event) {
  if (topic == kCreateTopic) {
    const auto& of = As<events::TaskCreate>(event);
    return fmt::format("{} {} {}", of.container_id(), of.bundle(), of.pid());
  }
  if (topic == kStartTopic) {
    const auto& of = As<events::TaskStart>(event);
    return fmt::format("{} {}", of.container_id(), of.pid());
  }
  if (topic == kExitTopic) {
    const auto& of = As<events::TaskExit>(event);
    EXPECT_GT(of.exited_at().seconds(), 0);
    return fmt::format("{} {} {} {}", of.container_id(), of.id(), of.pid(), of.exit_status());
  }
  if (topic == kDeleteTopic) {
    const auto& of = As<events::TaskDelete>(event);
    return fmt::format("{} {} {}", of.container_id(), of.pid(), of.exit_status());
  }
  if (topic == kExecAddedTopic) {
    const auto& of = As<events::TaskExecAdded>(event);
    return fmt::format("{} {}", of.container_id(), of.exec_id());
  }
  if (topic == kExecStartedTopic) {
    const auto& of = As<events::TaskExecStarted>(event);
    return fmt::format("{} {} {}", of.container_id(), of.exec_id(), of.pid());
  }
  if (topic == kPausedTopic) return As<events::TaskPaused>(event).container_id();
  if (topic == kResumedTopic) return As<events::TaskResumed>(event).container_id();
  if (topic == kOomTopic) return As<events::TaskOOM>(event).container_id();
  return "?";
}

}  // namespace

void EventList::Publish(std::string_view topic, const google::protobuf::MessageLite& event) {
  texts.push_back(fmt::format("{} {}", topic, TextOf(topic, event)));
  bytes.push_back(event.SerializeAsString());
}

}  // namespace wasmoor::task::test
