#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "jail/store.h"
#include "wasmoor/base/result.h"
#include "wasmoor/cgroup/group.h"
#include "wasmoor/jail/container.h"
#include "wasmoor/oci/spec.h"

// What the calls on a container share.
namespace wasmoor::jail {

struct Container::Parts {
  const Store& store;
  Place place;
  Record record;
  // Open for as long as the container is: to find its directories costs more than what is asked of
  // them.
  std::optional<cgroup::Group> group = {};
};

// The copy of the configuration in a container's place.
constexpr const char* kConfig = "config.json";

// The first executor that handles a program, and what it makes of it. kUnimplemented: none does.
struct Prepared {
  std::string_view executor;  // Its name.
  std::unique_ptr<Preparation> preparation;
};
Result<Prepared> PrepareProgram(Executors executors, const ProgramRequest& request);

// A container with its lock, for a change. The record is read anew, unless what has its name is
// known to be the same and complete: nothing changes in it then.
Result<std::pair<Place, Record>> LockContainer(const Container::Parts& known);

// As hooks, listeners and callers read it; a stopped container has no process.
oci::State StateOf(const Record& record, oci::Status status);

// Of the container's control group; FailedPrecondition if it was made without one.
Result<cgroup::Group> OpenGroup(const Record& record);

// What state(2) there is, now.
oci::Status LookAt(const Place& place, const Record& record);

// The configuration that was written down by Create.
Result<oci::Spec> ReadSpec(const Place& place);

// Kills the processes that a container still has, waits for them, and removes its control group.
// Goes on after an error, that there is no `group` among them, and reports the first.
Status EndProcesses(const Record& record, const Result<cgroup::Group*>& group);

// What is left of a container, whoever left it: its processes, its control group and then its
// directory. As EndProcesses.
Status ClearAway(Place& place, const Record& record);

// `cannot pause container "x": it is stopped, not running`: callers look for "not running" …
tl::unexpected<Error> WrongState(std::string_view verb, const std::string& id, oci::Status status,
                                 std::string_view needed);

}  // namespace wasmoor::jail
