#include <optional>
#include <utility>

#include "wasmoor/os/unix_socket.h"
#include "wasmoor/ttrpc/client.h"

namespace wasmoor::ttrpc {

BlockingClient::BlockingClient(std::unique_ptr<loop::Loop> loop, std::unique_ptr<Client> client)
    : loop_(std::move(loop)), client_(std::move(client)) {}

Result<BlockingClient> BlockingClient::Connect(const std::string& path) {
  return Adopt(TRY(os::ConnectUnix(path)));
}

Result<BlockingClient> BlockingClient::Adopt(os::Fd connection) {
  auto loop = TRY(loop::Loop::Create());
  auto client = TRY(Client::Adopt(*loop, std::move(connection)));
  return BlockingClient(std::move(loop), std::move(client));
}

Result<std::string> BlockingClient::Call(std::string_view service, std::string_view method,
                                         const google::protobuf::MessageLite& request,
                                         const CallOptions& options) {
  std::optional<Result<std::string>> answer;
  client_->Call(service, method, request, options, [&](Result<std::string> got) {
    answer = std::move(got);
    loop_->Stop();
  });
  while (!answer) loop_->Run();
  return *std::move(answer);
}

}  // namespace wasmoor::ttrpc
