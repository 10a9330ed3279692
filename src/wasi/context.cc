#include "wasmoor/wasi/context.h"

#include <string_view>
#include <utility>

#include "wasi/descriptor_table.h"

namespace wasmoor::wasi {
namespace {

constexpr Rights kStdioRights = kRightFdSeek | kRightFdTell | kRightFdFdstatSetFlags |
                                kRightFdFilestatGet | kRightPollFdReadwrite;
constexpr Rights kInputRights = kStdioRights | kRightFdRead | kRightFdAdvise;
constexpr Rights kOutputRights = kStdioRights | kRightFdWrite | kRightFdSync | kRightFdDatasync;

bool HasNul(std::string_view text) { return text.find('\0') != std::string_view::npos; }

Status Check(const Grants& grants) {
  for (size_t i = 0; i < grants.arguments.size(); ++i) {
    if (HasNul(grants.arguments[i]))
      return Fail(Code::kInvalidArgument,
                  "argument {} has a NUL byte in it, which argv cannot carry", i);
  }
  for (const auto& [name, value] : grants.environment) {
    if (name.empty() || name.find('=') != std::string::npos || HasNul(name))
      return Fail(Code::kInvalidArgument,
                  "environment variable '{}': a name must not be empty nor have '=' or NUL in it",
                  name);
    if (HasNul(value))
      return Fail(Code::kInvalidArgument,
                  "environment variable '{}': its value has a NUL byte in it", name);
  }
  for (const Preopen& preopen : grants.preopens) {
    if (HasNul(preopen.guest))
      return Fail(Code::kInvalidArgument,
                  "directory '{}': its name for the guest has a NUL byte in it", preopen.host);
    if (!preopen.directory.valid())
      return Fail(Code::kInvalidArgument, "directory '{}' is granted but was not opened",
                  preopen.host);
  }
  for (const Listener& listener : grants.listeners) {
    if (!listener.socket.valid())
      return Fail(Code::kInvalidArgument, "listener '{}' is granted but was not opened",
                  listener.address);
  }
  return {};
}

Descriptor Stdio(os::Fd file, Stream* stream, Rights rights) {
  Descriptor descriptor;
  descriptor.file = std::move(file);
  descriptor.stream = stream;
  descriptor.origin = Origin::kStdio;
  descriptor.base = rights;
  return descriptor;
}

Descriptor Directory(Preopen& preopen, size_t index) {
  Descriptor descriptor;
  descriptor.file = std::move(preopen.directory);
  descriptor.origin = Origin::kPreopen;
  descriptor.read_only = preopen.access == Access::kReadOnly;
  descriptor.preopen = static_cast<int32_t>(index);
  const Rights withheld = descriptor.read_only ? kWritingRights : 0;
  descriptor.base = kDirectoryRights & ~withheld;
  descriptor.inheriting = (kDirectoryRights | kFileRights) & ~withheld;
  descriptor.SetType(FileType::kDirectory);
  return descriptor;
}

Descriptor Listening(Listener& listener) {
  Descriptor descriptor;
  descriptor.file = std::move(listener.socket);
  descriptor.origin = Origin::kListener;
  descriptor.base = kListenerRights;
  descriptor.inheriting = kSocketRights;
  descriptor.SetType(FileType::kSocketStream);
  return descriptor;
}

}  // namespace

Result<std::unique_ptr<Context>> Context::Create(Grants grants) {
  TRY(Check(grants));
  return std::unique_ptr<Context>(new Context(std::move(grants)));
}

Context::Context(Grants grants)
    : grants_(std::move(grants)),
      descriptors_(std::make_unique<DescriptorTable>(grants_.max_descriptors)) {
  descriptors_->Insert(
      Stdio(std::move(grants_.standard_input), grants_.input_stream, kInputRights));
  descriptors_->Insert(
      Stdio(std::move(grants_.standard_output), grants_.output_stream, kOutputRights));
  descriptors_->Insert(
      Stdio(std::move(grants_.standard_error), grants_.error_stream, kOutputRights));
  for (size_t i = 0; i < grants_.preopens.size(); ++i)
    descriptors_->Insert(Directory(grants_.preopens[i], i));
  for (Listener& listener : grants_.listeners) descriptors_->Insert(Listening(listener));
}

Context::~Context() = default;

const std::vector<std::pair<std::string, std::string>>& Context::Environment() {
  if (LateEnvironment* late = std::exchange(grants_.late_environment, nullptr); late != nullptr)
    late->AddTo(&grants_.environment);
  return grants_.environment;
}

}  // namespace wasmoor::wasi
