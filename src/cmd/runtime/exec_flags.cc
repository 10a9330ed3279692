#include "cmd/runtime/exec_flags.h"

#include <algorithm>

#include "cmd/runtime/document.h"
#include "cmd/runtime/numbers.h"

namespace wasmoor::cmd {
namespace {

// "1000", "1000:100". Names mean something in the container only, and its files are not ours to
// believe.
Status SetUser(std::string_view text, oci::User* user) {
  const size_t colon = text.find(':');
  user->uid = TRY(ParseInteger<uid_t>("--user", text.substr(0, colon)));
  if (colon != std::string_view::npos)
    user->gid = TRY(ParseInteger<gid_t>("--user", text.substr(colon + 1)));
  return {};
}

// As exec(3) and everybody else finds a variable: the first of a name counts, so one that is given
// anew takes its place.
void SetVariable(const std::string& variable, std::vector<std::string>* environment) {
  const std::string name = variable.substr(0, variable.find('=')) + '=';
  const auto it = std::find_if(environment->begin(), environment->end(),
                               [&](const std::string& one) { return one.starts_with(name); });
  if (it == environment->end()) {
    environment->push_back(variable);
  } else {
    *it = variable;
  }
}

// Not the inheritable ones, by which a program without any rights would get some (runc's
// CVE-2022-29162).
void AddCapability(const std::string& capability, oci::Process* process) {
  if (!process->capabilities) process->capabilities.emplace();
  oci::Capabilities& sets = *process->capabilities;
  for (std::vector<std::string>* set : {&sets.bounding, &sets.effective, &sets.permitted}) {
    if (std::find(set->begin(), set->end(), capability) == set->end()) set->push_back(capability);
  }
}

}  // namespace

void ExecFlags::Configure(Options& options) {
  options.Section("Process");
  options
      .Value("--process", process_file, "FILE",
             "Take all of the process from this file, JSON as 'process' of a configuration")
      .Letter("-p")
      .Complete(Completes::kFiles);
  options.Value("--cwd", cwd_, "DIR", "Its working directory in the container");
  options.Repeated("--env", environment_, "NAME=VALUE", "A variable of its environment")
      .Letter("-e");
  options.Flag("--tty", tty_, "Give it a terminal").Letter("-t");
  options.Value("--user", user_, "UID[:GID]", "Its user and group, by number").Letter("-u");
  options.Repeated("--additional-gids", groups_, "GID", "One more group, by number").Letter("-g");
  options.Repeated("--cap", capabilities_, "CAPABILITY", "One more capability").Letter("-c");
  options.Flag("--no-new-privs", no_new_privileges_, "It can gain no privileges");
  options.Value("--process-label", selinux_label_, "LABEL", "Its SELinux label");
  options.Value("--apparmor", apparmor_profile_, "PROFILE", "Its AppArmor profile");
  options.Value("--cgroup", cgroup_, "GROUP", "Not supported").Hide();
}

Status ExecFlags::Check() {
  if (!cgroup_.empty())
    return Fail(Code::kUnimplemented,
                "--cgroup is not supported: a process is in the control group of its container");
  for (const std::string& variable : environment_) {
    if (variable.find('=') == std::string::npos || variable.front() == '=')
      return Fail(Code::kInvalidArgument, "--env '{}': must be NAME=VALUE", variable);
  }
  return {};
}

Result<oci::Process> ExecFlags::ProcessFor(oci::Process configured,
                                           std::vector<std::string> words) const {
  if (!process_file.empty())
    return TRY_AS(oci::ParseProcess(TRY_AS(ReadDocument(process_file), "--process")),
                  "--process {}", process_file);
  oci::Process process = std::move(configured);
  process.args = std::move(words);
  process.terminal = tty_;
  if (!cwd_.empty()) process.cwd = cwd_;
  for (const std::string& variable : environment_) SetVariable(variable, &process.env);
  if (!user_.empty()) TRY(SetUser(user_, &process.user));
  for (const std::string& group : groups_)
    process.user.additional_gids.push_back(TRY(ParseInteger<gid_t>("--additional-gids", group)));
  for (const std::string& capability : capabilities_) AddCapability(capability, &process);
  if (no_new_privileges_) process.no_new_privileges = true;
  if (!selinux_label_.empty()) process.selinux_label = selinux_label_;
  if (!apparmor_profile_.empty()) process.apparmor_profile = apparmor_profile_;
  return process;
}

}  // namespace wasmoor::cmd
