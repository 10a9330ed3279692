#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>

#include "function/page/call.h"
#include "wasmoor/http/server.h"
#include "wasmoor/loop/loop.h"

namespace wasmoor::function {

// Calls of functions that come from the process itself: each is a request to whoever answers one
// loop's clients, and goes the same way. Made and destroyed by the thread of another loop, the
// keeper's, while none of its calls is there and its own loop serves nobody any more; Begin is the
// keeper's, and what becomes of a call its own loop's.
class InnerCalls {
 public:
  // Both loops and the handler outlive it.
  InnerCalls(loop::Loop& loop, loop::Loop& keeper, http::Handler& handler);
  InnerCalls(const InnerCalls&) = delete;
  InnerCalls& operator=(const InnerCalls&) = delete;
  ~InnerCalls();

  using Done = std::function<void(page::CallReply)>;
  // As page::Caller has it. At most `most_reply` bytes of the reply's body are told; what sends
  // more is ended. The call is destroyed before this.
  std::unique_ptr<page::Call> Begin(page::CallRequest request, size_t most_reply, Done done);

 private:
  class Exchange;
  class Handle;
  void End(uint64_t number);

  loop::Loop& loop_;
  loop::Loop& keeper_;
  http::Handler& handler_;
  uint64_t made_ = 0;                                        // The keeper's.
  std::map<uint64_t, std::unique_ptr<Exchange>> exchanges_;  // The loop's.
};

}  // namespace wasmoor::function
