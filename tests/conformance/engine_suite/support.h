#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "wasmoor/hostcall/function.h"
#include "wasmoor/wasi/context.h"
#include "wasmoor/wasi/grants.h"
#include "wasmoor/wasm/engine.h"
#include "wasmoor/wasm/trusted_code.h"

namespace wasmoor::wasm {
void PrintTo(const Exit& exit, std::ostream* out);  // For googletest.
}

// What the tests of an engine share: the list of engines to test, in each way an engine can be
// made, and a host with functions whose behaviour a test sets.
namespace wasmoor::suite {

using hostcall::Call;
using hostcall::Outcome;
using wasm::Exit;
using wasm::Tier;
using wasm::TrapCode;

// One way to run a guest: an engine, how it is shared, at which tier the guest is compiled.
struct Way {
  wasm::EngineFactory engine;
  wasm::Sharing sharing;
  Tier tier;
};
std::string WayName(const testing::TestParamInfo<Way>& info);  // "wasmtime_many_baseline"

std::vector<Way> EveryWay();      // Engines x sharings x tiers.
std::vector<Way> EverySharing();  // Engines x sharings, optimized.
std::vector<Way> EveryMany();     // Engines of kManyGuests, optimized.
std::vector<Way> EveryOne();      // Engines of kOneGuest, optimized.

// The value of a Result that must be one; an exception, which fails the test, otherwise.
template <typename T>
T Must(Result<T> result) {
  if (!result) throw std::runtime_error("unexpected error: " + result.error().message());
  return std::move(*result);
}
inline void Must(Status status) {
  if (!status) throw std::runtime_error("unexpected error: " + status.error().message());
}

// The host functions of the suite are bound to this. A function without a hook returns zeros.
struct Hooks {
  std::function<Outcome(Call&)> plain;   // test.plain: () -> ()
  std::function<Outcome(Call&)> number;  // test.number: (i32) -> i32
  std::function<Outcome(Call&)> mixed;   // test.mixed: (i32, i64, f32, f64) -> (f64, f32, i64, i32)
  std::function<Outcome(Call&)> vector;  // test.vector: (v128) -> v128
  std::function<Outcome(Call&)> reference;  // test.reference: (externref, funcref) -> externref
};
std::span<const hostcall::Function> HookFunctions();

// What the host of the suite offers: hooks, hooks that nothing is bound to ("unbound"), and WASI.
struct Host {
  std::shared_ptr<hostcall::Table> table = std::make_shared<hostcall::Table>();
  hostcall::Slot<Hooks> hooks;
  hostcall::Slot<Hooks>
      unbound;  // Functions of module "unbound", which no instance of the suite binds.
  hostcall::Slot<wasi::Context> wasi;
  Host();
};

// A guest that has not run yet, with all it is bound to.
struct Guest {
  std::unique_ptr<wasi::Context> wasi;
  std::unique_ptr<wasi::Grants> grants;  // Of a component.
  std::shared_ptr<Hooks> hooks;
  std::unique_ptr<wasm::Instance> instance;

  Result<Exit> Run(wasm::Invocation invocation = {}) { return instance->Run(invocation); }
  Exit Invoke(const std::string& function, std::vector<std::string> arguments = {}) {
    return Must(instance->Run({.function = function, .arguments = std::move(arguments)}));
  }
};

struct GuestOptions {
  wasm::Limits limits;
  std::shared_ptr<Hooks> hooks = std::make_shared<Hooks>();
  wasi::Grants grants;
};

// A small pool, so that making an engine takes no time.
wasm::EngineOptions OptionsFor(wasm::Sharing sharing, const Host& host);

class EngineTest : public testing::TestWithParam<Way> {
 protected:
  bool many() const { return GetParam().sharing == wasm::Sharing::kManyGuests; }
  const Host& host() const { return host_; }
  wasm::EngineOptions Options() const { return OptionsFor(GetParam().sharing, host_); }

  std::unique_ptr<wasm::Engine> NewEngine(const wasm::EngineOptions& options) const {
    return Must(GetParam().engine.create(options));
  }
  wasm::Engine& engine();  // Of Options(), made when it is first asked for.

