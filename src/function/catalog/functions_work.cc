// What the catalog does besides: compiling, optimizing, unloading; and what it tells of itself.

#include <algorithm>
#include <utility>

#include "function/catalog/functions.h"

namespace wasmoor::function {
namespace {

using wasm::Cache;

// Somebody else makes the optimized code, on another machine perhaps.
constexpr std::chrono::seconds kOptimizeLater{10};
// So many go at once where there are too many in memory: a part of them.
constexpr size_t kPartUnloaded = 16;

}  // namespace

// ---- Compiling.

Result<program::Source> Functions::OpenToCompile(const std::string& id,
                                                 const wasm::ModuleHash& module) {
  const auto found = functions_.find(id);
  if (found == functions_.end()) return Fail(Code::kNotFound, "no function '{}'", id);
  auto opened = tree_->Open(id);
  const auto hash = opened ? cache_.HashFile(opened->source.file)
                           : Result<wasm::ModuleHash>(tl::unexpected(opened.error()));
  if (hash && *hash == module) return std::move(opened->source);
  // Then it is to begin anew.
  Do(found->second);
  return Fail(Code::kAborted, "{}.wasm: is another file by now", id);
}

void Functions::OnCompiled(const Compilers::Work& work, const std::vector<std::string>& functions,
                           const Result<os::Output>& output) {
  ArmWork();
  bool is_first = true;
  for (const std::string& id : functions) {
    if (work.optimized) {
      OnOptimized(work, id, output);
      continue;
    }
    const auto answer =
        output ? program::ReadAnswer(options_.compiler, id + std::string(kModuleSuffix), *output)
               : Result<std::string>(tl::unexpected(output.error()));
    if (answer && !answer->empty() && std::exchange(is_first, false)) Notice({*answer});
    const auto found = functions_.find(id);
    if (found == functions_.end()) continue;
    if (answer) {
      const bool is_wanted = found->second.ready || !found->second.waiting.empty();
      Evaluate(found->second, is_wanted ? Urgency::kWanted : Urgency::kNew, &work.module);
    } else {
      Break(found->second, answer.error());
    }
  }
}

void Functions::Optimize(Function& function) {
  if (!function.good->stays_baseline)
    compilers_->Request(function.id, {.module = function.good->hash, .optimized = true},
                        Urgency::kOptimize);
}

void Functions::OnOptimized(const Compilers::Work& work, const std::string& id,
                            const Result<os::Output>& output) {
  const auto found = functions_.find(id);
  if (found == functions_.end() || !found->second.good || found->second.good->hash != work.module)
    return;
  Function& function = found->second;
  const auto answer =
      output ? program::ReadAnswer(options_.compiler, id + std::string(kModuleSuffix), *output)
             : Result<std::string>(tl::unexpected(output.error()));
  const bool is_later = !output || (!answer && answer.error().code() == Code::kUnavailable);
  if (!answer && !is_later) {
    function.good->stays_baseline = true;
    return Notice({fmt::format("function '{}' stays on baseline code, which is slower: {}", id,
                               answer.error().message())});
  }
  std::vector<std::string> warnings;
  const auto loaded = modules_.Find(work.module, Cache::Policy::kOptimized, &warnings);
  Notice(std::move(warnings));
  // It could not be made now, or somebody else is at it.
  if (!loaded || !*loaded) {
    optimize_later_.insert(id);
    if (!later_.pending()) later_ = loop_.After(kOptimizeLater, [this] { OptimizeLater(); });
    return;
  }
  function.good->tier = wasm::Tier::kOptimized;
  if (!function.ready || function.ready->tier == wasm::Tier::kOptimized) return;
  auto ready = std::make_shared<Ready>();
  const Ready& old = *function.ready;
  ready->function = old.function;
  ready->tenant = old.tenant;
  ready->name = old.name;
  ready->generation = old.generation;
  ready->manifest = old.manifest;
  ready->granted = old.granted;
  ready->module = (*loaded)->module;
  ready->kind = old.kind;
  ready->tier = (*loaded)->tier;
  ready->hash = old.hash;
  ready->last_used = old.last_used.load(std::memory_order_relaxed);
  PutInForce(function, std::move(ready));
}

void Functions::OptimizeLater() {
  for (const std::string& id : std::exchange(optimize_later_, {})) {
    const auto found = functions_.find(id);
    if (found != functions_.end() && found->second.good &&
        found->second.good->tier == wasm::Tier::kBaseline)
      Optimize(found->second);
  }
}

// ---- Memory.

void Functions::Unload(size_t most) {
  if (loaded_.size() <= most) return;
  struct Used {
    Ready::Clock::rep at;
    std::string id;
  };
  std::vector<Used> all;
  all.reserve(loaded_.size());
  for (const std::string& id : loaded_)
    all.push_back(
        {functions_.find(id)->second.ready->last_used.load(std::memory_order_relaxed), id});
  const size_t excess = loaded_.size() - most;
  const size_t count = std::max(excess, std::min(loaded_.size() - 1, most / kPartUnloaded));
  std::nth_element(all.begin(), all.begin() + static_cast<ptrdiff_t>(count - 1), all.end(),
                   [](const Used& one, const Used& other) { return one.at < other.at; });
  all.resize(count);
  for (const Used& one : all) {
    functions_.find(one.id)->second.ready.reset();
    loaded_.erase(one.id);
    tree_->SetHot(one.id, false);
  }
  for (const Used& one : all) listener_.OnGone(one.id, CatalogListener::Gone::kUnloaded);
}

// ---- What is done in its turn: one at a time, so that others are answered in between.

void Functions::Do(Function& function) {
  if (std::exchange(function.is_to_do, true)) return;
  to_do_.push_back(function.id);
  ArmWork();
}

void Functions::Retry() {
  const auto now = Clock::now();
  while (!retries_.empty() && retries_.begin()->first <= now) {
    const auto found = functions_.find(retries_.begin()->second);
    retries_.erase(retries_.begin());
    if (found != functions_.end() && found->second.problem &&
        found->second.problem->retry_at <= now)
      Do(found->second);
  }
  if (!retries_.empty()) retry_ = loop_.After(retries_.begin()->first - now, [this] { Retry(); });
}

void Functions::ArmWork() {
  if (work_.pending() || (to_do_.empty() && (when_idle_.empty() || !compilers_->idle()))) return;
  work_ = loop_.After(std::chrono::nanoseconds(0), [this] { DoNext(); });
}

void Functions::DoNext() {
  const bool is_idle = to_do_.empty();
  auto& queue = is_idle ? when_idle_ : to_do_;
  if (queue.empty()) return;
  const auto found = functions_.find(queue.front());
  queue.pop_front();
  ArmWork();
  if (found == functions_.end()) return;
  Function& function = found->second;
  if (!is_idle) function.is_to_do = false;
  if (is_idle && (function.good || function.problem || compilers_->IsAt(function.id))) return;
  const bool is_wanted = function.ready || !function.waiting.empty();
  Evaluate(function, is_wanted ? Urgency::kWanted : is_idle ? Urgency::kIdle : Urgency::kNew);
}

// ---- What is told.

void Functions::Notice(std::vector<std::string> lines) {
  if (lines.empty()) return;
  notices_.insert(notices_.end(), lines.begin(), lines.end());
  tell_ = loop_.After(std::chrono::nanoseconds(0), [this] { TellNotices(); });
}

void Functions::TellNotices() {
  for (const std::string& line : std::exchange(notices_, {})) listener_.OnNotice(line);
}

FunctionInfo Functions::InfoOf(const Function& function) const {
  using State = FunctionInfo::State;
  FunctionInfo info{.function = function.id, .loaded = function.ready != nullptr};
  if (function.problem) info.problem = function.problem->error;
  if (function.good) {
    info.state = State::kReady;
    info.generation = function.good->generation;
    info.kind = function.good->kind;
    info.tier = function.good->tier;
    info.hash = function.good->hash;
    info.manifest = function.good->manifest;
  } else if (compilers_->IsAt(function.id)) {
    info.state = State::kCompiling;
  } else if (function.problem) {
    info.state = State::kBroken;
  }
  return info;
}

std::vector<FunctionInfo> Functions::List() const {
  std::vector<FunctionInfo> all;
  all.reserve(functions_.size());
  for (const auto& [id, function] : functions_) all.push_back(InfoOf(function));
  return all;
}

std::optional<FunctionInfo> Functions::Find(std::string_view id) const {
  const auto found = functions_.find(id);
  if (found == functions_.end()) return std::nullopt;
  return InfoOf(found->second);
}

Catalog::Counts Functions::counts() const {
  Counts counts{.functions = functions_.size(), .loaded = loaded_.size()};
  for (const auto& [id, function] : functions_) {
    const bool compiles = compilers_->IsAt(id);
    counts.compiling += compiles ? 1 : 0;
    counts.broken += function.problem && !compiles ? 1 : 0;
  }
  return counts;
}

}  // namespace wasmoor::function
