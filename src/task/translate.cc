#include "task/translate.h"

#include "sandbox/root_messages.h"
#include "wasmoor/oci/bundle.h"

namespace wasmoor::task {
namespace {

Status AddOptions(const api::CreateTaskRequest& request, const Options& pod,
                  sandbox::CreateRequest* create) {
  Options options;
  if (request.options().type_url().empty()) {
    options = pod;
  } else {
    TRY(ApplyAny(request.options(), &options));
  }
  // A bundle is read only where something in it may matter here.
  if (!options.annotations.empty()) {
    const oci::Bundle bundle = TRY(oci::Bundle::Open(request.bundle()));
    TRY(ApplyAnnotations(bundle.spec.annotations, &options));
  }
  create->systemd_cgroup = options.systemd_cgroup;
  create->no_pivot = options.no_pivot_root;
  create->no_new_keyring = options.no_new_keyring;
  create->guest = std::move(options.guest);
  return {};
}

template <typename Request>
sandbox::Streams StreamsOf(const Request& request) {
  return {.input = request.stdin(),
          .output = request.stdout(),
          .error = request.stderr(),
          .terminal = request.terminal()};
}

}  // namespace

::containerd::v1::types::Status StatusOf(sandbox::State state) {
  switch (state) {
    case sandbox::State::kCreated: return ::containerd::v1::types::CREATED;
    case sandbox::State::kRunning: return ::containerd::v1::types::RUNNING;
    case sandbox::State::kPaused: return ::containerd::v1::types::PAUSED;
    case sandbox::State::kStopped: return ::containerd::v1::types::STOPPED;
  }
  return ::containerd::v1::types::UNKNOWN;
}

Result<sandbox::CreateRequest> ToCreate(const api::CreateTaskRequest& request, const Options& pod) {
  if (request.id().empty()) return Fail(Code::kInvalidArgument, "create: a container needs an id");
  if (!request.checkpoint().empty())
    return Fail(Code::kUnimplemented, "container \"{}\": nothing can be restored from a checkpoint",
                request.id());
  sandbox::CreateRequest create;
  create.id = request.id();
  create.bundle = request.bundle();
  create.rootfs = sandbox::ReadRootMounts(request.rootfs());
  create.streams = StreamsOf(request);
  TRY_AS(AddOptions(request, pod, &create), "container \"{}\"", request.id());
  return create;
}

Result<sandbox::ExecRequest> ToExec(const api::ExecProcessRequest& request) {
  if (request.exec_id().empty())
    return Fail(Code::kInvalidArgument, "exec in \"{}\": a process needs an id", request.id());
  sandbox::ExecRequest exec;
  exec.exec_id = request.exec_id();
  exec.process = TRY_AS(oci::ParseProcess(request.spec().value()), "exec \"{}\" in \"{}\"",
                        request.exec_id(), request.id());
  // The request has the say, as its streams are made for it.
  exec.process.terminal = request.terminal();
  exec.streams = StreamsOf(request);
  exec.config = request.spec().value();
  return exec;
}

}  // namespace wasmoor::task
