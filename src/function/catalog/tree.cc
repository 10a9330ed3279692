#include "function/catalog/tree.h"

#include <dirent.h>
#include <fcntl.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "function/catalog/names.h"
#include "function/catalog/regular_file.h"
#include "wasmoor/function/catalog/manifest.h"
#include "wasmoor/os/file.h"
#include "wasmoor/os/path.h"

namespace wasmoor::function {
namespace {

// A directory's time may be as coarse as seconds: what changes right after a listing does not show.
constexpr int kListingsAfterChange = 2;

// A tenant is not there if opening its directory ends with this.
bool IsGone(int error) {
  return error == ENOENT || error == ENOTDIR || error == EXDEV || error == ELOOP;
}

constexpr std::string_view kOtherVolume = "another volume, which is empty, is in its place";

}  // namespace

Result<std::unique_ptr<Tree>> Tree::Create(loop::Loop& loop, TreeOptions options,
                                           TreeListener& listener) {
  std::unique_ptr<Tree> tree(new Tree(loop, std::move(options), listener));
  Tree* const raw = tree.get();
  TRY_AS(os::OpenAt(os::Fd(), raw->options_.directory.c_str(), O_RDONLY | O_DIRECTORY),
         "functions");
  raw->places_.emplace("", std::make_unique<Place>("", raw->news_));
  if (!raw->options_.inotify) return tree;
  auto watch = Watch::Create(
      loop, [raw](const Watch::Event& event) { raw->Hear(event); }, [raw] { raw->ActOnEvents(); });
  if (watch) {
    raw->watch_ = *std::move(watch);
  } else {
    raw->news_.Notice(
        fmt::format("{}: changes in it are looked for every {} ms, and not heard of at once: {}",
                    raw->options_.directory, raw->options_.poll.count(), watch.error().message()));
  }
  return tree;
}

Status Tree::Start() {
  const os::Fd root = TRY(Enter());
  Visit(root, "", Depth::kList);
  if (away_) return tl::unexpected(*away_);
  news_.EndStart();
  Tell();
  poll_ = loop_.After(options_.poll, [this] { Poll(); });
  return {};
}

// ---- Ways in.

std::string Tree::PathOf(const Place& place) const {
  const std::string& tenant = place.folder.tenant();
  return tenant.empty() ? options_.directory : options_.directory + "/" + tenant;
}

bool Tree::IsVanished(const os::Fd& directory, const Place& place,
                      const DirectoryStamp& stamp) const {
  if (!place.stamp || stamp.IsSameVolume(*place.stamp)) return false;
  const bool is_root = place.folder.tenant().empty();
  const bool has_something = place.folder.size() > 0 || (is_root && places_.size() > 1);
  return has_something && IsEmpty(directory).value_or(true);
}

void Tree::Leave(const Error& why) {
  Error error(Code::kUnavailable,
              fmt::format("the directory of functions is away: {}", why.message()));
  if (!away_ || away_->message() != error.message())
    news_.Notice(
        fmt::format("{}: its functions stay as they are until it is back", error.message()));
  away_ = std::move(error);
}

Result<os::Fd> Tree::Enter() {
  Place& place = *places_.at("");
  auto root = os::OpenAt(os::Fd(), options_.directory.c_str(), O_RDONLY | O_DIRECTORY);
  Result<DirectoryStamp> stamp = root ? StampOfDirectory(*root) : tl::unexpected(root.error());
  if (stamp && IsVanished(*root, place, *stamp))
    stamp = Fail(Code::kUnavailable, "{}: {}", options_.directory, kOtherVolume);
  if (!stamp) {
    Leave(stamp.error());
    return tl::unexpected(*away_);
  }
  const bool is_other = place.stamp && !stamp->IsSameDirectory(*place.stamp);
  if (away_)
    news_.Notice(fmt::format("the directory of functions is back: {}", options_.directory));
  if (away_ || is_other) {
    // Their stamps stay, since by them it is told what is away.
    for (auto& [tenant, other] : places_) other->again = std::max(other->again, 1);
  }
  away_.reset();
  WatchPlace(*root, place, *stamp);
  return root;
}

Result<os::Fd> Tree::EnterTenant(const os::Fd& root, Place& place) {
  const std::string tenant = place.folder.tenant();
  auto directory = os::OpenBeneath(root, tenant.c_str(), O_RDONLY | O_DIRECTORY);
  if (!directory && IsGone(directory.error())) {
    Forget(tenant);
    return Fail(Code::kNotFound, "there is no tenant '{}'", tenant);
  }
  Result<DirectoryStamp> stamp =
      directory ? StampOfDirectory(*directory) : FailErrno(directory.error(), "{}", PathOf(place));
  if (stamp && IsVanished(*directory, place, *stamp))
    stamp = Fail(Code::kUnavailable, "{}: {}", PathOf(place), kOtherVolume);
  if (!stamp) {
    Error error(Code::kUnavailable,
                fmt::format("the tenant '{}' is away: {}", tenant, stamp.error().message()));
    if (!std::exchange(place.away, true))
      news_.Notice(error.message() + ": its functions stay as they are until it is back");
    return tl::unexpected(std::move(error));
  }
  if (place.away) news_.Notice(fmt::format("the tenant '{}' is back", tenant));
  if (place.away || (place.stamp && !stamp->IsSameDirectory(*place.stamp)))
    place.again = std::max(place.again, 1);
  place.away = false;
  WatchPlace(*directory, place, *stamp);
  return std::move(*directory);
}

Result<os::Fd> Tree::EnterPlace(const os::Fd& root, std::string_view tenant) {
  if (tenant.empty()) return os::Duplicate(root);
  auto found = places_.find(tenant);
  if (found == places_.end() && AddTenant(root, std::string(tenant))) found = places_.find(tenant);
  if (found == places_.end()) return Fail(Code::kNotFound, "there is no tenant '{}'", tenant);
  return EnterTenant(root, *found->second);
}

void Tree::WatchPlace(const os::Fd& directory, Place& place, const DirectoryStamp& stamp) {
  if (!watch_ || (place.watched && place.watched->IsSameDirectory(stamp))) return;
  Unwatch(place);
  place.watched = stamp;
  if (const auto number = watch_->Add(PathOf(place))) {
    place.watch = *number;
    place.heard = IsHeardOf(directory);
    watches_.emplace(*number, &place);
  } else if (!std::exchange(told_of_watch_, true)) {
    news_.Notice(
        fmt::format("changes are looked for every {} ms, and not heard of at once: {}; "
                    "fs.inotify.max_user_watches may be too low",
                    options_.poll.count(), number.error().message()));
  }
}

void Tree::Unwatch(Place& place) {
  place.watched.reset();
  place.heard = false;
  const auto [first, last] = watches_.equal_range(place.watch);
  const auto own = std::find_if(first, last, [&](const auto& one) { return one.second == &place; });
  const int number = std::exchange(place.watch, Watch::kNone);
  if (own == last) return;
  watches_.erase(own);
  if (!watches_.contains(number)) watch_->Remove(number);
}

// ---- Looking.

void Tree::Visit(const os::Fd& root, const std::string& tenant, Depth depth) {
  const auto found = places_.find(tenant);
  if (found == places_.end()) return;
  Place& place = *found->second;
  const auto directory = tenant.empty() ? os::Duplicate(root) : EnterTenant(root, place);
  if (!directory) return;
  // Of before the listing: what changes during it is seen by the next visit.
  const auto stamp = StampOfDirectory(*directory);
  if (!stamp) return;
  const bool is_changed = !place.stamp || *stamp != *place.stamp;
  if (!is_changed && place.again == 0 && depth == Depth::kIfChanged) return;
  std::set<std::string> tenants;
  if (const Status listed = List(*directory, place, &tenants); !listed) {
    if (tenant.empty()) Leave(listed.error());
    return;
  }
  place.again = is_changed ? kListingsAfterChange : std::max(place.again - 1, 0);
  place.stamp = *stamp;
  if (tenant.empty()) FollowTenants(root, tenants);
}

Status Tree::List(const os::Fd& directory, Place& place, std::set<std::string>* tenants) {
  const bool is_root = place.folder.tenant().empty();
  return place.folder.List(directory, [&](const Folder::Entry& entry) {
    if (!is_root || !IsTenantName(entry.name)) return place.folder.Ignore(entry.name);
    if (entry.type == DT_DIR || places_.contains(entry.name)) {
      tenants->emplace(entry.name);
      return;
    }
    // A link, or of a file system that does not say. Names end with a NUL.
    const auto opened = os::OpenBeneath(directory, entry.name.data(), O_PATH | O_DIRECTORY);
    if (opened) {
      tenants->emplace(entry.name);
    } else {
      place.folder.Ignore(entry.name);
    }
  });
}

void Tree::FollowTenants(const os::Fd& root, const std::set<std::string>& there) {
  std::vector<std::string> lost;
  for (const auto& [tenant, place] : places_) {
    if (!tenant.empty() && !there.contains(tenant)) lost.push_back(tenant);
  }
  // A listing may miss what is renamed meanwhile: each is asked for by its name.
  for (const std::string& tenant : lost) Visit(root, tenant, Depth::kIfChanged);
  for (const std::string& tenant : there) {
    if (!places_.contains(tenant)) AddTenant(root, tenant);
  }
}

bool Tree::AddTenant(const os::Fd& root, const std::string& tenant) {
  if (!os::OpenBeneath(root, tenant.c_str(), O_PATH | O_DIRECTORY)) return false;
  places_.emplace(tenant, std::make_unique<Place>(tenant, news_));
  Visit(root, tenant, Depth::kList);
  return places_.contains(tenant);
}

void Tree::Forget(const std::string& tenant) {
  const auto found = places_.find(tenant);
  if (found == places_.end()) return;
  found->second->folder.Clear();
  Unwatch(*found->second);
  places_.erase(found);
}

// ---- For who asks.

bool Tree::Knows(std::string_view function) const {
  const FunctionName name = SplitName(function);
  const auto place = places_.find(name.tenant);
  return place != places_.end() && place->second->folder.Knows(name.name);
}

Stamps Tree::LastSeen(std::string_view function) const {
  const FunctionName name = SplitName(function);
  const auto place = places_.find(name.tenant);
  return place != places_.end() ? place->second->folder.LastSeen(name.name) : Stamps();
}

Result<Stamps> Tree::Look(std::string_view function) {
  auto stamps = LookNow(function);
  TellLater();
  return stamps;
}

Result<Stamps> Tree::LookNow(std::string_view function) {
  const FunctionName name = SplitName(function);
  const os::Fd root = TRY(Enter());
  const auto directory = EnterPlace(root, name.tenant);
  if (!directory && directory.error().code() == Code::kNotFound) return Stamps();
  if (!directory) return tl::unexpected(directory.error());
  Folder& folder = places_.find(name.tenant)->second->folder;
  auto stamps =
      folder.Check(*directory, name.name, Folder::Which::kAll, Folder::Complete::kUnknown);
  if (stamps) return stamps;
  return Fail(Code::kUnavailable, "function '{}': {}", function, stamps.error().message());
}

Result<Tree::Opened> Tree::Open(std::string_view function) {
  const FunctionName name = SplitName(function);
  Opened opened;
  opened.stamps = TRY(Look(function));
  if (!opened.stamps.module.there()) return Fail(Code::kNotFound, "no function '{}'", function);
  const os::Fd root = TRY(Enter());
  const os::Fd directory = TRY(EnterPlace(root, name.tenant));
  const std::string stem(name.name), called = std::string(function);
  os::Fd file = TRY(OpenFileBeneath(directory, stem + std::string(kModuleSuffix),
                                    called + std::string(kModuleSuffix)));
  opened.source = TRY(program::TakeSource(called + std::string(kModuleSuffix), std::move(file)));
  opened.manifest = TRY(ReadManifestText(directory, stem + std::string(kManifestSuffix)));
  return opened;
}

void Tree::SetHot(std::string_view function, bool hot) {
  const FunctionName name = SplitName(function);
  const auto place = places_.find(name.tenant);
  if (place != places_.end()) place->second->folder.SetHot(std::string(name.name), hot);
}

// ---- Telling.

void Tree::Tell() {
  WaitForSettling();
  news_.Tell(listener_);
}

void Tree::TellLater() {
  if (news_.empty() && !news_.settling()) return;
  if (!tell_.pending()) tell_ = loop_.After(std::chrono::nanoseconds(0), [this] { Tell(); });
}

void Tree::WaitForSettling() {
  if (news_.settling() && !settle_.pending())
    settle_ = loop_.After(News::kSettleTime, [this] { ActOnSettled(); });
}

}  // namespace wasmoor::function
