#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "proto/wasmoor/handover.pb.h"
#include "sandbox/process/surroundings.h"
#include "wasmoor/jail/container.h"
#include "wasmoor/sandbox/sandbox.h"
#include "wasmoor/sandbox/stdio.h"

namespace wasmoor::sandbox {

// What a container's first process and one beside it have in common: streams, a pidfd, an end.
class LiveProcess : public Process {
 public:
  LiveProcess(Surroundings& surroundings, std::string id, std::string exec_id, Streams streams);
  ~LiveProcess() override;
  LiveProcess(const LiveProcess&) = delete;
  LiveProcess& operator=(const LiveProcess&) = delete;

  ProcessInfo info() const override;
  Status Kill(int signal) override;
  void Wait(Done<Exit> done) override;
  Status Resize(uint16_t columns, uint16_t rows) override;
  Status CloseInput() override;

  State state() const { return state_; }
  // It is there, and its end has not been noticed.
  bool lives() const { return process_.valid() && !ended_; }
  // Of this process, which so hears how it ends.
  bool IsChild() const;
  // As Sandbox::HandOver.
  Status HandOver(handover::Process* state, os::Carried* carried) const;
  // Closes the streams; their loggers may go on for a while.
  void CloseStreams();

 protected:
  // Opens the streams, and answers once they are ready.
  void OpenStreams(Done<void> done);
  void LendStreams(jail::ProcessOptions* options) const;

  // What HandOver has told, in the program that followed.
  Status TakeOver(const handover::Process& state);
  // It is there, and created; its end is noticed from now on.
  Status Adopt(jail::Started started);
  // kFailedPrecondition unless it can be started; its end is not told until EndStart.
  Status BeginStart();
  void EndStart(const Done<pid_t>& done, Status started);

  // How it is signalled; ESRCH if it is gone.
  virtual Status Signal(int signal);
  // It is reaped, and its streams are at their end.
  virtual void OnEnd(const Exit&) {}

  Surroundings& surroundings_;
  const std::string id_, exec_id_;

 private:
  void Reap();
  void Conclude();
  StdioOwner Owner() const;

  const Streams streams_;
  std::unique_ptr<Stdio> stdio_;
  std::optional<std::pair<uint16_t, uint16_t>> size_;  // Of a terminal that is not there yet.
  State state_ = State::kCreated;
  bool starting_ = false;
  bool silent_ = false;  // Its end is no news: its start failed.
  pid_t pid_ = 0;
  os::Fd process_;
  loop::Source end_;           // Destroyed before what it watches.
  std::optional<Exit> ended_;  // Once reaped.
  std::vector<Done<Exit>> waiting_;
  loop::Timer later_;
};

}  // namespace wasmoor::sandbox
