#include "host/skeletons.h"

#include <sys/stat.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "os/private_directory.h"

namespace wasmoor::host {
namespace {

constexpr std::array<const char*, 4> kUsual = {"/proc", "/dev", "/sys", "/run"};
constexpr unsigned kAll = 1U << kUsual.size();
constexpr mode_t kMode = 0755;

Status MakeDirectory(const std::string& path) {
  if (::mkdir(path.c_str(), kMode) != 0 && errno != EEXIST) return FailErrno(errno, "{}", path);
  return {};
}

}  // namespace

Result<Skeletons> Skeletons::Make(const std::string& directory) {
  TRY(os::OpenPrivateDirectory(directory, {.what = "the directory of what is put beneath roots",
                                           .content = "it",
                                           .remedy = "make it its owner's alone"}));
  for (unsigned set = 1; set < kAll; ++set) {
    const std::string skeleton = directory + "/" + std::to_string(set);
    TRY(MakeDirectory(skeleton));
    for (size_t i = 0; i < kUsual.size(); ++i) {
      if ((set >> i & 1U) != 0) TRY(MakeDirectory(skeleton + kUsual[i]));
    }
  }
  return Skeletons(directory);
}

std::string Skeletons::For(const oci::Spec& spec) const {
  unsigned set = 0;
  for (const oci::Mount& mount : spec.mounts) {
    for (size_t i = 0; i < kUsual.size(); ++i) {
      if (mount.destination == kUsual[i]) set |= 1U << i;
    }
  }
  return set == 0 ? "" : directory_ + "/" + std::to_string(set);
}

}  // namespace wasmoor::host
