#include "task/pod_messages.h"

#include <fcntl.h>
#include <fmt/ranges.h>
#include <sys/utsname.h>

#include <chrono>
#include <nlohmann/json.hpp>
#include <optional>
#include <string_view>
#include <vector>

#include "proto/containerd/cri.pb.h"
#include "wasmoor/os/file.h"
#include "wasmoor/ttrpc/any.h"

namespace wasmoor::task {
namespace {

namespace cri = ::runtime::v1;
using sandbox::PodRequest;

// The name that containerd gives to Go's type (github.com/containerd/containerd, pkg/oci).
constexpr std::string_view kSpecificationType =
    "types.containerd.io/opencontainers/runtime-spec/1/Spec";

// As OCI's image index has it, which is GOARCH.
constexpr std::string_view kArchitecture =
#if defined(__x86_64__)
    "amd64";
#elif defined(__aarch64__)
    "arm64";
#elif defined(__riscv)
    "riscv64";
#elif defined(__s390x__)
    "s390x";
#else
    "";
#endif

template <typename Mappings>
std::vector<oci::IdMapping> ToMappings(const Mappings& mappings) {
  std::vector<oci::IdMapping> all;
  for (const cri::IDMapping& one : mappings)
    all.push_back(
        {.container_id = one.container_id(), .host_id = one.host_id(), .size = one.length()});
  return all;
}

void AddNamespaces(const cri::NamespaceOption& option, PodRequest* pod) {
  if (option.network() == cri::NODE) pod->network_namespace.clear();
  pod->ipc = option.ipc() == cri::NODE ? PodRequest::Scope::kNode : PodRequest::Scope::kPod;
  // CONTAINER: each has its own, by its own configuration.
  pod->pid = option.pid() == cri::POD ? PodRequest::Scope::kPod : PodRequest::Scope::kNode;
  if (option.has_userns_options() && option.userns_options().mode() == cri::POD) {
    pod->uid_mappings = ToMappings(option.userns_options().uids());
    pod->gid_mappings = ToMappings(option.userns_options().gids());
  }
}

// As resolv.conf(5) has it. That of the node where nothing else is said.
std::optional<std::string> ResolvConf(const cri::PodSandboxConfig& config) {
  constexpr const char* kOfNode = "/etc/resolv.conf";
  constexpr uint64_t kMost = 64 << 10;
  const cri::DNSConfig& dns = config.dns_config();
  if (config.has_dns_config()) {
    std::string text;
    if (dns.searches_size() > 0) text += fmt::format("search {}\n", fmt::join(dns.searches(), " "));
    for (const std::string& server : dns.servers()) text += fmt::format("nameserver {}\n", server);
    if (dns.options_size() > 0) text += fmt::format("options {}\n", fmt::join(dns.options(), " "));
    return text;
  }
  const auto file = os::OpenAt(os::Fd(), kOfNode, O_RDONLY);
  if (!file) return std::nullopt;
  const auto bytes = os::ReadAll(*file, kMost);
  if (!bytes) return std::nullopt;
  return std::string(bytes->begin(), bytes->end());
}

// A pod in the node's network has the node's name.
std::string HostnameFile(const cri::PodSandboxConfig& config) {
  if (!config.hostname().empty()) return config.hostname() + "\n";
  struct utsname node = {};
  return ::uname(&node) == 0 ? std::string(node.nodename) + "\n" : "\n";
}

void AddConfig(const cri::PodSandboxConfig& config, PodRequest* pod) {
  pod->hostname = config.hostname();
  pod->annotations.insert(config.annotations().begin(), config.annotations().end());
  pod->cgroup_parent = config.on_linux().cgroup_parent();
  const auto& sysctls = config.on_linux().sysctls();
  pod->sysctls.insert(sysctls.begin(), sysctls.end());
  AddNamespaces(config.on_linux().security_context().namespace_options(), pod);
  pod->resolv_conf = ResolvConf(config);
  pod->hostname_file = HostnameFile(config);
}

}  // namespace

Status ApplyConfiguration(const google::protobuf::Any& configuration, PodRequest* pod) {
  if (ttrpc::TypeIn(configuration).empty()) return {};
  AddConfig(TRY_AS(ttrpc::Unpack<cri::PodSandboxConfig>(configuration), "pod \"{}\"", pod->id),
            pod);
  return {};
}

google::protobuf::Any SpecificationOf(const std::string& network_namespace) {
  using nlohmann::json;
  json specification = {{"ociVersion", "1.2.0"}, {"linux", json::object()}};
  if (!network_namespace.empty())
    specification["linux"]["namespaces"] = {{{"type", "network"}, {"path", network_namespace}}};
  google::protobuf::Any any;
  any.set_type_url(std::string(kSpecificationType));
  any.set_value(specification.dump(-1, ' ', false, json::error_handler_t::replace));
  return any;
}

::containerd::types::Platform ThisPlatform() {
  ::containerd::types::Platform platform;
  platform.set_os("linux");
  platform.set_architecture(std::string(kArchitecture));
  return platform;
}

Result<::containerd::types::Metric> ToMetric(const std::string& id, const cgroup::Stats& stats,
                                             MetricsPacker* packer) {
  ::containerd::types::Metric metric;
  *metric.mutable_data() = TRY(packer->Pack(stats));
  metric.set_id(id);
  ttrpc::SetTime(std::chrono::system_clock::now(), metric.mutable_timestamp());
  return metric;
}

}  // namespace wasmoor::task
