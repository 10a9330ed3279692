#pragma once

#include "oci/reader.h"
#include "wasmoor/oci/spec.h"

// The readers of the parts that stand in files of their own; found by argument-dependent lookup
// from the templates of reader.h.
namespace wasmoor::oci {

Status Read(const Node& node, User* out);
Status Read(const Node& node, ConsoleSize* out);
Status Read(const Node& node, Rlimit* out);
Status Read(const Node& node, Capabilities* out);
Status Read(const Node& node, Scheduler* out);
Status Read(const Node& node, IoPriority* out);
Status Read(const Node& node, ExecCpuAffinity* out);
Status Read(const Node& node, Process* out);    // process.cc
Status Read(const Node& node, Resources* out);  // resources.cc
Status Read(const Node& node, Seccomp* out);    // seccomp.cc
Status Read(const Node& node, IdMapping* out);  // spec.cc

// validate.cc: what the specification demands beyond types.
Status Validate(const Process& process, const std::string& path);
Status Validate(const Spec& spec);

}  // namespace wasmoor::oci
