#include "conformance/engine_suite/support.h"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "cmd/engines.h"

namespace wasmoor::wasm {
void PrintTo(const Exit& exit, std::ostream* out) { *out << suite::Describe(exit); }
}  // namespace wasmoor::wasm

namespace wasmoor::suite {
namespace {

using hostcall::ValueType;
using wasm::Sharing;

std::vector<Way> Ways(std::vector<Sharing> sharings, std::vector<Tier> tiers) {
  std::vector<Way> ways;
  for (const wasm::EngineFactory& engine : cmd::Engines()) {
    for (const Sharing sharing : sharings) {
      for (const Tier tier : tiers) ways.push_back({engine, sharing, tier});
    }
  }
  return ways;
}

template <std::function<Outcome(Call&)> Hooks::* kHook>
Outcome CallHook(void* context, Call& call) {
  auto* hooks = static_cast<Hooks*>(context);
  if (hooks->*kHook) return (hooks->*kHook)(call);
  for (hostcall::Value& value : call.frame) value = {};
  return Outcome::kReturned;
}

Outcome NeverCalled(void*, Call& call) { return call.Trap("an unbound function was called"); }

}  // namespace

std::string WayName(const testing::TestParamInfo<Way>& info) {
  const Way& way = info.param;
  return fmt::format("{}_{}_{}", way.engine.name,
                     way.sharing == Sharing::kOneGuest ? "one" : "many", wasm::TierName(way.tier));
}

std::vector<Way> EveryWay() {
  return Ways({Sharing::kOneGuest, Sharing::kManyGuests}, {Tier::kOptimized, Tier::kBaseline});
}
std::vector<Way> EverySharing() {
  return Ways({Sharing::kOneGuest, Sharing::kManyGuests}, {Tier::kOptimized});
}
std::vector<Way> EveryMany() { return Ways({Sharing::kManyGuests}, {Tier::kOptimized}); }
std::vector<Way> EveryOne() { return Ways({Sharing::kOneGuest}, {Tier::kOptimized}); }

std::span<const hostcall::Function> HookFunctions() {
  constexpr auto kI32 = ValueType::kI32;
  static const std::array functions = {
      hostcall::Function{"test", "plain", {{}, {}}, CallHook<&Hooks::plain>},
      hostcall::Function{"test", "number", {{kI32}, {kI32}}, CallHook<&Hooks::number>},
      hostcall::Function{"test",
                         "mixed",
                         {{kI32, ValueType::kI64, ValueType::kF32, ValueType::kF64},
                          {ValueType::kF64, ValueType::kF32, ValueType::kI64, kI32}},
                         CallHook<&Hooks::mixed>},
      hostcall::Function{
          "test", "vector", {{ValueType::kV128}, {ValueType::kV128}}, CallHook<&Hooks::vector>},
      hostcall::Function{"test",
                         "reference",
                         {{ValueType::kExternRef, ValueType::kFuncRef}, {ValueType::kExternRef}},
                         CallHook<&Hooks::reference>},
  };
  return functions;
}

Host::Host() {
  static const std::array unbound_functions = {
      hostcall::Function{"unbound", "plain", {{}, {}}, NeverCalled},
  };
  hooks = table->Add<Hooks>(HookFunctions());
  unbound = table->Add<Hooks>(unbound_functions);
  wasi = table->Add<wasi::Context>(wasi::Preview1());
}

wasm::EngineOptions OptionsFor(Sharing sharing, const Host& host) {
  wasm::EngineOptions options;
  options.sharing = sharing;
  options.host = host.table;
  options.pool.instances = 32;
  options.pool.memories_per_module = 2;
  options.tick = std::chrono::milliseconds(5);
  return options;
}

wasm::Engine& EngineTest::engine() {
  if (engine_ == nullptr) engine_ = NewEngine(Options());
  return *engine_;
}

std::shared_ptr<const wasm::Module> EngineTest::Load(const wasm::Engine& engine,
                                                     std::string_view wasm) const {
  auto code = engine.Compile(BytesOf(wasm), GetParam().tier);
  if (!code && code.error().code() == Code::kUnimplemented)
    code = engine.Compile(BytesOf(wasm), Tier::kOptimized);
  return Must(engine.Load(Must(std::move(code))));
}

Result<Guest> EngineTest::TryNew(const wasm::Module& module, GuestOptions options) const {
  Guest guest;
  guest.hooks = options.hooks;
  wasm::InstanceOptions instance;
  instance.limits = options.limits;
  if (guest.hooks != nullptr) instance.bindings.Bind(host_.hooks, *guest.hooks);
  if (module.kind() == wasm::ModuleKind::kComponent) {
    guest.grants = std::make_unique<wasi::Grants>(std::move(options.grants));
    instance.grants = guest.grants.get();
  } else {
    guest.wasi = TRY(wasi::Context::Create(std::move(options.grants)));
    instance.bindings.Bind(host_.wasi, *guest.wasi);
  }
  guest.instance = TRY(module.NewInstance(std::move(instance)));
  return guest;
}

std::string GuestFile(const std::string& name) {
  const char* folder = std::getenv("WASMOOR_GUESTS");
  if (folder == nullptr) throw std::runtime_error("WASMOOR_GUESTS is not set: run this by ctest");
  std::ifstream file(std::filesystem::path(folder) / (name + ".wasm"), std::ios::binary);
  std::stringstream content;
  content << file.rdbuf();
  if (!file) throw std::runtime_error("no guest " + name);
  return content.str();
}

std::string WhyMissing(const std::string& name) {
  const char* folder = std::getenv("WASMOOR_GUESTS");
  if (folder == nullptr) return {};
  std::ifstream file(std::filesystem::path(folder) / (name + ".missing"));
  if (!file) return {};
  std::stringstream content;
  content << file.rdbuf();
  return "guest " + name + " could not be built: " + content.str();
}

std::string Describe(const Exit& exit) {
  switch (exit.kind) {
    case Exit::Kind::kExited:
      return fmt::format("exited with {}, results '{}'", exit.code, exit.results);
    case Exit::Kind::kTrapped:
      return fmt::format("trapped by {}: {}\n{}", wasm::TrapName(exit.trap.code), exit.trap.message,
                         exit.trap.backtrace);
    case Exit::Kind::kTimedOut: return "timed out";
    case Exit::Kind::kSignaled: return fmt::format("ended by signal {}", exit.signal);
  }
  return "nothing known";
}

Pipe::Pipe() {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) throw std::runtime_error("no pipe");
  read = os::Fd(ends[0]);
  write = os::Fd(ends[1]);
}

std::string Pipe::Drain() {
  write.Close();
  std::string text;
  char buffer[4096];
  for (ssize_t got = 0; (got = ::read(read.get(), buffer, sizeof(buffer))) > 0;)
    text.append(buffer, static_cast<size_t>(got));
  return text;
}

namespace {
size_t EntriesOf(const char* directory) {
  size_t count = 0;
  for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator(directory)) ++count;
  return count;
}
}  // namespace

size_t OpenDescriptors() { return EntriesOf("/proc/self/fd"); }
size_t Threads() { return EntriesOf("/proc/self/task"); }

uint64_t ResidentBytes() {
  std::ifstream file("/proc/self/statm");
  uint64_t total = 0, resident = 0;
  file >> total >> resident;
  return resident * static_cast<uint64_t>(::sysconf(_SC_PAGESIZE));
}

}  // namespace wasmoor::suite
