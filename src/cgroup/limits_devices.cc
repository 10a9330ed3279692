#include <cerrno>

#include "cgroup/control_file.h"
#include "cgroup/device_program.h"
#include "cgroup/limits.h"
#include "wasmoor/os/bpf.h"
#include "wasmoor/os/capability.h"

namespace wasmoor::cgroup {
namespace {

std::string NumberOrAll(const std::optional<int64_t>& number) {
  return number.value_or(-1) < 0 ? "*" : fmt::format("{}", *number);
}

// 'a' means all devices and all access to the kernel, whatever stands after it.
Status WriteRuleV1(const Branch& branch, size_t index, const oci::DeviceRule& rule) {
  const std::string name = fmt::format("devices[{}]", index);
  const Field field{branch, name};
  const char* file = rule.allow ? "devices.allow" : "devices.deny";
  const std::string access = rule.access.empty() ? "rwm" : rule.access;
  bool is_all = true;
  for (const char letter : {'r', 'w', 'm'}) is_all = is_all && access.find(letter) != access.npos;
  if (rule.type != 'a')
    return field.Set(file, fmt::format("{} {}:{} {}", rule.type, NumberOrAll(rule.major),
                                       NumberOrAll(rule.minor), access));
  if (is_all) return field.Set(file, "a");
  TRY(field.Set(file, "b *:* " + access));
  return field.Set(file, "c *:* " + access);
}

}  // namespace

Status ApplyDevices(const Tree& tree, const std::vector<oci::DeviceRule>& rules) {
  if (rules.empty()) return {};
  const Branch* branch = tree.Find("devices");
  if (branch != nullptr && !branch->v2()) {
    for (size_t i = 0; i < rules.size(); ++i) TRY(WriteRuleV1(*branch, i, rules[i]));
    return {};
  }
  branch = TRY(Need(tree, "devices", "devices"));
  auto attached =
      os::AttachDeviceProgram(branch->directory, "wasmoor_devices", DeviceProgram(rules));
  // In a user namespace the kernel takes no device program, and none is needed: its root cannot
  // make devices, and opens those only that it was given.
  if (attached || (attached.error().error_number() == EPERM && !os::IsRootOfMachine())) return {};
  return tl::unexpected(std::move(attached).error().WithContext(
      fmt::format("linux.resources.devices: {}", branch->FullPath())));
}

}  // namespace wasmoor::cgroup
