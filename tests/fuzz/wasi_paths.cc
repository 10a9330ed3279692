#include <set>

#include "fuzz/guest.h"
#include "fuzz/input.h"
#include "fuzz/scratch.h"
#include "wasmoor/base/check.h"

namespace wasmoor::fuzz {
namespace {

namespace fs = std::filesystem;

constexpr size_t kMostSteps = 40;
constexpr uint32_t kAllRights = 0x1fffffff;
constexpr uint32_t kPathAt = 64, kSecondPathAt = 2048, kOutAt = 8000;

using Descriptors = std::set<std::string>;

// Where every descriptor of this process leads.
Descriptors OpenFiles() {
  Descriptors files;
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator("/proc/self/fd"))
    files.insert(fs::read_symlink(entry.path(), ignored));
  return files;
}

// A file, directory or link that the host makes below the guest's directory; "name", "name/",
// "name>target".
void Make(const fs::path& directory, const std::string& line) {
  std::error_code ignored;
  const size_t arrow = line.find('>');
  const fs::path name = fs::path(line.substr(0, arrow)).lexically_normal();
  if (name.is_absolute() || name.empty() || *name.begin() == ".." || line.find('\0') != line.npos)
    return;
  const fs::path path = directory / name;
  // Not through a link that was made before: the host would write where it leads.
  if (fs::weakly_canonical(path.parent_path(), ignored) != path.parent_path() || ignored) return;
  if (arrow != std::string::npos) {
    fs::create_symlink(line.substr(arrow + 1), path, ignored);
  } else if (line.ends_with('/')) {
    fs::create_directory(path.parent_path(), ignored);
  } else if (!fs::exists(fs::symlink_status(path, ignored))) {
    os::Fd(::open(path.c_str(), O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0600));
  }
}

struct Step {
  std::string_view function;
  // i: the directory, f: lookup flags, p and P: a path, r: any 32 bits, R: rights, 0: a zero, o:
  // out.
  std::string_view parameters;
};
constexpr Step kSteps[] = {
    {"path_open", "ifprRRro"},
    {"path_open", "ifp0RR0o"},
    {"path_create_directory", "ip"},
    {"path_filestat_get", "ifpo"},
    {"path_link", "ifpiP"},
    {"path_readlink", "ip00o"},
    {"path_remove_directory", "ip"},
    {"path_rename", "ipiP"},
    {"path_symlink", "piP"},
    {"path_unlink_file", "ip"},
    {"path_filestat_set_times", "ifp00r"},
};

void Take(Input& input, Guest& guest, const Step& step) {
  hostcall::Value frame[16] = {};
  size_t used = 0;
  const auto path = [&](uint32_t at) {
    const std::string text = input.TakeLine().substr(0, 1024);
    std::copy(text.begin(), text.end(), guest.memory().begin() + at);
    frame[used++].i32 = static_cast<int32_t>(at);
    frame[used++].i32 = static_cast<int32_t>(text.size());
  };
  const auto directory = static_cast<int32_t>(3 + input.Take<uint8_t>() % 4);
  const auto bits = input.Take<uint8_t>();
  for (const char parameter : step.parameters) {
    switch (parameter) {
      case 'i': frame[used++].i32 = directory; break;
      case 'f': frame[used++].i32 = bits & 1; break;
      case 'p': path(kPathAt); break;
      case 'P': path(kSecondPathAt); break;
      case 'r': frame[used++].i32 = bits >> 1 & 15; break;
      case 'R': frame[used++].i64 = kAllRights; break;
      case 'o': frame[used++].i32 = kOutAt; break;
      default: frame[used++].i64 = 0;
    }
  }
  const hostcall::Function& function = Guest::Find(step.function);
  CHECK(function.signature.params.size() == used);
  guest.Call(function, frame);
}

bool IsBelow(const std::string& file, const std::string& directory) {
  return file == directory || file.starts_with(directory + "/");
}

}  // namespace

// Whatever paths are opened through whatever links: what is open then lies below the directory.
void WasiPaths(Bytes bytes) {
  const Scratch scratch;
  const fs::path inside = scratch.path() / "inside";
  fs::create_directory(inside);
  fs::create_directory(scratch.path() / "outside");
  Input input(bytes);
  for (auto lines = input.Take<uint8_t>() % 8; lines > 0; --lines) Make(inside, input.TakeLine());

  wasi::Grants grants;
  grants.preopens.push_back({inside, "/", wasi::Access::kReadWrite, Scratch::Open(inside)});
  grants.max_descriptors = 64;
  Guest guest(std::move(grants));
  const Descriptors before = OpenFiles();
  for (size_t i = 0; i < kMostSteps && !input.empty(); ++i) {
    Take(input, guest, kSteps[input.Take<uint8_t>() % std::size(kSteps)]);
    for (const std::string& file : OpenFiles()) {
      // The listing's own descriptor is that of /proc.
      CHECK(before.count(file) > 0 || IsBelow(file, inside) ||
            file.find("/fd") != std::string::npos);
    }
  }
  CHECK(fs::is_empty(scratch.path() / "outside"));
}

}  // namespace wasmoor::fuzz
