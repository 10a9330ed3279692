#include "function/page/status_json.h"

#include <cmath>
#include <nlohmann/json.hpp>

#include "function/page/columns.h"
#include "function/page/selection.h"
#include "wasmoor/base/time.h"

namespace wasmoor::function::page {
namespace {

using Json = nlohmann::ordered_json;

constexpr double kNanosecondsPerSecond = 1e9;

Json NumberOf(double value) {
  if (value < 0 || std::isinf(value)) return nullptr;
  constexpr double kMostExact = 1LL << 53;
  const bool whole = std::trunc(value) == value && value < kMostExact;
  return whole ? Json(static_cast<uint64_t>(value)) : Json(value);
}

double SecondsOf(std::chrono::system_clock::time_point time) {
  return static_cast<double>(ToNanoseconds(time)) / kNanosecondsPerSecond;
}

Json HeldOf(const Held& held) {
  return {{"requests", held.requests},
          {"millicores", held.millicores},
          {"memory_bytes", held.memory_bytes}};
}

template <typename Row>
void AddNumbers(const Row& row, Json* json) {
  for (const Column<Row>& column : ColumnsOf(&row))
    (*json)[std::string(column.key)] = NumberOf(column.value(row));
}

Json JsonOf(const FunctionRow& row) {
  Json json = {{"name", row.name},
               {"tenant", row.tenant},
               {"state", NameOf(row.state)},
               {"loaded", row.loaded}};
  if (!row.kind.empty()) json["kind"] = row.kind;
  if (!row.problem.empty()) json["problem"] = row.problem;
  AddNumbers(row, &json);
  return json;
}

Json JsonOf(const TenantRow& row) {
  Json json = {{"name", row.name}, {"functions", row.functions}, {"broken", row.broken}};
  AddNumbers(row, &json);
  return json;
}

Json JsonOf(const Failure& failure) {
  return {{"number", failure.number},          {"times", failure.times},
          {"first", SecondsOf(failure.first)}, {"at", SecondsOf(failure.at)},
          {"function", failure.function},      {"method", failure.method},
          {"target", failure.target},          {"status", failure.status},
          {"problem", failure.problem},        {"backtrace", failure.backtrace}};
}

template <typename Row>
void AddRows(const Selection<Row>& selection, Json* json) {
  (*json)["matching"] = selection.matching;
  (*json)["page"] = selection.page;
  (*json)["pages"] = selection.pages;
  Json& rows = (*json)["rows"] = Json::array();
  for (const Row* row : selection.rows) rows.push_back(JsonOf(*row));
}

Json ServerOf(const Snapshot& snapshot) {
  const Load& load = snapshot.load;
  const Sums& sums = snapshot.sums;
  return {{"version", snapshot.version},
          {"directory", snapshot.directory},
          {"addresses", snapshot.addresses},
          {"ready", snapshot.not_ready.empty()},
          {"not_ready", snapshot.not_ready},
          {"uptime", snapshot.uptime.count()},
          {"cpu_limits", snapshot.cpu_limits},
          {"millicores", snapshot.millicores},
          {"memory_bytes", snapshot.memory_bytes},
          {"running", HeldOf(snapshot.running)},
          {"waiting", HeldOf(snapshot.waiting)},
          {"queue", HeldOf(snapshot.queue)},
          {"threads", snapshot.threads},
          {"threads_taken", snapshot.threads_taken},
          {"functions", snapshot.functions.size()},
          {"loaded", snapshot.loaded},
          {"compiling", snapshot.compiling},
          {"broken", snapshot.broken},
          {"requests", sums.requests()},
          {"failures", sums.failures()},
          {"refused", sums.refused},
          {"nameless", snapshot.nameless},
          {"rate", load.requests},
          {"failing", load.failures},
          {"cpu", load.cpus},
          {"p50", NumberOf(load.p50)},
          {"p90", NumberOf(load.p90)},
          {"p99", NumberOf(load.p99)}};
}

void AddFunction(const Snapshot& snapshot, const View& view, const std::optional<Detail>& detail,
                 Json* json) {
  for (const FunctionRow& row : snapshot.functions) {
    if (row.name == view.function) (*json)["function"] = JsonOf(row);
  }
  if (!detail) return;
  for (const auto& [name, value] : detail->facts) (*json)["facts"][name] = value;
  (*json)["durations"] = {
      {"bounds", detail->bounds}, {"recent", detail->recent}, {"all", detail->all}};
}

}  // namespace

std::string StatusJson(const Snapshot& snapshot, const View& view,
                       const std::optional<Detail>& detail) {
  Json json = {{"server", ServerOf(snapshot)}, {"view", NameOf(view.kind)}};
  switch (view.kind) {
    case View::Kind::kFunctions: AddRows(SelectFunctions(snapshot, view), &json); break;
    case View::Kind::kTenants: AddRows(SelectTenants(snapshot, view), &json); break;
    case View::Kind::kFailures: AddRows(SelectFailures(snapshot, view), &json); break;
    case View::Kind::kFunction: AddFunction(snapshot, view, detail, &json); break;
  }
  return json.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace wasmoor::function::page
