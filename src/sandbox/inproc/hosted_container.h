#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "sandbox/inproc/hosted_process.h"
#include "sandbox/inproc/inproc.h"

namespace wasmoor::sandbox {

// A container whose guests are threads of a host.
class HostedContainer : public Container {
 public:
  HostedContainer(InprocParts& parts, CreateRequest request);
  ~HostedContainer() override;

  // kUnimplemented: it needs a process of its own.
  void Create(Done<void> done);
  bool exists() const { return exists_; }
  const CreateRequest& request() const { return request_; }
  // As Sandbox::HandOver, and in place of Create.
  Status HandOver(handover::Container* state, os::Carried* carried) const;
  Status TakeOver(const handover::Container& state);
  // Of all that runs in it.
  void ReadUse(const std::function<void(const GuestUse&)>& tell);
  // Once its first process has ended.
  void Remove(Done<void> done);
  void RemoveProcess(std::string_view exec_id, Done<Exit> done);

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
  void ReadStats(Done<cgroup::Stats> done) override { first_.ReadStats(std::move(done)); }

 private:
  class ExecProcess;

  host::Order OrderFor() const;
  void OnMade(Status made);
  void LookForModule(Error why);
  void EndOthers();

  InprocParts& parts_;
  const CreateRequest request_;
  bool exists_ = false, looked_for_module_ = false;
  Done<void> created_;
  os::Fd module_;
  HostedProcess first_;
  std::map<std::string, std::unique_ptr<ExecProcess>, std::less<>> processes_;
};

}  // namespace wasmoor::sandbox
