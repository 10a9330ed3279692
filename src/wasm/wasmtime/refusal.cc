#include "wasm/wasmtime/refusal.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace wasmoor::wasm::wasmtime {
namespace {

// What the validator of this engine version says of something whose feature is off. The first that
// is in the message and whose feature is off counts, so the more special stand first; the engine
// suite goes through all features.
struct Symptom {
  std::string_view part;
  std::string_view feature;
};
constexpr std::array kSymptoms = {
    Symptom{"component model feature", "component-model"},
    Symptom{"relaxed SIMD", "relaxed-simd"},
    Symptom{"SIMD support", "simd"},
    Symptom{"bulk memory", "bulk-memory"},
    Symptom{"bulk-memory proposal", "bulk-memory"},
    Symptom{"multi-value feature", "multi-value"},
    Symptom{"reference types support", "reference-types"},
    Symptom{"multiple memories", "multi-memory"},
    Symptom{"memory64 must be enabled", "memory64"},
    Symptom{"tail calls support", "tail-call"},
    Symptom{"function references", "function-references"},
    Symptom{"stack switching", "stack-switching"},
    Symptom{"continuation types", "stack-switching"},
    Symptom{"gc proposal", "gc"},
    Symptom{"`gc` proposal", "gc"},
    Symptom{"GC proposal", "gc"},
    Symptom{"gc feature", "gc"},
    Symptom{"gc types", "gc"},
    Symptom{"gc support", "gc"},
    Symptom{"exceptions proposal", "exceptions"},
    Symptom{"exceptions support", "exceptions"},
    Symptom{"exception handling feature", "exceptions"},
    Symptom{"threads support", "threads"},
    Symptom{"threads must be enabled", "threads"},
    Symptom{"custom page sizes", "custom-page-sizes"},
    Symptom{"wide arithmetic", "wide-arithmetic"},
};

bool IsOff(std::string_view name, const Features& enabled) {
  for (const FeatureInfo& feature : AllFeatures()) {
    if (feature.name == name) return !(enabled.*feature.member);
  }
  return false;
}

bool Has(const Error& error, std::string_view part) {
  return error.message().find(part) != std::string::npos;
}

}  // namespace

Error ExplainRefusal(Error error, const Features& enabled) {
  const auto symptom = std::find_if(kSymptoms.begin(), kSymptoms.end(), [&](const Symptom& one) {
    return Has(error, one.part) && IsOff(one.feature, enabled);
  });
  if (symptom == kSymptoms.end()) return error;
  return std::move(error).WithContext(fmt::format(
      "needs the feature {}, which is off (--enable {})", symptom->feature, symptom->feature));
}

Error ExplainLoadFailure(Error error) {
  if (!Has(error, "pooling allocator")) return error;
  if (Has(error, "memory is shared")) {
    return Error(Code::kUnimplemented,
                 "has a shared memory, which only a process of its own can run: among many guests "
                 "neither its growth nor a guest that waits on it could be ended");
  }
  return Error(Code::kResourceExhausted, "does not fit the pool of instances: " + error.message());
}

}  // namespace wasmoor::wasm::wasmtime