  // Compiled at the tier of the parameter, or at kOptimized where that one cannot.
  std::shared_ptr<const wasm::Module> Load(std::string_view wasm) { return Load(engine(), wasm); }
  std::shared_ptr<const wasm::Module> Load(const wasm::Engine& engine, std::string_view wasm) const;

  Result<Guest> TryNew(const wasm::Module& module, GuestOptions options = {}) const;
  Guest New(const wasm::Module& module, GuestOptions options = {}) const {
    return Must(TryNew(module, std::move(options)));
  }
  Guest New(std::string_view wasm, GuestOptions options = {}) {
    return New(*Load(wasm), std::move(options));
  }
  Exit Run(std::string_view wasm, GuestOptions options = {}) {
    return Must(New(wasm, std::move(options)).Run());
  }

 private:
  Host host_;
  std::unique_ptr<wasm::Engine> engine_;
};

// The guest that tests/guests builds; throws if it is not there.
std::string GuestFile(const std::string& name);
// The reason why a guest could not be built; empty if it is there. For GTEST_SKIP.
std::string WhyMissing(const std::string& name);

inline wasm::Bytes BytesOf(std::string_view text) {
  return {reinterpret_cast<const uint8_t*>(text.data()), text.size()};
}

std::string Describe(const Exit& exit);

// The two ends of a pipe.
struct Pipe {
  os::Fd read, write;
  Pipe();
  std::string Drain();  // Closes the writing end and returns what was written.
};

size_t OpenDescriptors();
size_t Threads();          // Of this process.
uint64_t ResidentBytes();  // Of this process.

inline wasm::Clock::time_point In(std::chrono::milliseconds time) {
  return wasm::Clock::now() + time;
}
// Calls `act` on a thread of its own, once a guest that is started meanwhile has usually begun;
// ends with that.
class Meanwhile {
 public:
  explicit Meanwhile(std::function<void()> act)
      : thread_([act = std::move(act)] {
          std::this_thread::sleep_for(std::chrono::milliseconds(25));
          act();
        }) {}
  ~Meanwhile() { thread_.join(); }

 private:
  std::thread thread_;
};

// More than any test's guest takes to end when it must, on a slow and busy machine.
inline constexpr std::chrono::seconds kGenerous{20};

MATCHER_P(FailsWith, code, "fails with " + std::string(CodeName(code))) {
  if (arg) {
    *result_listener << "which is no error";
    return false;
  }
  *result_listener << CodeName(arg.error().code()) << ": " << arg.error().message();
  return arg.error().code() == code;
}
MATCHER_P2(FailsWith, code, message,
           "fails with " + std::string(CodeName(code)) + " and a message that " +
               testing::DescribeMatcher<std::string>(message)) {
  if (arg) {
    *result_listener << "which is no error";
    return false;
  }
  *result_listener << CodeName(arg.error().code()) << ": " << arg.error().message();
  return arg.error().code() == code &&
         testing::Matches(testing::Matcher<std::string>(message))(arg.error().message());
}
MATCHER_P(ExitedWith, code, "exited with " + std::to_string(code)) {
  *result_listener << Describe(arg);
  return arg.kind == Exit::Kind::kExited && arg.code == code;
}
MATCHER_P(Returned, results, "returned " + testing::PrintToString(results)) {
  *result_listener << Describe(arg);
  return arg.ok() && arg.results == results;
}
MATCHER_P(TrappedBy, code, "trapped by " + std::string(wasm::TrapName(code))) {
  *result_listener << Describe(arg);
  return arg.kind == Exit::Kind::kTrapped && arg.trap.code == code;
}
MATCHER_P(SignaledBy, number, "ended by signal " + std::to_string(number)) {
  *result_listener << Describe(arg);
  return arg.kind == Exit::Kind::kSignaled && arg.signal == number;
}
MATCHER(TimedOut, "timed out") {
  *result_listener << Describe(arg);
  return arg.kind == Exit::Kind::kTimedOut;
}

}  // namespace wasmoor::suite
