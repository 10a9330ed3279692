// How a tree hears of changes, and looks for them.

#include <algorithm>
#include <utility>

#include "function/catalog/names.h"
#include "function/catalog/tree.h"

namespace wasmoor::function {
namespace {

// What is looked at at an interval, in files; of a directory it costs as much as of some files to
// open it. A part of all, so that nobody waits for it long, and it takes no CPU worth mentioning.
constexpr size_t kTurns = 16, kLeastAtOnce = 256, kMostAtOnce = 3000;
// Where everything is heard of, it is looked every so many times only.
constexpr uint64_t kHeardTurns = 4;
constexpr size_t kPlaceCost = 4, kNamesPerCost = 4;

// How the names begin that a volume of Kubernetes' puts its links to (..data): they say that all of
// the links lead elsewhere.
constexpr std::string_view kLinked = "..";

size_t CostOf(const Folder& folder) { return kPlaceCost + folder.size() / kNamesPerCost; }

}  // namespace

// ---- By looking.

void Tree::Poll() {
  poll_ = loop_.After(options_.poll, [this] { Poll(); });
  if (const auto root = Enter()) {
    const bool all = ++polls_ % kHeardTurns == 0;
    Visit(*root, "", Depth::kIfChanged);
    PollHot(*root, all);
    if (all || !places_.at("")->heard) PollInTurn(*root);
  }
  Tell();
}

void Tree::PollHot(const os::Fd& root, bool all) {
  std::vector<std::string> tenants;
  for (const auto& [tenant, place] : places_) {
    if (place->folder.has_hot() && (all || !place->heard)) tenants.push_back(tenant);
  }
  for (const std::string& tenant : tenants) {
    if (const auto directory = EnterPlace(root, tenant))
      places_.find(tenant)->second->folder.CheckHot(*directory);
  }
}

void Tree::PollInTurn(const os::Fd& root) {
  size_t total = 0;
  for (const auto& [tenant, place] : places_) total += CostOf(place->folder) + place->folder.size();
  size_t left = std::clamp(total / kTurns, kLeastAtOnce, kMostAtOnce);
  const auto pay = [&left](size_t cost) { left -= std::min(left, cost); };
  for (size_t places = places_.size(); places > 0 && left > 0;) {
    auto at = places_.lower_bound(turn_tenant_);
    if (at == places_.end()) at = places_.begin();
    if (at->first != turn_tenant_) turn_name_.clear();
    turn_tenant_ = at->first;
    if (turn_name_.empty()) {
      pay(CostOf(at->second->folder));
      Visit(root, turn_tenant_, Depth::kList);
    }
    const auto directory = EnterPlace(root, turn_tenant_);
    at = places_.find(turn_tenant_);
    if (directory) {
      const size_t most = std::min(left, at->second->folder.size());
      turn_name_ = at->second->folder.CheckSome(*directory, turn_name_, most);
      pay(most);
      if (!turn_name_.empty()) continue;
    }
    turn_name_.clear();
    const auto next = places_.upper_bound(turn_tenant_);
    turn_tenant_ = next == places_.end() ? "" : next->first;
    --places;
  }
}

// ---- By hearing.

void Tree::Hear(const Watch::Event& event) {
  if (event.directory == Watch::kNone) {
    for (const auto& [tenant, place] : places_) dirty_.insert(tenant);
    return;
  }
  const auto [first, last] = watches_.equal_range(event.directory);
  const std::vector<std::pair<int, Place*>> all(first, last);
  for (const auto& [number, place] : all) {
    if (event.name.empty()) {
      dirty_.insert(place->folder.tenant());
      if (event.is_over) Unwatch(*place);
      continue;
    }
    touched_.push_back(
        {.tenant = place->folder.tenant(),
         .name = std::string(event.name),
         .complete = event.is_complete ? Folder::Complete::kYes : Folder::Complete::kUnknown});
  }
}

void Tree::ActOnEvents() {
  const std::vector<Touched> touched = std::exchange(touched_, {});
  const std::set<std::string> dirty = std::exchange(dirty_, {});
  if (const auto root = Enter()) {
    for (const Touched& one : touched) ActOnName(*root, one);
    for (const std::string& tenant : dirty) Visit(*root, tenant, Depth::kList);
  }
  Tell();
}

void Tree::ActOnName(const os::Fd& root, const Touched& touched) {
  if (!places_.contains(touched.tenant)) return;
  const bool is_root = touched.tenant.empty();
  std::string_view name = FunctionOf(touched.name, kModuleSuffix);
  if (name.empty()) name = FunctionOf(touched.name, kManifestSuffix);
  if (is_root && name.empty() && IsTenantName(touched.name)) {
    if (places_.contains(touched.name)) {
      Visit(root, touched.name, Depth::kIfChanged);
    } else {
      AddTenant(root, touched.name);
    }
    return;
  }
  const bool is_linked = touched.name.starts_with(kLinked);
  if (name.empty() && !is_linked) return;
  const auto directory = EnterPlace(root, touched.tenant);
  if (!directory) return;
  Folder& folder = places_.find(touched.tenant)->second->folder;
  if (!is_linked) {
    static_cast<void>(folder.Check(*directory, name, Folder::Which::kAll, touched.complete));
    return;
  }
  folder.CheckLinks(*directory);
  if (is_root) {
    std::vector<std::string> tenants;
    for (const auto& [tenant, place] : places_) tenants.push_back(tenant);
    for (const std::string& tenant : tenants) Visit(root, tenant, Depth::kIfChanged);
  }
}

void Tree::ActOnSettled() {
  const auto root = Enter();
  for (const std::string& function : news_.Settled()) {
    if (!Knows(function)) continue;  // Not any more.
    const FunctionName name = SplitName(function);
    news_.Settle(function);  // Where nobody can tell now.
    if (!root) continue;
    if (const auto directory = EnterPlace(*root, name.tenant))
      static_cast<void>(places_.find(name.tenant)
                            ->second->folder.Check(*directory, name.name, Folder::Which::kAll,
                                                   Folder::Complete::kIfSame));
  }
  Tell();
}

}  // namespace wasmoor::function
