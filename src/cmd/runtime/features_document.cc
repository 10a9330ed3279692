#include "cmd/runtime/features_document.h"

#include <fmt/format.h>
#include <seccomp.h>

#include <array>
#include <nlohmann/json.hpp>

#include "cmd/line/json_text.h"
#include "jail/rootfs/mount_options.h"
#include "seccomp/names.h"
#include "wasmoor/oci/spec.h"
#include "wasmoor/oci/state.h"
#include "wasmoor/os/capability.h"

namespace wasmoor::cmd {
namespace {

constexpr std::array kNamespaceTypes = {oci::NamespaceType::kCgroup, oci::NamespaceType::kIpc,
                                        oci::NamespaceType::kMount,  oci::NamespaceType::kNetwork,
                                        oci::NamespaceType::kPid,    oci::NamespaceType::kTime,
                                        oci::NamespaceType::kUser,   oci::NamespaceType::kUts};

Json Namespaces() {
  Json names = Json::array();
  for (oci::NamespaceType type : kNamespaceTypes) names.push_back(oci::NamespaceName(type));
  return names;
}

Json Capabilities() {
  Json names = Json::array();
  for (int one = 0; one <= os::LastCapability(); ++one) {
    std::string name = os::CapabilityName(one);
    // One that is newer than this program has none.
    if (name.starts_with("CAP_")) names.push_back(std::move(name));
  }
  return names;
}

Json Annotations(std::span<const wasm::EngineFactory> engines) {
  const struct scmp_version* seccomp = seccomp_version();
  Json annotations = {{"io.github.seccomp.libseccomp.version",
                       fmt::format("{}.{}.{}", seccomp->major, seccomp->minor, seccomp->micro)},
                      {"org.opencontainers.runc.checkpoint.enabled", "false"},
                      // What callers look for to learn that a runtime runs WebAssembly.
                      {"run.oci.crun.wasm", "true"},
                      {"io.wasmoor.version", WASMOOR_VERSION}};
  for (const wasm::EngineFactory& engine : engines)
    annotations[fmt::format("io.wasmoor.engine.{}", engine.name)] = engine.version;
  return annotations;
}

}  // namespace

Json FeaturesDocument(std::span<const wasm::EngineFactory> engines) {
  const Json enabled = {{"enabled", true}};
  Json document;
  document["ociVersionMin"] = "1.0.0";
  document["ociVersionMax"] = oci::State().oci_version;
  document["hooks"] = {"prestart",       "createRuntime", "createContainer",
                       "startContainer", "poststart",     "poststop"};
  document["mountOptions"] = jail::KnownMountOptions();
  Json& on_linux = document["linux"];
  on_linux["namespaces"] = Namespaces();
  on_linux["capabilities"] = Capabilities();
  on_linux["cgroup"] = {
      {"v1", true}, {"v2", true}, {"systemd", true}, {"systemdUser", true}, {"rdma", true}};
  on_linux["seccomp"] = {{"enabled", true},
                         {"actions", seccomp::ActionNames()},
                         {"operators", seccomp::OperatorNames()},
                         {"archs", seccomp::ArchitectureNames()},
                         {"knownFlags", seccomp::FlagNames()},
                         {"supportedFlags", seccomp::SupportedFlagNames()}};
  on_linux["apparmor"] = enabled;
  on_linux["selinux"] = enabled;
  on_linux["intelRdt"] = {{"enabled", false}};
  on_linux["mountExtensions"] = {{"idmap", enabled}};
  document["annotations"] = Annotations(engines);
  document["potentiallyUnsafeConfigAnnotations"] = {"io.katacontainers.platform.wasi/wasm32",
                                                    "module.wasm.image/variant", "run.oci.handler"};
  return document;
}

}  // namespace wasmoor::cmd
