// A WebAssembly host of one's own on the library: guests may call two functions that wasmoor does
// not have, beside all of WASI. Everything else - cache, limits, deadlines, how a guest ends -
// comes along.
#include <wasmoor/base/result.h>
#include <wasmoor/program/program.h>
#include <wasmoor/wasm/wasmtime.h>

#include <array>
#include <cstdio>

namespace {

using wasmoor::Result;
namespace hostcall = wasmoor::hostcall;
namespace program = wasmoor::program;
namespace wasm = wasmoor::wasm;

// What the functions work on: one for each guest.
struct Ledger {
  int64_t balance = 0;
};

// Parameters are in the frame when a host function is called, results when it returns.
hostcall::Outcome Deposit(void* context, hostcall::Call& call) {
  const int64_t amount = call.frame[0].i64;
  if (amount < 0) return call.Trap("a deposit cannot be negative");
  static_cast<Ledger*>(context)->balance += amount;
  return hostcall::Outcome::kReturned;
}

hostcall::Outcome Balance(void* context, hostcall::Call& call) {
  call.frame[0].i64 = static_cast<Ledger*>(context)->balance;
  return hostcall::Outcome::kReturned;
}

const std::array kLedgerFunctions = {
    hostcall::Function{"ledger", "deposit", {{hostcall::ValueType::kI64}, {}}, Deposit},
    hostcall::Function{"ledger", "balance", {{}, {hostcall::ValueType::kI64}}, Balance},
};

Result<wasm::Exit> RunGuest(const std::string& file, Ledger& ledger) {
  program::Host host = program::NewHost();
  const hostcall::Slot<Ledger> slot = host.table->Add<Ledger>(kLedgerFunctions);

  // Many guests could share this process, so each has a deadline of its own.
  wasm::EngineOptions options;
  options.sharing = wasm::Sharing::kManyGuests;
  options.host = host.table;
  const auto engine = TRY(wasm::WasmtimeFactory().create(options));
  const program::Source source = TRY(program::OpenSource(file));
  const auto found = TRY(program::Load(*engine, source, {}));

  wasmoor::wasi::Grants grants;  // Nothing but a name.
  grants.arguments = {file};
  program::Guest::Options guest_options;
  guest_options.limits.memory_bytes = 16 << 20;
  guest_options.bindings.Bind(slot, ledger);
  const auto guest =
      TRY(program::Guest::Create(*found.module, host, std::move(grants), std::move(guest_options)));
  wasm::Invocation invocation;
  invocation.deadline = wasm::Clock::now() + std::chrono::seconds(10);
  return guest->Run(invocation);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    fprintf(stderr, "usage: custom-host FILE\n");
    return 2;
  }
  Ledger ledger;
  const Result<wasm::Exit> exit = RunGuest(argv[1], ledger);
  if (!exit) {
    fprintf(stderr, "custom-host: %s\n", exit.error().message().c_str());
    return 1;
  }
  printf("the guest left %lld in the ledger and exited with %d\n",
         static_cast<long long>(ledger.balance), exit->ShellStatus());
  return 0;
}
