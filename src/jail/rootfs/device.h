#pragma once

#include <span>
#include <vector>

#include "wasmoor/base/result.h"
#include "wasmoor/oci/spec.h"
#include "wasmoor/os/fd.h"

namespace wasmoor::jail {

enum class DeviceMethod : uint8_t {
  kMake,  // mknod(2).
  kBind,  // The host's own device bound over an empty file: a user namespace may not make devices.
};

// The devices every container has (OCI runtime-spec, config-linux.md, "Default Devices") and those
// of the specification, in `root`, and the links of /dev (runtime-linux.md, "Dev symbolic links").
// With kMake, what mknod is refused for is bound all the same. A thing that stands at a device's
// name is replaced, unless it is that device or something is mounted there.
Status MakeDevices(const os::Fd& root, std::span<const oci::Device> devices, DeviceMethod method);

// What rules for devices leave to every container, after the specification's own: the devices
// above, its terminals, and making files for any, which gives nobody the device.
std::vector<oci::DeviceRule> UsualDeviceRules();

// Shows `terminal`, a pseudo-terminal opened in this mount namespace, as /dev/console.
Status BindConsole(const os::Fd& root, const os::Fd& terminal);

}  // namespace wasmoor::jail
