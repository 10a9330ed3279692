#include "cmd/wasmoor/findings.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "cmd/engines.h"
#include "cmd/wasmoor/cache_access.h"
#include "wasmoor/base/units.h"
#include "wasmoor/os/features.h"
#include "wasmoor/program/program.h"
#include "wasmoor/wasm/trusted_code.h"

namespace wasmoor::cmd {
namespace {

using State = Finding::State;

constexpr std::string_view kRunning = "Running";

// (module (memory 1) (func (export "_start") memory.size drop)): the least that needs an engine, a
// memory and a call.
constexpr auto kSmallestProgram = std::to_array<uint8_t>({
    0x00, 'a',  's',  'm',  0x01, 0x00, 0x00, 0x00,                         //
    0x01, 0x04, 0x01, 0x60, 0x00, 0x00,                                     // type () -> ()
    0x03, 0x02, 0x01, 0x00,                                                 // function 0
    0x05, 0x03, 0x01, 0x00, 0x01,                                           // memory 1
    0x07, 0x0a, 0x01, 0x06, '_',  's',  't',  'a',  'r',  't', 0x00, 0x00,  // export
    0x0a, 0x07, 0x01, 0x05, 0x00, 0x3f, 0x00, 0x1a, 0x0b,                   // memory.size drop
});

Status RunSmallestProgram(const wasm::EngineFactory& factory) {
  const program::Host host = program::NewHost();
  wasm::EngineOptions options;
  options.host = host.table;
  const std::unique_ptr<wasm::Engine> engine = TRY(factory.create(options));
  const wasm::TrustedCode code = TRY(engine->Compile(kSmallestProgram, wasm::Tier::kOptimized));
  const std::shared_ptr<const wasm::Module> module = TRY(engine->Load(code));
  const auto guest = TRY(program::Guest::Create(*module, host, {}, {}));
  const wasm::Exit exit = TRY(guest->Run({}));
  if (exit.ok()) return {};
  return Fail(Code::kInternal, "it ran and ended with status {}", exit.ShellStatus());
}

Finding AskEngine(const wasm::EngineFactory& factory) {
  Finding finding{kRunning, std::string(factory.name), State::kOk,
                  fmt::format("{}: compiled and ran a program", factory.version)};
  finding.required = true;
  if (const Status ran = RunSmallestProgram(factory); !ran) {
    finding.state = State::kMissing;
    finding.detail = fmt::format("{} cannot run: {}", factory.version, ran.error().message());
    finding.advice = "Memory that is executable may be forbidden here (SELinux, seccomp)";
  }
  return finding;
}

Finding AskFiles() {
  const os::Support support = os::ProbeOpenat2();
  Finding finding{kRunning, "files", State::kOk,
                  "openat2: paths are resolved beneath granted directories"};
  if (!support.yes()) {
    finding.state = support.answer == os::Answer::kNo ? State::kMissing : State::kOff;
    finding.detail = fmt::format("openat2: {}; programs run and can open no file",
                                 std::strerror(support.error_number));
    finding.advice = "Use Linux 5.8 or later; in a container, a seccomp profile that knows openat2";
  }
  return finding;
}

Finding AskAddressSpace() {
  // A memory of 32 bits is reserved whole, with a guard region as large, so that no access is
  // checked.
  constexpr uint64_t kOneMemory = uint64_t{8} << 30;
  Finding finding{
      kRunning, "address space", State::kOk,
      fmt::format("{} can be reserved, as a 32-bit memory needs", FormatSize(kOneMemory))};
  const Status reserved = os::ProbeAddressSpace(kOneMemory);
  if (!reserved) {
    finding.required = true;
    finding.state = State::kMissing;
    finding.detail = reserved.error().message();
    finding.advice =
        "Raise the limit: ulimit -v unlimited (RLIMIT_AS); and see vm.overcommit_memory below";
  }
  return finding;
}

Finding CacheFinding(const std::filesystem::path& directory, const wasm::Cache& cache) {
  Finding finding{kRunning, "cache", State::kOk, directory.native()};
  struct stat status = {};
  if (stat(directory.c_str(), &status) == 0)
    finding.detail += fmt::format(", of user {}", status.st_uid);
  const auto entries = cache.List();
  if (entries) {
    uint64_t bytes = 0;
    for (const wasm::Cache::Entry& entry : *entries) bytes += entry.bytes;
    finding.detail += fmt::format(", {} entries, {} of at most {}", entries->size(),
                                  FormatSize(bytes), FormatSize(cache.options().max_bytes));
  }
  if (const auto space = os::FreeSpace(directory)) {
    finding.detail += fmt::format(", {} free on the disk", FormatSize(*space));
    constexpr uint64_t kLittle = 64 << 20;
    if (*space < kLittle)
      finding.advice = "Make room: what cannot be kept is compiled at every start";
  }
  if (access(directory.c_str(), W_OK) != 0) {
    finding.state = State::kOff;
    finding.detail += fmt::format("; cannot be written: {}", std::strerror(errno));
    finding.advice = "Name a folder of yours with WASMOOR_CACHE_DIR";
  }
  return finding;
}

Finding AskCache(const std::string& flag) {
  Finding finding{kRunning, "cache", State::kOff, ""};
  const auto directory = CacheDirectory(flag);
  if (!directory) {
    finding.detail = directory.error().message();
    return finding;
  }
  const auto cache = OpenExistingCache(*directory);
  if (!cache) {
    finding.detail = cache.error().message();
    finding.advice = "Until then every start compiles anew";
    return finding;
  }
  if (*cache) return CacheFinding(*directory, **cache);
  finding.state = State::kOk;
  finding.detail =
      fmt::format("{} does not exist yet: the first run makes it", directory->native());
  return finding;
}

}  // namespace

std::string_view StateName(Finding::State state) {
  switch (state) {
    case State::kOk: return "ok";
    case State::kOff: return "off";
    case State::kMissing: return "missing";
  }
  return "missing";
}

Findings AskAboutRunning(const std::string& cache_flag) {
  Findings findings;
  for (const wasm::EngineFactory& factory : Engines()) findings.push_back(AskEngine(factory));
  findings.push_back(AskFiles());
  findings.push_back(AskAddressSpace());
  findings.push_back(AskCache(cache_flag));
  return findings;
}

bool CanRun(const Findings& findings) {
  return std::none_of(findings.begin(), findings.end(), [](const Finding& finding) {
    return finding.required && finding.state != State::kOk;
  });
}

}  // namespace wasmoor::cmd
