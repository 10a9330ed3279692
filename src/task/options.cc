#include "wasmoor/task/options.h"

#include <google/protobuf/any.pb.h>

#include <algorithm>

#include "proto/containerd/runc_options.pb.h"
#include "proto/containerd/runtime_options.pb.h"
#include "settings/toml.h"
#include "task/settings.h"
#include "wasmoor/ttrpc/any.h"

namespace wasmoor::task {
namespace {

Status ApplyFile(const std::string& path, Options* options) {
  return ApplyToml(TRY_AS(settings::ReadSettingsFile(path), "the runtime's options: config_path"),
                   path, options);
}

void ApplyRunc(const containerd::runc::v1::Options& runc, Options* options) {
  options->systemd_cgroup = runc.systemd_cgroup();
  options->no_pivot_root = runc.no_pivot_root();
  options->no_new_keyring = runc.no_new_keyring();
  options->shim_cgroup = runc.shim_cgroup();
}

}  // namespace

Status ApplyAny(const google::protobuf::Any& any, Options* options) {
  const std::string_view type = ttrpc::TypeIn(any);
  if (type.empty()) return {};
  if (type == runtimeoptions::v1::Options().GetTypeName()) {
    const auto ours = TRY(ttrpc::Unpack<runtimeoptions::v1::Options>(any));
    if (!ours.config_path().empty()) TRY(ApplyFile(ours.config_path(), options));
    return ApplyToml(ours.config_body(), "the runtime's options in containerd's configuration",
                     options);
  }
  if (type == containerd::runc::v1::Options().GetTypeName()) {
    ApplyRunc(TRY(ttrpc::Unpack<containerd::runc::v1::Options>(any)), options);
    return {};
  }
  return Fail(Code::kInvalidArgument,
              "the runtime's options are a '{}'; this runtime takes runtimeoptions.v1.Options and "
              "containerd.runc.v1.Options",
              any.type_url());
}

Status ApplyAnnotations(const std::map<std::string, std::string>& annotations, Options* options) {
  // What an annotation sets must not widen what annotations may set.
  const std::vector<std::string> allowed = options->annotations;
  for (const std::string& key : allowed) {
    const std::string name = std::string(kAnnotationPrefix) + key;
    const auto found = annotations.find(name);
    const Setting* setting = FindSetting(key);
    if (found == annotations.end() || setting == nullptr || key == "annotations") continue;
    TRY_AS(setting->set(Text{found->second}, options), "annotation {}", name);
  }
  return {};
}

}  // namespace wasmoor::task
