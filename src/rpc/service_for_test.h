#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>

#include <array>
#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "support/result.h"
#include "wasmoor/loop/loop.h"
#include "wasmoor/os/fd.h"
#include "wasmoor/rpc/server.h"

// What the tests of servers and clients share, whatever they speak.
namespace wasmoor::rpc::test {

using namespace std::chrono_literals;
using wasmoor::test::Must;

struct SocketPair {
  SocketPair() {
    std::array<int, 2> ends;
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()), 0);
    ours = os::Fd(ends[0]);
    theirs = os::Fd(ends[1]);
  }
  os::Fd ours, theirs;
};

// "Echo" answers what it gets, "Fail" an error, "Keep" later (kept), "Drop" never, "Big" as many
// bytes as it is told, "Meta" the value of metadata with the name that it gets, "Names" all names.
class TestService : public Service {
 public:
  explicit TestService(std::string name = "test.Service") : Service(std::move(name)) {}

  void Call(std::string_view method, std::string_view payload, const CallInfo& info,
            RawReply reply) override {
    ++calls;
    last_deadline = info.deadline;
    if (on_call) on_call();
    if (method == "Echo") return reply(payload);
    if (method == "Fail") return reply(Error(Code::kNotFound, std::string(payload)));
    if (method == "Keep") return kept.push_back({std::string(payload), std::move(reply)});
    if (method == "Big") return reply(std::string(std::stoul(std::string(payload)), 'b'));
    if (method == "Meta") return reply(info.Find(payload).value_or("none"));
    if (method == "Names") {
      std::string names;
      for (const auto& [name, value] : info.metadata) names += name + " ";
      return reply(names);
    }
    if (method == "Drop") return;
    Unimplemented(info, std::move(reply));
  }

  int calls = 0;
  std::vector<std::pair<std::string, RawReply>> kept;
  std::optional<Clock::time_point> last_deadline;
  std::function<void()> on_call;
};

// Writes what a hook is told: "Method(payload)" and "Method: code".
inline CallHook Tell(std::vector<std::string>* told) {
  return [told](const CallInfo& info, std::string_view payload) {
    told->push_back(fmt::format("{}({:.9})", info.method, payload));
    return [told, method = std::string(info.method)](const Error* error) {
      told->push_back(
          fmt::format("{}: {}", method, CodeName(error == nullptr ? Code::kOk : error->code())));
    };
  };
}

class LoopTest : public testing::Test {
 protected:
  // Serves until `done`, at most ten seconds.
  bool RunUntil(const std::function<bool()>& done) {
    const auto end = Clock::now() + 10s;
    while (!done() && Clock::now() < end) loop->RunOnce(20ms);
    return done();
  }
  // Serves what is there now, and what follows from it.
  void Settle() {
    while (loop->RunOnce(5ms)) {
    }
  }

  const std::unique_ptr<loop::Loop> loop = Must(loop::Loop::Create());
};

}  // namespace wasmoor::rpc::test
