#include "wasm/wasmtime/instance.h"

#include <array>

#include "wasm/wasmtime/bindgen.h"
#include "wasm/wasmtime/module.h"
#include "wasm/wasmtime/traps.h"
#include "wasm/wasmtime/values.h"
#include "wasmoor/wasm/imports.h"

namespace wasmoor::wasm::wasmtime {
namespace {

constexpr std::string_view kStart = "_start";  // Of a WASI command.
constexpr std::string_view kInitialize =
    "_initialize";  // Of a WASI reactor, once, before any export.

std::string ExportedFunctions(const Module& module) {
  std::vector<Extern> exports = module.Exports();
  std::erase_if(exports, [](const Extern& item) { return item.kind != ExternKind::kFunction; });
  return exports.empty() ? "it exports no function" : DescribeExports(exports);
}

// Does this end the guest? Not a plain return, which is also code 0, as proc_exit(0) is.
std::optional<Exit> EndOf(Exit exit, const Guest& guest) {
  if (exit.ok() && guest.outcome() == hostcall::Outcome::kReturned) return std::nullopt;
  return exit;
}

bool IsWithoutTypes(const wasm_functype_t* type) {
  return wasm_functype_params(type)->size + wasm_functype_results(type)->size == 0;
}

}  // namespace

CoreInstance::CoreInstance(std::shared_ptr<const CoreModule> module, std::shared_ptr<Shared> shared,
                           wasm_engine_t* engine, const wasmtime_instance_pre_t* linked,
                           InstanceOptions options)
    : module_(std::move(module)), linked_(linked), guest_(std::move(shared), std::move(options)) {
  guest_.MakeStore(engine);
}

Guest::Ended CoreInstance::InstantiateNow(std::string* refusal) {
  wasm_trap_t* trap = nullptr;
  wasmtime_error_t* error =
      wasmtime_instance_pre_instantiate(linked_, guest_.context(), &instance_, &trap);
  // Without frames it is not the start function that failed, unless that is a host function
  // itself.
  const bool is_refused =
      error != nullptr && !HasFrames(*error) && guest_.outcome() == hostcall::Outcome::kReturned;
  if (is_refused) *refusal = OneLine(ErrorText(*error));
  Guest::Ended ended{ErrorHandle(error), TrapHandle(trap)};
  if (error != nullptr || trap != nullptr) return ended;

  constexpr std::string_view kMemory = "memory";
  wasmtime_extern_t item;
  if (wasmtime_instance_export_get(guest_.context(), &instance_, kMemory.data(), kMemory.size(),
                                   &item)) {
    if (item.kind == WASMTIME_EXTERN_MEMORY) guest_.UseMemory(item.of.memory);
    wasmtime_extern_delete(&item);
  }
  instantiated_ = true;
  return ended;
}

Result<std::optional<Exit>> CoreInstance::Instantiate(std::optional<Clock::time_point> deadline) {
  std::string refusal;
  Exit exit = TRY(guest_.Run(deadline, [&] { return InstantiateNow(&refusal); }));
  if (exit.kind == Exit::Kind::kTrapped && !refusal.empty())
    return Fail(Code::kResourceExhausted, "cannot instantiate: {}", refusal);
  return EndOf(std::move(exit), guest_);
}

Result<std::optional<Exit>> CoreInstance::Initialize(const Invocation& invocation) {
  if (initialized_) return std::nullopt;
  const auto function = FindFunction(kInitialize);
  if (!function || invocation.function == kInitialize) {
    initialized_ = true;
    return std::nullopt;
  }
  const FuncTypeHandle type(wasmtime_func_type(guest_.context(), &*function));
  if (!IsWithoutTypes(type.get())) {
    return Fail(Code::kFailedPrecondition, "not a reactor: '{}' has the type {}, not ()",
                kInitialize, hostcall::ToString(SignatureOf(type.get())));
  }
  Exit exit = TRY(Call(*function, {}, {}, invocation.deadline));
  initialized_ = exit.ok();
  return EndOf(std::move(exit), guest_);
}

Result<wasmtime_func_t> CoreInstance::FindFunction(std::string_view name) {
  wasmtime_extern_t item;
  if (!wasmtime_instance_export_get(guest_.context(), &instance_, name.data(), name.size(), &item))
    return Fail(Code::kNotFound, "no export '{}': {}", name, ExportedFunctions(*module_));
  if (item.kind != WASMTIME_EXTERN_FUNC) {
    wasmtime_extern_delete(&item);
    return Fail(Code::kNotFound, "export '{}' is not a function: {}", name,
                ExportedFunctions(*module_));
  }
  return item.of.func;
}

Result<Exit> CoreInstance::Call(const wasmtime_func_t& function,
                                std::span<const wasmtime_val_t> arguments,
                                std::span<wasmtime_val_t> results,
                                std::optional<Clock::time_point> deadline) {
  return guest_.Run(deadline, [&] {
    wasm_trap_t* trap = nullptr;
    wasmtime_error_t* error =
        wasmtime_func_call(guest_.context(), &function, arguments.data(), arguments.size(),
                           results.data(), results.size(), &trap);
    return Guest::Ended{ErrorHandle(error), TrapHandle(trap)};
  });
}

Result<wasmtime_func_t> CoreInstance::FindEntryPoint() {
  auto function = FindFunction(kStart);
  if (!function) function = FindFunction("");
  if (!function) {
    return Fail(Code::kNotFound, "not a command: no export '_start' (name another); {}",
                ExportedFunctions(*module_));
  }
  if (module_->is_command()) return *function;
  const FuncTypeHandle type(wasmtime_func_type(guest_.context(), &*function));
  if (!IsWithoutTypes(type.get())) {
    return Fail(Code::kFailedPrecondition, "not a command: '_start' has the type {}, not ()",
                hostcall::ToString(SignatureOf(type.get())));
  }
  module_->MarkCommand();
  return *function;
}

// In one go, since most instances run once, and briefly.
Result<Exit> CoreInstance::RunEntryPoint(const Invocation& invocation) {
  std::string refusal;
  Status found;
  Exit exit = TRY(guest_.Run(invocation.deadline, [&] {
    Guest::Ended ended = instantiated_ ? Guest::Ended() : InstantiateNow(&refusal);
    if (!instantiated_) return ended;
    const Result<wasmtime_func_t> function = FindEntryPoint();
    if (!function) {
      found = tl::unexpected(function.error());
      return ended;
    }
    wasm_trap_t* trap = nullptr;
    // There is no type that could be wrong.
    wasmtime_error_t* error =
        wasmtime_func_call_unchecked(guest_.context(), &*function, nullptr, 0, &trap);
    return Guest::Ended{ErrorHandle(error), TrapHandle(trap)};
  }));
  TRY(found);
  if (exit.kind == Exit::Kind::kTrapped && !refusal.empty())
    return Fail(Code::kResourceExhausted, "cannot instantiate: {}", refusal);
  return exit;
}

Result<Exit> CoreInstance::RunExport(const Invocation& invocation) {
  const wasmtime_func_t function = TRY(FindFunction(invocation.function));
  const FuncTypeHandle type(wasmtime_func_type(guest_.context(), &function));
  const hostcall::Signature signature = SignatureOf(type.get());
  if (signature.params.size() != invocation.arguments.size()) {
    return Fail(Code::kInvalidArgument, "export '{}' takes {} argument(s), {}, but {} given",
                invocation.function, signature.params.size(), hostcall::ToString(signature),
                invocation.arguments.size());
  }
  std::vector<wasmtime_val_t> arguments;
  for (size_t i = 0; i < signature.params.size(); ++i)
    arguments.push_back(TRY(ParseValue(invocation.arguments[i], signature.params[i])));
  if (auto end = TRY(Initialize(invocation))) return *std::move(end);
  std::vector<wasmtime_val_t> results(signature.results.size());
  Exit exit = TRY(Call(function, arguments, results, invocation.deadline));
  // After proc_exit(0) there are no results.
  if (exit.ok() && guest_.outcome() == hostcall::Outcome::kReturned) {
    for (wasmtime_val_t& value : results) {
      if (!exit.results.empty()) exit.results += '\n';
      exit.results += ToText(value);
      wasmtime_val_unroot(&value);
    }
  }
  return exit;
}

Result<wasmtime_func_t> CoreInstance::FindFunction(std::string_view name,
                                                   const hostcall::Signature& signature) {
  const wasmtime_func_t function = TRY(FindFunction(name));
  const FuncTypeHandle type(wasmtime_func_type(guest_.context(), &function));
  const hostcall::Signature own = SignatureOf(type.get());
  if (own == signature) return function;
  return Fail(Code::kFailedPrecondition, "not of bindgen: '{}' has the type {}, not {}", name,
              hostcall::ToString(own), hostcall::ToString(signature));
}

Result<Exit> CoreInstance::RunBindgen(const Invocation& invocation) {
  const wasmtime_func_t function = TRY(FindFunction(invocation.function, BindgenFunction()));
  const wasmtime_func_t allocate = TRY(FindFunction(kBindgenAllocate, BindgenAllocator()));
  if (auto end = TRY(Initialize(invocation))) return *std::move(end);
  const std::string& bytes = *invocation.bytes;
  std::array<uint32_t, 2> places = {};  // Of the array of parameters, and of the one.
  for (uint32_t& place : places) {
    wasmtime_val_t size = {.kind = WASMTIME_I32, .of = {}}, result = {};
    size.of.i32 =
        static_cast<int32_t>(&place == places.data() ? kBindgenParameterSize : bytes.size());
    Exit exit = TRY(Call(allocate, {&size, 1}, {&result, 1}, invocation.deadline));
    if (auto end = EndOf(std::move(exit), guest_)) return *std::move(end);
    place = static_cast<uint32_t>(result.of.i32);
  }
  if (!PutBindgenParameter(guest_.memory(), places[0], places[1], bytes))
    return Fail(Code::kFailedPrecondition, "bindgen: its allocator gives memory that is not there");
  std::array<wasmtime_val_t, 2> arguments = {};
  for (wasmtime_val_t& one : arguments) one.kind = WASMTIME_I32;
  arguments[0].of.i32 = static_cast<int32_t>(places[0]);
  arguments[1].of.i32 = 1;
  wasmtime_val_t result = {};
  Exit exit = TRY(Call(function, arguments, {&result, 1}, invocation.deadline));
  if (!exit.ok() || guest_.outcome() != hostcall::Outcome::kReturned) return exit;
  BindgenValue value = TRY(ReadBindgenValue(guest_.memory(), static_cast<uint32_t>(result.of.i32)));
  exit.code = value.is_error ? 1 : 0;
  exit.results = std::move(value.text);
  return exit;
}

Result<Exit> CoreInstance::Run(const Invocation& invocation) {
  if (invocation.function.empty()) return RunEntryPoint(invocation);
  if (!instantiated_) {
    if (auto end = TRY(Instantiate(invocation.deadline))) return *std::move(end);
  }
  return invocation.bytes ? RunBindgen(invocation) : RunExport(invocation);
}

void CoreInstance::Stop(int signal) { guest_.Stop(signal); }

}  // namespace wasmoor::wasm::wasmtime
