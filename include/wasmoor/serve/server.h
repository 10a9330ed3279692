#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "wasmoor/base/result.h"
#include "wasmoor/http/server.h"
#include "wasmoor/os/fd.h"
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

// Of a server that is one of many guests of a process, on a thread in a jail of its own
// (wasm::HttpOptions::Process::kShared): it makes no other thread to serve on.
struct ServingThread {
  int output = -1, error = -1;  // Descriptors for what its guests say; open as long as it is.
  uint64_t descriptors = 0;     // As many as it may have; 0: as the process.
  wasm::MemoryPool* memory_pool = nullptr;  // wasm::HttpOptions has these.
  wasm::TickHandler* on_tick = nullptr;
  std::function<void(bool begins)> on_other_thread;  // wasm::HttpHost::OnThread.
};

// Ready to serve: bound, with everything open that it needs from the file system. No thread has
// been started. Standard output and error are those of the process.
class Server {
 public:
  // `grants` as wasm::HttpOptions has it. The module outlives the server. `on_thread`: the one that
  // calls this, which is to call Serve, too; null: the process is the server's own.
  static Result<std::unique_ptr<Server>> Create(const wasm::Module& module, std::string_view name,
                                                const wasi::Grants& grants,
                                                const wasm::Limits& limits,
                                                const Settings& settings,
                                                const ServingThread* on_thread = nullptr);
  virtual ~Server() = default;

  virtual std::string address() const = 0;  // Where it is bound: which port a 0 became.

  // Serves until SIGTERM or SIGINT, which are handled from here on, and then until what runs has
  // ended or its grace is over.
  virtual Status Run() = 0;

  // The same without signals: until somebody has written to `bell`, an eventfd(2) in the descriptor
  // table of the thread that serves.
  virtual Status Serve() = 0;
  virtual const os::Fd& bell() const = 0;
  // From now on its grace is over: where it hears of a bell, it ends at once. Any thread.
  virtual void Hurry() = 0;
};

}  // namespace wasmoor::serve
