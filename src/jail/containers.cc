#include <unistd.h>

#include "jail/container_create.h"
#include "jail/container_parts.h"
#include "jail/store.h"

namespace wasmoor::jail {
namespace {

// A container whose making was cut short, and nobody is at work on it: nothing of it remains.
Result<bool> ClearIfAbandoned(const Store& store, std::string_view id, const Result<Record>& read) {
  const bool half_made =
      (read && !read->complete) || (!read && read.error().code() == Code::kNotFound);
  if (!half_made) return false;
  auto place = store.FindAndLock(id, std::chrono::milliseconds(0));
  // Somebody is making it.
  if (!place) return place.error().code() == Code::kNotFound;
  const auto again = place->Read();
  if (again && again->complete) return false;
  TRY(ClearAway(*place, again ? *again : Record()));
  return true;
}

}  // namespace

Containers::Containers(Store store)
    : store_(std::make_unique<Store>(std::move(store))),
      cgroups_(std::make_unique<std::optional<cgroup::Root>>()) {}
Containers::Containers(Containers&&) noexcept = default;
Containers::~Containers() = default;

Result<Containers> Containers::Open(const Settings& settings) {
  Store store = TRY(Store::Open(settings.root, settings.patience));
  return Containers(std::move(store));
}

std::unique_ptr<os::Pending<Containers::Created>> Containers::BeginCreate(
    CreateOptions options, Executors executors) const {
  // What a killed runtime left of this name is not in the way.
  static_cast<void>(Find(options.id));
  return std::make_unique<Creation>(*store_, cgroups_.get(), std::move(options), executors);
}

Result<Containers::Created> Containers::Create(const CreateOptions& options,
                                               Executors executors) const {
  return BeginCreate(options, executors)->Wait();
}

Result<Container> Containers::Find(std::string_view id) const {
  Place place = TRY(store_->Find(id));
  auto record = place.Read();
  if (TRY(ClearIfAbandoned(*store_, id, record)))
    return Fail(Code::kNotFound, "container \"{}\" does not exist", id);
  if (!record) return tl::unexpected(std::move(record).error());
  return Container(std::make_unique<Container::Parts>(
      Container::Parts{*store_, std::move(place), std::move(*record)}));
}

Status Containers::Delete(std::string_view id, Force force, Warnings* warnings) const {
  auto found = Find(id);
  if (found) return found->Delete(force, warnings);
  if (force == Force::kNo) return tl::unexpected(std::move(found).error());
  if (found.error().code() == Code::kNotFound) return {};
  if (found.error().code() == Code::kInvalidArgument)
    return tl::unexpected(std::move(found).error());
  // Its record cannot be understood: what there is to remove is the directory.
  Place place = TRY(store_->FindAndLock(id, store_->patience()));
  warnings->push_back(found.error().message());
  return place.Remove();
}

Result<std::vector<Container>> Containers::List() const {
  std::vector<Container> all;
  for (const std::string& id : TRY(store_->List())) {
    auto found = Find(id);
    // It ended meanwhile, or cannot be understood: `delete --force` is for that.
    if (found) all.push_back(std::move(*found));
  }
  return all;
}

}  // namespace wasmoor::jail
