#include <sched.h>

#include <memory>

#include "cmd/wasmoor/run_options.h"
#include "cmd/wasmoor/wasmoor.h"
#include "fuzz/input.h"
#include "wasmoor/base/check.h"
#include "wasmoor/base/units.h"
#include "wasmoor/os/socket.h"

namespace wasmoor::fuzz {
namespace {

template <typename T>
void CheckError(const Result<T>& result) {
  CHECK(result || (result.error().code() != Code::kOk && !result.error().message().empty()));
}

// Away from the machine's network, where an address that is valid would be listened to.
bool IsAlone() {
  static const bool alone = ::unshare(CLONE_NEWNET) == 0;
  return alone;
}

void Options(Input& input) {
  cmd::RunFlags flags;
  std::vector<std::string> operands, words;
  const cmd::Wasmoor executable;
  cmd::Options options(executable, "run", "");
  flags.Configure(options);
  options.Take({.usage = "FILE [ARGS...]",
                .target = &operands,
                .least = 1,
                .most = SIZE_MAX,
                .verbatim = true});
  while (!input.empty()) words.push_back(input.TakeLine().c_str());  // No NUL in a command line.
  std::vector<char*> pointers;
  for (std::string& word : words) pointers.push_back(word.data());
  const auto parsed = options.Parse(pointers);
  CheckError(parsed);
  CHECK(operands.size() <= words.size());
}

}  // namespace

void Texts(Bytes bytes) {
  Input input(bytes);
  const auto which = input.Take<uint8_t>() % 6;
  if (which == 5) return Options(input);
  const std::string text = input.TakeLine();
  switch (which) {
    case 0: {
      const auto size = ParseSize(text);
      CheckError(size);
      if (size) CHECK(!FormatSize(*size).empty());
      break;
    }
    case 1: {
      const auto duration = ParseDuration(text);
      CheckError(duration);
      if (duration) CHECK(duration->count() >= 0 && !FormatDuration(*duration).empty());
      break;
    }
    case 2:
      if (IsAlone()) CheckError(os::ListenTcp(text));
      break;
    case 3: {
      const auto directory = cmd::ParseDirectory(text);
      CheckError(directory);
      if (directory) CHECK(!directory->host.empty() && !directory->guest.empty());
      break;
    }
    default: {
      const auto variable = cmd::ParseVariable(text);
      CheckError(variable);
      if (variable)
        CHECK(!variable->first.empty() && variable->first.find('=') == std::string::npos);
    }
  }
}

}  // namespace wasmoor::fuzz
