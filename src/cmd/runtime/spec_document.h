#pragma once

#include <sys/types.h>

#include <nlohmann/json_fwd.hpp>
#include <optional>

namespace wasmoor::cmd {

struct RootlessUser {
  uid_t uid = 0;
  gid_t gid = 0;
};

// A configuration to begin with: a shell in namespaces of its own, with few capabilities. For a
// user without root's rights, one of a user namespace in which that user is root.
nlohmann::ordered_json SpecDocument(const std::optional<RootlessUser>& rootless);

}  // namespace wasmoor::cmd
