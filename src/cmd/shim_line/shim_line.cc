#include "cmd/shim_line/shim_line.h"

#include <algorithm>
#include <cstdlib>
#include <filesystem>

namespace wasmoor::cmd {

void ShimLine::ConfigureGlobals(Options& options) {
  options.Value("--namespace", namespace_, "NAME", "Namespace of containerd that it is for");
  options.Value("--id", id_, "ID", "Container that it is for");
  options.Value("--address", address_, "SOCKET", "Where containerd listens")
      .Complete(Completes::kFiles);
  options
      .Value("--publish-binary", publish_binary_, "PATH",
             "containerd itself, which publishes events where TTRPC_ADDRESS is not set")
      .Complete(Completes::kFiles);
  options
      .Value("--bundle", bundle_, "DIR",
             "Directory of the container's configuration; the current one if it is not given")
      .Complete(Completes::kDirectories);
  options.Flag("--debug", debug_, "Log what is done, too");
  options.Value("--socket", socket_, "PATH", "Of no effect: start finds the path").Hide();
}

int ShimLine::Report(const Command* command, std::string_view command_name, const Error& error,
                     Failure) {
  Print(command, command_name, error);
  return about().usage_status;
}

Status ShimLine::CheckOwner() const {
  // They become parts of paths.
  for (const auto& [flag, value] : {std::pair("-namespace", &namespace_), std::pair("-id", &id_)}) {
    if (value->empty() || *value == "." || *value == ".." || value->find('/') != std::string::npos)
      return Fail(Code::kInvalidArgument, "{} must be a name, is '{}'", flag, *value);
  }
  return {};
}

Result<std::string> ShimLine::Bundle() const {
  std::error_code failed;
  std::string path = std::filesystem::absolute(bundle_.empty() ? "." : bundle_, failed);
  if (failed) return FailErrno(failed.value(), "the bundle's directory");
  if (path.ends_with("/.")) path.resize(path.size() - 2);
  return path;
}

Result<std::string> ShimLine::OwnBundle() const {
  const std::filesystem::path bundle = TRY(Bundle());
  return (bundle.parent_path() / id_).string();
}

std::string ShimLine::StateRoot() const { return ContainersOf(namespace_); }

std::string ContainersOf(std::string_view name_space) {
  return fmt::format("/run/wasmoor/containerd/{}", name_space);
}

std::string Variable(const char* name) {
  const char* value = ::getenv(name);
  return value == nullptr ? "" : value;
}

std::vector<char*> ArrangeWords(std::span<char* const> words) {
  static char info[] = "info";
  std::vector<char*> arranged(words.begin(), words.end());
  const auto is_info = [](const char* word) {
    return std::string_view(word) == "-info" || std::string_view(word) == "--info";
  };
  const auto found = std::find_if(arranged.begin(), arranged.end(), is_info);
  if (found == arranged.end()) return arranged;
  arranged.erase(found);
  arranged.push_back(info);
  return arranged;
}

}  // namespace wasmoor::cmd
