#include "wasm/wasmtime/component.h"

#include "wasm/wasmtime/traps.h"
#include "wasmoor/wasi/grants.h"

namespace wasmoor::wasm::wasmtime {
namespace {

constexpr std::string_view kCommandInterface = "wasi:cli/run@0.2.";
constexpr std::string_view kCommandFunction = "run";

Extern Describe(std::string_view name, const wasmtime_component_item_t& item) {
  Extern described;
  described.name = name;
  switch (item.kind) {
    case WASMTIME_COMPONENT_ITEM_COMPONENT_FUNC:
    case WASMTIME_COMPONENT_ITEM_CORE_FUNC:
      described.kind = ExternKind::kFunction;
      described.type = "function";
      break;
    case WASMTIME_COMPONENT_ITEM_COMPONENT_INSTANCE:
      described.kind = ExternKind::kInstance;
      described.type = "instance";
      break;
    case WASMTIME_COMPONENT_ITEM_MODULE:
      described.kind = ExternKind::kModule;
      described.type = "module";
      break;
    default: described.type = "type"; break;
  }
  return described;
}

using Nth = bool (*)(const wasmtime_component_type_t*, const wasm_engine_t*, size_t, const char**,
                     size_t*, wasmtime_component_item_t*);

std::vector<Extern> DescribeAll(const wasmtime_component_type_t* type, const wasm_engine_t* engine,
                                size_t count, Nth nth) {
  std::vector<Extern> all;
  for (size_t i = 0; i < count; ++i) {
    const char* name = nullptr;
    size_t length = 0;
    wasmtime_component_item_t item;
    if (!nth(type, engine, i, &name, &length, &item)) continue;
    all.push_back(Describe({name, length}, item));
    wasmtime_component_item_delete(&item);
  }
  return all;
}

// The path of an open directory. The engine opens preopens by path; this one leads to the very
// directory that was granted (proc_pid_fd(5)).
std::string PathOf(const os::Fd& fd) { return fmt::format("/proc/self/fd/{}", fd.get()); }

}  // namespace

ComponentModule::ComponentModule(std::shared_ptr<Shared> shared, wasm_engine_t* engine,
                                 ComponentHandle component)
    : shared_(std::move(shared)),
      engine_(engine),
      component_(std::move(component)),
      type_(wasmtime_component_type(component_.get())) {}

std::vector<Extern> ComponentModule::Imports() const {
  return DescribeAll(type_.get(), engine_,
                     wasmtime_component_type_import_count(type_.get(), engine_),
                     wasmtime_component_type_import_nth);
}

std::vector<Extern> ComponentModule::Exports() const {
  return DescribeAll(type_.get(), engine_,
                     wasmtime_component_type_export_count(type_.get(), engine_),
                     wasmtime_component_type_export_nth);
}

Result<const wasmtime_component_linker_t*> ComponentModule::Linker() const {
  const std::lock_guard lock(mutex_);
  if (linker_ == nullptr) {
    ComponentLinkerHandle linker(wasmtime_component_linker_new(engine_));
    TRY(ToStatus(wasmtime_component_linker_add_wasip2(linker.get()), Code::kInternal));
    linker_ = std::move(linker);
  }
  return linker_.get();
}

Result<std::unique_ptr<Instance>> ComponentModule::NewInstance(InstanceOptions options) const {
  const wasmtime_component_linker_t* linker = TRY(Linker());
  const wasi::Grants none;
  const wasi::Grants& grants = options.grants != nullptr ? *options.grants : none;
  auto instance = std::make_unique<ComponentInstance>(shared_from_this(), shared_, engine_, linker,
                                                      std::move(options));
  TRY(instance->Grant(grants));
  return instance;
}

ComponentInstance::ComponentInstance(std::shared_ptr<const ComponentModule> module,
                                     std::shared_ptr<Shared> shared, wasm_engine_t* engine,
                                     const wasmtime_component_linker_t* linker,
                                     InstanceOptions options)
    : module_(std::move(module)), linker_(linker), guest_(std::move(shared), std::move(options)) {
  guest_.MakeStore(engine);
}

Status ComponentInstance::Grant(const wasi::Grants& grants) {
  if (!grants.listeners.empty()) {
    return Fail(Code::kUnimplemented,
                "a component cannot be given a listening socket ({}): WASI 0.2 opens its own",
                grants.listeners.front().address);
  }
  WasiConfigHandle config(wasi_config_new());
  std::vector<const char*> arguments, names, values;
  for (const std::string& argument : grants.arguments) arguments.push_back(argument.c_str());
  for (const auto& [name, value] : grants.environment) {
    names.push_back(name.c_str());
    values.push_back(value.c_str());
  }
  if (!wasi_config_set_argv(config.get(), arguments.size(), arguments.data()))
    return Fail(Code::kInvalidArgument, "an argument is not valid UTF-8");
  if (!wasi_config_set_env(config.get(), names.size(), names.data(), values.data()))
    return Fail(Code::kInvalidArgument, "an environment variable is not valid UTF-8");
  for (const wasi::Preopen& preopen : grants.preopens) {
    if (!wasi_config_preopen_dir(config.get(), PathOf(preopen.directory).c_str(),
                                 preopen.guest.c_str(),
                                 preopen.access == wasi::Access::kReadWrite)) {
      return Fail(Code::kInvalidArgument, "directory {}: cannot be opened, or is none",
                  preopen.host);
    }
  }
  if (!wasmoor_wasi_config_stdio(config.get(), grants.standard_input.get(),
                                 grants.standard_output.get(), grants.standard_error.get()))
    return Fail(Code::kResourceExhausted, "no descriptor is left for the standard streams");
  return ToStatus(wasmtime_context_set_wasi(guest_.context(), config.release()), Code::kInternal);
}

Result<Exit> ComponentInstance::Instantiate(std::optional<Clock::time_point> deadline) {
  std::string refusal;
  Exit exit = TRY(guest_.Run(deadline, [&] {
    ErrorHandle error(wasmtime_component_linker_instantiate(linker_, guest_.context(),
                                                            module_->get(), &instance_));
    if (error != nullptr && !HasFrames(*error)) refusal = OneLine(ErrorText(*error));
    return Guest::Ended{std::move(error), nullptr};
  }));
  if (exit.kind == Exit::Kind::kTrapped && !refusal.empty())
    return Fail(Code::kFailedPrecondition, "cannot instantiate the component: {}", refusal);
  instantiated_ = exit.ok();
  return exit;
}

Result<wasmtime_component_func_t> ComponentInstance::FindCommand() {
  for (const Extern& item : module_->Exports()) {
    if (!item.name.starts_with(kCommandInterface)) continue;
    const ExportIndexHandle interface(wasmtime_component_get_export_index(
        module_->get(), nullptr, item.name.data(), item.name.size()));
    const ExportIndexHandle function(
        wasmtime_component_get_export_index(module_->get(), interface.get(), kCommandFunction.data(),
                                            kCommandFunction.size()));
    wasmtime_component_func_t found;
    if (function != nullptr && wasmtime_component_instance_get_func(&instance_, guest_.context(),
                                                                    function.get(), &found))
      return found;
  }
  std::string names;
  for (const Extern& item : module_->Exports()) names += (names.empty() ? "" : ", ") + item.name;
  return Fail(Code::kNotFound, "not a command: the component does not export wasi:cli/run@0.2; {}",
              names.empty() ? "it exports nothing" : "it exports " + names);
}

Result<Exit> ComponentInstance::RunCommand(const Invocation& invocation) {
  const wasmtime_component_func_t function = TRY(FindCommand());
  wasmtime_component_val_t result = {};
  Exit exit = TRY(guest_.Run(invocation.deadline, [&] {
    return Guest::Ended{ErrorHandle(wasmtime_component_func_call(&function, guest_.context(),
                                                                 nullptr, 0, &result, 1)),
                        nullptr};
  }));
  if (exit.ok() && result.kind == WASMTIME_COMPONENT_RESULT && !result.of.result.is_ok)
    exit.code = 1;  // wasi:cli/run: an error without a number.
  wasmtime_component_val_delete(&result);
  return exit;
}

Result<Exit> ComponentInstance::RunExport(const Invocation& invocation) {
  std::string refusal;
  ByteVector results;
  const std::string& call = invocation.function;
  if (!invocation.arguments.empty()) {
    return Fail(Code::kInvalidArgument,
                "arguments of a component's export go into the call: --invoke '{}(...)'", call);
  }
  Exit exit = TRY(guest_.Run(invocation.deadline, [&] {
    ErrorHandle error(wasmoor_component_invoke(guest_.context(), module_->get(), &instance_,
                                               reinterpret_cast<const uint8_t*>(call.data()),
                                               call.size(), results.get()));
    int status = 0;
    if (error != nullptr && !HasFrames(*error) && !wasmtime_error_exit_status(error.get(), &status))
      refusal = OneLine(ErrorText(*error));
    return Guest::Ended{std::move(error), nullptr};
  }));
  if (exit.kind == Exit::Kind::kTrapped && !refusal.empty())
    return Fail(Code::kInvalidArgument, "{}", refusal);
  if (exit.ok()) exit.results = results.text();
  return exit;
}

Result<Exit> ComponentInstance::Run(const Invocation& invocation) {
  if (!instantiated_) {
    Exit exit = TRY(Instantiate(invocation.deadline));
    if (!exit.ok()) return exit;
  }
  return invocation.function.empty() ? RunCommand(invocation) : RunExport(invocation);
}

void ComponentInstance::Stop(int signal) {
  guest_.interrupt().Request(hostcall::StopReason::kSignal, signal);
}

}  // namespace wasmoor::wasm::wasmtime
