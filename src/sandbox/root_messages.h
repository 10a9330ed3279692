#pragma once

#include <vector>

#include "wasmoor/sandbox/sandbox.h"

// The mounts of a root filesystem in the messages of several protocols, which all name their
// fields as containerd's types/mount.proto.
namespace wasmoor::sandbox {

template <typename Messages>
std::vector<RootMount> ReadRootMounts(const Messages& messages) {
  std::vector<RootMount> mounts;
  for (const auto& one : messages)
    mounts.push_back({.type = one.type(),
                      .source = one.source(),
                      .target = one.target(),
                      .options = {one.options().begin(), one.options().end()}});
  return mounts;
}

template <typename Messages>
void WriteRootMounts(const std::vector<RootMount>& mounts, Messages* messages) {
  for (const RootMount& mount : mounts) {
    auto& one = *messages->Add();
    one.set_type(mount.type);
    one.set_source(mount.source);
    one.set_target(mount.target);
    one.mutable_options()->Assign(mount.options.begin(), mount.options.end());
  }
}

}  // namespace wasmoor::sandbox
