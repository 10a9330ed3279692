#pragma once

#include <string_view>

namespace wasmoor::task {

// Of containerd.events' messages (containerd's core/runtime/events.go).
constexpr std::string_view kCreateTopic = "/tasks/create";
constexpr std::string_view kStartTopic = "/tasks/start";
constexpr std::string_view kOomTopic = "/tasks/oom";
constexpr std::string_view kExitTopic = "/tasks/exit";
constexpr std::string_view kDeleteTopic = "/tasks/delete";
constexpr std::string_view kExecAddedTopic = "/tasks/exec-added";
constexpr std::string_view kExecStartedTopic = "/tasks/exec-started";
constexpr std::string_view kPausedTopic = "/tasks/paused";
constexpr std::string_view kResumedTopic = "/tasks/resumed";

}  // namespace wasmoor::task
