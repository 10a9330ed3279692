#include "wasmoor/oci/spec.h"

#include <array>

#include "oci/parts.h"

namespace wasmoor::oci {
namespace {

struct NamespaceName {
  NamespaceType type;
  std::string_view name;
};
constexpr std::array<NamespaceName, 8> kNamespaceNames = {{
    {NamespaceType::kPid, "pid"},
    {NamespaceType::kNetwork, "network"},
    {NamespaceType::kMount, "mount"},
    {NamespaceType::kIpc, "ipc"},
    {NamespaceType::kUts, "uts"},
    {NamespaceType::kUser, "user"},
    {NamespaceType::kCgroup, "cgroup"},
    {NamespaceType::kTime, "time"},
}};

}  // namespace

std::string_view NamespaceName(NamespaceType type) {
  return kNamespaceNames[static_cast<size_t>(type)].name;
}

Status Read(const Node& node, NamespaceType* out) {
  std::string text;
  TRY(Read(node, &text));
  for (const auto& [type, name] : kNamespaceNames) {
    if (name == text) return *out = type, Status();
  }
  return node.Complain(
      fmt::format("pid, network, mount, ipc, uts, user, cgroup or time, is '{}'", text));
}

Status Read(const Node& node, Namespace* out) {
  TRY(IsObject(node));
  if (!node.json().contains("type")) return node.Complain("a namespace with a type");
  TRY(Member(node, "type", &out->type));
  return Member(node, "path", &out->path);
}

Status Read(const Node& node, Root* out) {
  TRY(IsObject(node));
  TRY(Member(node, "path", &out->path));
  return Member(node, "readonly", &out->readonly);
}

Status Read(const Node& node, IdMapping* out) {
  TRY(IsObject(node));
  TRY(Member(node, "containerID", &out->container_id));
  TRY(Member(node, "hostID", &out->host_id));
  return Member(node, "size", &out->size);
}

Status Read(const Node& node, Mount* out) {
  TRY(IsObject(node));
  TRY(Member(node, "destination", &out->destination));
  TRY(Member(node, "type", &out->type));
  TRY(Member(node, "source", &out->source));
  TRY(Member(node, "options", &out->options));
  TRY(Member(node, "uidMappings", &out->uid_mappings));
  return Member(node, "gidMappings", &out->gid_mappings);
}

Status Read(const Node& node, Hook* out) {
  TRY(IsObject(node));
  TRY(Member(node, "path", &out->path));
  TRY(Member(node, "args", &out->args));
  TRY(Member(node, "env", &out->env));
  return Member(node, "timeout", &out->timeout);
}

Status Read(const Node& node, Hooks* out) {
  TRY(IsObject(node));
  TRY(Member(node, "prestart", &out->prestart));
  TRY(Member(node, "createRuntime", &out->create_runtime));
  TRY(Member(node, "createContainer", &out->create_container));
  TRY(Member(node, "startContainer", &out->start_container));
  TRY(Member(node, "poststart", &out->poststart));
  return Member(node, "poststop", &out->poststop);
}

Status Read(const Node& node, Device* out) {
  TRY(IsObject(node));
  std::string type;
  TRY(Member(node, "type", &type));
  if (type.size() != 1 || std::string_view("cubp").find(type[0]) == std::string_view::npos)
    return node.Complain(fmt::format("a device of type c, u, b or p, is '{}'", type));
  out->type = type[0];
  TRY(Member(node, "path", &out->path));
  TRY(Member(node, "major", &out->major));
  TRY(Member(node, "minor", &out->minor));
  TRY(Member(node, "fileMode", &out->file_mode));
  TRY(Member(node, "uid", &out->uid));
  return Member(node, "gid", &out->gid);
}

Status Read(const Node& node, IntelRdt* out) {
  TRY(IsObject(node));
  TRY(Member(node, "closID", &out->clos_id));
  TRY(Member(node, "l3CacheSchema", &out->l3_cache_schema));
  TRY(Member(node, "memBwSchema", &out->mem_bw_schema));
  TRY(Member(node, "enableCMT", &out->enable_cmt));
  return Member(node, "enableMBM", &out->enable_mbm);
}

Status Read(const Node& node, TimeOffset* out) {
  TRY(IsObject(node));
  TRY(Member(node, "secs", &out->secs));
  return Member(node, "nanosecs", &out->nanosecs);
}

Status Read(const Node& node, Personality* out) {
  TRY(IsObject(node));
  TRY(Member(node, "domain", &out->domain));
  return Member(node, "flags", &out->flags);
}

Status Read(const Node& node, Linux* out) {
  TRY(IsObject(node));
  TRY(Member(node, "namespaces", &out->namespaces));
  TRY(Member(node, "uidMappings", &out->uid_mappings));
  TRY(Member(node, "gidMappings", &out->gid_mappings));
  TRY(Member(node, "timeOffsets", &out->time_offsets));
  TRY(Member(node, "devices", &out->devices));
  TRY(Member(node, "cgroupsPath", &out->cgroups_path));
  TRY(Member(node, "resources", &out->resources));
  TRY(Member(node, "intelRdt", &out->intel_rdt));
  TRY(Member(node, "sysctl", &out->sysctl));
  TRY(Member(node, "seccomp", &out->seccomp));
  TRY(Member(node, "rootfsPropagation", &out->rootfs_propagation));
  TRY(Member(node, "maskedPaths", &out->masked_paths));
  TRY(Member(node, "readonlyPaths", &out->readonly_paths));
  TRY(Member(node, "mountLabel", &out->mount_label));
  return Member(node, "personality", &out->personality);
}

Status Read(const Node& node, Spec* out) {
  TRY(IsObject(node));
  TRY(Member(node, "ociVersion", &out->oci_version));
  TRY(Member(node, "process", &out->process));
  TRY(Member(node, "root", &out->root));
  TRY(Member(node, "hostname", &out->hostname));
  TRY(Member(node, "domainname", &out->domainname));
  TRY(Member(node, "mounts", &out->mounts));
  TRY(Member(node, "hooks", &out->hooks));
  TRY(Member(node, "annotations", &out->annotations));
  return Member(node, "linux", &out->on_linux);
}

namespace {

// An error that repeats what a hostile document has is cut: it goes to an operator and a log.
Error Short(Error error) {
  constexpr size_t kMost = 400;
  const std::string& whole = error.message();
  if (whole.size() <= kMost) return error;
  size_t end = kMost;
  while ((static_cast<unsigned char>(whole[end]) & 0xc0) == 0x80) --end;  // Between characters.
  return Error(error.code(), whole.substr(0, end) + "…", error.error_number());
}

template <typename T>
Result<T> ReadDocument(std::string_view text, Status (*check)(const T&)) {
  const auto json = ParseJson(text, kMaxSpecBytes);
  if (!json) return tl::unexpected(Short(json.error()));
  T value;
  Status read = Read(Node(*json), &value);
  if (read) read = check(value);
  if (!read) return tl::unexpected(Short(std::move(read).error()));
  return value;
}

}  // namespace

Result<Spec> ParseSpec(std::string_view text) { return ReadDocument<Spec>(text, &Validate); }

Result<Process> ParseProcess(std::string_view text) {
  return ReadDocument<Process>(text, [](const Process& one) { return Validate(one, ""); });
}

Result<Resources> ParseResources(std::string_view text) {
  return ReadDocument<Resources>(text, [](const Resources&) { return Status(); });
}

}  // namespace wasmoor::oci
