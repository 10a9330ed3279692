#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "sandbox/inproc/hosts.h"
#include "wasmoor/loop/answer.h"
#include "wasmoor/sandbox/find_module.h"
#include "wasmoor/sandbox/sandbox.h"
#include "wasmoor/sandbox/stdio.h"

namespace wasmoor::sandbox {

// What the parts of one sandbox have in common. Outlives them.
struct InprocParts {
  loop::Loop& loop;
  HostList& hosts;
  Listener& listener;
  std::string name_space, pod;
  FindModule find_module;
  std::function<void(std::string_view)> log;
};

// One guest of a host: a container's first, or one of exec.
class HostedProcess : public Process, private GuestOwner {
 public:
  HostedProcess(InprocParts& parts, std::string id, std::string exec_id, Streams streams);
  ~HostedProcess() override;
  HostedProcess(const HostedProcess&) = delete;
  HostedProcess& operator=(const HostedProcess&) = delete;

  // Has a host make it. kUnimplemented: it needs a process of its own, and nothing is left here.
  // Any other error: nothing of it is left but this object. `order` has all but the streams.
  void Make(std::shared_ptr<HostLink> link, host::Order order, const os::Fd* module,
            Done<void> done);
  // Lets go of what is left of it at the host. Once, after its end.
  void Remove(Done<void> done);

  ProcessInfo info() const override;
  void Start(Done<pid_t> done) override;
  Status Kill(int signal) override;
  void Wait(Done<Exit> done) override;
  Status Resize(uint16_t columns, uint16_t rows) override;
  Status CloseInput() override;

  // kFailedPrecondition unless it runs.
  void Pause(Done<void> done);
  void Resume(Done<void> done);
  void ReadStats(Done<cgroup::Stats> done);
  void ReadUse(Done<host::Stats> done);

  // As Sandbox::HandOver, and in place of Make.
  Status HandOver(handover::Process* state, os::Carried* carried) const;
  Status TakeOver(const handover::Process& state, std::shared_ptr<HostLink> link);

  State state() const { return state_; }
  bool lost() const { return lost_; }  // With its host.
  uint64_t guest() const { return guest_; }
  const std::shared_ptr<HostLink>& link() const { return link_; }
  // Called before anybody else hears of its end.
  std::function<void(const Exit&)> on_end;

 private:
  Status OpenStreams(google::protobuf::RepeatedPtrField<host::Stream>* streams,
                     std::vector<const os::Fd*>* descriptors);
  Status OpenTerminal();
  bool StreamsArePlain() const;
  void Tell(const std::function<void(host::Order&)>& what);
  bool IsPossible(const host::Note& note) const;
  void OnNote(const host::Note& note) override;
  void OnLost() override;
  static void TellStarted(Done<pid_t>* started, pid_t pid);
  void OnMade(const Status& made, pid_t thread);
  void OnEnded(const host::Ended& ended);
  void HoldForReaders();
  StdioOwner Owner() const;
  void FinishStreams();
  void Conclude(const Exit& exit);

  InprocParts& parts_;
  const std::string id_, exec_id_;
  const Streams streams_;
  std::shared_ptr<HostLink> link_;
  uint64_t guest_ = 0;
  bool at_host_ = false;          // It has to be removed there.
  os::Fd master_;                 // Of its terminal, until it is made.
  os::Fd input_;                  // Keeps a FIFO of input open, until it is to end.
  os::Fd slave_;                  // Its other side, until then.
  std::unique_ptr<Stdio> stdio_;  // Where a stream is more than a FIFO.
  State state_ = State::kCreated;
  bool lost_ = false;
  std::shared_ptr<Done<pid_t>> started_;  // To be answered, once.
  pid_t thread_ = 0;
  std::optional<Exit> ended_;
  Done<void> made_, removed_;
  std::vector<Done<Exit>> waiting_;
  uint64_t last_question_ = 0;
  std::map<uint64_t, Done<host::Stats>> questions_;
};

}  // namespace wasmoor::sandbox
