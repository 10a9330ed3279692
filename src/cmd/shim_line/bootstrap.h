#pragma once

#include <google/protobuf/any.pb.h>

#include <cstdint>
#include <span>
#include <string>

#include "wasmoor/base/result.h"

// What containerd tells `start`, and what it reads: three generations of it.
namespace wasmoor::cmd {

// Who asks, as its flags and its environment say.
struct StartRequest {
  std::string id, name_space;
  bool knows_versions = false;  // MAX_SHIM_VERSION, which containerd 1.7 was the first to set.
};

struct Bootstrap {
  // How the answer is to be written: the address alone (containerd 1.6); a JSON object (since 1.7);
  // a BootstrapResult (since 2.3).
  enum class Form : uint8_t { kAddress, kJson, kMessage };
  Form form = Form::kAddress;
  google::protobuf::Any options;  // The runtime's; without a type if there are none.
  std::string socket_directory;   // Where the socket is to be; empty: where it always was.
  bool debug = false;
};

// `input`: standard input, which is a BootstrapParams for `request`, or the options alone, or
// empty. kInvalidArgument if it is nothing of that.
Result<Bootstrap> ParseBootstrap(std::span<const uint8_t> input, const StartRequest& request);

// All that `start` may print.
std::string BootstrapAnswer(Bootstrap::Form form, const std::string& address);

}  // namespace wasmoor::cmd
