#include "function/overview.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "function/page/text.h"
#include "wasmoor/base/units.h"

namespace wasmoor::function {
namespace {

using std::chrono::duration;

constexpr std::chrono::seconds kMarkEvery{5};
constexpr std::chrono::milliseconds kFresh{900};
constexpr std::chrono::seconds kForgotten{10};  // Nobody looks any more.
constexpr size_t kSeconds = 120;

double Seconds(std::chrono::nanoseconds time) { return duration<double>(time).count(); }

// What was counted between two times.
Numbers Since(const Numbers& then, Numbers now) {
  for (size_t i = 0; i < now.ends.size(); ++i) now.ends[i] -= then.ends[i];
  for (size_t i = 0; i < now.durations.size(); ++i) now.durations[i] -= then.durations[i];
  now.cpu_time -= then.cpu_time;
  now.queued -= then.queued;
  return now;
}

uint64_t CountOf(const Numbers& numbers, End end) { return numbers.ends[static_cast<size_t>(end)]; }

page::Sums SumsOf(const Numbers& numbers) {
  return {.ok = CountOf(numbers, End::kOk),
          .failed = CountOf(numbers, End::kFailed),
          .timed_out = CountOf(numbers, End::kTimedOut),
          .refused = CountOf(numbers, End::kRefused),
          .abandoned = CountOf(numbers, End::kAbandoned),
          .cold = numbers.cold,
          .long_runs = numbers.aside,
          .memory_refusals = numbers.memory_refusals,
          .most_memory = numbers.most_memory,
          .received = numbers.bytes_in,
          .sent = numbers.bytes_out,
          .cpu_seconds = Seconds(numbers.cpu_time),
          .queued_seconds = Seconds(numbers.queued)};
}

double QuantileOf(const Numbers& numbers, double share) {
  return page::Quantile(Numbers::kBounds, numbers.durations, share);
}

page::Load LoadOf(const Numbers& lately, double seconds) {
  const page::Sums sums = SumsOf(lately);
  const auto requests = static_cast<double>(sums.requests());
  return {.requests = requests / seconds,
          .failures = static_cast<double>(sums.failures()) / seconds,
          .cpus = sums.cpu_seconds / seconds,
          .queued = requests > 0 ? sums.queued_seconds / requests : page::kNone,
          .p50 = QuantileOf(lately, 0.5),
          .p90 = QuantileOf(lately, 0.9),
          .p99 = QuantileOf(lately, 0.99)};
}

page::State StateOf(FunctionInfo::State state) {
  switch (state) {
    case FunctionInfo::State::kRegistered: return page::State::kRegistered;
    case FunctionInfo::State::kCompiling: return page::State::kCompiling;
    case FunctionInfo::State::kReady: return page::State::kReady;
    case FunctionInfo::State::kBroken: return page::State::kBroken;
  }
  return page::State::kRegistered;
}

std::string_view NameOf(Kind kind) {
  switch (kind) {
    case Kind::kCommand: return "a command";
    case Kind::kHttp: return "a component of wasi:http";
    case Kind::kBindgen: return "a library of bindgen";
    case Kind::kLibrary: return "a library";
  }
  return "";
}

page::Held HeldOf(const Amounts& amounts) {
  return {amounts.requests, amounts.millicores, amounts.memory_bytes};
}

page::Failure FailureOf(const FailedRequest& failed) {
  return {failed.number, failed.times,  failed.first,   failed.at,        failed.function,
          failed.method, failed.target, failed.problem, failed.backtrace, failed.status};
}

std::string HashText(const wasm::ModuleHash& hash) {
  constexpr size_t kShown = 8;
  std::string text;
  for (size_t i = 0; i < kShown; ++i) text += fmt::format("{:02x}", hash[i]);
  return text + "…";
}

// What a manifest asks for. Of secrets the names only.
void AddFacts(const Manifest& manifest, const Allowance& usual,
              std::vector<std::pair<std::string, std::string>>* facts) {
  const auto& limits = manifest.limits;
  facts->emplace_back("CPU", fmt::format("{} m", limits.cpu_millicores.value_or(usual.millicores)));
  facts->emplace_back("memory", FormatSize(limits.memory_bytes.value_or(usual.memory_bytes)));
  facts->emplace_back("time", FormatDuration(limits.timeout.value_or(usual.time)));
  for (const auto& [name, file] : manifest.secrets) facts->emplace_back("secret", name);
  for (const auto& directory : manifest.directories) {
    const bool writes = directory.access == wasi::Access::kReadWrite;
    facts->emplace_back("directory",
                        fmt::format("{}{}", directory.guest, writes ? ", to write" : ", to read"));
  }
  for (const std::string& host : manifest.outgoing) facts->emplace_back("may ask", host);
  if (manifest.reuse.requests > 1) {
    facts->emplace_back("an instance serves",
                        fmt::format("{} requests, and waits {} for one", manifest.reuse.requests,
                                    FormatDuration(manifest.reuse.idle)));
  }
}

// What several functions have counted together.
struct Tally {
  Numbers all, lately;
  void Add(const Numbers& more, const Numbers& more_lately) {
    all.Add(more);
    lately.Add(more_lately);
  }
};

page::TenantRow& RowOf(std::string_view tenant,
                       std::map<std::string, page::TenantRow, std::less<>>* rows) {
  const auto found = rows->find(tenant);
  if (found != rows->end()) return found->second;
  page::TenantRow& row = (*rows)[std::string(tenant)];
  row.name = tenant;
  return row;
}

}  // namespace

void Overview::Tick() {
  const auto now = Clock::now();
  const Admission::Numbers admitted = sources_.admission.numbers();
  seconds_.push_back({.all = sources_.totals.All(),
                      .memory = static_cast<double>(admitted.in_use.memory_bytes),
                      .waiting = static_cast<double>(admitted.waiting.requests)});
  // One more than is shown: what is shown is what came between two.
  while (seconds_.size() > kSeconds + 1) seconds_.pop_front();
  if (now - later_.at >= kMarkEvery) {
    before_ = std::move(later_);
    later_ = {now, sources_.totals.Sums()};
  }
  if (now - made_at_ > kForgotten) made_ = nullptr;
}

double Overview::Window() const {
  // At the start there is nothing to divide by.
  return std::max(1.0, Seconds(Clock::now() - before_.at));
}

Numbers Overview::Before(std::string_view function) const {
  const auto found = before_.sums.find(function);
  return found == before_.sums.end() ? Numbers() : found->second;
}

std::shared_ptr<const page::Snapshot> Overview::Now() {
  const auto now = Clock::now();
  if (made_ == nullptr || now - made_at_ > kFresh) {
    made_ = std::make_shared<const page::Snapshot>(Make());
    made_at_ = now;
  }
  return made_;
}

page::Snapshot Overview::Make() const {
  page::Snapshot snapshot;
  AddServer(&snapshot);
  AddHistory(&snapshot);
  for (const FailedRequest& failed : sources_.totals.Failures())
    snapshot.failures.push_back(FailureOf(failed));
  Tenants tenants;
  AddFunctions(&tenants, &snapshot);
  AddNumbers(&tenants, &snapshot);
  AddAdmitted(&tenants);
  for (auto& [name, row] : tenants) snapshot.tenants.push_back(std::move(row));
  return snapshot;
}

void Overview::AddServer(page::Snapshot* snapshot) const {
  snapshot->version = WASMOOR_VERSION;
  snapshot->directory = sources_.settings.functions;
  snapshot->addresses = sources_.addresses;
  snapshot->now = std::chrono::system_clock::now();
  snapshot->uptime = std::chrono::duration_cast<std::chrono::seconds>(Clock::now() - began_);
  if (const Status ready = sources_.ready(); !ready) snapshot->not_ready = ready.error().message();
  snapshot->cpu_limits = sources_.cpu_limits;
  snapshot->window = 2 * kMarkEvery;
  snapshot->millicores = sources_.supply.millicores;
  snapshot->memory_bytes = sources_.supply.memory_bytes;
  snapshot->promised_millicores = sources_.capacity.running.millicores;
  snapshot->queue = HeldOf(sources_.capacity.waiting);
  const Admission::Numbers admitted = sources_.admission.numbers();
  snapshot->running = HeldOf(admitted.in_use);
  snapshot->waiting = HeldOf(admitted.waiting);
  snapshot->refused_full = admitted.refused_full;
  const Lanes::Counts lanes = sources_.lanes.counts();
  snapshot->threads = lanes.threads;
  snapshot->threads_taken = lanes.aside;
  snapshot->loops = sources_.supply.cpus;
}

void Overview::AddFunctions(Tenants* tenants, page::Snapshot* snapshot) const {
  const Catalog* const catalog = sources_.catalog();
  if (catalog == nullptr) return;
  auto list = catalog->List();
  snapshot->functions.reserve(list.size());
  for (FunctionInfo& info : list) {
    page::FunctionRow& row = snapshot->functions.emplace_back();
    row.name = std::move(info.function);
    row.tenant = TenantPart(row.name);
    row.state = StateOf(info.state);
    row.loaded = info.loaded;
    if (info.state == FunctionInfo::State::kReady) row.kind = NameOf(info.kind);
    if (info.problem) row.problem = info.problem->message();
    page::TenantRow& tenant = RowOf(row.tenant, tenants);
    ++tenant.functions;
    const bool broken = row.state == page::State::kBroken;
    tenant.broken += broken ? 1 : 0;
    snapshot->broken += broken ? 1 : 0;
    snapshot->compiling += row.state == page::State::kCompiling ? 1 : 0;
    snapshot->loaded += row.loaded ? 1 : 0;
  }
}

void Overview::AddNumbers(Tenants* tenants, page::Snapshot* snapshot) const {
  const double window = Window();
  Tally everything;
  std::map<std::string, Tally, std::less<>> tallies;
  for (const auto& [name, numbers] : sources_.totals.Sums()) {
    const Numbers lately = Since(Before(name), numbers);
    everything.Add(numbers, lately);
    if (name.empty()) {
      snapshot->nameless = SumsOf(numbers).requests();
      continue;
    }
    tallies[std::string(TenantPart(name))].Add(numbers, lately);
    const auto row = std::lower_bound(
        snapshot->functions.begin(), snapshot->functions.end(), name,
        [](const page::FunctionRow& one, const std::string& other) { return one.name < other; });
    if (row == snapshot->functions.end() || row->name != name) continue;  // It is there no more.
    row->sums = SumsOf(numbers);
    row->now = LoadOf(lately, window);
  }
  for (const auto& [name, tally] : tallies) {
    page::TenantRow& tenant = RowOf(name, tenants);
    tenant.sums = SumsOf(tally.all);
    tenant.now = LoadOf(tally.lately, window);
  }
  snapshot->sums = SumsOf(everything.all);
  snapshot->load = LoadOf(everything.lately, window);
}

void Overview::AddAdmitted(Tenants* tenants) const {
  for (const auto& [name, tenant] : sources_.tenants()) {
    const auto found = tenants->find(name);
    if (found == tenants->end()) continue;
    const Admission::TenantNumbers numbers = sources_.admission.NumbersOf(*tenant);
    found->second.running = HeldOf(numbers.in_use);
    found->second.waiting = HeldOf(numbers.waiting);
  }
}

void Overview::AddHistory(page::Snapshot* snapshot) const {
  page::History& history = snapshot->history;
  for (size_t i = 1; i < seconds_.size(); ++i) {
    const Numbers second = Since(seconds_[i - 1].all, seconds_[i].all);
    const page::Load load = LoadOf(second, 1);
    history.requests.push_back(load.requests);
    history.failures.push_back(load.failures);
    history.p99.push_back(load.p99);
    history.cpus.push_back(load.cpus);
    history.memory.push_back(seconds_[i].memory);
    history.waiting.push_back(seconds_[i].waiting);
  }
}

std::optional<page::Detail> Overview::DetailOf(std::string_view function) const {
  const Catalog* const catalog = sources_.catalog();
  const auto info = catalog == nullptr ? std::nullopt : catalog->Find(function);
  if (!info) return std::nullopt;
  page::Detail detail;
  if (info->state == FunctionInfo::State::kReady) {
    detail.facts.emplace_back("SHA-256", HashText(info->hash));
    detail.facts.emplace_back("code",
                              info->tier == wasm::Tier::kOptimized ? "optimized" : "baseline");
  }
  if (info->manifest != nullptr) AddFacts(*info->manifest, sources_.settings.usual, &detail.facts);
  const Sums sums = sources_.totals.Sums();
  const auto found = sums.find(function);
  const Numbers all = found == sums.end() ? Numbers() : found->second;
  const Numbers lately = Since(Before(function), all);
  detail.bounds.assign(Numbers::kBounds.begin(), Numbers::kBounds.end());
  detail.recent.assign(lately.durations.begin(), lately.durations.end());
  detail.all.assign(all.durations.begin(), all.durations.end());
  return detail;
}

}  // namespace wasmoor::function
