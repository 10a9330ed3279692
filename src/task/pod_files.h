#pragma once

#include <string>
#include <vector>

#include "wasmoor/base/result.h"
#include "wasmoor/sandbox/pod.h"

namespace wasmoor::task {

// Has the configuration of a bundle mount a pod's files, read-only where the root filesystem is.
// What it mounts itself at the same place stays. containerd writes that file and does not read it
// again; it does the same itself for the pods that it makes with a pause container.
Status AddPodFiles(const std::string& bundle, const std::vector<sandbox::PodFile>& files);

}  // namespace wasmoor::task
