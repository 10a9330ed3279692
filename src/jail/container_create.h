#pragma once

#include <optional>

#include "jail/channel.h"
#include "jail/first_process.h"
#include "jail/store.h"
#include "wasmoor/base/result.h"
#include "wasmoor/cgroup/entry.h"
#include "wasmoor/cgroup/group.h"
#include "wasmoor/jail/container.h"
#include "wasmoor/oci/bundle.h"
#include "wasmoor/os/clone.h"

namespace wasmoor::jail {

// One `create` (OCI runtime-spec, runtime.md, "Lifecycle", steps 1 to 5). What it has made is
// undone with it, unless it came to its end.
class Creation : public os::Pending<Containers::Created> {
 public:
  // `cgroups` is looked for if it is not known yet.
  Creation(const Store& store, std::optional<cgroup::Root>* cgroups, CreateOptions options,
           Executors executors)
      : store_(store), cgroups_(cgroups), options_(std::move(options)), executors_(executors) {}
  ~Creation() override;
  Creation(const Creation&) = delete;
  Creation& operator=(const Creation&) = delete;

  const os::Fd& waits_for() const override;
  Result<std::optional<Containers::Created>> Advance() override;

 private:
  enum class At : uint8_t { kBeginning, kPreparing, kMounting, kHooking, kSettling };

  Status ReadBundle();
  Status CheckSupported() const;
  Result<os::Fd> OpenRoot() const;
  Status BeginPreparation();
  Status Make(std::unique_ptr<Program> program);  // All of it, up to the new process.
  Result<Containers::Created> Finish();
  Status TakePlace();
  Status PlanGroup();  // Where it will be, to be written down first.
  Status MakeGroup(Status planned);
  Result<FirstProcessPlan> Plan(ProcessPlan process);
  Status SpawnFirst();
  Status Admit();
  bool HasHostHooks() const;
  Status RunHostHooks() const;
  Result<std::optional<Containers::Created>> GoOnAfterHooks();
  std::vector<CgroupTree> CgroupTrees() const;
  oci::State StateNow(oci::Status status) const;
  void Undo();

  const Store& store_;
  std::optional<cgroup::Root>* const cgroups_;
  const CreateOptions options_;
  const Executors executors_;

  oci::Bundle bundle_;
  Record record_;
  std::optional<Place> place_;
  std::optional<cgroup::Group> group_;
  std::optional<cgroup::Entry> entry_;
  // What `request_` refers to stays where it is.
  os::Fd root_;
  std::optional<ProgramRequest> request_;
  std::unique_ptr<Preparation> preparation_;
  std::optional<FirstProcessPlan> plan_;
  std::optional<Channel> channel_;                // To the new process.
  std::unique_ptr<os::Pending<Warnings>> hooks_;  // Where nothing may wait for them.
  os::Cloned child_;
  os::Fd console_, terminal_;
  At at_ = At::kBeginning;
  bool hooks_begun_ = false;
  bool done_ = false;
};

}  // namespace wasmoor::jail
