#include "wasmoor/node/manager.h"

#include <utility>

#include "proto/containerd/manager.ttrpc.h"
#include "wasmoor/ttrpc/timestamp.h"

namespace wasmoor::node {

namespace api = ::runwasi::services::sandbox::v1;

class Manager::Server : public api::ManagerService {
 public:
  Server(Sandboxes& sandboxes, const task::Options& defaults)
      : sandboxes_(sandboxes), defaults_(defaults) {}

 private:
  using CallInfo = ttrpc::CallInfo;
  template <typename T>
  using Reply = ttrpc::Reply<T>;

  void Create(const api::CreateRequest& request, const CallInfo&,
              Reply<api::CreateResponse> reply) override {
    reply(CreateIt(request));
  }
  void Connect(const api::ConnectRequest& request, const CallInfo&,
               Reply<api::ConnectResponse> reply) override {
    reply(ConnectTo(request));
  }
  void Delete(const api::DeleteRequest& request, const CallInfo&,
              Reply<api::DeleteResponse> reply) override;

  Result<api::CreateResponse> CreateIt(const api::CreateRequest& request);
  Result<api::ConnectResponse> ConnectTo(const api::ConnectRequest& request);

  Sandboxes& sandboxes_;
  const task::Options& defaults_;
};

Result<api::CreateResponse> Manager::Server::CreateIt(const api::CreateRequest& request) {
  Place place = {.key = {.name_space = request.namespace_(), .id = request.id()},
                 .bundle = request.working_directory(),
                 .ttrpc_address = request.ttrpc_address(),
                 .containerd_address = request.containerd_address(),
                 .publish_binary = request.publish_binary(),
                 .options = defaults_};
  TRY(task::ApplyAny(request.options(), &place.options));
  if (request.debug()) place.options.log_level = task::LogLevel::kDebug;
  api::CreateResponse response;
  response.set_socket_path(TRY(sandboxes_.Create(std::move(place))));
  return response;
}

Result<api::ConnectResponse> Manager::Server::ConnectTo(const api::ConnectRequest& request) {
  const Key key = {.name_space = request.namespace_(), .id = request.id()};
  TRY(Check(key));
  api::ConnectResponse response;
  response.set_socket_path(TRY(sandboxes_.Find(key)).socket);
  return response;
}

void Manager::Server::Delete(const api::DeleteRequest& request, const CallInfo&,
                             Reply<api::DeleteResponse> reply) {
  const auto answer = std::make_shared<Reply<api::DeleteResponse>>(std::move(reply));
  sandboxes_.Delete({.name_space = request.namespace_(), .id = request.id()}, request.group(),
                    [answer](const Result<Ended>& ended) {
                      if (!ended) return (*answer)(tl::unexpected(ended.error()));
                      api::DeleteResponse response;
                      response.set_pid(static_cast<uint32_t>(ended->pid));
                      response.set_exit_status(ended->exit.status);
                      ttrpc::SetTime(ended->exit.at, response.mutable_exited_at());
                      (*answer)(response);
                    });
}

Manager::Manager(Sandboxes& sandboxes, const task::Options& defaults)
    : server_(std::make_unique<Server>(sandboxes, defaults)) {}
Manager::~Manager() = default;

Status Manager::AddTo(ttrpc::Server* server) { return server->Add(*server_); }

}  // namespace wasmoor::node
