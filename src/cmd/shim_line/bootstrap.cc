#include "cmd/shim_line/bootstrap.h"

#include <nlohmann/json.hpp>

#include "proto/containerd/bootstrap.pb.h"
#include "wasmoor/ttrpc/service.h"

namespace wasmoor::cmd {
namespace {

namespace boot = ::containerd::runtime::bootstrap::v1;

constexpr int kTaskVersion = 3;
constexpr const char* kProtocol = "ttrpc";

}  // namespace

Result<Bootstrap> ParseBootstrap(std::span<const uint8_t> input, const StartRequest& request) {
  const std::string_view bytes(reinterpret_cast<const char*>(input.data()), input.size());
  Bootstrap bootstrap;
  if (request.knows_versions) bootstrap.form = Bootstrap::Form::kJson;
  if (bytes.empty()) return bootstrap;
  // Both begin with two texts, an Any with its type and its value. So what it says tells them
  // apart: it is ours if it names whom the flags name.
  boot::BootstrapParams params;
  if (ttrpc::Parse(bytes, &params) && params.instance_id() == request.id &&
      params.namespace_() == request.name_space) {
    bootstrap.form = Bootstrap::Form::kMessage;
    bootstrap.socket_directory = params.socket_dir();
    bootstrap.debug = params.log_level() < boot::LOG_LEVEL_INFO;
    // A message knows of one extension today: the runtime's options.
    if (params.extensions_size() > 0) bootstrap.options = params.extensions(0).value();
    return bootstrap;
  }
  if (ttrpc::Parse(bytes, &bootstrap.options)) return bootstrap;
  return Fail(Code::kInvalidArgument,
              "standard input is neither the parameters of a start nor a runtime's options");
}

std::string BootstrapAnswer(Bootstrap::Form form, const std::string& address) {
  if (form == Bootstrap::Form::kAddress) return address;
  if (form == Bootstrap::Form::kJson) {
    const nlohmann::json answer = {
        {"version", kTaskVersion}, {"address", address}, {"protocol", kProtocol}};
    return answer.dump();
  }
  boot::BootstrapResult result;
  result.set_version(kTaskVersion);
  result.set_address(address);
  result.set_protocol(kProtocol);
  return result.SerializeAsString();
}

}  // namespace wasmoor::cmd
