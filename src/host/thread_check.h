#pragma once

#include "wasmoor/base/result.h"
#include "wasmoor/oci/spec.h"

namespace wasmoor::host {

// Whether a thread can be what this container needs. kUnimplemented names the field of the
// specification that it cannot, or the annotation that asks for a process.
Status CheckForThread(const oci::Spec& spec);

// The same of one whose guest serves HTTP: that is done in a network namespace which many may
// enter, the pod's.
Status CheckForServerThread(const oci::Spec& spec);

// What asks for a process, on a container or on its pod: "process". "thread" or nothing asks for
// none.
constexpr const char* kIsolationAnnotation = "io.wasmoor.isolation";

}  // namespace wasmoor::host
