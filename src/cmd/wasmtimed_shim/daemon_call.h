#pragma once

#include <chrono>
#include <string>
#include <string_view>

#include "wasmoor/base/result.h"
#include "wasmoor/ttrpc/client.h"

namespace wasmoor::cmd {

// A connection to the node's daemon, at `address` (empty: where it always listens). kUnavailable
// says how it is started; kDeadlineExceeded: it takes nobody any more.
Result<ttrpc::BlockingClient> ConnectToDaemon(const std::string& address);

// Where that is, for who has the bundle and not the options that named it: containerd gives those
// to `start` alone. Nothing is noted, and nothing found, if it is where it always is.
Status NoteDaemon(const std::string& bundle, const std::string& address);
Result<std::string> NotedDaemon(const std::string& bundle);

// What is asked of it: a method of runwasi.services.sandbox.v1.Manager. kDeadlineExceeded before
// containerd would end this program, which would tell nobody why.
template <typename Response, typename Request>
Result<Response> AskDaemon(ttrpc::BlockingClient& client, std::string_view method,
                           const Request& request) {
  // containerd waits 5 s (its timeouts io.containerd.timeout.shim.load and .cleanup).
  constexpr std::chrono::seconds kPatience{4};
  return client.Call<Response>("runwasi.services.sandbox.v1.Manager", method, request,
                               {.timeout = kPatience, .metadata = {}});
}

}  // namespace wasmoor::cmd
