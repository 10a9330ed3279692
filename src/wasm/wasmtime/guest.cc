#include "wasm/wasmtime/guest.h"

#include <algorithm>

#include "wasm/wasmtime/stack.h"
#include "wasm/wasmtime/traps.h"
#include "wasmoor/base/check.h"
#include "wasmoor/base/units.h"

namespace wasmoor::wasm::wasmtime {
namespace {

using hostcall::Outcome;

// What host functions may use of the stack beneath the guest's frames, signal handlers included.
constexpr uint64_t kHostFrames = 128 << 10;

// A frame is the engine's array of values, looked at as ours.
static_assert(sizeof(hostcall::Value) == sizeof(wasmtime_val_raw_t));
static_assert(alignof(hostcall::Value) <= alignof(wasmtime_val_raw_t));

bool MustGuestStop(void* guest) { return static_cast<Guest*>(guest)->MustStop(); }
void GuestWaits(void* guest, bool waits) { static_cast<Guest*>(guest)->Waits(waits); }

// Reached at every tick by a guest that loops: on, or the end.
wasmtime_error_t* OnEpoch(wasmtime_context_t*, void* data, uint64_t* delta,
                          wasmtime_update_deadline_kind_t*) {
  if (static_cast<Guest*>(data)->MustStop()) return wasmtime_error_new("interrupted");
  *delta = 1;
  return nullptr;
}

}  // namespace

Guest::Guest(std::shared_ptr<Shared> shared, InstanceOptions options)
    : shared_(std::move(shared)), options_(std::move(options)) {
  limits_.memory_max = options_.limits.memory_bytes;
  limits_.table_elements_max = options_.limits.table_elements;
  limits_.instances_max = options_.limits.instances;
  limits_.memories_max = options_.limits.memories;
  limits_.tables_max = options_.limits.tables;
  static_assert(sizeof(MemoryPool) == sizeof(wasmoor_memory_pool_t));
  limits_.pool = reinterpret_cast<const wasmoor_memory_pool_t*>(options_.memory_pool);
}

Guest::~Guest() {
  store_.reset();
  for (MemoryPool* pool = options_.memory_pool; pool != nullptr; pool = pool->above)
    pool->used.fetch_sub(limits_.memory_used, std::memory_order_relaxed);
}

Status Guest::Drive(size_t resources) {
  if (!shared_->many_guests() || driver_ != nullptr) return {};
  driver_.reset(wasmoor_driver_new());
  if (driver_ == nullptr)
    return Fail(Code::kResourceExhausted, "no memory for what a component waits in");
  drive_ = {MustGuestStop, GuestWaits, this, driver_.get(), resources};
  return {};
}

void Guest::LimitMemory(uint64_t bytes) {
  std::atomic_ref(limits_.memory_max).store(bytes, std::memory_order_relaxed);
}

void Guest::MakeStore(wasm_engine_t* engine) {
  CHECK(store_ == nullptr);
  store_.reset(wasmtime_store_new(engine, this, nullptr));
  context_ = wasmtime_store_context(store_.get());
  wasmoor_store_limit(store_.get(), &limits_);
  if (shared_->many_guests()) {
    wasmtime_store_epoch_deadline_callback(store_.get(), OnEpoch, this, nullptr);
    wasmtime_context_set_epoch_deadline(context_, 1);
  }
}

void Guest::Stop(int signal) {
  if (!shared_->many_guests()) return;
  stop_signal_.store(signal, std::memory_order_release);
  interrupt_.Request(hostcall::StopReason::kSignal, signal);
  shared_->ticker()->Hurry();
}

bool Guest::MustStop() {
  if (options_.on_tick != nullptr && !interrupt_.requested()) options_.on_tick->OnTick();
  if (!interrupt_.requested()) return false;
  outcome_ = Outcome::kStopped;
  return true;
}

void Guest::UseMemory(const wasmtime_memory_t& memory) {
  memory_ = memory;
  has_memory_ = true;
}

hostcall::Memory Guest::memory() const {
  if (!has_memory_) return {};
  return {wasmtime_memory_data(context_, &memory_), wasmtime_memory_data_size(context_, &memory_)};
}

hostcall::Memory Guest::MemoryOf(wasmtime_caller_t* caller) {
  if (has_memory_) return memory();
  // A call from the start function, before the instance is there, or a memory of an unusual kind.
  constexpr std::string_view kName = "memory";
  wasmtime_extern_t item;
  if (!wasmtime_caller_export_get(caller, kName.data(), kName.size(), &item)) return {};
  hostcall::Memory memory;
  if (item.kind == WASMTIME_EXTERN_MEMORY) {
    memory = {wasmtime_memory_data(context_, &item.of.memory),
              wasmtime_memory_data_size(context_, &item.of.memory)};
  } else if (item.kind == WASMTIME_EXTERN_SHAREDMEMORY) {
    // The memory belongs to the instance, which outlives the call, and never moves.
    memory = {wasmtime_sharedmemory_data(item.of.sharedmemory),
              wasmtime_sharedmemory_data_size(item.of.sharedmemory)};
  }
  wasmtime_extern_delete(&item);
  return memory;
}

wasm_trap_t* Guest::CallHost(const hostcall::Table::Entry& entry, wasmtime_caller_t* caller,
                             wasmtime_val_raw_t* values, size_t count) {
  hostcall::Call call{
      MemoryOf(caller), {reinterpret_cast<hostcall::Value*>(values), count}, interrupt_, 0, {}};
  void* const bound = options_.bindings.Get(entry.slot);
  if (bound == nullptr) {
    outcome_ = call.Trap(fmt::format("{}.{} is not granted to this guest", entry.function.module,
                                     entry.function.name));
  } else {
    in_host_.store(true, std::memory_order_relaxed);
    outcome_ = entry.function.handler(bound, call);
    in_host_.store(false, std::memory_order_relaxed);
  }
  if (outcome_ == Outcome::kReturned) [[likely]]
    return nullptr;
  exit_code_ = call.exit_code;
  trap_message_ = std::move(call.trap_message);
  std::string_view message = trap_message_;
  if (message.empty()) message = "ended by the host";
  return wasmtime_trap_new(message.data(), message.size());
}

// A guest that comes to the end of the thread's stack before the end of its own would end the
// process.
Status Guest::CheckStack() const {
  const uint64_t wanted = shared_->options().stack_bytes + kHostFrames;
  const uint64_t left = StackLeft();
  if (left >= wanted) [[likely]]
    return {};
  return Fail(
      Code::kFailedPrecondition,
      "the thread has {} of stack left, and a guest may use {}: run it on a thread with more, or "
      "lower the guest's limit",
      FormatSize(left), FormatSize(wanted));
}

// A guest that was stopped, or whose time is over, does not begin.
std::optional<Exit> Guest::ExitBeforeStart(std::optional<Clock::time_point> deadline) {
  if (const int signal = stop_signal_.load(std::memory_order_acquire); signal != 0)
    interrupt_.Request(hostcall::StopReason::kSignal, signal);
  if (deadline && Clock::now() >= *deadline) interrupt_.Request(hostcall::StopReason::kDeadline);
  return ExitOnRequest();
}

std::optional<Exit> Guest::ExitOnRequest() const {
  if (!interrupt_.requested()) return std::nullopt;
  Exit exit;
  exit.kind = interrupt_.reason() == hostcall::StopReason::kDeadline ? Exit::Kind::kTimedOut
                                                                     : Exit::Kind::kSignaled;
  exit.signal = interrupt_.signal();
  return exit;
}

Exit Guest::ExitFrom(const Ended& ended) const {
  Exit exit;
  if (outcome_ == Outcome::kExited) {
    exit.code = exit_code_;
    return exit;
  }
  if (outcome_ == Outcome::kRaised) {
    exit.kind = Exit::Kind::kSignaled;
    exit.signal = exit_code_;
    return exit;
  }
  if (ended.error == nullptr && ended.trap == nullptr) return exit;
  // Only who was ended by the request: a guest that traps on its own meanwhile has trapped.
  if (outcome_ == Outcome::kStopped) {
    if (auto requested = ExitOnRequest()) return *std::move(requested);
  }
  int status = 0;
  if (ended.error != nullptr && wasmtime_error_exit_status(ended.error.get(), &status)) {
    exit.code = status;
    return exit;
  }
  exit.kind = Exit::Kind::kTrapped;
  exit.trap = ended.trap != nullptr ? TrapFrom(*ended.trap) : TrapFrom(*ended.error);
  if (outcome_ == Outcome::kTrapped) {
    exit.trap.code = TrapCode::kHostFunction;
    exit.trap.message = trap_message_;
  }
  return exit;
}

Usage Guest::usage() const {
  return {limits_.memory_used, limits_.table_elements_used, limits_.memory_refused};
}

// noexcept: an exception must not unwind through the engine's and the guest's frames, which know
// nothing of it.
wasm_trap_t* CallHostFunction(void* entry, wasmtime_caller_t* caller, wasmtime_val_raw_t* values,
                              size_t count) noexcept {
  auto* guest = static_cast<Guest*>(wasmtime_context_get_data(wasmtime_caller_context(caller)));
  return guest->CallHost(*static_cast<const hostcall::Table::Entry*>(entry), caller, values, count);
}

}  // namespace wasmoor::wasm::wasmtime
