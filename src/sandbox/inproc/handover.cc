#include "sandbox/handover.h"

#include <utility>

#include "sandbox/inproc/hosted_exec.h"
#include "wasmoor/os/carried.h"

namespace wasmoor::sandbox {

Status HostedProcess::HandOver(handover::Process* state, os::Carried* carried) const {
  const bool is_starting = started_ && *started_;
  if (made_ || removed_ || is_starting || !questions_.empty())
    return Fail(Code::kUnavailable, "a process of \"{}\" is being changed", id_);
  state->set_exec_id(exec_id_);
  Describe(streams_, state->mutable_streams());
  state->set_state(StateOf(state_));
  state->set_pid(thread_);
  if (ended_) Describe(*ended_, state->mutable_exit());
  if (stdio_) stdio_->HandOver(state->mutable_stdio(), carried);
  state->set_guest(guest_);
  state->set_at_host(at_host_);
  state->set_lost(lost_);
  state->set_input(carried->Keep(input_));
  return {};
}

Status HostedProcess::TakeOver(const handover::Process& state, std::shared_ptr<HostLink> link) {
  state_ = ReadState(state.state());
  thread_ = state.pid();
  guest_ = state.guest();
  lost_ = state.lost();
  input_ = os::TakeCarried(state.input());
  if (state.has_exit()) ended_ = ReadExit(state.exit());
  if (state.has_stdio())
    stdio_ = TRY(Stdio::TakeOver(parts_.loop, streams_, Owner(), state.stdio()));
  if (link) {
    link_ = std::move(link);
    at_host_ = state.at_host();
    if (at_host_) link_->Register(guest_, this);
  }
  if (ended_ && state_ != State::kStopped) FinishStreams();
  return {};
}

Status HostedContainer::HandOver(handover::Container* state, os::Carried* carried) const {
  if (!exists_ || created_)
    return Fail(Code::kUnavailable, "container \"{}\" is being made", request_.id);
  Describe(request_, state);
  state->set_module(carried->Keep(module_));
  TRY(first_.HandOver(state->mutable_first(), carried));
  state->set_host(parts_.hosts.NumberOf(*first_.link()));
  for (const auto& [exec_id, process] : processes_) {
    handover::Process& one = *state->add_others();
    TRY(process->HandOver(&one, carried));
    if (!process->begun()) one.set_config(process->config());
  }
  return {};
}

Status HostedContainer::TakeOver(const handover::Container& state) {
  module_ = os::TakeCarried(state.module());
  exists_ = true;
  const std::shared_ptr<HostLink> link = parts_.hosts.Taken(state.host());
  TRY(first_.TakeOver(state.first(), link));
  for (const handover::Process& one : state.others()) {
    const bool is_begun = one.config().empty();
    auto process = std::make_unique<ExecProcess>(parts_, *this, TRY(ReadExec(one)));
    if (is_begun) process->SetBegun();
    TRY(process->TakeOver(one, is_begun ? link : nullptr));
    processes_.emplace(one.exec_id(), std::move(process));
  }
  return {};
}

}  // namespace wasmoor::sandbox
