#include "function/page/columns.h"

#include <array>

#include "function/page/text.h"

namespace wasmoor::function::page {
namespace {

constexpr std::string_view kLately = "last seconds", kEver = "since start";

template <typename Row>
constexpr Column<Row> kRate = {"rate", "req/s", "Requests that ended, a second.",
                               [](const Row& row) { return row.now.requests; }, RateText};
template <typename Row>
constexpr Column<Row> kFailing = {"failing",
                                  "failed/s",
                                  "Requests that failed or took too long, a second.",
                                  [](const Row& row) { return row.now.failures; },
                                  RateText,
                                  Column<Row>::Tone::kBad};
template <typename Row>
constexpr Column<Row> kP50 = {"p50", "p50",
                              "Half of the requests took no longer, from their head to their end.",
                              [](const Row& row) { return row.now.p50; }, TimeText};
template <typename Row>
constexpr Column<Row> kP90 = {"p90", "p90",
                              "Nine in ten requests took no longer, from their head to their end.",
                              [](const Row& row) { return row.now.p90; }, TimeText};
template <typename Row>
constexpr Column<Row> kP99 = {"p99", "p99",
                              "99 in 100 requests took no longer, from their head to their end.",
                              [](const Row& row) { return row.now.p99; }, TimeText};
template <typename Row>
constexpr Column<Row> kQueued = {
    "queued", "queued", "How long a request waited for its guest to begin, on the average.",
    [](const Row& row) { return row.now.queued; }, TimeText};
template <typename Row>
constexpr Column<Row> kCpus = {"cpu", "CPUs", "CPUs that guests were using.",
                               [](const Row& row) { return row.now.cpus; }, CpusText};

template <typename Row>
constexpr Column<Row> kRequests = {
    "requests", "requests", "Requests that have ended, however.",
    [](const Row& row) { return static_cast<double>(row.sums.requests()); }, CountText};
template <typename Row>
constexpr Column<Row> kFailures = {
    "failures",
    "failed",
    "Requests that failed or took too long.",
    [](const Row& row) { return static_cast<double>(row.sums.failures()); },
    CountText,
    Column<Row>::Tone::kBad};
template <typename Row>
constexpr Column<Row> kRefused = {
    "refused", "refused",
    "Requests that were not begun: too much waited, or they asked for what cannot be had.",
    [](const Row& row) { return static_cast<double>(row.sums.refused); }, CountText};
template <typename Row>
constexpr Column<Row> kCold = {"cold", "cold", "Requests that had to wait for their module.",
                               [](const Row& row) { return static_cast<double>(row.sums.cold); },
                               CountText};
template <typename Row>
constexpr Column<Row> kCpuSeconds = {"cpu_seconds", "CPU time", "CPU time of guests.",
                                     [](const Row& row) { return row.sums.cpu_seconds; }, SpanText};
template <typename Row>
constexpr Column<Row> kMemory = {
    "memory", "memory", "The most memory that one guest has had.",
    [](const Row& row) { return static_cast<double>(row.sums.most_memory); }, SizeText};

using F = FunctionRow;
constexpr std::array kFunctionColumns = {
    kRate<F>,     kFailing<F>,  kP50<F>,     kP90<F>,  kP99<F>,        kQueued<F>, kCpus<F>,
    kRequests<F>, kFailures<F>, kRefused<F>, kCold<F>, kCpuSeconds<F>, kMemory<F>};
constexpr std::array<ColumnGroup, 2> kFunctionGroups = {{{kLately, 7}, {kEver, 6}}};

using T = TenantRow;
constexpr std::array kTenantColumns = {
    kRate<T>,
    kFailing<T>,
    kP50<T>,
    kP99<T>,
    kQueued<T>,
    kCpus<T>,
    Column<T>{"running", "running", "Requests that run now.",
              [](const T& row) { return static_cast<double>(row.running.requests); }, CountText},
    Column<T>{"running_cpu", "CPU", "Thousandths of a CPU that they asked for.",
              [](const T& row) { return static_cast<double>(row.running.millicores); },
              MillicoresText},
    Column<T>{"running_memory", "memory", "Memory that they asked for.",
              [](const T& row) { return static_cast<double>(row.running.memory_bytes); }, SizeText},
    Column<T>{"waiting", "waiting", "Requests that wait to be admitted.",
              [](const T& row) { return static_cast<double>(row.waiting.requests); }, CountText},
    Column<T>{"waiting_memory", "memory", "Memory that they ask for.",
              [](const T& row) { return static_cast<double>(row.waiting.memory_bytes); }, SizeText},
    kRequests<T>,
    kFailures<T>,
    kRefused<T>,
    kCpuSeconds<T>,
    kMemory<T>};
constexpr std::array<ColumnGroup, 4> kTenantGroups = {
    {{kLately, 6}, {"runs now", 3}, {"waits now", 2}, {kEver, 5}}};

}  // namespace

std::span<const Column<FunctionRow>> ColumnsOf(const FunctionRow*) { return kFunctionColumns; }
std::span<const Column<TenantRow>> ColumnsOf(const TenantRow*) { return kTenantColumns; }
std::span<const ColumnGroup> GroupsOf(const FunctionRow*) { return kFunctionGroups; }
std::span<const ColumnGroup> GroupsOf(const TenantRow*) { return kTenantGroups; }

std::string_view NameOf(State state) {
  switch (state) {
    case State::kRegistered: return "registered";
    case State::kCompiling: return "compiling";
    case State::kReady: return "ready";
    case State::kBroken: return "broken";
  }
  return "";
}

}  // namespace wasmoor::function::page
