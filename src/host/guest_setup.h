#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "container/guest_plan.h"
#include "container/program_source.h"
#include "host/common.h"
#include "host/cpu_share.h"
#include "host/guest_run.h"
#include "host/streams.h"
#include "jail/namespaces.h"
#include "wasmoor/base/result.h"
#include "wasmoor/oci/bundle.h"
#include "wasmoor/os/fd.h"
#include "wasmoor/os/landlock.h"
#include "wasmoor/seccomp/guest.h"
#include "wasmoor/wasm/cache.h"

namespace wasmoor::host {

// What a guest is to be, as the service has ordered it.
struct GuestOrder {
  uint64_t guest = 0;
  std::string container;  // Its id.
  std::string bundle;
  Create create;                    // Of a container's first guest,
  std::optional<Exec> exec;         // else this, which has most of it.
  pid_t beside = 0;                 // Of exec: the thread of the container's first guest.
  std::shared_ptr<CpuShare> share;  // And its share of the CPUs.
  // Descriptors that came with the order, in its order; the guest's own once its thread has a table
  // of its own, in which they have the same numbers.
  std::vector<int> given;
  // Its module, if it has been asked for before (see ModuleWanted).
  ModuleTable::Loaded module;
};

// A guest in its jail, which has nothing else to do than to run.
struct ReadyGuest {
  GuestStreams streams;
  std::unique_ptr<GuestRun> run;
  std::shared_ptr<const container::LoadedModule> loaded;
  uint64_t memory_bytes = 0;  // What the guest may have.
  uint64_t memory_limit = 0;  // The container's own, where it has one: what its metrics name.
  std::shared_ptr<CpuShare> share;
};

// Not in this process yet: to be loaded by the thread that all others have their descriptors from.
struct ModuleWanted {
  wasm::ModuleHash hash;
  program::Source source;
};

// From an order to a guest in its jail, on the guest's own thread, of which the jail is. What is
// done to the thread is for good: after an error it must end. Kept on the heap, so that little of
// it stays with a guest that sleeps.
class GuestSetup {
 public:
  GuestSetup(const Common& common, GuestOrder order) : common_(common), order_(std::move(order)) {}

  // kUnimplemented: its container needs a process, and why. Empty: look at wanted().
  Result<std::optional<ReadyGuest>> Run(wasm::TickHandler* on_tick, wasm::MemoryPool* pool);
  std::optional<ModuleWanted>& wanted() { return wanted_; }

 private:
  Status ReadBundle();
  Status OpenRoot();
  Status OpenRootBeside();
  Result<bool> FindModule();  // False: it is wanted.
  Result<bool> CheckServing() const;
  Status OpenRest();
  Status EnterJail();
  Status BecomeUser();
  Result<ReadyGuest> MakeGuest(wasm::TickHandler* on_tick, wasm::MemoryPool* pool);
  Result<std::unique_ptr<GuestRun>> MakeProgram(container::GuestPlan plan,
                                                wasm::TickHandler* on_tick, wasm::MemoryPool* pool);
  Result<std::unique_ptr<GuestRun>> MakeServer(container::GuestPlan plan,
                                               wasm::TickHandler* on_tick, wasm::MemoryPool* pool);
  bool IsComponent() const;
  // Whether it is served, and no export of it called.
  bool serves() const { return module_->serves && entry_->function.empty(); }
  Status Confine();
  Status ProbeCalls() const;
  void LookAtTable();
  void CloseOthers() const;

  const Common& common_;
  GuestOrder order_;
  uint64_t modules_ = 0;        // ModuleTable::count() when its descriptor table was copied.
  std::vector<int> inherited_;  // Descriptors of the process, and not of this guest's order.
  oci::Bundle bundle_;
  std::optional<oci::Process> process_;  // Of exec.
  std::vector<os::Fd> given_;
  os::Fd root_, given_module_;
  std::optional<jail::ProgramRequest> request_;
  std::optional<container::Entrypoint> entry_;
  ModuleTable::Loaded module_;
  std::optional<ModuleWanted> wanted_;
  std::vector<jail::NamespacePlan::Joined> namespaces_;
  std::vector<os::Fd> sources_;
  std::optional<seccomp::Program> filter_;
  std::shared_ptr<CpuShare> share_;
  std::optional<cgroup::Entry> share_entry_;
  std::optional<uint64_t> pod_limit_;
  std::optional<GuestStreams> streams_;
  seccomp::GuestKind kind_ = seccomp::GuestKind::kThread;
  os::Connections connections_ = os::Connections::kNone;
};

}  // namespace wasmoor::host
