#pragma once

#include <sys/types.h>

#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

namespace wasmoor::cmd {

struct RootlessUser {
  uid_t uid = 0;
  gid_t gid = 0;
};

// A configuration to begin with: a program in namespaces of its own, with few capabilities; if
// `words` is empty a shell on a terminal. For a user without root's rights, one of a user namespace
// in which that user is root.
nlohmann::ordered_json SpecDocument(const std::vector<std::string>& words,
                                    const std::optional<RootlessUser>& rootless);

}  // namespace wasmoor::cmd
