#include "cmd/wasmtimed/successor.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstdlib>
#include <string_view>
#include <utility>
#include <vector>

#include "wasmoor/os/file.h"
#include "wasmoor/os/output.h"
#include "wasmoor/os/process.h"

namespace wasmoor::cmd {
namespace {

constexpr const char* kProgram = "WASMOOR_DAEMON_PROGRAM";
constexpr const char* kState = "WASMOOR_DAEMON_STATE";
constexpr const char* kDeleted = " (deleted)";  // proc(5), of /proc/PID/exe.
constexpr uint32_t kForm = 1;  // Of what is told; raised when an older version would misread it.
constexpr uint64_t kMostState = uint64_t{1} << 30;
constexpr std::chrono::seconds kPatience{5};

std::string Take(const char* name) {
  const char* const value = ::getenv(name);
  std::string text = value != nullptr ? value : "";
  ::unsetenv(name);
  return text;
}

}  // namespace

void Successor::Remember() {
  if (::getenv(kProgram) != nullptr) return;
  std::string path(PATH_MAX, '\0');
  const ssize_t length = ::readlink("/proc/self/exe", path.data(), path.size());
  if (length <= 0) return;
  path.resize(static_cast<size_t>(length));
  if (path.ends_with(kDeleted)) path.resize(path.size() - std::string_view(kDeleted).size());
  ::setenv(kProgram, path.c_str(), 1);
}

Successor Successor::FromEnvironment(char* const* arguments) {
  Successor successor;
  successor.path_ = Take(kProgram);
  successor.arguments_ = arguments;
  return successor;
}

std::string Successor::Reads() { return fmt::format("takes over form {}", kForm); }

Status Successor::Check() const {
  std::vector<std::string> words;
  for (char* const* one = arguments_; *one != nullptr; ++one) words.emplace_back(*one);
  words.emplace_back("--check");
  const auto output = TRY_AS(os::ReadOutput(path_, words, kPatience), "{}", path_);
  if (output.status != 0)
    return Fail(Code::kFailedPrecondition,
                "{} would not serve with the settings as they are (status {}): run it with --check "
                "to see why",
                path_, output.status);
  if (output.text.find(Reads()) == std::string::npos)
    return Fail(Code::kFailedPrecondition,
                "{} is of a version that cannot go on with what this one holds: stop this one and "
                "start that, which ends all containers",
                path_);
  return {};
}

Status Successor::Become(handover::Daemon state, os::Carried* carried) const {
  state.set_form(kForm);
  const std::string bytes = state.SerializeAsString();
  const os::Fd file = TRY(
      os::FileInMemory("state", {reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size()}));
  ::setenv(kState, std::to_string(carried->Keep(file)).c_str(), 1);
  ::execve(path_.c_str(), arguments_, environ);
  const int error = errno;
  ::unsetenv(kState);
  return FailErrno(error, "execute {}", path_);
}

Result<std::optional<handover::Daemon>> TakePredecessor() {
  const std::string number = Take(kState);
  if (number.empty()) return std::nullopt;
  int descriptor = 0;
  std::from_chars(number.data(), number.data() + number.size(), descriptor);
  const os::Fd file = os::TakeCarried(descriptor);
  handover::Daemon state;
  const auto read = [&]() -> Status {
    if (::lseek(file.get(), 0, SEEK_SET) < 0) return FailErrno(errno, "lseek");
    const auto bytes = TRY(os::ReadAll(file, kMostState));
    if (!state.ParseFromArray(bytes.data(), static_cast<int>(bytes.size())) ||
        state.form() != kForm)
      return Fail(Code::kDataLoss, "it is not of a form that this version reads");
    return {};
  };
  TRY_AS(read(), "what the daemon before has told");
  return state;
}

}  // namespace wasmoor::cmd
