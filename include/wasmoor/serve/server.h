#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "wasmoor/base/result.h"
#include "wasmoor/http/server.h"
#include "wasmoor/wasi/grants.h"
#include "wasmoor/wasm/engine.h"

// A component that exports wasi:http/incoming-handler behind an HTTP server: an instance for each
// request, on as many threads as there are CPUs to use. docs/wasi-http.md is what users are told.
namespace wasmoor::serve {

// A host that guests may send requests to.
struct Destination {
  std::string host;   // A name or an address; "*": every one; "*.example.com": those below.
  uint16_t port = 0;  // 0: every one.
};

struct Settings {
  // Is there anybody whom guests may ask, and is this one of them?
  bool MayAskSomebody() const;
  bool MayAsk(std::string_view host, uint16_t port) const;

  std::string listen = "0.0.0.0:8080";
  std::vector<Destination> allowed;                 // Whom guests may ask …
  std::optional<std::vector<Destination>> at_most;  // … if they are among these.
  http::Limits http;
  std::chrono::milliseconds request_time{0};  // Of one request; beyond: 504. 0: no limit.
  std::chrono::milliseconds grace{25'000};    // What runs at SIGTERM has to end.
  uint32_t requests = 256;  // With an instance, at once; others wait for their turn.
  uint32_t threads = 0;     // 0: one a CPU that the process may use.
};

using Variables = std::span<const std::pair<std::string, std::string>>;

// What variables of the environment say (docs/wasi-http.md names them), and `defaults` where they
// say nothing. kInvalidArgument names the variable that is wrong.
Result<Settings> SettingsFrom(Variables environment, Settings defaults);

// "example.com", "*.example.com:443", "[::1]:80", "*".
Result<std::vector<Destination>> ParseDestinations(std::span<const std::string> texts);

// Ready to serve: bound, with everything open that it needs from the file system. No thread has
// been started. Standard output and error are those of the process.
class Server {
 public:
  // `grants` as wasm::HttpOptions has it. The module outlives the server.
  static Result<std::unique_ptr<Server>> Create(const wasm::Module& module, std::string_view name,
                                                const wasi::Grants& grants,
                                                const wasm::Limits& limits,
                                                const Settings& settings);
  virtual ~Server() = default;

  virtual std::string address() const = 0;  // Where it is bound: which port a 0 became.

  // Serves until SIGTERM or SIGINT, which are handled from here on, and then until what runs has
  // ended or its grace is over.
  virtual Status Run() = 0;
};

}  // namespace wasmoor::serve
