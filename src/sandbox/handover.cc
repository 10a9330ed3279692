#include "sandbox/handover.h"

#include <utility>

#include "sandbox/root_messages.h"
#include "wasmoor/base/time.h"
#include "wasmoor/oci/spec.h"

namespace wasmoor::sandbox {
namespace {

template <typename Mappings>
void DescribeMappings(const std::vector<oci::IdMapping>& mappings, Mappings* state) {
  for (const oci::IdMapping& one : mappings) {
    handover::IdMapping& added = *state->Add();
    added.set_container_id(one.container_id);
    added.set_host_id(one.host_id);
    added.set_size(one.size);
  }
}

template <typename Mappings>
std::vector<oci::IdMapping> ReadMappings(const Mappings& state) {
  std::vector<oci::IdMapping> mappings;
  for (const handover::IdMapping& one : state)
    mappings.push_back(
        {.container_id = one.container_id(), .host_id = one.host_id(), .size = one.size()});
  return mappings;
}

void DescribeGuest(const GuestOptions& guest, handover::Guest* state) {
  if (guest.memory_bytes) state->set_memory_bytes(*guest.memory_bytes);
  if (guest.table_elements) state->set_table_elements(*guest.table_elements);
  state->set_cache_directory(guest.cache_directory);
  state->set_http_address(guest.http_address);
  state->set_bounds_http(guest.http_outgoing.has_value());
  if (!guest.http_outgoing) return;
  for (const std::string& one : *guest.http_outgoing) state->add_http_outgoing(one);
}

GuestOptions ReadGuest(const handover::Guest& state) {
  GuestOptions guest;
  if (state.has_memory_bytes()) guest.memory_bytes = state.memory_bytes();
  if (state.has_table_elements()) guest.table_elements = state.table_elements();
  guest.cache_directory = state.cache_directory();
  guest.http_address = state.http_address();
  if (state.bounds_http())
    guest.http_outgoing.emplace(state.http_outgoing().begin(), state.http_outgoing().end());
  return guest;
}

}  // namespace

void Describe(const Streams& streams, handover::Streams* state) {
  state->set_input(streams.input);
  state->set_output(streams.output);
  state->set_error(streams.error);
  state->set_terminal(streams.terminal);
}

void Describe(const Exit& exit, handover::Exit* state) {
  state->set_status(exit.status);
  state->set_at(ToNanoseconds(exit.at));
}

void Describe(const CreateRequest& request, handover::Container* state) {
  state->set_id(request.id);
  state->set_bundle(request.bundle);
  WriteRootMounts(request.rootfs, state->mutable_rootfs());
  Describe(request.streams, state->mutable_first()->mutable_streams());
  state->set_no_pivot(request.no_pivot);
  state->set_no_new_keyring(request.no_new_keyring);
  state->set_systemd_cgroup(request.systemd_cgroup);
  DescribeGuest(request.guest, state->mutable_guest());
}

void Describe(const PodRequest& request, handover::PodRequest* state) {
  state->set_id(request.id);
  state->set_bundle(request.bundle);
  state->set_network_namespace(request.network_namespace);
  state->set_hostname(request.hostname);
  state->set_cgroup_parent(request.cgroup_parent);
  state->set_ipc_of_node(request.ipc == PodRequest::Scope::kNode);
  state->set_pid_of_pod(request.pid == PodRequest::Scope::kPod);
  for (const auto& [name, value] : request.sysctls) (*state->mutable_sysctls())[name] = value;
  for (const auto& [name, value] : request.annotations)
    (*state->mutable_annotations())[name] = value;
  DescribeMappings(request.uid_mappings, state->mutable_uid_mappings());
  DescribeMappings(request.gid_mappings, state->mutable_gid_mappings());
  state->set_systemd_cgroup(request.systemd_cgroup);
}

handover::Process::State StateOf(State state) {
  switch (state) {
    case State::kCreated: return handover::Process::CREATED;
    case State::kRunning: return handover::Process::RUNNING;
    case State::kPaused: return handover::Process::PAUSED;
    case State::kStopped: return handover::Process::STOPPED;
  }
  return handover::Process::STOPPED;
}

Streams ReadStreams(const handover::Streams& state) {
  return {.input = state.input(),
          .output = state.output(),
          .error = state.error(),
          .terminal = state.terminal()};
}

Exit ReadExit(const handover::Exit& state) {
  return {.status = state.status(), .at = FromNanoseconds(state.at())};
}

CreateRequest ReadRequest(const handover::Container& state) {
  return {.id = state.id(),
          .bundle = state.bundle(),
          .rootfs = ReadRootMounts(state.rootfs()),
          .streams = ReadStreams(state.first().streams()),
          .no_pivot = state.no_pivot(),
          .no_new_keyring = state.no_new_keyring(),
          .systemd_cgroup = state.systemd_cgroup(),
          .guest = ReadGuest(state.guest())};
}

PodRequest ReadPodRequest(const handover::PodRequest& state) {
  using Scope = PodRequest::Scope;
  return {.id = state.id(),
          .bundle = state.bundle(),
          .network_namespace = state.network_namespace(),
          .hostname = state.hostname(),
          .cgroup_parent = state.cgroup_parent(),
          .ipc = state.ipc_of_node() ? Scope::kNode : Scope::kPod,
          .pid = state.pid_of_pod() ? Scope::kPod : Scope::kNode,
          .sysctls = {state.sysctls().begin(), state.sysctls().end()},
          .annotations = {state.annotations().begin(), state.annotations().end()},
          .uid_mappings = ReadMappings(state.uid_mappings()),
          .gid_mappings = ReadMappings(state.gid_mappings()),
          .systemd_cgroup = state.systemd_cgroup()};
}

State ReadState(handover::Process::State state) {
  switch (state) {
    case handover::Process::CREATED: return State::kCreated;
    case handover::Process::RUNNING: return State::kRunning;
    case handover::Process::PAUSED: return State::kPaused;
    default: return State::kStopped;
  }
}

Result<ExecRequest> ReadExec(const handover::Process& state) {
  ExecRequest request{.exec_id = state.exec_id(),
                      .process = {},
                      .streams = ReadStreams(state.streams()),
                      .config = state.config()};
  if (!state.config().empty())
    request.process = TRY_AS(oci::ParseProcess(state.config()), "exec \"{}\"", state.exec_id());
  request.process.terminal = request.streams.terminal;
  return request;
}

Status Sandbox::HandOver(handover::Sandbox*, os::Carried*) const {
  return Fail(Code::kUnimplemented, "such sandboxes cannot be handed to another program");
}
Status Sandbox::TakeOver(const handover::Sandbox&) {
  return Fail(Code::kUnimplemented, "such sandboxes cannot be taken from another program");
}
Status Pod::HandOver(handover::Pod*, os::Carried*) const {
  return Fail(Code::kUnimplemented, "such pods cannot be handed to another program");
}
Status Pod::TakeOver(const handover::Pod&) {
  return Fail(Code::kUnimplemented, "such pods cannot be taken from another program");
}

}  // namespace wasmoor::sandbox
