#include <fstream>
#include <sstream>

#include "fuzz/guest.h"
#include "fuzz/input.h"
#include "fuzz/scratch.h"
#include "wasmoor/base/check.h"

namespace wasmoor::fuzz {
namespace {

constexpr size_t kMostCalls = 60;
constexpr size_t kMostParameters = 16;
constexpr std::string_view kOutside = "nobody's business";

// A number such as a hostile guest would try: small, at the memory's edges, or anything.
int64_t Argument(Input& input) {
  const auto kind = input.Take<uint8_t>();
  switch (kind % 8) {
    case 0: return 3;                                // The preopened directory.
    case 1: return kind / 8;                         // A descriptor, a small count, a flag.
    case 2: return 8 * (kind / 8);                   // A place where something may be.
    case 3: return Guest::kMemory - kind / 8;        // The last bytes.
    case 4: return -static_cast<int64_t>(kind / 8);  // Beyond all memory.
    case 5: return input.Take<uint16_t>();
    case 6: return input.Take<int32_t>();
    default: return input.Take<int64_t>();
  }
}

void Call(Input& input, Guest& guest) {
  const auto functions = wasi::Preview1();
  const hostcall::Function& function = functions[input.Take<uint8_t>() % functions.size()];
  hostcall::Value frame[kMostParameters] = {};
  CHECK(function.signature.params.size() <= kMostParameters);
  for (size_t i = 0; i < function.signature.params.size(); ++i) frame[i].i64 = Argument(input);
  guest.Call(function, frame);
}

std::string ReadFile(const std::filesystem::path& path) {
  std::ostringstream text;
  text << std::ifstream(path).rdbuf();
  return text.str();
}

wasi::Grants GrantsOf(const std::filesystem::path& directory, wasi::Access access) {
  wasi::Grants grants;
  grants.arguments = {"guest", "one", ""};
  grants.environment = {{"NAME", "value"}};
  grants.preopens.push_back({directory, "/", access, Scratch::Open(directory)});
  grants.standard_output = os::Fd(::open("/dev/null", O_WRONLY | O_CLOEXEC));
  grants.max_descriptors = 64;
  return grants;
}

}  // namespace

// Whatever is called, with whatever arguments: no memory is touched but the guest's, no file but
// those below its directory, and none at all if that is read-only.
void WasiCalls(Bytes bytes) {
  const Scratch scratch;
  const auto inside = scratch.path() / "inside";
  std::filesystem::create_directory(inside);
  std::ofstream(scratch.path() / "outside") << kOutside;
  std::ofstream(inside / "a") << "content";
  std::filesystem::create_directory(inside / "d");
  std::filesystem::create_symlink("../outside", inside / "out");
  std::filesystem::create_symlink("a", inside / "l");

  Input input(bytes);
  const auto access =
      input.Take<uint8_t>() % 4 == 0 ? wasi::Access::kReadOnly : wasi::Access::kReadWrite;
  {
    Guest guest(GrantsOf(inside, access));
    const Bytes initial = input.TakeBytes(input.Take<uint8_t>() * size_t{8});
    std::copy(initial.begin(), initial.end(), guest.memory().begin());
    for (size_t i = 0; i < kMostCalls && !input.empty(); ++i) Call(input, guest);
  }
  CHECK(ReadFile(scratch.path() / "outside") == kOutside);
  size_t names = 0;
  for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator(scratch.path()))
    ++names;
  CHECK(names == 2);
  if (access == wasi::Access::kReadOnly) CHECK(ReadFile(inside / "a") == "content");
}

}  // namespace wasmoor::fuzz
