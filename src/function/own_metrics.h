#pragma once

#include <optional>

#include "function/idle_instances.h"
#include "function/workers.h"
#include "wasmoor/function/admission/admission.h"
#include "wasmoor/function/catalog/catalog.h"
#include "wasmoor/function/lanes/lanes.h"
#include "wasmoor/telemetry/metrics.h"

namespace wasmoor::function {

// What a server tells of itself, and of no function.
struct OwnNumbers {
  Admission::Numbers admission;
  Lanes::Counts lanes;
  IdleInstances::Counts idle;  // Of this process.
  std::optional<Catalog::Counts> catalog;
  std::optional<Workers::Counts> workers;
};
void WriteOwnMetrics(const OwnNumbers& numbers, telemetry::Page& page);

}  // namespace wasmoor::function
