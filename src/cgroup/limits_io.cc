#include "cgroup/control_file.h"
#include "cgroup/limits.h"

namespace wasmoor::cgroup {
namespace {

// Weights belong to the disk scheduler: BFQ's files have its name in theirs, other kernels have the
// plain name.
std::string WeightFile(const Branch& branch, std::string_view rest) {
  const std::string plain = fmt::format("{}.{}", branch.v2() ? "io" : "blkio", rest);
  if (HasControl(branch.directory, plain)) return plain;
  const std::string bfq = fmt::format("{}.bfq.{}", branch.v2() ? "io" : "blkio", rest);
  return HasControl(branch.directory, bfq) ? bfq : plain;
}

Status SetWeights(const Branch& branch, const oci::BlockIoResources& io) {
  if (branch.v2()) {
    const std::string file = WeightFile(branch, "weight");
    const bool converts = file == "io.weight";
    const auto value = [&](uint64_t weight) { return converts ? IoWeight(weight) : weight; };
    if (io.weight.value_or(0) != 0)
      TRY((Field{branch, "blockIO.weight"}.SetNumber(file, value(*io.weight))));
    for (const oci::WeightDevice& device : io.weight_device) {
      if (device.weight)
        TRY((Field{branch, "blockIO.weightDevice"}.Set(
            file, fmt::format("{}:{} {}", device.major, device.minor, value(*device.weight)))));
    }
    return {};
  }
  if (io.weight.value_or(0) != 0)
    TRY((Field{branch, "blockIO.weight"}.SetNumber(WeightFile(branch, "weight"), *io.weight)));
  if (io.leaf_weight.value_or(0) != 0)
    TRY((Field{branch, "blockIO.leafWeight"}.SetNumber("blkio.leaf_weight", *io.leaf_weight)));
  for (const oci::WeightDevice& device : io.weight_device) {
    const auto line = [&](uint16_t weight) {
      return fmt::format("{}:{} {}", device.major, device.minor, weight);
    };
    const Field field{branch, "blockIO.weightDevice"};
    if (device.weight) TRY(field.Set(WeightFile(branch, "weight_device"), line(*device.weight)));
    if (device.leaf_weight) TRY(field.Set("blkio.leaf_weight_device", line(*device.leaf_weight)));
  }
  return {};
}

struct Throttle {
  const std::vector<oci::ThrottleDevice>& devices;
  const char* name;
  const char* v1_file;
  const char* v2_key;
};

Status SetThrottle(const Branch& branch, const Throttle& throttle) {
  const Field field{branch, throttle.name};
  for (const oci::ThrottleDevice& device : throttle.devices) {
    const std::string number = fmt::format("{}:{}", device.major, device.minor);
    if (!branch.v2()) {
      TRY(field.Set(throttle.v1_file, fmt::format("{} {}", number, device.rate)));
      continue;
    }
    // 0 lifts the limit on v1, and is refused on v2.
    const std::string rate = device.rate == 0 ? "max" : fmt::format("{}", device.rate);
    TRY(field.Set("io.max", fmt::format("{} {}={}", number, throttle.v2_key, rate)));
  }
  return {};
}

}  // namespace

uint64_t IoWeight(uint64_t weight) {
  if (weight < 10) weight = 10;
  return 1 + (weight - 10) * 9999 / 990;
}

Status ApplyBlockIo(const Tree& tree, const oci::BlockIoResources& io) {
  const bool has_any = io.weight || io.leaf_weight || !io.weight_device.empty() ||
                       !io.throttle_read_bps.empty() || !io.throttle_write_bps.empty() ||
                       !io.throttle_read_iops.empty() || !io.throttle_write_iops.empty();
  if (!has_any) return {};
  const Branch* branch = tree.Find("blkio");
  if (branch == nullptr) branch = TRY(Need(tree, "io", "blockIO"));
  TRY(SetWeights(*branch, io));
  const Throttle throttles[] = {
      {io.throttle_read_bps, "blockIO.throttleReadBpsDevice", "blkio.throttle.read_bps_device",
       "rbps"},
      {io.throttle_write_bps, "blockIO.throttleWriteBpsDevice", "blkio.throttle.write_bps_device",
       "wbps"},
      {io.throttle_read_iops, "blockIO.throttleReadIOPSDevice", "blkio.throttle.read_iops_device",
       "riops"},
      {io.throttle_write_iops, "blockIO.throttleWriteIOPSDevice",
       "blkio.throttle.write_iops_device", "wiops"},
  };
  for (const Throttle& throttle : throttles) TRY(SetThrottle(*branch, throttle));
  return {};
}

}  // namespace wasmoor::cgroup
