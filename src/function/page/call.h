#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

// How the page calls a function: as any client does, by who serves them.
namespace wasmoor::function::page {

using Pairs = std::vector<std::pair<std::string, std::string>>;

// As it would stand in HTTP, whose grammar has been checked.
struct CallRequest {
  std::string method, target;
  Pairs fields;
  std::string body;
};

struct CallReply {
  unsigned status = 0;  // 0: it broke off before there was one.
  Pairs fields;
  std::string body;
  enum class End : uint8_t {
    kWhole,
    kBroken,  // The function did not come to the end of it.
    kCut,     // It was longer than is shown, and ended.
  } end = End::kWhole;
  std::chrono::nanoseconds took{0};
};

// A call under way. Destroying it is the client's leaving: nothing is told any more.
class Call {
 public:
  virtual ~Call() = default;
};

// `done` is called once, on the thread of who called and never from within this. It may destroy the
// call.
using Caller =
    std::function<std::unique_ptr<Call>(CallRequest request, std::function<void(CallReply)> done)>;

}  // namespace wasmoor::function::page
