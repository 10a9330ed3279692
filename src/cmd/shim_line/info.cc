#include "cmd/shim_line/info.h"

#include <nlohmann/json.hpp>

#include "cmd/runtime/features_document.h"
#include "cmd/shim_line/streams.h"
#include "proto/containerd/types.pb.h"
#include "wasmoor/ttrpc/service.h"

namespace wasmoor::cmd {
namespace {

// What containerd calls Go's type of OCI's features (its core/runtime/typeurl.go).
constexpr const char* kFeaturesType =
    "types.containerd.io/opencontainers/runtime-spec/1/features/Features";

}  // namespace

Status TellInfo(const ShimLine& shim, std::span<const wasm::EngineFactory> engines) {
  ::containerd::types::RuntimeInfo info;
  info.set_name(std::string(shim.runtime()));
  info.mutable_version()->set_version(WASMOOR_VERSION);
  // Told back as they came. Whether they are good is what a start is asked; nobody could start
  // anything if this failed for them.
  const std::vector<uint8_t> input = TRY(ReadStandardInput());
  const std::string_view bytes(reinterpret_cast<const char*>(input.data()), input.size());
  google::protobuf::Any options;
  if (!bytes.empty() && ttrpc::Parse(bytes, &options)) *info.mutable_options() = options;
  info.mutable_features()->set_type_url(kFeaturesType);
  info.mutable_features()->set_value(FeaturesDocument(engines).dump());
  return WriteStandardOutput(info.SerializeAsString());
}

}  // namespace wasmoor::cmd
