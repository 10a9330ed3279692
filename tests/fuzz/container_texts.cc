#include <array>
#include <string>
#include <vector>

#include "cgroup/scope.h"
#include "cgroup/stats_reader.h"
#include "cgroup/tree.h"
#include "fuzz/input.h"
#include "fuzz/scratch.h"
#include "jail/attributes.h"
#include "jail/rootfs/mount_options.h"
#include "wasmoor/base/check.h"
#include "wasmoor/cgroup/group.h"
#include "wasmoor/os/capability.h"
#include "wasmoor/os/file.h"
#include "wasmoor/os/limit.h"
#include "wasmoor/os/signal.h"

namespace wasmoor::fuzz {
namespace {

template <typename T>
void CheckError(const Result<T>& result) {
  CHECK(result || (result.error().code() != Code::kOk && !result.error().message().empty()));
}

std::string Rest(Input& input) {
  const Bytes rest = input.TakeBytes(SIZE_MAX);
  return std::string(rest.begin(), rest.end());
}

void MountOptions(Input& input) {
  std::vector<std::string> options;
  while (!input.empty()) options.push_back(input.TakeLine());
  const jail::MountOptions parsed = jail::ParseMountOptions(options);
  CHECK(parsed.data.size() + parsed.propagation.size() <= options.size());
  CHECK(!parsed.bind_tree || parsed.bind);
}

void Names(Input& input) {
  const std::string text = Rest(input);
  CheckError(os::ParseCapability(text));
  CheckError(os::ParseLimitName(text));
  CheckError(os::ParseSignal(text));
  CheckError(jail::ParseCpuList(text, "field"));
  for (const cgroup::Manager manager : {cgroup::Manager::kSystem, cgroup::Manager::kUser}) {
    const auto scope = cgroup::ParseScopeName(text, manager);
    CheckError(scope);
    if (scope) CHECK(cgroup::ScopePath(*scope).find("/../") == std::string::npos);
  }
}

// A group that a damaged record names is refused, or is below a hierarchy and not its root.
void GroupText(Input& input) {
  const auto tree = cgroup::TreeFromText(Rest(input));
  CheckError(tree);
  if (!tree) return;
  CHECK(!tree->branches().empty());
  for (const cgroup::Branch& branch : tree->branches()) {
    CHECK(branch.FullPath().starts_with('/'));
    CHECK((branch.path + "/").find("/../") == std::string::npos);
  }
  const auto again = cgroup::TreeFromText(cgroup::TreeToText(*tree));
  CHECK(again && cgroup::TreeToText(*again) == cgroup::TreeToText(*tree));
}

// The two texts that tell how control groups are laid out, parted by an empty line; and a path.
void Layout(Input& input) {
  const std::string text = Rest(input);
  const size_t gap = std::min(text.find("\n\n"), text.size());
  const auto root = cgroup::Root::Parse(text.substr(0, gap), text.substr(gap));
  CheckError(root);
  if (!root) return;
  CHECK(!root->hierarchies().empty());
  for (const std::string& path : {std::string("/a/b"), std::string("a"), text.substr(gap)}) {
    const auto planned = cgroup::Group::Plan(*root, path);
    CheckError(planned);
  }
}

// Statistics, as if a kernel had made the files: their texts, parted by empty lines.
void Statistics(Input& input) {
  constexpr std::array kFiles = {"cpu.stat",
                                 "memory.stat",
                                 "memory.events",
                                 "io.stat",
                                 "pids.max",
                                 "memory.max",
                                 "cpu.pressure",
                                 "rdma.current",
                                 "cpuacct.usage_percpu",
                                 "memory.current",
                                 "hugetlb.2MB.current",
                                 "blkio.throttle.io_service_bytes_recursive"};
  const Scratch scratch;
  const uint8_t version = input.Take<uint8_t>() % 2 + 1;
  std::string text = Rest(input);
  for (const char* name : kFiles) {
    const size_t gap = std::min(text.find("\n\n"), text.size());
    const auto file = os::OpenAt(Scratch::Open(scratch.path()), name, O_WRONLY | O_CREAT, 0600);
    CHECK(file && os::WriteAll(*file, {reinterpret_cast<const uint8_t*>(text.data()), gap}));
    text.erase(0, gap + 2);
  }
  std::vector<cgroup::Branch> branches(1);
  branches[0].hierarchy.version = version;
  if (version == 1)
    branches[0].hierarchy.controllers = {"cpu", "cpuacct", "memory", "pids", "blkio", "hugetlb"};
  branches[0].directory = Scratch::Open(scratch.path());
  static_cast<void>(cgroup::ReadTreeStats(cgroup::Tree(std::move(branches))));
}

}  // namespace

void ContainerTexts(Bytes bytes) {
  Input input(bytes);
  switch (input.Take<uint8_t>() % 5) {
    case 0: return MountOptions(input);
    case 1: return Names(input);
    case 2: return GroupText(input);
    case 3: return Layout(input);
    default: return Statistics(input);
  }
}

}  // namespace wasmoor::fuzz
