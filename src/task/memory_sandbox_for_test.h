#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "wasmoor/loop/loop.h"
#include "wasmoor/sandbox/pod.h"
#include "wasmoor/sandbox/sandbox.h"

// A sandbox whose processes are entries in memory: they run when they are started, until a test
// ends them or a signal is sent to them.
namespace wasmoor::task::test {

using sandbox::Done;

class MemorySandbox;

class MemoryProcess : public sandbox::Process {
 public:
  MemoryProcess(MemorySandbox& all, std::string id, std::string exec_id, pid_t pid,
                sandbox::Streams streams)
      : all_(all), id_(std::move(id)), exec_id_(std::move(exec_id)), next_pid_(pid) {
    info_.streams = std::move(streams);
    if (exec_id_.empty()) info_.pid = pid;
  }

  sandbox::ProcessInfo info() const override { return info_; }
  void Start(Done<pid_t> done) override;
  Status Kill(int signal) override;
  void Wait(Done<sandbox::Exit> done) override;
  Status Resize(uint16_t columns, uint16_t rows) override;
  Status CloseInput() override {
    input_closed = true;
    return {};
  }

  void Finish(uint32_t status);
  void SetState(sandbox::State state) { info_.state = state; }

  bool input_closed = false;
  uint16_t columns = 0, rows = 0;

 private:
  MemorySandbox& all_;
  std::string id_, exec_id_;
  pid_t next_pid_;
  sandbox::ProcessInfo info_;
  std::vector<Done<sandbox::Exit>> waiting_;
};

class MemoryContainer : public sandbox::Container {
 public:
  MemoryContainer(MemorySandbox& all, sandbox::CreateRequest request, pid_t pid)
      : request(std::move(request)),
        process(all, this->request.id, "", pid, this->request.streams),
        all_(all) {}

  const std::string& id() const override { return request.id; }
  const std::string& bundle() const override { return request.bundle; }
  sandbox::Process& first() override { return process; }
  Result<sandbox::Process*> AddProcess(sandbox::ExecRequest exec) override;
  Result<sandbox::Process*> FindProcess(std::string_view exec_id) override;
  Status KillAll(int signal) override;
  Result<std::vector<pid_t>> Pids() override;
  void Pause(Done<void> done) override;
  void Resume(Done<void> done) override;
  Status Update(const oci::Resources& resources) override {
    updated = resources;
    return {};
  }
  void ReadStats(Done<cgroup::Stats> done) override;

  sandbox::CreateRequest request;
  MemoryProcess process;
  std::map<std::string, std::unique_ptr<MemoryProcess>, std::less<>> execs;
  std::vector<oci::Process> exec_specs;
  oci::Resources updated;
  cgroup::Stats stats;
  bool has_left = false;  // Its group is empty, and nobody has been told of an end.

 private:
  MemorySandbox& all_;
};

class MemorySandbox : public sandbox::Sandbox {
 public:
  MemorySandbox(loop::Loop& loop, sandbox::Listener& listener) : loop_(loop), listener_(listener) {}

  void Create(sandbox::CreateRequest request, Done<sandbox::Container*> done) override;
  Result<sandbox::Container*> Find(std::string_view id) override;
  void Remove(std::string_view id, std::string_view exec_id, Done<sandbox::Exit> done) override;
  std::vector<std::string> Ids() const override;

  MemoryContainer& At(const std::string& id) { return *containers_.at(id); }
  sandbox::Listener& listener() { return listener_; }
  void Later(std::function<void()> work) { loop_.Post(std::move(work)); }

  pid_t next_pid = 1000;
  // Creations wait for the test while this is set.
  bool hold_creations = false;
  std::vector<std::function<void()>> held;

 private:
  loop::Loop& loop_;
  sandbox::Listener& listener_;
  std::map<std::string, std::unique_ptr<MemoryContainer>, std::less<>> containers_;
};

class MemoryPod : public sandbox::Pod {
 public:
  explicit MemoryPod(loop::Loop& loop) : loop_(loop) {}

  Status Create(sandbox::PodRequest asked) override {
    request = std::move(asked);
    return {};
  }
  void Start(Done<sandbox::PodInfo> done) override;
  void Stop(Done<void> done) override;
  void Wait(Done<sandbox::Exit> done) override { waiting_.push_back(std::move(done)); }
  sandbox::PodInfo info() const override { return info_; }
  void ReadStats(Done<cgroup::Stats> done) override;

  sandbox::PodRequest request;

 private:
  loop::Loop& loop_;
  sandbox::PodInfo info_;
  std::vector<Done<sandbox::Exit>> waiting_;
};

}  // namespace wasmoor::task::test
