#include "wasm/wasmtime/config.h"

#if defined(__x86_64__)
#include <sys/platform/x86.h>
#else
#include <sys/auxv.h>
#endif

namespace wasmoor::wasm::wasmtime {
namespace {

// What the engine's own WASI may use of a component's stack beneath the guest's frames. Reserved,
// and used by what needs it.
constexpr uint64_t kHostReserve = 1 << 20;

// Core instances that are counted for each of a component, which has several where adapters are in
// it: they are numbers only.
constexpr uint32_t kModulesPerComponent = 20;

#if defined(__x86_64__)
constexpr std::string_view kArchitecture = "x86_64";
#elif defined(__aarch64__)
constexpr std::string_view kArchitecture = "aarch64";
#else
#error "wasmoor runs on x86-64 and aarch64"
#endif

// What the CPU can do, as the compiler sees it. From glibc's copy: the cpuid instruction itself
// traps to the hypervisor in a virtual machine and costs microseconds each. Only the "active" words
// are features in use; the raw ones hold the number of the CPU that happened to run the
// instruction.
std::string CpuFeatures() {
#if defined(__x86_64__)
  std::string text;
  for (unsigned leaf : {CPUID_INDEX_1, CPUID_INDEX_7, CPUID_INDEX_80000001, CPUID_INDEX_D_ECX_1,
                        CPUID_INDEX_7_ECX_1}) {
    const struct cpuid_feature* feature = __x86_get_cpuid_feature_leaf(leaf);
    uint32_t hash = 2166136261;
    for (unsigned value : feature->active_array) hash = (hash ^ value) * 16777619;
    text += fmt::format("{:08x}", hash);
  }
  return text;
#else
  return fmt::format("{:x}-{:x}", getauxval(AT_HWCAP), getauxval(AT_HWCAP2));
#endif
}

void SetFeatures(wasm_config_t* config, const Features& features) {
  wasmtime_config_wasm_simd_set(config, features.simd);
  wasmtime_config_wasm_relaxed_simd_set(config, features.relaxed_simd);
  wasmtime_config_wasm_bulk_memory_set(config, features.bulk_memory);
  wasmtime_config_wasm_multi_value_set(config, features.multi_value);
  wasmtime_config_wasm_reference_types_set(config, features.reference_types);
  wasmtime_config_wasm_multi_memory_set(config, features.multi_memory);
  wasmtime_config_wasm_memory64_set(config, features.memory64);
  wasmtime_config_wasm_tail_call_set(config, features.tail_call);
  wasmtime_config_wasm_function_references_set(config, features.function_references);
  wasmtime_config_wasm_gc_set(config, features.gc);
  wasmtime_config_wasm_exceptions_set(config, features.exceptions);
  wasmtime_config_wasm_threads_set(config, features.threads);
  wasmtime_config_shared_memory_set(config, features.threads);
  wasmtime_config_wasm_custom_page_sizes_set(config, features.custom_page_sizes);
  wasmtime_config_wasm_wide_arithmetic_set(config, features.wide_arithmetic);
  wasmtime_config_wasm_stack_switching_set(config, features.stack_switching);
  wasmtime_config_wasm_component_model_set(config, features.component_model);
}

void SetPool(wasm_config_t* config, const Pool& pool, Purpose purpose, bool of_server) {
  const Handle<wasmtime_pooling_allocation_config_t, wasmtime_pooling_allocation_config_delete>
      pooling(wasmtime_pooling_allocation_config_new());
  auto* p = pooling.get();
  wasmtime_pooling_allocation_config_total_component_instances_set(p, pool.instances);
  const bool serves = purpose == Purpose::kServe;
  wasmtime_pooling_allocation_config_total_core_instances_set(
      p, pool.instances * (serves ? kModulesPerComponent : 1));
  if (serves || of_server) wasmoor_pooling_allocation_config_pagemap_scan(p);
  wasmtime_pooling_allocation_config_total_memories_set(p,
                                                        pool.instances * pool.memories_per_module);
  wasmtime_pooling_allocation_config_total_tables_set(p, pool.instances * pool.tables_per_module);
  wasmtime_pooling_allocation_config_total_gc_heaps_set(p, pool.instances);
  wasmtime_pooling_allocation_config_total_stacks_set(
      p, serves || purpose == Purpose::kRunComponents ? pool.instances : 0);
  wasmtime_pooling_allocation_config_max_memories_per_module_set(p, pool.memories_per_module);
  wasmtime_pooling_allocation_config_max_tables_per_module_set(p, pool.tables_per_module);
  wasmtime_pooling_allocation_config_max_memory_size_set(p, pool.memory_bytes);
  wasmtime_pooling_allocation_config_table_elements_set(p, pool.table_elements);
  wasmtime_pooling_allocation_config_max_unused_warm_slots_set(p, pool.instances);
  wasmtime_pooling_allocation_config_linear_memory_keep_resident_set(p, pool.memory_keep_resident);
  wasmtime_pooling_allocation_config_table_keep_resident_set(p, pool.table_keep_resident);
  wasmtime_pooling_allocation_strategy_set(config, p);
}

}  // namespace

Features FeaturesOf(const Features& wanted, Tier tier) {
  Features features = wanted;
  if (tier == Tier::kBaseline) {
    // What the one-pass compiler has no code for; a module that needs one of them is kUnimplemented
    // at this tier.
    features.relaxed_simd = features.tail_call = features.function_references = false;
    features.gc = features.exceptions = features.stack_switching = false;
  }
  return features;
}

Result<EngineHandle> NewEngine(const EngineOptions& options, Tier tier, Purpose purpose) {
  ConfigHandle config(wasm_config_new());
  if (purpose != Purpose::kCompile && tier == Tier::kOptimized) {
    wasmoor_config_no_compiler(config.get());
  } else {
    wasmtime_config_strategy_set(config.get(), tier == Tier::kBaseline
                                                   ? WASMTIME_STRATEGY_WINCH
                                                   : WASMTIME_STRATEGY_CRANELIFT);
    wasmtime_config_parallel_compilation_set(config.get(), options.parallel_compile);
  }
  wasmoor_config_backtrace_details(config.get(), true);
  SetFeatures(config.get(), FeaturesOf(options.features, tier));
  wasmtime_config_max_wasm_stack_set(config.get(), options.stack_bytes);
  wasmtime_config_async_stack_size_set(config.get(), options.stack_bytes + kHostReserve);
  // One guest at a time calls into a store here, so the component model's concurrency is not
  // wanted, nor what it costs.
  wasmtime_config_concurrency_support_set(config.get(), false);
  if (options.sharing == Sharing::kManyGuests) {
    wasmtime_config_epoch_interruption_set(config.get(), true);
    if (purpose != Purpose::kCompile && options.pool.instances > 0)
      SetPool(config.get(), options.pool, purpose, options.serves);
  }
  wasm_engine_t* engine = nullptr;
  TRY_AS(ToStatus(wasmoor_engine_new(config.release(), &engine), Code::kInvalidArgument),
         "cannot set up wasmtime");
  return EngineHandle(engine);
}

std::string FingerprintOf(const EngineOptions& options, Tier tier) {
  std::string features;
  const Features enabled = FeaturesOf(options.features, tier);
  for (const FeatureInfo& feature : AllFeatures()) {
    if (!(enabled.*feature.member)) continue;
    if (!features.empty()) features += ',';
    features += feature.name;
  }
  return fmt::format("wasmtime-{} {} cpu={} {} {} {}", WASMTIME_VERSION, kArchitecture,
                     CpuFeatures(), TierName(tier),
                     options.sharing == Sharing::kManyGuests ? "epochs" : "no-epochs", features);
}

}  // namespace wasmoor::wasm::wasmtime
