#include "wasm/wasmtime/instance.h"

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

CoreInstance::CoreInstance(std::shared_ptr<const Module> module, std::shared_ptr<Shared> shared,
                           wasm_engine_t* engine, const wasmtime_instance_pre_t* linked,
                           InstanceOptions options)
    : module_(std::move(module)), linked_(linked), guest_(std::move(shared), std::move(options)) {
  guest_.MakeStore(engine);
}

Result<std::optional<Exit>> CoreInstance::Instantiate(std::optional<Clock::time_point> deadline) {
  std::string refusal;
  Exit exit = TRY(guest_.Run(deadline, [&] {
    wasm_trap_t* trap = nullptr;
    wasmtime_error_t* error =
        wasmtime_instance_pre_instantiate(linked_, guest_.context(), &instance_, &trap);
    // Without frames it is not the start function that failed, unless that is a host function
    // itself.
    if (error != nullptr && !HasFrames(*error) && guest_.outcome() == hostcall::Outcome::kReturned)
      refusal = OneLine(ErrorText(*error));
    return Guest::Ended{ErrorHandle(error), TrapHandle(trap)};
  }));
  if (exit.kind == Exit::Kind::kTrapped && !refusal.empty())
    return Fail(Code::kResourceExhausted, "cannot instantiate: {}", refusal);
  if (auto end = EndOf(std::move(exit), guest_)) return end;

  constexpr std::string_view kMemory = "memory";
  wasmtime_extern_t item;
  if (wasmtime_instance_export_get(guest_.context(), &instance_, kMemory.data(), kMemory.size(),
                                   &item)) {
    if (item.kind == WASMTIME_EXTERN_MEMORY) guest_.UseMemory(item.of.memory);
    wasmtime_extern_delete(&item);
  }
  instantiated_ = true;
  return std::nullopt;
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

Result<Exit> CoreInstance::RunEntryPoint(const Invocation& invocation) {
  auto function = FindFunction(kStart);
  if (!function) function = FindFunction("");
  if (!function) {
    return Fail(Code::kNotFound, "not a command: no export '_start' (name another); {}",
                ExportedFunctions(*module_));
  }
  const FuncTypeHandle type(wasmtime_func_type(guest_.context(), &*function));
  if (!IsWithoutTypes(type.get())) {
    return Fail(Code::kFailedPrecondition, "not a command: '_start' has the type {}, not ()",
                hostcall::ToString(SignatureOf(type.get())));
  }
  return Call(*function, {}, {}, invocation.deadline);
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

Result<Exit> CoreInstance::Run(const Invocation& invocation) {
  if (!instantiated_) {
    if (auto end = TRY(Instantiate(invocation.deadline))) return *std::move(end);
  }
  return invocation.function.empty() ? RunEntryPoint(invocation) : RunExport(invocation);
}

void CoreInstance::Stop(int signal) { guest_.Stop(signal); }

}  // namespace wasmoor::wasm::wasmtime
