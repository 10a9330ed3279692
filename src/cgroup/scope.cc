#include "cgroup/scope.h"

#include <unistd.h>

#include <chrono>
#include <cstdlib>

#include "dbus/connection.h"
#include "wasmoor/os/capability.h"

namespace wasmoor::cgroup {
namespace {

using dbus::Writer;

constexpr std::string_view kService = "org.freedesktop.systemd1";
constexpr std::string_view kPath = "/org/freedesktop/systemd1";
constexpr std::string_view kInterface = "org.freedesktop.systemd1.Manager";
constexpr std::string_view kProperties = "org.freedesktop.DBus.Properties";
// A loaded machine's systemd takes its time; a stop may wait for processes.
constexpr std::chrono::seconds kJobPatience{60};

// systemd's own socket is there for root where no bus runs, early at boot for instance.
constexpr const char* kSystemBus = "/run/dbus/system_bus_socket";
constexpr const char* kSystemPrivate = "/run/systemd/private";

Result<dbus::Connection> ConnectToSystem() {
  if (const char* address = getenv("DBUS_SYSTEM_BUS_ADDRESS"); address != nullptr)
    return dbus::Connection::Open(TRY_AS(dbus::ParseAddress(address), "DBUS_SYSTEM_BUS_ADDRESS"));
  auto bus = dbus::Connection::Open({kSystemBus, dbus::Peer::kBus});
  if (bus || bus.error().code() != Code::kUnavailable) return bus;
  auto direct = dbus::Connection::Open({kSystemPrivate, dbus::Peer::kService});
  return direct ? std::move(direct) : std::move(bus);
}

Result<dbus::Connection> ConnectToUser() {
  if (const char* address = getenv("DBUS_SESSION_BUS_ADDRESS"); address != nullptr)
    return dbus::Connection::Open(TRY_AS(dbus::ParseAddress(address), "DBUS_SESSION_BUS_ADDRESS"));
  const char* runtime = getenv("XDG_RUNTIME_DIR");
  const std::string folder = runtime != nullptr ? runtime : fmt::format("/run/user/{}", geteuid());
  return dbus::Connection::Open({folder + "/bus", dbus::Peer::kBus});
}

Result<dbus::Connection> Connect(Manager manager) {
  auto connected = manager == Manager::kSystem ? ConnectToSystem() : ConnectToUser();
  if (connected) return connected;
  const char* advice =
      manager == Manager::kSystem
          ? "the systemd cgroup driver needs systemd and its message bus; without them use the "
            "cgroupfs driver (leave --systemd-cgroup out)"
          : "the systemd cgroup driver needs the user's own systemd (systemctl --user status; "
            "loginctl enable-linger where nobody logs in), or leave --systemd-cgroup out";
  const Code code = connected.error().code();
  return Fail(code, "no answer from systemd: {}; {}", connected.error().message(), advice);
}

dbus::Call ManagerCall(std::string_view member, std::string_view signature, const Writer& writer) {
  return {kService, kPath, kInterface, member, signature, writer.bytes()};
}

template <typename... Kinds>
struct Overloaded : Kinds... {
  using Kinds::operator()...;
};
template <typename... Kinds>
Overloaded(Kinds...) -> Overloaded<Kinds...>;  // Clang 14 wants it said.

void WriteValue(const Property& property, Writer* writer) {
  std::visit(Overloaded{
                 [&](bool value) {
                   writer->Signature("b");
                   writer->Boolean(value);
                 },
                 [&](uint64_t value) {
                   writer->Signature("t");
                   writer->Uint64(value);
                 },
                 [&](const std::string& value) {
                   writer->Signature("s");
                   writer->String(value);
                 },
                 [&](const std::vector<uint32_t>& value) {
                   writer->Signature("au");
                   writer->Array(4, [&] {
                     for (const uint32_t one : value) writer->Uint32(one);
                   });
                 },
                 [&](const std::vector<uint8_t>& value) {
                   writer->Signature("ay");
                   writer->Array(1, [&] {
                     for (const uint8_t one : value) writer->Byte(one);
                   });
                 },
             },
             property.value);
}

void WriteProperties(const std::vector<Property>& properties, Writer* writer) {
  writer->Array(8, [&] {
    for (const Property& property : properties) {
      writer->Align(8);
      writer->String(property.name);
      WriteValue(property, writer);
    }
  });
}

// Asks for a job and waits for its end. `call` answers with the job's path.
Status RunJob(dbus::Connection* connection, const dbus::Call& call, std::string_view unit) {
  TRY(connection->Watch(kInterface, "JobRemoved"));
  // systemd says nothing of jobs while nobody has asked it to.
  TRY(connection->Tell({kService, kPath, kInterface, "Subscribe"}));
  const dbus::Message answer = TRY(connection->Ask(call));
  const std::string job = TRY(answer.ReadArguments().String());
  for (;;) {
    const dbus::Message signal = TRY_AS(connection->NextSignal(kJobPatience), "job of {}", unit);
    if (signal.member != "JobRemoved" || signal.signature != "uoss") continue;
    dbus::Reader reader = signal.ReadArguments();
    TRY(reader.Uint32());
    if (TRY(reader.String()) != job) continue;
    TRY(reader.String());
    const std::string result = TRY(reader.String());
    if (result == "done" || result == "skipped") return {};
    return Fail(Code::kFailedPrecondition,
                "the job of unit {} ended with '{}'; systemctl status {} and the journal say why",
                unit, result, unit);
  }
}

Status StartOnce(dbus::Connection* connection, const ScopeName& name,
                 const std::vector<Property>& properties) {
  Writer arguments;
  arguments.String(name.unit);
  arguments.String("fail");
  WriteProperties(properties, &arguments);
  arguments.Array(8, [] {});
  return RunJob(connection, ManagerCall("StartTransientUnit", "ssa(sv)a(sa(sv))", arguments),
                name.unit);
}

void ResetFailed(dbus::Connection* connection, const ScopeName& name) {
  Writer arguments;
  arguments.String(name.unit);
  // Of a unit that has not failed it is an error.
  static_cast<void>(connection->Ask(ManagerCall("ResetFailedUnit", "s", arguments)));
}

}  // namespace

Manager OwnManager() { return os::IsRootOfMachine() ? Manager::kSystem : Manager::kUser; }

Result<std::string> ManagerGroup(Manager manager) {
  dbus::Connection connection = TRY(Connect(manager));
  Writer arguments;
  arguments.String(kInterface);
  arguments.String("ControlGroup");
  const dbus::Message answer =
      TRY_AS(connection.Ask({kService, kPath, kProperties, "Get", "ss", arguments.bytes()}),
             "ask systemd for its control group");
  dbus::Reader reader = answer.ReadArguments();
  if (answer.signature != "v" || TRY(reader.Signature()) != "s")
    return Fail(Code::kDataLoss, "ask systemd for its control group: it answers something else");
  std::string group = TRY(reader.String());
  if (group == "/") group.clear();
  return group;
}

Status StartScope(const ScopeName& name, pid_t pid, const std::vector<Property>& properties) {
  std::vector<Property> all = {
      {"Description", "wasmoor container " + name.unit},
      {"Slice", name.slice},
      // Its groups are ours to write into, and the container's to divide.
      {"Delegate", true},
      // It is not ended before the services that it may serve when the machine goes down.
      {"DefaultDependencies", false},
      // Nothing remains to be reset if it ends with a failure, such as one for want of memory.
      {"CollectMode", std::string("inactive-or-failed")},
      {"CPUAccounting", true},
      {"MemoryAccounting", true},
      {"IOAccounting", true},
      {"TasksAccounting", true},
      {"PIDs", std::vector<uint32_t>{static_cast<uint32_t>(pid)}},
  };
  all.insert(all.end(), properties.begin(), properties.end());
  dbus::Connection connection = TRY(Connect(name.manager));
  auto started = StartOnce(&connection, name, all);
  if (!started && started.error().code() == Code::kAlreadyExists) {
    // One that failed and that nobody looked after is in the way by its name only.
    ResetFailed(&connection, name);
    started = StartOnce(&connection, name, all);
  }
  if (started) return {};
  const Code code = started.error().code();
  const char* advice = code == Code::kAlreadyExists
                           ? "; give the container another name, or end that unit (systemctl stop)"
                           : "";
  return Fail(code, "start unit {} in {}: {}{}", name.unit, name.slice, started.error().message(),
              advice);
}

Status SetScopeProperties(const ScopeName& name, const std::vector<Property>& properties) {
  if (properties.empty()) return {};
  dbus::Connection connection = TRY(Connect(name.manager));
  Writer arguments;
  arguments.String(name.unit);
  arguments.Boolean(true);  // Only as long as the unit lives.
  WriteProperties(properties, &arguments);
  TRY_AS(connection.Ask(ManagerCall("SetUnitProperties", "sba(sv)", arguments)),
         "set limits of unit {}", name.unit);
  return {};
}

Status AttachToScope(const ScopeName& name, pid_t pid) {
  dbus::Connection connection = TRY(Connect(name.manager));
  Writer arguments;
  arguments.String(name.unit);
  arguments.String("");
  arguments.Array(4, [&] { arguments.Uint32(static_cast<uint32_t>(pid)); });
  TRY_AS(connection.Ask(ManagerCall("AttachProcessesToUnit", "ssau", arguments)),
         "move process {} into unit {}", pid, name.unit);
  return {};
}

Status StopScope(const ScopeName& name) {
  auto connection = Connect(name.manager);
  // A manager that has gone took its units with it.
  if (!connection && connection.error().code() == Code::kUnavailable) return {};
  if (!connection) return tl::unexpected(std::move(connection).error());
  Writer arguments;
  arguments.String(name.unit);
  arguments.String("replace");
  auto stopped = RunJob(&*connection, ManagerCall("StopUnit", "ss", arguments), name.unit);
  if (stopped || stopped.error().code() == Code::kNotFound) return {};
  return tl::unexpected(std::move(stopped).error().WithContext("stop unit " + name.unit));
}

}  // namespace wasmoor::cgroup
