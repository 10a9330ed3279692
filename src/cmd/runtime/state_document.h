#pragma once

#include <sys/types.h>

#include <chrono>
#include <nlohmann/json_fwd.hpp>
#include <span>
#include <string>
#include <string_view>

#include "wasmoor/jail/container.h"
#include "wasmoor/oci/state.h"

namespace wasmoor::cmd {

// What `state` and `list` say of a container.
struct Summary {
  oci::State state;
  std::string rootfs, owner;
  std::chrono::system_clock::time_point created;
  uid_t owner_id = 0;
};
Summary Summarize(const jail::Container& container);

// The name that `passwd`, the text of /etc/passwd, has for a user; "#1000" if it has none.
std::string UserName(uid_t user, std::string_view passwd);
// Fills in the owners' names.
void NameOwners(std::span<Summary> summaries);

// The state of the specification with the properties that runc adds to it: rootfs, created, owner;
// and pid also if there is none, as 0.
nlohmann::ordered_json StateDocument(const Summary& summary);

std::string ListTable(std::span<const Summary> summaries);
std::string ListJson(std::span<const Summary> summaries);

}  // namespace wasmoor::cmd
