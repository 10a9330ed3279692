#include "oci/parts.h"

namespace wasmoor::oci {
namespace {

constexpr int64_t kAllDevices = -1;

// A type of device is one character, in the document a string of one.
Status ReadKind(const Node& node, std::string_view kinds, char* out) {
  std::string text;
  TRY(Read(node, &text));
  if (text.size() != 1 || kinds.find(text[0]) == std::string_view::npos)
    return node.Complain(fmt::format("one of the letters {}, is '{}'", kinds, text));
  *out = text[0];
  return {};
}

}  // namespace

Status ReadDeviceKind(const Node& parent, std::string_view kinds, char* out) {
  const auto found = parent.json().find("type");
  if (found == parent.json().end() || found->is_null()) return {};
  return ReadKind(Node(parent, "type", *found), kinds, out);
}

Status Read(const Node& node, DeviceRule* out) {
  TRY(IsObject(node));
  TRY(Member(node, "allow", &out->allow));
  TRY(ReadDeviceKind(node, "abc", &out->type));
  TRY(Member(node, "major", &out->major));
  TRY(Member(node, "minor", &out->minor));
  TRY(Member(node, "access", &out->access));
  if (out->access.find_first_not_of("rwm") != std::string::npos)
    return node.Complain(
        fmt::format("a rule whose access is made of r, w and m, is '{}'", out->access));
  for (auto* number : {&out->major, &out->minor}) {
    if (*number == kAllDevices) number->reset();
  }
  return {};
}

Status Read(const Node& node, MemoryResources* out) {
  TRY(IsObject(node));
  TRY(Member(node, "limit", &out->limit));
  TRY(Member(node, "reservation", &out->reservation));
  TRY(Member(node, "swap", &out->swap));
  TRY(Member(node, "kernel", &out->kernel));
  TRY(Member(node, "kernelTCP", &out->kernel_tcp));
  TRY(Member(node, "swappiness", &out->swappiness));
  TRY(Member(node, "disableOOMKiller", &out->disable_oom_killer));
  TRY(Member(node, "useHierarchy", &out->use_hierarchy));
  return Member(node, "checkBeforeUpdate", &out->check_before_update);
}

Status Read(const Node& node, CpuResources* out) {
  TRY(IsObject(node));
  TRY(Member(node, "shares", &out->shares));
  TRY(Member(node, "quota", &out->quota));
  TRY(Member(node, "burst", &out->burst));
  TRY(Member(node, "period", &out->period));
  TRY(Member(node, "realtimeRuntime", &out->realtime_runtime));
  TRY(Member(node, "realtimePeriod", &out->realtime_period));
  TRY(Member(node, "cpus", &out->cpus));
  TRY(Member(node, "mems", &out->mems));
  return Member(node, "idle", &out->idle);
}

Status Read(const Node& node, WeightDevice* out) {
  TRY(IsObject(node));
  TRY(Member(node, "major", &out->major));
  TRY(Member(node, "minor", &out->minor));
  TRY(Member(node, "weight", &out->weight));
  return Member(node, "leafWeight", &out->leaf_weight);
}

Status Read(const Node& node, ThrottleDevice* out) {
  TRY(IsObject(node));
  TRY(Member(node, "major", &out->major));
  TRY(Member(node, "minor", &out->minor));
  return Member(node, "rate", &out->rate);
}

Status Read(const Node& node, BlockIoResources* out) {
  TRY(IsObject(node));
  TRY(Member(node, "weight", &out->weight));
  TRY(Member(node, "leafWeight", &out->leaf_weight));
  TRY(Member(node, "weightDevice", &out->weight_device));
  TRY(Member(node, "throttleReadBpsDevice", &out->throttle_read_bps));
  TRY(Member(node, "throttleWriteBpsDevice", &out->throttle_write_bps));
  TRY(Member(node, "throttleReadIOPSDevice", &out->throttle_read_iops));
  return Member(node, "throttleWriteIOPSDevice", &out->throttle_write_iops);
}

Status Read(const Node& node, HugepageLimit* out) {
  TRY(IsObject(node));
  TRY(Member(node, "pageSize", &out->page_size));
  return Member(node, "limit", &out->limit);
}

Status Read(const Node& node, InterfacePriority* out) {
  TRY(IsObject(node));
  TRY(Member(node, "name", &out->name));
  return Member(node, "priority", &out->priority);
}

Status Read(const Node& node, NetworkResources* out) {
  TRY(IsObject(node));
  TRY(Member(node, "classID", &out->class_id));
  return Member(node, "priorities", &out->priorities);
}

Status Read(const Node& node, RdmaLimit* out) {
  TRY(IsObject(node));
  TRY(Member(node, "hcaHandles", &out->hca_handles));
  return Member(node, "hcaObjects", &out->hca_objects);
}

struct PidsResources {
  std::optional<int64_t> limit;
};
Status Read(const Node& node, PidsResources* out) {
  TRY(IsObject(node));
  return Member(node, "limit", &out->limit);
}

Status Read(const Node& node, Resources* out) {
  TRY(IsObject(node));
  PidsResources pids;
  TRY(Member(node, "devices", &out->devices));
  TRY(Member(node, "memory", &out->memory));
  TRY(Member(node, "cpu", &out->cpu));
  TRY(Member(node, "pids", &pids));
  TRY(Member(node, "blockIO", &out->block_io));
  TRY(Member(node, "hugepageLimits", &out->hugepage_limits));
  TRY(Member(node, "network", &out->network));
  TRY(Member(node, "rdma", &out->rdma));
  TRY(Member(node, "unified", &out->unified));
  out->pids_limit = pids.limit;
  for (const auto& [file, value] : out->unified) {
    // It names a file of the group's own directory and is written by us: no way out of there.
    if (file.empty() || file.find('/') != std::string::npos || file.starts_with('.'))
      return Node(node, "unified", node.json())
          .Complain(fmt::format("without '{}': a name such as memory.high", file));
  }
  return {};
}

}  // namespace wasmoor::oci
