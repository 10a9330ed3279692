#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace wasmoor::sandbox {

// What the operator of a node says about the guests on it, beyond what each container's own
// configuration has.
struct GuestOptions {
  // The most that a guest gets of each; a container's limit that is lower holds. Empty: the
  // engine's own (wasm::Limits).
  std::optional<uint64_t> memory_bytes, table_elements;
  // Where compiled code is kept: a directory that is its owner's alone. Empty: where
  // container::CacheDirectories says.
  std::string cache_directory;
  // Where components that serve HTTP listen, unless their environment says: "0.0.0.0:8080". Empty:
  // the server's own choice.
  std::string http_address;
  // The hosts that guests may send requests to at most: "example.com", "*.example.com" for all
  // below it, "*" for all, each with ":port" if it is to be that one only. Not there: those that
  // the container's network namespace lets them reach.
  std::optional<std::vector<std::string>> http_outgoing;
};

}  // namespace wasmoor::sandbox
