#include "function/own_metrics.h"

namespace wasmoor::function {

void WriteOwnMetrics(const OwnNumbers& all, telemetry::Page& page) {
  using telemetry::Kind;
  const Admission::Numbers& numbers = all.admission;
  const auto one = [&](Kind kind, std::string_view name, std::string_view help, double value) {
    page.Begin(kind, name, help);
    page.Add({}, value);
  };
  one(Kind::kGauge, "wasmoor_function_running", "Requests that are admitted now.",
      static_cast<double>(numbers.in_use.requests));
  one(Kind::kGauge, "wasmoor_function_running_memory_bytes", "Memory that they asked for.",
      static_cast<double>(numbers.in_use.memory_bytes));
  one(Kind::kGauge, "wasmoor_function_running_cpus", "CPUs that they asked for.",
      static_cast<double>(numbers.in_use.millicores) / 1000);
  one(Kind::kGauge, "wasmoor_function_queue", "Requests that wait to be admitted.",
      static_cast<double>(numbers.waiting.requests));
  one(Kind::kGauge, "wasmoor_function_queue_memory_bytes", "Memory that they ask for.",
      static_cast<double>(numbers.waiting.memory_bytes));
  one(Kind::kCounter, "wasmoor_function_queue_full_total", "Requests that were refused a place.",
      static_cast<double>(numbers.refused_full));
  one(Kind::kCounter, "wasmoor_function_admitted_total", "Requests that were admitted.",
      static_cast<double>(numbers.admitted));
  one(Kind::kGauge, "wasmoor_function_threads", "Threads for guests.", all.lanes.threads);
  one(Kind::kGauge, "wasmoor_function_threads_taken", "Of these, those that one guest has.",
      all.lanes.aside);
  one(Kind::kGauge, "wasmoor_function_idle_instances", "Instances that wait for another request.",
      static_cast<double>(all.idle.instances));
  one(Kind::kGauge, "wasmoor_function_idle_memory_bytes", "Memory that they have.",
      static_cast<double>(all.idle.bytes));
  one(Kind::kCounter, "wasmoor_function_reused_total",
      "Requests that an instance served which had served before.",
      static_cast<double>(all.idle.reused));
  one(Kind::kCounter, "wasmoor_function_idle_crowded_out_total",
      "Instances that ended because others took the room.",
      static_cast<double>(all.idle.crowded_out));
  if (all.workers) {
    one(Kind::kGauge, "wasmoor_function_workers", "Processes that functions run in.",
        all.workers->workers);
    one(Kind::kCounter, "wasmoor_function_workers_started_total", "Processes that were started.",
        static_cast<double>(all.workers->started));
    one(Kind::kCounter, "wasmoor_function_workers_died_total", "Processes that died of themselves.",
        static_cast<double>(all.workers->died));
  }
  if (!all.catalog) return;
  const Catalog::Counts& counts = *all.catalog;
  one(Kind::kGauge, "wasmoor_function_registered", "Functions that there are.",
      static_cast<double>(counts.functions));
  one(Kind::kGauge, "wasmoor_function_loaded", "Functions in memory.",
      static_cast<double>(counts.loaded));
  one(Kind::kGauge, "wasmoor_function_broken", "Functions that cannot be run.",
      static_cast<double>(counts.broken));
}

}  // namespace wasmoor::function
