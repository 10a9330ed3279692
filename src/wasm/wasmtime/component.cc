#include "wasm/wasmtime/component.h"

#include <algorithm>
#include <array>

#include "wasm/wasmtime/component_grants.h"
#include "wasm/wasmtime/http.h"
#include "wasm/wasmtime/traps.h"
#include "wasmoor/wasi/grants.h"
#include "wasmoor/wasm/imports.h"

namespace wasmoor::wasm::wasmtime {
namespace {

constexpr std::string_view kCommandInterface = "wasi:cli/run@0.2.";
constexpr std::string_view kCommandFunction = "run";
// What a component's guest may have at once of the engine's, where it shares a process: a few for
// each descriptor, since a file has streams, and streams are waited for. Each is memory that no
// limit of the guest's counts.
constexpr size_t kMostResources = 8192, kLeastResources = 256, kResourcesPerDescriptor = 4;

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

// How the messages of wasmoor_component_invoke begin if the call was refused before the guest was
// entered (third_party/wasmtime/src/invoke.rs), and what that means.
struct Refusal {
  std::string_view start;
  Code code;
};
constexpr std::array kRefusals = {
    Refusal{"cannot parse the call", Code::kInvalidArgument},
    Refusal{"the call is not valid UTF-8", Code::kInvalidArgument},
    Refusal{"arguments of '", Code::kInvalidArgument},
    Refusal{"several exports are called", Code::kInvalidArgument},
    Refusal{"the component exports no function", Code::kNotFound},
    Refusal{"the result cannot be shown", Code::kUnimplemented},
};

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

std::optional<Error> RefusalIn(std::string message) {
  for (const Refusal& refusal : kRefusals) {
    if (message.starts_with(refusal.start)) return Error(refusal.code, std::move(message));
  }
  return std::nullopt;
}

}  // namespace

ComponentModule::ComponentModule(std::shared_ptr<Shared> shared, wasm_engine_t* engine,
                                 ComponentHandle component, ComponentCode code)
    : shared_(std::move(shared)),
      engine_(engine),
      code_(std::move(code)),
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

Result<LinkedHandle> ComponentModule::Link() const {
  const std::vector<MissingImport> missing = MissingInterfaces(Imports());
  if (!missing.empty()) return Fail(Code::kFailedPrecondition, "{}", DescribeMissing(missing));
  const ComponentLinkerHandle linker(wasmtime_component_linker_new(engine_));
  TRY(ToStatus(shared_->many_guests() ? wasmoor_component_linker_add_driven_wasi(linker.get())
                                      : wasmtime_component_linker_add_wasip2(linker.get()),
               Code::kInternal));
  wasmoor_linked_t* linked = nullptr;
  TRY_AS(ToStatus(wasmoor_component_link(linker.get(), component_.get(), &linked),
                  Code::kFailedPrecondition),
         "cannot instantiate the component");
  return LinkedHandle(linked);
}

Result<const wasmoor_linked_t*> ComponentModule::Linked() const {
  const std::lock_guard lock(mutex_);
  if (linked_ == nullptr) linked_ = TRY(Link());
  return linked_.get();
}

Result<std::unique_ptr<Instance>> ComponentModule::NewInstance(InstanceOptions options) const {
  const wasmoor_linked_t* linked = TRY(Linked());
  const wasi::Grants* const grants = options.grants;
  auto instance = std::make_unique<ComponentInstance>(shared_from_this(), shared_, engine_, linked,
                                                      std::move(options));
  if (grants != nullptr) TRY(instance->Grant(*grants));
  return instance;
}

Result<std::unique_ptr<HttpHandler>> ComponentModule::NewHttpHandler(
    const HttpOptions& options) const {
  const std::vector<MissingImport> missing = MissingInterfaces(Imports(), World::kHttp);
  if (!missing.empty()) return Fail(Code::kFailedPrecondition, "{}", DescribeMissing(missing));
  if (!shared_->many_guests()) {
    return Fail(Code::kFailedPrecondition,
                "the component's code is for one guest, which cannot be ended: it cannot serve");
  }
  if (options.process == HttpOptions::Process::kPooled && !shared_->options().serves)
    return Fail(Code::kFailedPrecondition, "the engine is none of a server's");
  if (options.process != HttpOptions::Process::kOwn)
    return MakeHttpHandler(shared_, component_.get(), options);
  return MakeHttpHandler(shared_->options(), code_, options);
}

ComponentInstance::ComponentInstance(std::shared_ptr<const ComponentModule> module,
                                     std::shared_ptr<Shared> shared, wasm_engine_t* engine,
                                     const wasmoor_linked_t* linked, InstanceOptions options)
    : module_(std::move(module)), linked_(linked), guest_(std::move(shared), std::move(options)) {
  guest_.MakeStore(engine);
}

// What is the thread's own is used by the thread's own calls only, if there are other threads.
Status ComponentInstance::GrantStreams(const wasi::Grants& grants, wasi_config_t* config) {
  const size_t wanted = size_t{grants.max_descriptors} * kResourcesPerDescriptor;
  TRY(guest_.Drive(std::clamp(wanted, kLeastResources, kMostResources)));
  const bool granted =
      (guest_.drive() != nullptr ? wasmoor_wasi_config_on_thread : wasmoor_wasi_config_stdio)(
          config, grants.standard_input.get(), grants.standard_output.get(),
          grants.standard_error.get());
  if (granted) return {};
  return Fail(Code::kResourceExhausted, "no descriptor is left for the standard streams");
}

Status ComponentInstance::Grant(const wasi::Grants& grants) {
  granted_ = true;
  if (!grants.listeners.empty()) {
    return Fail(Code::kUnimplemented,
                "a component cannot be given a listening socket ({}): WASI 0.2 opens its own",
                grants.listeners.front().address);
  }
  TRY(CheckStrings(grants));
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
  TRY(GrantStreams(grants, config.get()));
  TRY(GrantDirectories(grants, config.get()));
  return ToStatus(wasmtime_context_set_wasi(guest_.context(), config.release()), Code::kInternal);
}

Result<std::optional<Exit>> ComponentInstance::Instantiate(
    std::optional<Clock::time_point> deadline) {
  // Not before it runs: the engine's WASI seeds the thread's random generator, of which a process
  // that is cloned from this one would have a copy.
  if (!granted_) TRY(Grant({}));
  std::string refusal;
  bool made = false;
  Exit exit = TRY(guest_.Run(deadline, [&] {
    ErrorHandle error(
        wasmoor_component_instantiate(linked_, guest_.context(), guest_.drive(), &instance_));
    made = error == nullptr;
    if (!made && !HasFrames(*error)) refusal = OneLine(ErrorText(*error));
    return Guest::Ended{std::move(error), nullptr};
  }));
  if (exit.kind == Exit::Kind::kTrapped && !refusal.empty())
    return Fail(Code::kResourceExhausted, "cannot instantiate the component: {}", refusal);
  // Without an instance it has ended, with status 0 too: a start function may call wasi:cli/exit.
  if (!made) return exit;
  instantiated_ = true;
  return std::nullopt;
}

Result<wasmtime_component_func_t> ComponentInstance::FindCommand() {
  const std::vector<Extern> exports = module_->Exports();
  for (const Extern& item : exports) {
    if (!item.name.starts_with(kCommandInterface)) continue;
    const ExportIndexHandle interface(wasmtime_component_get_export_index(
        module_->get(), nullptr, item.name.data(), item.name.size()));
    const ExportIndexHandle function(wasmtime_component_get_export_index(
        module_->get(), interface.get(), kCommandFunction.data(), kCommandFunction.size()));
    wasmtime_component_func_t found;
    if (function != nullptr &&
        wasmtime_component_instance_get_func(&instance_, guest_.context(), function.get(), &found))
      return found;
  }
  return Fail(Code::kNotFound, "not a command: the component does not export wasi:cli/run@0.2; {}",
              DescribeExports(exports));
}

// wasi:cli/run: run: func() -> result. A component may export anything by that name.
Status ComponentInstance::CheckCommand(const wasmtime_component_func_t& function) {
  const ComponentFuncTypeHandle type(wasmtime_component_func_type(&function, guest_.context()));
  wasmtime_component_valtype_t result;
  const bool has_result = wasmtime_component_func_type_result(type.get(), &result);
  const bool is_result = has_result && result.kind == WASMTIME_COMPONENT_VALTYPE_RESULT;
  if (has_result) wasmtime_component_valtype_delete(&result);
  if (wasmtime_component_func_type_param_count(type.get()) == 0 && is_result) return {};
  return Fail(Code::kFailedPrecondition,
              "not a command: its wasi:cli/run has another type than () -> result");
}

Result<Exit> ComponentInstance::RunCommand(const Invocation& invocation) {
  const wasmtime_component_func_t function = TRY(FindCommand());
  TRY(CheckCommand(function));
  bool succeeded = false;
  bool returned = false;
  Exit exit = TRY(guest_.Run(invocation.deadline, [&] {
    ErrorHandle error(
        wasmoor_component_run(&function, guest_.context(), guest_.drive(), &succeeded));
    returned = error == nullptr;
    return Guest::Ended{std::move(error), nullptr};
  }));
  // wasi:cli/run: an error without a number. After wasi:cli/exit there is none.
  if (exit.ok() && returned && !succeeded) exit.code = 1;
  return exit;
}

Result<Exit> ComponentInstance::RunExport(const Invocation& invocation) {
  std::optional<Error> refusal;
  ByteVector results;
  const std::string& call = invocation.function;
  if (!invocation.arguments.empty()) {
    return Fail(Code::kInvalidArgument,
                "arguments of a component's export go into the call: --invoke '{}(...)'", call);
  }
  Exit exit = TRY(guest_.Run(invocation.deadline, [&] {
    ErrorHandle error(wasmoor_component_invoke(guest_.context(), module_->get(), &instance_,
                                               reinterpret_cast<const uint8_t*>(call.data()),
                                               call.size(), guest_.drive(), results.get()));
    if (error != nullptr) refusal = RefusalIn(OneLine(ErrorText(*error)));
    return Guest::Ended{std::move(error), nullptr};
  }));
  if (exit.kind == Exit::Kind::kTrapped && refusal) return tl::unexpected(*std::move(refusal));
  if (exit.ok()) exit.results = results.text();
  return exit;
}

Result<Exit> ComponentInstance::Run(const Invocation& invocation) {
  if (!instantiated_) {
    if (auto end = TRY(Instantiate(invocation.deadline))) return *std::move(end);
  }
  return invocation.function.empty() ? RunCommand(invocation) : RunExport(invocation);
}

void ComponentInstance::Stop(int signal) { guest_.Stop(signal); }

}  // namespace wasmoor::wasm::wasmtime
