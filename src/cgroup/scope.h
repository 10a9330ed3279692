#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "wasmoor/base/result.h"
#include "wasmoor/oci/spec.h"

// Transient scopes of systemd (org.freedesktop.systemd1(5), systemd.scope(5)): units that hold
// processes which somebody else has started.
namespace wasmoor::cgroup {

enum class Manager : uint8_t {
  kSystem,  // The one of the machine.
  kUser,    // The user's own.
};

struct ScopeName {
  Manager manager = Manager::kSystem;
  std::string slice;  // "machine-web.slice"
  std::string unit;   // "wasmoor-one.scope"
};

// The manager that this process may ask.
Manager OwnManager();

// Of "slice:prefix:name". kInvalidArgument names linux.cgroupsPath.
Result<ScopeName> ParseScopeName(std::string_view path, Manager manager);

// The scope's control group below the manager's: "/machine.slice/machine-web.slice/….scope".
std::string ScopePath(const ScopeName& name);

// A property of a unit: its D-Bus type follows from the value's (b, t, s, au, ay).
struct Property {
  std::string name;
  std::variant<bool, uint64_t, std::string, std::vector<uint32_t>, std::vector<uint8_t>> value;
};

enum class Version : uint8_t { kV1, kV2 };

// The limits that systemd knows. It would otherwise write its own into the files when a unit beside
// this one changes. What it rounds or does not know is only in the files.
std::vector<Property> PropertiesOf(const oci::Resources& resources, Version version);

// The manager's own control group, "" for the root's. kUnavailable, with what to do, if there is no
// manager to ask.
Result<std::string> ManagerGroup(Manager manager);

// Returns when the process is in the scope. kAlreadyExists if the unit does.
Status StartScope(const ScopeName& name, pid_t pid, const std::vector<Property>& properties);
Status SetScopeProperties(const ScopeName& name, const std::vector<Property>& properties);
// Moves a process that this one may not move itself.
Status AttachToScope(const ScopeName& name, pid_t pid);
// Ends the scope, and whatever is in it. No error if there is no such unit, or no manager any more.
Status StopScope(const ScopeName& name);

}  // namespace wasmoor::cgroup
