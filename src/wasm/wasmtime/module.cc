#include "wasm/wasmtime/module.h"

#include "wasm/wasmtime/instance.h"
#include "wasm/wasmtime/values.h"
#include "wasmoor/wasm/imports.h"

namespace wasmoor::wasm::wasmtime {

std::vector<Extern> CoreModule::Imports() const {
  wasm_importtype_vec_t types;
  wasmtime_module_imports(module_.get(), &types);
  std::vector<Extern> imports(types.size);
  for (size_t i = 0; i < types.size; ++i) {
    imports[i].module = NameView(wasm_importtype_module(types.data[i]));
    imports[i].name = NameView(wasm_importtype_name(types.data[i]));
    DescribeExtern(wasm_importtype_type(types.data[i]), &imports[i]);
  }
  wasm_importtype_vec_delete(&types);
  return imports;
}

std::vector<Extern> CoreModule::Exports() const {
  wasm_exporttype_vec_t types;
  wasmtime_module_exports(module_.get(), &types);
  std::vector<Extern> exports(types.size);
  for (size_t i = 0; i < types.size; ++i) {
    exports[i].name = NameView(wasm_exporttype_name(types.data[i]));
    DescribeExtern(wasm_exporttype_type(types.data[i]), &exports[i]);
  }
  wasm_exporttype_vec_delete(&types);
  return exports;
}

// Defines what the module imports and nothing else: a function that is not asked for costs start-up
// time.
Result<InstancePreHandle> CoreModule::Link() const {
  const std::vector<Extern> imports = Imports();
  const hostcall::Table* host = shared_->options().host.get();
  if (const auto missing = MissingImports(imports, host); !missing.empty())
    return Fail(Code::kFailedPrecondition, "{}", DescribeMissing(missing));

  const LinkerHandle linker(wasmtime_linker_new(engine_));
  // A module may import one function under one name twice.
  wasmtime_linker_allow_shadowing(linker.get(), true);
  for (const Extern& import : imports) {
    const hostcall::Table::Entry* entry = host->Find(import.module, import.name);
    const FuncTypeHandle type = FuncTypeOf(import.signature);
    TRY(ToStatus(wasmtime_linker_define_func_unchecked(
                     linker.get(), import.module.data(), import.module.size(), import.name.data(),
                     import.name.size(), type.get(), CallHostFunction,
                     const_cast<hostcall::Table::Entry*>(entry), nullptr),
                 Code::kInternal));
  }
  wasmtime_instance_pre_t* linked = nullptr;
  TRY(ToStatus(wasmtime_linker_instantiate_pre(linker.get(), module_.get(), &linked),
               Code::kFailedPrecondition));
  return InstancePreHandle(linked);
}

Result<wasmtime_instance_pre_t*> CoreModule::Linked() const {
  if (wasmtime_instance_pre_t* const ready = ready_.load(std::memory_order_acquire)) return ready;
  const std::lock_guard lock(mutex_);
  if (linked_ == nullptr) linked_ = TRY(Link());
  ready_.store(linked_.get(), std::memory_order_release);
  return linked_.get();
}

Result<std::unique_ptr<Instance>> CoreModule::NewInstance(InstanceOptions options) const {
  wasmtime_instance_pre_t* linked = TRY(Linked());
  return std::make_unique<CoreInstance>(shared_from_this(), shared_, engine_, linked,
                                        std::move(options));
}

}  // namespace wasmoor::wasm::wasmtime
