#include "function/catalog/functions.h"

#include <algorithm>
#include <utility>

#include "wasmoor/base/printable.h"

namespace wasmoor::function {
namespace {

using std::chrono::milliseconds;
using wasm::Cache;

// How soon the files of one that is broken are looked at again because somebody wants it.
constexpr milliseconds kLookAgain{100};
// How soon is tried again what may mend itself: at first, and at most.
constexpr milliseconds kFirstPause{1000}, kLongestPause{5 * 60'000};

Error NoFunction(std::string_view function) {
  return Error(Code::kNotFound, fmt::format("no function '{}'", Printable(function)));
}

// Does it need other files, if anything, to go away? What is wrong with a module is so for good.
bool IsFinal(Code code) {
  return code == Code::kInvalidArgument || code == Code::kUnimplemented ||
         code == Code::kFailedPrecondition;
}

}  // namespace

bool LookBudget::Take() {
  const auto now = Clock::now();
  const double seconds = std::chrono::duration<double>(now - at_).count();
  at_ = now;
  left_ = std::min(kMost, left_ + seconds * kPerSecond);
  if (left_ < 1) return false;
  left_ -= 1;
  return true;
}

Result<std::unique_ptr<Catalog>> Catalog::Create(loop::Loop& loop, CatalogOptions options,
                                                 const wasm::Engine& engine, const Cache& cache,
                                                 CatalogListener& listener) {
  if (!cache.problem().empty())
    return Fail(Code::kFailedPrecondition,
                "functions: there is no place for compiled code: {}; name a folder in "
                "WASMOOR_CACHE_DIR",
                cache.problem());
  TRY_AS(CheckGranting(options.granting), "functions");
  auto functions = std::make_unique<Functions>(loop, std::move(options), engine, cache, listener);
  TRY(functions->Start());
  return functions;
}

Functions::Functions(loop::Loop& loop, CatalogOptions options, const wasm::Engine& engine,
                     const Cache& cache, CatalogListener& listener)
    : loop_(loop),
      options_(std::move(options)),
      cache_(cache),
      listener_(listener),
      modules_(engine, cache),
      compilers_(
          std::make_unique<Compilers>(loop, options_.compiler, options_.compilers, cache, *this)) {}

Status Functions::Start() {
  const TreeOptions tree = {
      .directory = options_.directory, .poll = options_.poll, .inotify = options_.inotify};
  tree_ = TRY(Tree::Create(loop_, tree, *this));
  TRY(tree_->Start());
  starting_ = false;
  ArmWork();
  return {};
}

// ---- What happens in the directory.

void Functions::OnAppeared(const std::string& id) {
  const auto [at, is_new] = functions_.try_emplace(id);
  if (!is_new) return;
  at->second.id = id;
  if (starting_ && options_.compile_all) when_idle_.push_back(id);
}

void Functions::OnChanged(const std::string& id) {
  const auto found = functions_.find(id);
  if (found != functions_.end()) Do(found->second);
}

void Functions::OnGone(const std::string& id) {
  const auto found = functions_.find(id);
  if (found == functions_.end()) return;
  // It has come back meanwhile.
  if (tree_->Knows(id)) {
    tree_->SetHot(id, found->second.ready != nullptr);
    return Do(found->second);
  }
  Remove(found);
}

void Functions::Remove(Table::iterator at) {
  const std::string id = at->first;
  const std::vector<Done> waiting = std::move(at->second.waiting);
  loaded_.erase(id);
  optimize_later_.erase(id);
  functions_.erase(at);
  compilers_->Withdraw(id);
  ArmWork();
  listener_.OnGone(id, CatalogListener::Gone::kRemoved);
  for (const Done& done : waiting) done(tl::unexpected(NoFunction(id)));
}

// ---- What is asked for.

void Functions::Want(std::string_view id, Done done) {
  auto found = functions_.find(id);
  if (found == functions_.end()) {
    if (SplitName(id).name.empty()) return done(tl::unexpected(NoFunction(id)));
    if (!looks_.Take()) return done(tl::unexpected(away() ? *away() : NoFunction(id)));
    const auto stamps = tree_->Look(id);
    if (!stamps) return done(tl::unexpected(stamps.error()));
    if (!stamps->module.there()) return done(tl::unexpected(NoFunction(id)));
    found = functions_.try_emplace(std::string(id)).first;
    found->second.id = id;
  }
  Function& function = found->second;
  if (const ReadyPtr ready = function.ready) {
    ready->MarkUse(Clock::now());
    return done(ready);
  }
  function.waiting.push_back(std::move(done));
  if (compilers_->IsAt(function.id)) {
    compilers_->Hurry(function.id);
    if (function.good) Fall(function, NoFunction(id));
  } else if (function.problem && !MayTryAgain(function)) {
    Fall(function, Error(function.problem->error));
  } else {
    Evaluate(function, Urgency::kWanted);
  }
}

bool Functions::MayTryAgain(Function& function) {
  Problem& problem = *function.problem;
  const auto now = Clock::now();
  if (now < problem.look_at) return false;
  problem.look_at = now + kLookAgain;
  const auto stamps = tree_->Look(function.id);
  return (stamps && *stamps != problem.stamps) || now >= problem.retry_at;
}

void Functions::Answer(Function& function, const Result<ReadyPtr>& result) {
  const std::vector<Done> waiting = std::exchange(function.waiting, {});
  for (const Done& done : waiting) done(result);
}

// ---- From files to what can be run.

// Without opening its files: is in them what was found to be good? Then it is put in force, if it
// is to be.
bool Functions::IsAsItWas(Function& function) {
  if (!function.good || !function.good->stamps.module.there()) return false;
  const auto stamps = tree_->Look(function.id);
  if (!stamps || *stamps != function.good->stamps) return false;
  // What is wrong all the same is found out, and remembered, on the long way.
  if (function.problem && function.problem->stamps == *stamps) return false;
  if (function.ready || function.waiting.empty()) {
    function.problem.reset();
    return true;
  }
  auto ready = LoadGood(function);
  if (!ready || !*ready) return false;
  function.problem.reset();
  PutInForce(function, **std::move(ready));
  return true;
}

void Functions::Evaluate(Function& function, Urgency urgency, const wasm::ModuleHash* compiled) {
  if (IsAsItWas(function)) return;
  const auto opened = tree_->Open(function.id);
  if (!opened && !tree_->Knows(function.id) && !tree_->away())
    return Remove(functions_.find(function.id));
  if (!opened && opened.error().code() == Code::kUnavailable) return Fall(function, opened.error());
  if (!opened) return Break(function, opened.error());
  auto candidate = Inspect(function, *opened);
  if (!candidate) return Break(function, std::move(candidate).error());
  compilers_->WithdrawOthers(function.id, candidate->hash);
  std::vector<std::string> warnings;
  auto loaded = modules_.Find(candidate->hash, Cache::Policy::kFastest, &warnings);
  Notice(std::move(warnings));
  if (!loaded) return Break(function, std::move(loaded).error().WithContext(function.id + ".wasm"));
  if (*loaded) return Accept(function, *std::move(candidate), **std::move(loaded));
  if (compiled != nullptr && *compiled == candidate->hash)
    return Break(function, Error(Code::kUnavailable,
                                 fmt::format("{}.wasm: its code has vanished from the cache, {}",
                                             function.id, cache_.options().directory.native())));
  compilers_->Request(function.id, {.module = candidate->hash}, urgency);
  // Which nobody waits for who can have what was good.
  if (function.good) Fall(function, NoFunction(function.id));
}

Result<Functions::Candidate> Functions::Inspect(const Function& function,
                                                const Tree::Opened& opened) const {
  Candidate candidate{.manifest = no_manifest_};
  if (opened.manifest) {
    const std::string file = function.id + std::string(kManifestSuffix);
    Manifest manifest = TRY(ParseManifest(*opened.manifest, file));
    TRY_AS(Check(manifest, options_.granting, options_.maxima, SplitName(function.id).tenant), "{}",
           file);
    candidate.manifest = std::make_shared<const Manifest>(std::move(manifest));
  }
  const auto looked_at = std::chrono::system_clock::now();
  candidate.hash = TRY_AS(cache_.HashFile(opened.source.file), "{}", opened.source.name);
  if (opened.stamps.IsSettled(looked_at)) candidate.stamps = opened.stamps;
  return candidate;
}

// The code is there.
void Functions::Accept(Function& function, Candidate candidate, Loaded loaded) {
  const bool is_same = function.good && function.good->hash == candidate.hash &&
                       *function.good->manifest == *candidate.manifest;
  const Stamps stamps = candidate.stamps;
  Version version;
  if (is_same) {
    version = *function.good;
  } else {
    if (auto fits = CheckModule(*loaded.module, *candidate.manifest); !fits)
      return Break(function, std::move(fits).error().WithContext(function.id + ".wasm"));
    version.generation = last_generation_ + 1;
    version.manifest = std::move(candidate.manifest);
    version.hash = candidate.hash;
    version.kind = KindOf(*loaded.module);
  }
  version.tier = loaded.tier;
  version.stamps = stamps;
  ReadyPtr ready = is_same ? function.ready : nullptr;
  if (!ready) {
    // Also to find out, of one that nobody wants yet, what cannot be granted.
    auto made = MakeReady(function, version, std::move(loaded));
    if (!made) return Break(function, std::move(made).error());
    ready = *std::move(made);
  }
  last_generation_ = std::max(last_generation_, version.generation);
  function.good = std::make_unique<Version>(std::move(version));
  function.problem.reset();
  if (function.good->tier == wasm::Tier::kBaseline) Optimize(function);
  if (ready != function.ready && (function.ready || !function.waiting.empty()))
    return PutInForce(function, std::move(ready));
  if (function.ready) Answer(function, function.ready);
}

Result<Functions::ReadyPtr> Functions::MakeReady(const Function& function, const Version& version,
                                                 Loaded loaded) {
  const FunctionName name = SplitName(function.id);
  auto ready = std::make_shared<Ready>();
  ready->function = function.id;
  ready->tenant = name.tenant;
  ready->name = name.name;
  ready->generation = version.generation;
  ready->manifest = version.manifest;
  ready->granted = nothing_granted_;
  if (version.manifest != no_manifest_)
    ready->granted = std::make_shared<const Granted>(
        TRY_AS(Grant(*version.manifest, options_.granting, name.tenant), "{}{}", function.id,
               kManifestSuffix));
  ready->module = std::move(loaded.module);
  ready->kind = version.kind;
  ready->tier = loaded.tier;
  ready->hash = version.hash;
  ready->MarkUse(Clock::now());
  return ready;
}

void Functions::PutInForce(Function& function, ReadyPtr ready) {
  function.ready = ready;
  const std::vector<Done> waiting = std::exchange(function.waiting, {});
  if (loaded_.insert(function.id).second) tree_->SetHot(function.id, true);
  const bool is_full = loaded_.size() > options_.max_loaded;
  listener_.OnChange(ready);
  for (const Done& done : waiting) done(ready);
  if (is_full) Unload(options_.max_loaded);
}

// ---- What goes wrong.

void Functions::Break(Function& function, Error error) {
  const Stamps stamps = tree_->LastSeen(function.id);
  const bool is_known = function.problem && function.problem->stamps == stamps &&
                        function.problem->error.message() == error.message();
  const auto now = Clock::now();
  milliseconds pause = kFirstPause;
  if (is_known) pause = std::min(function.problem->pause * 2, kLongestPause);
  function.problem = std::make_unique<Problem>(
      Problem{.error = error,
              .stamps = stamps,
              .look_at = now + kLookAgain,
              .retry_at = IsFinal(error.code()) ? Clock::time_point::max() : now + pause,
              .pause = pause});
  const std::string id = function.id;
  // Whoever wants one that is in force does not make it look at what is there now.
  if (function.good && function.problem->retry_at != Clock::time_point::max()) {
    retries_.emplace(function.problem->retry_at, id);
    Retry();
  }
  if (!is_known) listener_.OnProblem(id, error);
  const auto still = functions_.find(id);
  if (still != functions_.end()) Fall(still->second, error);
}

void Functions::Fall(Function& function, const Error& error) {
  if (function.waiting.empty()) return;
  if (function.ready) return Answer(function, function.ready);
  if (!function.good) return Answer(function, tl::unexpected(error));
  auto ready = LoadGood(function);
  if (!ready) return Answer(function, tl::unexpected(std::move(ready).error()));
  if (*ready) return PutInForce(function, **std::move(ready));
  function.good.reset();
  // A compiler's answer, or that of what is there now.
  if (!compilers_->IsAt(function.id)) Answer(function, tl::unexpected(error));
}

Result<std::optional<Functions::ReadyPtr>> Functions::LoadGood(const Function& function) {
  std::vector<std::string> warnings;
  auto found = modules_.Find(function.good->hash, Cache::Policy::kFastest, &warnings);
  Notice(std::move(warnings));
  if (!found) return tl::unexpected(std::move(found).error().WithContext(function.id + ".wasm"));
  if (!*found) return std::nullopt;
  return TRY(MakeReady(function, *function.good, **std::move(found)));
}

}  // namespace wasmoor::function
