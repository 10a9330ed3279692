#include <cstdio>
#include <nlohmann/json.hpp>

#include "cmd/engines.h"
#include "cmd/runtime/features_document.h"
#include "cmd/shim/shim.h"
#include "cmd/shim/streams.h"
#include "proto/containerd/types.pb.h"
#include "wasmoor/ttrpc/service.h"

namespace wasmoor::cmd {
namespace {

// What containerd calls Go's type of OCI's features (its core/runtime/typeurl.go).
constexpr const char* kFeaturesType =
    "types.containerd.io/opencontainers/runtime-spec/1/features/Features";

class InfoCommand : public Command {
 public:
  void Configure(Options& options) override {
    options.About(
        "Prints a message of the type containerd.types.RuntimeInfo, for containerd: the name and "
        "version of this runtime, and its features as the OCI runtime specification has them. "
        "Standard input may be the runtime's options, a google.protobuf.Any.");
  }

  Result<int> Run() override {
    ::containerd::types::RuntimeInfo info;
    info.set_name(std::string(Shim::kRuntime));
    info.mutable_version()->set_version(WASMOOR_VERSION);
    // Told back as they came. Whether they are good is what a start is asked; nobody could start
    // anything if this failed for them.
    const std::vector<uint8_t> input = TRY(ReadStandardInput());
    const std::string_view bytes(reinterpret_cast<const char*>(input.data()), input.size());
    google::protobuf::Any options;
    if (!bytes.empty() && ttrpc::Parse(bytes, &options)) *info.mutable_options() = options;
    info.mutable_features()->set_type_url(kFeaturesType);
    info.mutable_features()->set_value(FeaturesDocument(Engines()).dump());
    TRY(WriteStandardOutput(info.SerializeAsString()));
    return 0;
  }
};

}  // namespace

std::unique_ptr<Command> MakeInfoShim(Executable&) { return std::make_unique<InfoCommand>(); }

}  // namespace wasmoor::cmd
