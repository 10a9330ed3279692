#include "oci/parts.h"

namespace wasmoor::oci {

Status Read(const Node& node, SeccompArg* out) {
  TRY(IsObject(node));
  TRY(Member(node, "index", &out->index));
  TRY(Member(node, "value", &out->value));
  TRY(Member(node, "valueTwo", &out->value_two));
  return Member(node, "op", &out->op);
}

Status Read(const Node& node, SeccompRule* out) {
  TRY(IsObject(node));
  TRY(Member(node, "names", &out->names));
  TRY(Member(node, "action", &out->action));
  TRY(Member(node, "errnoRet", &out->errno_ret));
  TRY(Member(node, "args", &out->args));
  if (out->names.empty()) return node.Complain("a rule with at least one system call in names");
  if (out->action.empty()) return node.Complain("a rule with an action");
  return {};
}

Status Read(const Node& node, Seccomp* out) {
  TRY(IsObject(node));
  TRY(Member(node, "defaultAction", &out->default_action));
  TRY(Member(node, "defaultErrnoRet", &out->default_errno_ret));
  TRY(Member(node, "architectures", &out->architectures));
  TRY(Member(node, "flags", &out->flags));
  TRY(Member(node, "listenerPath", &out->listener_path));
  TRY(Member(node, "listenerMetadata", &out->listener_metadata));
  TRY(Member(node, "syscalls", &out->syscalls));
  if (out->default_action.empty()) return node.Complain("a profile with a defaultAction");
  return {};
}

}  // namespace wasmoor::oci
