#include "wasmoor/os/spawn.h"

#include <fcntl.h>
#include <spawn.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>

namespace wasmoor::os {
namespace {

constexpr size_t kStandardStreams = 3;

// What the new process does before it executes the program.
class Actions {
 public:
  Actions() {
    posix_spawn_file_actions_init(&actions_);
    posix_spawnattr_init(&attributes_);
  }
  ~Actions() {
    posix_spawnattr_destroy(&attributes_);
    posix_spawn_file_actions_destroy(&actions_);
  }
  Actions(const Actions&) = delete;
  Actions& operator=(const Actions&) = delete;

  Status Give(const std::vector<const Fd*>& descriptors) {
    const size_t count = std::max(descriptors.size(), kStandardStreams);
    for (size_t number = 0; number < count; ++number) {
      const int target = static_cast<int>(number);
      const Fd* source = number < descriptors.size() ? descriptors[number] : nullptr;
      if (source == nullptr) {
        const int access = target == STDIN_FILENO ? O_RDONLY : O_WRONLY;
        posix_spawn_file_actions_addopen(&actions_, target, "/dev/null", access, 0);
        continue;
      }
      int from = source->get();
      // Another one may take its number before its turn comes.
      if (from < target) {
        copies_.emplace_back(fcntl(from, F_DUPFD_CLOEXEC, static_cast<int>(count)));
        if (!copies_.back().valid()) return FailErrno(errno, "copy descriptor {}", from);
        from = copies_.back().get();
      }
      posix_spawn_file_actions_adddup2(&actions_, from, target);
    }
    // Whoever started us may wait for the end of a pipe that we were given without close-on-exec.
    posix_spawn_file_actions_addclosefrom_np(&actions_, static_cast<int>(count));
    return {};
  }

  void SetAttributes(SpawnRequest::Session session) {
    sigset_t none;
    sigemptyset(&none);
    posix_spawnattr_setsigmask(&attributes_, &none);
    sigset_t all;
    sigfillset(&all);
    posix_spawnattr_setsigdefault(&attributes_, &all);
    short flags = POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF;
    if (session == SpawnRequest::Session::kNew) flags |= POSIX_SPAWN_SETSID;
    posix_spawnattr_setflags(&attributes_, flags);
  }

  posix_spawn_file_actions_t* actions() { return &actions_; }
  posix_spawnattr_t* attributes() { return &attributes_; }

 private:
  posix_spawn_file_actions_t actions_;
  posix_spawnattr_t attributes_;
  std::vector<Fd> copies_;
};

}  // namespace

std::vector<char*> Pointers(const std::vector<std::string>& words) {
  std::vector<char*> pointers;
  for (const std::string& word : words) pointers.push_back(const_cast<char*>(word.c_str()));
  pointers.push_back(nullptr);
  return pointers;
}

Result<pid_t> Spawn(const SpawnRequest& request) {
  Actions actions;
  TRY_AS(actions.Give(request.descriptors), "start {}", request.program);
  actions.SetAttributes(request.session);
  const std::vector<char*> arguments = Pointers(request.arguments);
  std::vector<char*> environment;
  if (request.environment) environment = Pointers(*request.environment);
  pid_t pid = 0;
  const int error =
      posix_spawn(&pid, request.program.c_str(), actions.actions(), actions.attributes(),
                  arguments.data(), request.environment ? environment.data() : environ);
  if (error != 0) return FailErrno(error, "start {}", request.program);
  return pid;
}

}  // namespace wasmoor::os
