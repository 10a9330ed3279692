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
class Creation {
 public:
  struct Done {
    Place place;
    Record record;
    Started first;
  };

  Creation(const Store& store, const Settings& settings, const CreateOptions& options,
           Executors executors)
      : store_(store), settings_(settings), options_(options), executors_(executors) {}
  ~Creation();
  Creation(const Creation&) = delete;
  Creation& operator=(const Creation&) = delete;

  Result<Done> Run();

 private:
  Status ReadBundle();
  Status CheckSupported() const;
  Result<std::unique_ptr<Program>> Prepare();
  Status TakePlace();
  Status PlanGroup();  // Where it will be, to be written down first.
  Status MakeGroup(Status planned);
  Result<FirstProcessPlan> Plan(ProcessPlan process);
  Result<os::Fd> Bring(FirstProcessPlan& plan);  // The terminal, if the caller gets it.
  Status Admit(const FirstProcessPlan& plan);
  Status RunHostHooks();
  std::vector<CgroupTree> CgroupTrees() const;
  oci::State StateNow(oci::Status status) const;
  void Undo();

  const Store& store_;
  const Settings& settings_;
  const CreateOptions& options_;
  const Executors executors_;

  oci::Bundle bundle_;
  Record record_;
  std::optional<Place> place_;
  std::optional<cgroup::Group> group_;
  std::optional<cgroup::Entry> entry_;
  os::Cloned child_;
  os::Fd console_;
  bool hooks_begun_ = false;
  bool done_ = false;
};

}  // namespace wasmoor::jail
