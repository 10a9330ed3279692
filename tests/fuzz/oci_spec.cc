#include <linux/mount.h>

#include <set>

#include "fuzz/targets.h"
#include "jail/attributes.h"
#include "jail/rootfs/mount_options.h"
#include "wasmoor/base/check.h"
#include "wasmoor/oci/spec.h"

namespace wasmoor::fuzz {
namespace {

template <typename T>
void CheckError(const Result<T>& result) {
  if (result) return;
  CHECK(result.error().code() == Code::kInvalidArgument ||
        result.error().code() == Code::kUnimplemented);
  CHECK(!result.error().message().empty());
}

// No string goes on behind what the kernel would take for its end.
void CheckText(const std::string& text) { CHECK(text.find('\0') == std::string::npos); }

// What the specification demands of all that is accepted.
void CheckProcess(const oci::Process& process) {
  CHECK(process.cwd.starts_with('/') && !process.args.empty());
  CheckText(process.cwd);
  for (const std::string& one : process.args) CheckText(one);
  for (const std::string& one : process.env) CheckText(one);
  CheckError(jail::ParseAttributes(process, std::nullopt));
}

void CheckSpec(const oci::Spec& spec) {
  if (spec.process) CheckProcess(*spec.process);
  std::set<oci::NamespaceType> types;
  for (const oci::Namespace& one : spec.on_linux.namespaces) CHECK(types.insert(one.type).second);
  for (const oci::Mount& mount : spec.mounts) {
    CHECK(!mount.destination.empty());
    CheckText(mount.destination);
    const jail::MountOptions options = jail::ParseMountOptions(mount.options);
    // An attribute is set or cleared; the modes of access times are one field, cleared to be set.
    CHECK((options.set & options.clear & ~uint64_t{MOUNT_ATTR__ATIME}) == 0);
    CHECK((options.tree_set & options.tree_clear & ~uint64_t{MOUNT_ATTR__ATIME}) == 0);
    CHECK(options.data.size() <= mount.options.size());
    static_cast<void>(jail::ClassicFlags(options));
  }
  for (const std::string& path : spec.on_linux.masked_paths) CHECK(path.starts_with('/'));
  for (const auto& [name, value] : spec.on_linux.sysctl) CheckText(name);
  if (!spec.on_linux.resources) return;
  for (const auto& [file, value] : spec.on_linux.resources->unified) CheckText(file);
}

}  // namespace

void Spec(Bytes bytes) {
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  const auto spec = oci::ParseSpec(text);
  CheckError(spec);
  if (spec) CheckSpec(*spec);
  const auto process = oci::ParseProcess(text);
  CheckError(process);
  if (process) CheckProcess(*process);
  CheckError(oci::ParseResources(text));
}

}  // namespace wasmoor::fuzz
