#include "task/memory_sandbox_for_test.h"

#include <csignal>

namespace wasmoor::task::test {

using sandbox::Exit;
using sandbox::State;

void MemoryProcess::Start(Done<pid_t> done) {
  if (info_.state != State::kCreated)
    return all_.Later([done] { done(Fail(Code::kFailedPrecondition, "it was started before")); });
  info_.state = State::kRunning;
  info_.pid = next_pid_;
  all_.Later([done, pid = info_.pid] { done(pid); });
}

Status MemoryProcess::Kill(int signal) {
  if (info_.state == State::kStopped) return Fail(Code::kNotFound, "process already finished");
  constexpr uint32_t kSignalStatus = 128;
  Finish(kSignalStatus + static_cast<uint32_t>(signal));
  return {};
}

void MemoryProcess::Finish(uint32_t status) {
  info_.state = State::kStopped;
  info_.exit = {.status = status, .at = std::chrono::system_clock::now()};
  all_.Later([this] {
    all_.listener().OnExit(id_, exec_id_, info_.pid, info_.exit);
    for (const auto& done : waiting_) done(info_.exit);
    waiting_.clear();
  });
}

void MemoryProcess::Wait(Done<Exit> done) {
  if (info_.state != State::kStopped) return waiting_.push_back(std::move(done));
  all_.Later([done, exit = info_.exit] { done(exit); });
}

Status MemoryProcess::Resize(uint16_t width, uint16_t height) {
  if (!info_.streams.terminal) return Fail(Code::kFailedPrecondition, "it has no terminal");
  columns = width;
  rows = height;
  return {};
}

Result<sandbox::Process*> MemoryContainer::AddProcess(sandbox::ExecRequest exec) {
  if (process.info().state != State::kRunning)
    return Fail(Code::kFailedPrecondition, "it does not run");
  auto& place = execs[exec.exec_id];
  if (place) return Fail(Code::kAlreadyExists, "exec \"{}\": exists", exec.exec_id);
  exec_specs.push_back(exec.process);
  place = std::make_unique<MemoryProcess>(all_, request.id, exec.exec_id, all_.next_pid++,
                                          exec.streams);
  return place.get();
}

Result<sandbox::Process*> MemoryContainer::FindProcess(std::string_view exec_id) {
  const auto found = execs.find(exec_id);
  if (found == execs.end()) return Fail(Code::kNotFound, "exec \"{}\": not found", exec_id);
  return found->second.get();
}

Status MemoryContainer::KillAll(int signal) {
  for (const auto& [id, exec] : execs) {
    if (exec->info().state == State::kRunning) TRY(exec->Kill(signal));
  }
  return process.Kill(signal);
}

Result<std::vector<pid_t>> MemoryContainer::Pids() {
  if (has_left) return std::vector<pid_t>();
  std::vector<pid_t> pids = {process.info().pid};
  for (const auto& [id, exec] : execs) {
    if (exec->info().state == State::kRunning) pids.push_back(exec->info().pid);
  }
  return pids;
}

void MemoryContainer::Pause(Done<void> done) {
  if (process.info().state != State::kRunning)
    return all_.Later([done] { done(Fail(Code::kFailedPrecondition, "it does not run")); });
  process.SetState(State::kPaused);
  all_.Later([done] { done({}); });
}

void MemoryContainer::Resume(Done<void> done) {
  if (process.info().state != State::kPaused)
    return all_.Later([done] { done(Fail(Code::kFailedPrecondition, "it is not paused")); });
  process.SetState(State::kRunning);
  all_.Later([done] { done({}); });
}

void MemoryContainer::ReadStats(Done<cgroup::Stats> done) {
  all_.Later([this, done] { done(stats); });
}

void MemorySandbox::Create(sandbox::CreateRequest request, Done<sandbox::Container*> done) {
  auto create = [this, request = std::move(request), done]() mutable {
    auto& place = containers_[request.id];
    if (place)
      return done(Fail(Code::kAlreadyExists, "container \"{}\": already exists", request.id));
    place = std::make_unique<MemoryContainer>(*this, std::move(request), next_pid++);
    done(place.get());
  };
  if (hold_creations)
    held.emplace_back(std::move(create));
  else
    Later(std::move(create));
}

Result<sandbox::Container*> MemorySandbox::Find(std::string_view id) {
  const auto found = containers_.find(id);
  if (found == containers_.end()) return Fail(Code::kNotFound, "container \"{}\": not found", id);
  return found->second.get();
}

void MemorySandbox::Remove(std::string_view id, std::string_view exec_id, Done<Exit> done) {
  Later([this, id = std::string(id), exec_id = std::string(exec_id), done] {
    MemoryContainer& container = At(id);
    const sandbox::Process& process =
        exec_id.empty() ? container.process : *container.execs.at(exec_id);
    const sandbox::ProcessInfo info = process.info();
    if (info.state == State::kRunning || info.state == State::kPaused)
      return done(Fail(Code::kFailedPrecondition, "container \"{}\": it runs", id));
    constexpr uint32_t kKilled = 128 + SIGKILL;
    const Exit exit = info.state == State::kStopped ? info.exit : Exit{.status = kKilled};
    if (exec_id.empty())
      containers_.erase(id);
    else
      container.execs.erase(exec_id);
    done(exit);
  });
}

std::vector<std::string> MemorySandbox::Ids() const {
  std::vector<std::string> ids;
  for (const auto& [id, container] : containers_) ids.push_back(id);
  return ids;
}

void MemoryPod::ReadStats(Done<cgroup::Stats> done) {
  loop_.Post([done = std::move(done)] { done(cgroup::Stats{.pids = cgroup::PidsStats{7}}); });
}

void MemoryPod::Start(Done<sandbox::PodInfo> done) {
  info_ = {.pid = 77, .created = std::chrono::system_clock::now(), .running = true, .exit = {}};
  loop_.Post([done, info = info_] { done(info); });
}

void MemoryPod::Stop(Done<void> done) {
  info_.running = false;
  info_.exit = {.status = 0, .at = std::chrono::system_clock::now()};
  loop_.Post([this, done] {
    done({});
    for (const auto& wait : waiting_) wait(info_.exit);
    waiting_.clear();
  });
}

}  // namespace wasmoor::task::test
