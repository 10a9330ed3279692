#include "cgroup/limits.h"

#include <algorithm>
#include <cerrno>

#include "cgroup/control_file.h"

namespace wasmoor::cgroup {

Status Field::Set(const std::string& file, std::string_view value) const {
  auto written = WriteControl(branch.directory, file, value);
  if (written) return {};
  const int reason = written.error().error_number();
  if (reason == ENOENT) {
    return Fail(Code::kFailedPrecondition,
                "linux.resources.{}: {} has no {}: the kernel lacks it, or the groups above do not "
                "hand the controller down",
                name, branch.FullPath(), file);
  }
  return FailErrno(reason, "linux.resources.{}: write '{}' to {}/{}", name, value,
                   branch.FullPath(), file);
}

Result<const Branch*> Need(const Tree& tree, std::string_view controller, std::string_view field) {
  if (const Branch* branch = tree.Find(controller)) return branch;
  return Fail(Code::kFailedPrecondition,
              "linux.resources.{}: the control groups of this machine have no controller '{}'",
              field, controller);
}

tl::unexpected<Error> NotOnV2(std::string_view field, std::string_view instead) {
  return Fail(Code::kUnimplemented, "linux.resources.{}: control groups v2 have no such limit; {}",
              field, instead);
}

std::string LimitText(const Branch& branch, int64_t value) {
  if (value >= 0) return fmt::format("{}", value);
  return branch.v2() ? "max" : "-1";
}

Status ApplyResources(const Tree& tree, const oci::Resources& resources) {
  if (resources.cpu) TRY(ApplyCpu(tree, *resources.cpu));
  if (resources.memory) TRY(ApplyMemory(tree, *resources.memory));
  if (resources.pids_limit) TRY(ApplyPids(tree, *resources.pids_limit));
  if (resources.block_io) TRY(ApplyBlockIo(tree, *resources.block_io));
  TRY(ApplyHugetlb(tree, resources.hugepage_limits));
  TRY(ApplyRdma(tree, resources.rdma));
  if (resources.network) TRY(ApplyNetwork(tree, *resources.network));
  TRY(ApplyDevices(tree, resources.devices));
  return ApplyUnified(tree, resources.unified);
}

Status ApplyPids(const Tree& tree, int64_t limit) {
  const Branch* branch = TRY(Need(tree, "pids", "pids.limit"));
  const Field field{*branch, "pids.limit"};
  return limit <= 0 ? field.Set("pids.max", "max") : field.SetNumber("pids.max", limit);
}

Status ApplyHugetlb(const Tree& tree, const std::vector<oci::HugepageLimit>& limits) {
  if (limits.empty()) return {};
  const Branch* branch = TRY(Need(tree, "hugetlb", "hugepageLimits"));
  const char* suffix = branch->v2() ? "max" : "limit_in_bytes";
  for (const oci::HugepageLimit& limit : limits) {
    const std::string name = fmt::format("hugepageLimits.{}", limit.page_size);
    // It becomes part of a file's name.
    if (limit.page_size.find('/') != std::string::npos) {
      return Fail(Code::kInvalidArgument,
                  "linux.resources.{}: pageSize must be a size such as 2MB or 1GB", name);
    }
    const Field field{*branch, name};
    TRY(field.SetNumber(fmt::format("hugetlb.{}.{}", limit.page_size, suffix), limit.limit));
    // What is reserved by mmap(2) and not yet touched is counted apart since Linux 5.7.
    const std::string reserved = fmt::format("hugetlb.{}.rsvd.{}", limit.page_size, suffix);
    if (HasControl(branch->directory, reserved)) TRY(field.SetNumber(reserved, limit.limit));
  }
  return {};
}

Status ApplyRdma(const Tree& tree, const std::map<std::string, oci::RdmaLimit>& limits) {
  if (limits.empty()) return {};
  const Branch* branch = TRY(Need(tree, "rdma", "rdma"));
  for (const auto& [device, limit] : limits) {
    std::string line = device;
    if (limit.hca_handles) line += fmt::format(" hca_handle={}", *limit.hca_handles);
    if (limit.hca_objects) line += fmt::format(" hca_object={}", *limit.hca_objects);
    TRY((Field{*branch, fmt::format("rdma.{}", device)}.Set("rdma.max", line)));
  }
  return {};
}

Status ApplyNetwork(const Tree& tree, const oci::NetworkResources& network) {
  if (network.class_id && *network.class_id != 0) {
    const Branch* branch = TRY(Need(tree, "net_cls", "network.classID"));
    if (branch->v2()) return NotOnV2("network.classID", "mark packets by a firewall rule instead");
    TRY((Field{*branch, "network.classID"}.SetNumber("net_cls.classid", *network.class_id)));
  }
  if (network.priorities.empty()) return {};
  const Branch* branch = TRY(Need(tree, "net_prio", "network.priorities"));
  if (branch->v2()) return NotOnV2("network.priorities", "use a firewall rule instead");
  for (const oci::InterfacePriority& one : network.priorities) {
    TRY((Field{*branch, "network.priorities"}.Set("net_prio.ifpriomap",
                                                  fmt::format("{} {}", one.name, one.priority))));
  }
  return {};
}

Status ApplyUnified(const Tree& tree, const std::map<std::string, std::string>& files) {
  for (const auto& [file, value] : files) {
    const std::string name = fmt::format("unified.{}", file);
    const std::string_view controller = std::string_view(file).substr(0, file.find('.'));
    const Branch* branch = TRY(Need(tree, controller, name));
    if (!branch->v2()) {
      return Fail(
          Code::kFailedPrecondition,
          "linux.resources.{}: the controller '{}' of this machine is one of control groups "
          "v1, which have no such file",
          name, controller);
    }
    // An empty file name or one with a slash does not pass oci::ParseSpec, but callers of the
    // library may make resources by hand.
    if (file.find('/') != std::string::npos)
      return Fail(Code::kInvalidArgument, "linux.resources.{}: must name a file", name);
    // A file may take several lines, each by a write of its own (io.max).
    std::string_view rest = value;
    while (!rest.empty()) TRY((Field{*branch, name}.Set(file, TakeUntil(&rest, '\n'))));
  }
  return {};
}

}  // namespace wasmoor::cgroup
