#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "wasmoor/base/result.h"
#include "wasmoor/wasi/grants.h"
#include "wasmoor/wasm/engine.h"
#include "wasmoor/wasm/exit.h"

// Components that export wasi:http/incoming-handler (WASI 0.2): each request gets an instance of
// its own, which is polled on the thread that serves it. The interface has no word of sockets: who
// has the connection reads and writes it.
namespace wasmoor::wasm {

struct HttpField {
  std::string_view name, value;
};
using HttpFields = std::span<const HttpField>;

struct HttpHead {
  std::string_view method;
  std::string_view target;  // A path and query; "*"; or with a scheme and an authority.
  HttpFields fields;        // Host among them, unless the target names an authority.
  bool has_body = false;
  bool is_tls = false;
};

// What guests reach beyond their request. Called on any thread, by many at once.
class HttpHost {
 public:
  virtual ~HttpHost() = default;
  // Whole lines that a guest wrote to its standard output (1) or error (2); part of one if it is
  // longer than 64 KiB. Waits for whoever reads them.
  virtual void Log(int stream, std::string_view lines) = 0;
  // May a guest send a request to this host (a name or an address) and port?
  virtual bool MayAsk(std::string_view host, uint16_t port) = 0;
  // The addresses of a name, an IPv4 one mapped into IPv6 (RFC 4291, 2.5.5.2); none if it has none.
  // Blocks.
  using Address = std::array<uint8_t, 16>;
  virtual std::vector<Address> Resolve(std::string_view name) = 0;
  // A thread of a handler of HttpOptions::Process::kShared begins (true), or ends. Called on it.
  virtual void OnThread(bool begins) { static_cast<void>(begins); }
};

struct HttpOptions {
  // Whose the process is in which the handler serves.
  enum class Process : uint8_t {
    kOwn,  // Its own: it has a pool and an engine, and threads for what waits and blocks.
    // Others' as well, who may be on threads in jails of their own, as the thread may be that makes
    // the handler: what the kernel is asked for is asked on that one, which must be the one that
    // serves, too, or on threads that it makes, which have ended when the handler has. There is no
    // pool, and guests are ended by the engine of the module, which is shared.
    kShared,
    // Its own, and other handlers' with it: they have the pool of the module's engine, which is one
    // of EngineOptions::serves, and any thread may poll.
    kPooled,
  };
  Process process = Process::kOwn;
  // kPooled: files are opened, read and written on the thread that polls, and may keep it waiting:
  // for threads in jails that have the guest's directories. kShared does so always.
  bool files_where_polled = false;
  // Arguments, environment and directories, the same for every instance. Standard streams and
  // listeners are not granted: output goes to the host, and input is empty.
  const wasi::Grants* grants = nullptr;
  Limits limits;                      // Of each instance.
  Pool pool;                          // Of all of them; kOwn only.
  MemoryPool* memory_pool = nullptr;  // Of their memories; kShared only. Borrowed; null: none.
  TickHandler* on_tick = nullptr;     // Asked before each part of a run. Borrowed; may be null.
  std::shared_ptr<HttpHost> host;
};

// An instance between two requests, with all that it remembers. Destroying it ends the guest. One
// thread at a time; its handler outlives it.
class HttpInstance {
 public:
  virtual ~HttpInstance() = default;
  // What its memories have, in bytes, which no limit counts meanwhile.
  virtual uint64_t memory_bytes() const = 0;
};

// One request and its instance. Used by one thread at a time; destroying it ends the guest,
// wherever it is.
class HttpRequest {
 public:
  virtual ~HttpRequest() = default;

  struct News {
    bool answered = false;    // Now: see status().
    bool runnable = false;    // It computes: poll it again when others have had their turn.
    bool wants_body = false;  // It has read all of the body that it was given.
    bool ended = false;       // It has returned, or failed; nothing more will be written.
  };
  // Lets the guest run until it waits, or for a tick.
  virtual News Poll() = 0;

  // Why it failed, after News::ended; nothing if it returned, or ended itself with status 0.
  // kResourceExhausted: no instance could be had. (Once.)
  struct Failure {
    std::optional<Trap> trap;
    std::optional<Error> error;
  };
  virtual Failure TakeFailure() = 0;

  virtual void WriteBody(std::string_view part) = 0;
  virtual void EndBody(HttpFields trailers) = 0;
  virtual void BreakBody() = 0;  // The rest will not come.

  // The response, after News::answered. Status 0: the guest answered with an error instead, whose
  // name is `error`. Views hold until the next call for this request.
  struct Response {
    unsigned status = 0;
    std::vector<HttpField> fields;
    std::string error;
  };
  virtual Response response() = 0;

  enum class BodyState : uint8_t { kNothingYet, kPart, kEnd, kBrokenOff };
  // The next part of the response's body; it holds until the next call for this request. What is
  // not read stops the guest before it has written much.
  virtual BodyState ReadBody(std::string_view* part) = 0;
  virtual std::vector<HttpField> trailers() = 0;  // After kEnd.

  virtual bool is_reused() const = 0;  // Its instance had served before.
  // For another request, after News::ended without a failure and the end of the body. Null:
  // HttpBegin did not want it kept, or it left its body open.
  virtual std::unique_ptr<HttpInstance> TakeInstance() = 0;

  // Any thread, while it is there: a call of the guest's that waits for a file is ended, and so is
  // each that would. For who is about to destroy it.
  virtual void Interrupt() = 0;
};

// How a request begins, besides its head.
struct HttpBegin {
  // Borrowed; what this instance may have instead of HttpOptions::limits.memory_bytes, and where
  // that is counted. Null: as the options have it.
  MemoryPool* memory = nullptr;
  // What serves it, of the same handler. Null, or one that has more than it may have now: a fresh
  // one.
  std::unique_ptr<HttpInstance> instance;
  bool keeps_instance = false;  // For TakeInstance; HttpOptions::Process::kShared does not.
};

// A component that is ready to serve. Thread-safe.
class HttpHandler {
 public:
  virtual ~HttpHandler() = default;

  // Nothing of the guest has run yet. `wake` is called, on any thread, when a guest that waited can
  // go on and is to be polled again; not after the request is destroyed. It must not call into the
  // request. kInvalidArgument: the head is none that wasi:http can express. The handler outlives
  // its requests.
  virtual Result<std::unique_ptr<HttpRequest>> Begin(const HttpHead& head,
                                                     std::function<void()> wake,
                                                     HttpBegin begin = {}) = 0;
};

// Is it a component that serves HTTP? A command, which exports wasi:cli/run, does not.
bool ServesHttp(const Module& module);

}  // namespace wasmoor::wasm
