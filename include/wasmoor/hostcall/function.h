#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "wasmoor/hostcall/interrupt.h"
#include "wasmoor/hostcall/memory.h"
#include "wasmoor/hostcall/value.h"

// What an engine and a host function know of each other, and no more: a host function written
// against this header works under every engine, and an engine knows no host function by name.
namespace wasmoor::hostcall {

// How a host call ended. Anything but kReturned ends the guest.
enum class Outcome : uint8_t {
  kReturned,  // Results are in the frame; the guest goes on.
  kExited,    // The guest asked to end (proc_exit): Call::exit_code holds its status.
  kRaised,    // The guest asked to end by a signal (proc_raise): Call::exit_code holds its number.
  kTrapped,   // The guest broke a rule: Call::trap_message says which.
  kStopped,   // The Interrupt was requested while the call blocked.
};

// One call of a host function by a guest, on the guest's own thread. Lives as long as the call.
struct Call {
  Memory memory;           // The export "memory" of the calling instance; size 0 if it has none.
  std::span<Value> frame;  // In: the parameters. Out: the results, from frame[0] on.
  const Interrupt& interrupt;  // See Interrupt; never null.
  int32_t exit_code = 0;
  std::string trap_message;

  Outcome Exit(int32_t code) {
    exit_code = code;
    return Outcome::kExited;
  }
  Outcome Raise(int signal) {
    exit_code = signal;
    return Outcome::kRaised;
  }
  Outcome Trap(std::string message) {
    trap_message = std::move(message);
    return Outcome::kTrapped;
  }
  Outcome Return(int32_t value) {
    frame[0].i32 = value;
    return Outcome::kReturned;
  }
};

// The body of a host function. `context` is what the instance was bound to for the function's slot.
// Must not throw, must not keep the Call, must check every guest value.
using Handler = Outcome (*)(void* context, Call& call);

// A function that guests may import as `module`.`name`.
struct Function {
  std::string_view module;  // Static storage, as is name.
  std::string_view name;
  Signature signature;
  Handler handler;
};

// Which context of an instance a set of functions is called with; made by Table::Add.
template <typename Context>
struct Slot {
  int index = -1;
};

// All functions that the guests of one engine may import. Filled before the engine is made,
// immutable and shared by all threads afterwards. Granting is by presence: what is not in the table
// does not exist for any guest.
class Table {
 public:
  // Adds a set of functions that are called with a Context*. A function of the same module and name
  // that is already there is a programming error (CHECK).
  template <typename Context>
  Slot<Context> Add(std::span<const Function> functions) {
    AddSet(functions);
    return Slot<Context>{slots_ - 1};
  }

  struct Entry {
    Function function;
    int slot;
  };
  const Entry* Find(std::string_view module, std::string_view name) const;  // nullptr if absent.
  int slots() const { return slots_; }
  std::span<const Entry> entries() const { return entries_; }

 private:
  void AddSet(std::span<const Function> functions);

  std::vector<Entry> entries_;  // Sorted by (module, name).
  int slots_ = 0;
};

// The contexts of one instance, by slot. A guest whose function's slot is unbound traps when it
// calls.
class Bindings {
 public:
  template <typename Context>
  Bindings& Bind(Slot<Context> slot, Context& context) {
    if (contexts_.size() <= static_cast<size_t>(slot.index)) contexts_.resize(slot.index + 1);
    contexts_[slot.index] = &context;
    return *this;
  }
  void* Get(int slot) const {
    return static_cast<size_t>(slot) < contexts_.size() ? contexts_[slot] : nullptr;
  }

 private:
  std::vector<void*> contexts_;  // Not owned: they outlive the instance.
};

}  // namespace wasmoor::hostcall
