#include "oci/parts.h"

namespace wasmoor::oci {

Status Read(const Node& node, User* out) {
  TRY(IsObject(node));
  TRY(Member(node, "uid", &out->uid));
  TRY(Member(node, "gid", &out->gid));
  TRY(Member(node, "umask", &out->umask));
  TRY(Member(node, "additionalGids", &out->additional_gids));
  return Member(node, "username", &out->username);
}

Status Read(const Node& node, ConsoleSize* out) {
  TRY(IsObject(node));
  TRY(Member(node, "height", &out->height));
  return Member(node, "width", &out->width);
}

Status Read(const Node& node, Rlimit* out) {
  TRY(IsObject(node));
  TRY(Member(node, "type", &out->type));
  TRY(Member(node, "soft", &out->soft));
  TRY(Member(node, "hard", &out->hard));
  if (!out->type.starts_with("RLIMIT_"))
    return node.Complain("a limit with a type such as RLIMIT_NOFILE");
  return {};
}

Status Read(const Node& node, Capabilities* out) {
  TRY(IsObject(node));
  TRY(Member(node, "bounding", &out->bounding));
  TRY(Member(node, "effective", &out->effective));
  TRY(Member(node, "inheritable", &out->inheritable));
  TRY(Member(node, "permitted", &out->permitted));
  return Member(node, "ambient", &out->ambient);
}

Status Read(const Node& node, Scheduler* out) {
  TRY(IsObject(node));
  TRY(Member(node, "policy", &out->policy));
  TRY(Member(node, "nice", &out->nice));
  TRY(Member(node, "priority", &out->priority));
  TRY(Member(node, "flags", &out->flags));
  TRY(Member(node, "runtime", &out->runtime));
  TRY(Member(node, "deadline", &out->deadline));
  return Member(node, "period", &out->period);
}

Status Read(const Node& node, IoPriority* out) {
  TRY(IsObject(node));
  TRY(Member(node, "class", &out->io_class));
  return Member(node, "priority", &out->priority);
}

Status Read(const Node& node, ExecCpuAffinity* out) {
  TRY(IsObject(node));
  TRY(Member(node, "initial", &out->initial));
  return Member(node, "final", &out->final_mask);
}

Status Read(const Node& node, Process* out) {
  TRY(IsObject(node));
  TRY(Member(node, "terminal", &out->terminal));
  TRY(Member(node, "consoleSize", &out->console_size));
  TRY(Member(node, "user", &out->user));
  TRY(Member(node, "args", &out->args));
  TRY(Member(node, "env", &out->env));
  TRY(Member(node, "cwd", &out->cwd));
  TRY(Member(node, "capabilities", &out->capabilities));
  TRY(Member(node, "rlimits", &out->rlimits));
  TRY(Member(node, "noNewPrivileges", &out->no_new_privileges));
  TRY(Member(node, "apparmorProfile", &out->apparmor_profile));
  TRY(Member(node, "selinuxLabel", &out->selinux_label));
  TRY(Member(node, "oomScoreAdj", &out->oom_score_adj));
  TRY(Member(node, "scheduler", &out->scheduler));
  TRY(Member(node, "ioPriority", &out->io_priority));
  return Member(node, "execCPUAffinity", &out->exec_cpu_affinity);
}

}  // namespace wasmoor::oci
