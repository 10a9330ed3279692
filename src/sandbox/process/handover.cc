#include <utility>

#include "sandbox/handover.h"
#include "sandbox/process/live_container.h"
#include "wasmoor/os/carried.h"

namespace wasmoor::sandbox {

// What is under way has to end first: who asked for it waits for the answer.
Status LiveContainer::HandOver(handover::Container* state, os::Carried* carried) const {
  if (!container_ || creating_.busy() || deleting_.busy() || freezing_.busy() || killing_.busy())
    return Fail(Code::kUnavailable, "container \"{}\" is being changed", id());
  Describe(request_, state);
  state->set_module(carried->Keep(module_));
  state->set_root_attached(attached_);
  state->set_guest_out_of_memory(carried->Keep(guest_out_of_memory_));
  state->set_paused(paused_);
  state->set_was_short(was_short_);
  state->set_oom_kills(oom_kills_);
  TRY(first_.HandOver(state->mutable_first(), carried));
  for (const auto& [exec_id, process] : processes_) {
    handover::Process& one = *state->add_others();
    TRY(process->HandOver(&one, carried));
    if (one.pid() == 0) one.set_config(process->config_);
  }
  return {};
}

Status LiveContainer::TakeOver(const handover::Container& state) {
  attached_ = state.root_attached();
  module_ = os::TakeCarried(state.module());
  if (os::Fd told = os::TakeCarried(state.guest_out_of_memory()); told.valid())
    guest_out_of_memory_ = std::move(told);
  paused_ = state.paused();
  was_short_ = state.was_short();
  oom_kills_ = state.oom_kills();
  container_ = TRY(surroundings_.containers->Find(id()));
  TRY(first_.TakeOver(state.first()));
  // Its parent may have been another process, which has not waited for its end.
  if (first_.lives() && container_->state().status == oci::Status::kStopped && !first_.IsChild())
    return Fail(Code::kNotFound, "process {} of \"{}\" has ended meanwhile", first_.info().pid,
                id());
  for (const handover::Process& one : state.others()) {
    auto process = std::make_unique<ExecProcess>(*this, TRY(ReadExec(one)));
    TRY(process->TakeOver(one));
    processes_.emplace(one.exec_id(), std::move(process));
  }
  WatchMemory();
  return {};
}

}  // namespace wasmoor::sandbox
