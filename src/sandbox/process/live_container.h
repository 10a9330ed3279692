#pragma once

#include <array>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "sandbox/process/live_process.h"
#include "wasmoor/jail/container.h"
#include "wasmoor/loop/pump.h"

namespace wasmoor::sandbox {

class LiveContainer;

class FirstProcess : public LiveProcess {
 public:
  explicit FirstProcess(LiveContainer& container);
  void Start(Done<pid_t> done) override;
  ProcessInfo info() const override;

 private:
  friend class LiveContainer;
  Status Signal(int signal) override;
  void OnEnd(const Exit& exit) override;

  LiveContainer& container_;
  loop::Pump<jail::Warnings> starting_;
};

class ExecProcess : public LiveProcess {
 public:
  ExecProcess(LiveContainer& container, ExecRequest request);
  void Start(Done<pid_t> done) override;
  ProcessInfo info() const override;

 private:
  friend class LiveContainer;
  void Enter(Done<pid_t> done);

  LiveContainer& container_;
  oci::Process process_;
  const std::string config_;  // The same, as it came.
  loop::Pump<jail::Started> entering_;
};

// A container from the request for it to its removal.
class LiveContainer : public Container {
 public:
  // `holder`: runs instead of whatever the configuration names. Borrowed; may be null.
  LiveContainer(Surroundings& surroundings, CreateRequest request,
                const jail::Executor* holder = nullptr);
  ~LiveContainer() override;

  // Makes it. If that fails, nothing of it is left but this object.
  void Create(Done<void> done);
  bool exists() const { return container_.has_value(); }
  // Removes what Create has made, whatever it still does. `done` may be called at once.
  void Remove(Done<void> done);

  const std::string& id() const override { return request_.id; }
  const std::string& bundle() const override { return request_.bundle; }
  Process& first() override { return first_; }
  Result<Process*> AddProcess(ExecRequest request) override;
  Result<Process*> FindProcess(std::string_view exec_id) override;
  Status KillAll(int signal) override;
  Result<std::vector<pid_t>> Pids() override;
  void Pause(Done<void> done) override;
  void Resume(Done<void> done) override;
  Status Update(const oci::Resources& resources) override;
  void ReadStats(Done<cgroup::Stats> done) override;

  // As Sandbox::HandOver, and in place of Create.
  Status HandOver(handover::Container* state, os::Carried* carried) const;
  Status TakeOver(const handover::Container& state);

  Result<Exit> RemoveProcess(std::string_view exec_id);
  Result<cgroup::Stats> StatsNow() const { return container_->ReadStats(); }

 private:
  friend class FirstProcess;
  friend class ExecProcess;

  using Executors = std::array<const jail::Executor*, 2>;

  Status MakeRoot();
  Status RenewRoot();
  Status LetRootGo();
  void Make();
  void OnMade(Result<jail::Containers::Created> made);
  void LookForModule(Error why);
  Status Take(jail::Containers::Created made);
  Result<jail::Warnings> Delete();
  void OnDeleted(Result<jail::Warnings> deleted);
  void WatchMemory();
  void ReportOutOfMemory();
  void ReportGuestOutOfMemory();
  void NoteExit(const Exit& exit) const;
  void Log(std::string_view line) const;
  // Of a process: what runs is paused with all others.
  ProcessInfo WithPause(ProcessInfo info) const;

  Surroundings& surroundings_;
  const CreateRequest request_;
  const container::WasmExecutor wasm_;
  os::Fd guest_out_of_memory_;  // Where there is none, nobody is told.
  const jail::NativeExecutor native_;
  const Executors executors_;

  Done<void> created_;
  loop::Pump<jail::Containers::Created> creating_;
  os::Fd root_;            // Until it is the container's.
  bool attached_ = false;  // The root, on the host.
  os::Fd module_;          // The program, if it is no file of the root's.
  bool looked_for_module_ = false;
  std::optional<jail::Container> container_;
  FirstProcess first_;
  std::map<std::string, std::unique_ptr<ExecProcess>, std::less<>> processes_;
  bool paused_ = false;
  loop::Pump<jail::Warnings> deleting_, freezing_, killing_;
  Done<void> removed_;
  os::Fd out_of_memory_;
  loop::Source memory_;     // Destroyed before what it watches.
  bool was_short_ = false;  // Of memory, once.
  uint64_t oom_kills_ = 0;
};

}  // namespace wasmoor::sandbox
