#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "cmd/line/executable.h"

// What the command lines of containerd's shims have in common (containerd's docs:
// core/runtime/v2/README.md).
namespace wasmoor::cmd {

// A shim's executable. containerd reads what it prints, standard error included: nothing is printed
// but the answer, or one line of why there is none.
class ShimLine : public Executable {
 public:
  // `about` must outlive this. `runtime`: "io.containerd.wasmtime.v1", a literal.
  ShimLine(const About& about, std::string_view runtime) : Executable(about), runtime_(runtime) {}

  void ConfigureGlobals(Options& options) override;
  int Report(const Command* command, std::string_view command_name, const Error& error,
             Failure failure) override;

  std::string_view runtime() const { return runtime_; }

  // containerd's flags.
  const std::string& name_space() const { return namespace_; }
  const std::string& id() const { return id_; }
  const std::string& containerd_address() const { return address_; }
  const std::string& publish_binary() const { return publish_binary_; }
  bool debug() const { return debug_; }
  // kInvalidArgument if they do not say whose container it is.
  Status CheckOwner() const;
  // The bundle: -bundle, or the current directory. Absolute.
  Result<std::string> Bundle() const;
  // The bundle of the container of -id: containerd starts `delete` in that of any container of the
  // pod.
  Result<std::string> OwnBundle() const;
  // Where jail keeps this namespace's containers.
  std::string StateRoot() const;

 private:
  const std::string_view runtime_;
  std::string namespace_, id_, address_, publish_binary_, bundle_, socket_;
  bool debug_ = false;
};

// Of the environment; empty if it is not set.
std::string Variable(const char* name);

// Where jail keeps the containers of a namespace of containerd's, whichever of our shims has them:
// within a namespace an id is that of one container.
std::string ContainersOf(std::string_view name_space);

// `-info`, which is a flag for containerd, as the command that it is here: the words in the order
// in which Main takes them.
std::vector<char*> ArrangeWords(std::span<char* const> words);

// The variables that both shims read.
inline constexpr About::Pair kTtrpcAddress{"TTRPC_ADDRESS", "Socket where containerd takes events"};
inline constexpr About::Pair kGrpcAddress{"GRPC_ADDRESS",
                                          "Socket where containerd is asked for images"};
inline constexpr About::Pair kMaxShimVersion{
    "MAX_SHIM_VERSION", "Set by a containerd that knows versions of the task service"};

}  // namespace wasmoor::cmd
