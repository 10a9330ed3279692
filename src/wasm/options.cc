#include "wasmoor/wasm/options.h"

#include <array>

namespace wasmoor::wasm {

std::string_view TierName(Tier tier) { return tier == Tier::kBaseline ? "baseline" : "optimized"; }

std::span<const FeatureInfo> AllFeatures() {
  // In the order of Features. The names are the proposals' own.
  static constexpr std::array kFeatures = {
      FeatureInfo{"simd", &Features::simd},
      FeatureInfo{"relaxed-simd", &Features::relaxed_simd},
      FeatureInfo{"bulk-memory", &Features::bulk_memory},
      FeatureInfo{"multi-value", &Features::multi_value},
      FeatureInfo{"reference-types", &Features::reference_types},
      FeatureInfo{"multi-memory", &Features::multi_memory},
      FeatureInfo{"memory64", &Features::memory64},
      FeatureInfo{"tail-call", &Features::tail_call},
      FeatureInfo{"function-references", &Features::function_references},
      FeatureInfo{"gc", &Features::gc},
      FeatureInfo{"exceptions", &Features::exceptions},
      FeatureInfo{"threads", &Features::threads},
      FeatureInfo{"custom-page-sizes", &Features::custom_page_sizes},
      FeatureInfo{"wide-arithmetic", &Features::wide_arithmetic},
      FeatureInfo{"stack-switching", &Features::stack_switching},
      FeatureInfo{"component-model", &Features::component_model},
  };
  return kFeatures;
}

}  // namespace wasmoor::wasm
