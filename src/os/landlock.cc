#include "wasmoor/os/landlock.h"

#include <linux/landlock.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>

#include "wasmoor/os/features.h"

namespace wasmoor::os {
namespace {

// What is newer than the kernel's header that this is built with.
constexpr uint64_t kTruncate = 1 << 14, kIoctlDevice = 1 << 15;   // LANDLOCK_ACCESS_FS_…
constexpr uint64_t kBind = 1 << 0, kConnect = 1 << 1;             // LANDLOCK_ACCESS_NET_…_TCP
constexpr uint64_t kAbstractSocketsAndSignals = 1 << 0 | 1 << 1;  // LANDLOCK_SCOPE_…

// The first that knows of renames between directories, and those after which each of the above
// came.
constexpr int kAbiRefer = 2, kAbiTruncate = 3, kAbiTcp = 4, kAbiIoctl = 5, kAbiScopes = 6;

// struct landlock_ruleset_attr as of ABI 6. A kernel that knows less takes it if the rest is 0.
struct Ruleset {
  uint64_t files = 0, network = 0, scopes = 0;
};

constexpr uint64_t kAllowed =
    LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_READ_DIR |
    LANDLOCK_ACCESS_FS_REMOVE_DIR | LANDLOCK_ACCESS_FS_REMOVE_FILE | LANDLOCK_ACCESS_FS_MAKE_DIR |
    LANDLOCK_ACCESS_FS_MAKE_REG | LANDLOCK_ACCESS_FS_MAKE_SYM | LANDLOCK_ACCESS_FS_REFER;
constexpr uint64_t kReading = LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR;
constexpr uint64_t kForbidden = LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_MAKE_CHAR |
                                LANDLOCK_ACCESS_FS_MAKE_BLOCK | LANDLOCK_ACCESS_FS_MAKE_SOCK |
                                LANDLOCK_ACCESS_FS_MAKE_FIFO;

}  // namespace

Result<int> RestrictToTree(const Fd& tree, Connections connections) {
  const OpenTree one = {.tree = &tree};
  return RestrictToTrees(std::span(&one, 1), connections);
}

Result<int> RestrictToTrees(std::span<const OpenTree> trees, Connections connections) {
  const int abi = ProbeLandlock().abi;
  if (abi < kAbiRefer) return 0;
  const uint64_t allowed = kAllowed | (abi >= kAbiTruncate ? kTruncate : 0);
  Ruleset wanted = {.files = allowed | kForbidden};
  if (abi >= kAbiTcp) wanted.network = connections == Connections::kNone ? kBind | kConnect : kBind;
  if (abi >= kAbiIoctl) wanted.files |= kIoctlDevice;
  if (abi >= kAbiScopes) wanted.scopes = kAbstractSocketsAndSignals;
  const Fd rules(static_cast<int>(syscall(SYS_landlock_create_ruleset, &wanted, sizeof wanted, 0)));
  if (!rules.valid()) return FailErrno(errno, "Landlock: make the rules");
  for (const OpenTree& one : trees) {
    const struct landlock_path_beneath_attr beneath = {
        .allowed_access = one.access == OpenTree::Access::kAll ? allowed : kReading,
        .parent_fd = one.tree->get()};
    if (syscall(SYS_landlock_add_rule, rules.get(), LANDLOCK_RULE_PATH_BENEATH, &beneath, 0) != 0)
      return FailErrno(errno, "Landlock: allow the tree");
  }
  if (syscall(SYS_landlock_restrict_self, rules.get(), 0) != 0)
    return FailErrno(errno, "Landlock: restrict this process");
  return abi;
}

}  // namespace wasmoor::os
