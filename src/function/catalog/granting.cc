#include "wasmoor/function/catalog/granting.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <optional>
#include <span>

#include "function/catalog/regular_file.h"
#include "wasmoor/base/units.h"
#include "wasmoor/os/file.h"
#include "wasmoor/os/path.h"

namespace wasmoor::function {
namespace {

using Parts = std::vector<std::string_view>;

constexpr uint64_t kMostSecretBytes = 64 << 10;

// Of an absolute path; nothing if "." or ".." is in it.
std::optional<Parts> PartsOf(std::string_view path) {
  if (!path.starts_with('/')) return std::nullopt;
  Parts parts;
  while (!path.empty()) {
    const size_t slash = std::min(path.find('/'), path.size());
    const std::string_view part = path.substr(0, slash);
    path.remove_prefix(std::min(slash + 1, path.size()));
    if (part.empty()) continue;
    if (part == "." || part == "..") return std::nullopt;
    parts.push_back(part);
  }
  return parts;
}

bool HasTenant(std::string_view path) { return path.find(kTenantPlace) != std::string_view::npos; }

std::string WithTenant(std::string_view path, std::string_view tenant) {
  std::string text(path);
  for (size_t at = 0; (at = text.find(kTenantPlace, at)) != std::string::npos; at += tenant.size())
    text.replace(at, kTenantPlace.size(), tenant);
  return text;
}

std::string Joined(std::span<const std::string_view> parts) {
  std::string path;
  for (const std::string_view part : parts) {
    if (!path.empty()) path += '/';
    path += part;
  }
  return path;
}

// A path that an operator's path allows.
struct Place {
  std::string base;                // The operator's own directory, which is trusted.
  std::vector<std::string> named;  // Below it: with the tenant's name in it, and what follows.
  std::string rest;                // Below that: as the manifest has it. Empty: that itself.
};

// Nothing if it does not allow it.
std::optional<Place> PlaceOf(std::string_view path, std::string_view allowed,
                             std::string_view tenant) {
  if (HasTenant(allowed) && tenant.empty()) return std::nullopt;
  const auto wanted = PartsOf(path), had = PartsOf(allowed);
  if (!wanted || !had || had->size() > wanted->size()) return std::nullopt;
  Place place{.base = "/"};
  bool is_own = true;
  for (size_t part = 0; part < had->size(); ++part) {
    std::string name = WithTenant((*had)[part], tenant);
    if (name != (*wanted)[part]) return std::nullopt;
    is_own = is_own && !HasTenant((*had)[part]);
    if (is_own) {
      place.base += name + "/";
    } else {
      place.named.push_back(std::move(name));
    }
  }
  place.rest = Joined(std::span(*wanted).subspan(had->size()));
  return place;
}

// With the directory that `last` is to be opened in, which no link leads to that the operator has
// not made.
struct Opened {
  os::Fd directory;
  std::string last;
};

Result<Opened> Walk(const Place& place) {
  // A file that is granted by its own name is looked for in its directory.
  std::string base = place.base, last = place.rest;
  std::vector<std::string> named = place.named;
  while (base.size() > 1 && base.ends_with('/')) base.pop_back();
  if (last.empty() && !named.empty()) {
    last = named.back();
    named.pop_back();
  } else if (last.empty()) {
    const size_t slash = base.rfind('/');
    last = base.size() == 1 ? "." : base.substr(slash + 1);
    base.resize(std::max<size_t>(slash, 1));
  }
  Opened opened{.directory = TRY(os::OpenAt(os::Fd(), base.c_str(), O_PATH | O_DIRECTORY)),
                .last = std::move(last)};
  for (const std::string& name : named)
    opened.directory =
        TRY(os::OpenAt(opened.directory, name.c_str(), O_PATH | O_DIRECTORY | O_NOFOLLOW));
  return opened;
}

// Is the thing itself what an operator has named, in their own words? Then it may be a link.
bool IsOwn(const Place& place) { return place.rest.empty() && place.named.empty(); }

Result<os::Fd> OpenDirectory(const Place& place) {
  const Opened at = TRY(Walk(place));
  const int follow = place.rest.empty() && !IsOwn(place) ? O_NOFOLLOW : 0;
  if (IsOwn(place)) return TRY(os::OpenAt(at.directory, at.last.c_str(), O_PATH | O_DIRECTORY));
  auto opened = os::OpenBeneath(at.directory, at.last.c_str(), O_PATH | O_DIRECTORY | follow);
  if (!opened && opened.error() == EXDEV)
    return Fail(Code::kPermissionDenied, "a symbolic link in it leads out of what is granted");
  if (!opened) return FailErrno(opened.error(), "open");
  return std::move(*opened);
}

Result<std::string> ReadSecret(const Place& place, std::string_view path) {
  const Opened at = TRY_AS(Walk(place), "{}", path);
  os::Fd file;
  if (IsOwn(place)) {
    file = TRY_AS(os::OpenAt(at.directory, at.last.c_str(), O_RDONLY | O_NONBLOCK | O_NOCTTY), "{}",
                  path);
  } else {
    if (place.rest.empty() &&
        S_ISLNK(TRY_AS(os::StatAt(at.directory, at.last.c_str()), "{}", path).st_mode))
      return Fail(Code::kPermissionDenied, "{}: is a symbolic link", path);
    file = TRY(OpenFileBeneath(at.directory, at.last, path));
  }
  std::string secret = TRY(ReadRegular(file, kMostSecretBytes, path));
  if (secret.ends_with('\n')) secret.pop_back();
  if (secret.find('\0') != std::string::npos)
    return Fail(Code::kInvalidArgument, "{}: has a NUL in it, which no variable can have", path);
  return secret;
}

bool Suffices(wasi::Access allowed, wasi::Access wanted) {
  return allowed == wasi::Access::kReadWrite || wanted == wasi::Access::kReadOnly;
}

std::string_view AccessName(wasi::Access access) {
  return access == wasi::Access::kReadOnly ? "read-only" : "read-write";
}

Result<Place> FindDirectory(const Manifest::Directory& wanted, const Granting& granting,
                            std::string_view tenant) {
  for (const Granting::Directory& allowed : granting.directories) {
    if (!Suffices(allowed.access, wanted.access)) continue;
    if (auto place = PlaceOf(wanted.host, allowed.path, tenant)) return *std::move(place);
  }
  return Fail(Code::kPermissionDenied,
              "directories: host = \"{}\": functions may not have it {}: the server's setting {} "
              "would have to name it, or a directory above it",
              wanted.host, AccessName(wanted.access), kDirectoriesSetting);
}

Result<Place> FindSecret(const std::pair<std::string, std::string>& wanted,
                         const Granting& granting, std::string_view tenant) {
  for (const std::string& allowed : granting.secrets) {
    if (auto place = PlaceOf(wanted.second, allowed, tenant)) return *std::move(place);
  }
  return Fail(Code::kPermissionDenied,
              "secrets.{}: \"{}\": functions may not have it: the server's setting {} would have "
              "to name it, or a directory above it",
              wanted.first, wanted.second, kSecretsSetting);
}

bool Covers(const serve::Destination& allowed, const serve::Destination& wanted) {
  if (allowed.port != 0 && allowed.port != wanted.port) return false;
  if (allowed.host == "*" || allowed.host == wanted.host) return true;
  const std::string_view suffix = std::string_view(allowed.host).substr(1);
  return allowed.host.starts_with("*.") && wanted.host.size() > suffix.size() &&
         wanted.host.ends_with(suffix);
}

Result<std::vector<serve::Destination>> FindDestinations(const Manifest& manifest,
                                                         const Granting& granting) {
  std::vector<serve::Destination> wanted = TRY(serve::ParseDestinations(manifest.outgoing));
  for (size_t number = 0; number < wanted.size(); ++number) {
    const auto covers = [&](const auto& allowed) { return Covers(allowed, wanted[number]); };
    if (std::any_of(granting.outgoing.begin(), granting.outgoing.end(), covers)) continue;
    return Fail(Code::kPermissionDenied,
                "outgoing.allow: \"{}\": functions may not ask it: the server's setting {} would "
                "have to name it",
                manifest.outgoing[number], kOutgoingSetting);
  }
  return wanted;
}

tl::unexpected<Error> TooMuch(std::string_view key, const std::string& wanted,
                              const std::string& most, std::string_view setting) {
  return Fail(Code::kPermissionDenied,
              "{}: {} is more than the {} that the server's setting {} has for all functions", key,
              wanted, most, setting);
}

std::string Millicores(uint32_t number) { return fmt::format("{}m", number); }

Status CheckLimits(const Manifest::Limits& limits, const Maxima& maxima) {
  if (limits.cpu_millicores && *limits.cpu_millicores > maxima.cpu_millicores)
    return TooMuch("limits.cpu", Millicores(*limits.cpu_millicores),
                   Millicores(maxima.cpu_millicores), kCpuSetting);
  if (limits.memory_bytes && *limits.memory_bytes > maxima.memory_bytes)
    return TooMuch("limits.memory", FormatSize(*limits.memory_bytes),
                   FormatSize(maxima.memory_bytes), kMemorySetting);
  if (limits.body_bytes && *limits.body_bytes > maxima.body_bytes)
    return TooMuch("limits.body", FormatSize(*limits.body_bytes), FormatSize(maxima.body_bytes),
                   kBodySetting);
  if (limits.timeout && *limits.timeout > maxima.timeout)
    return TooMuch("limits.timeout", FormatDuration(*limits.timeout),
                   FormatDuration(maxima.timeout), kTimeoutSetting);
  return {};
}

}  // namespace

Status CheckGranting(const Granting& granting) {
  const auto check = [](std::string_view path, std::string_view setting) -> Status {
    if (PartsOf(path)) return {};
    return Fail(Code::kInvalidArgument,
                "{}: \"{}\" must be an absolute path without \".\" and \"..\"", setting, path);
  };
  for (const Granting::Directory& directory : granting.directories)
    TRY(check(directory.path, kDirectoriesSetting));
  for (const std::string& path : granting.secrets) TRY(check(path, kSecretsSetting));
  return {};
}

Status Check(const Manifest& manifest, const Granting& granting, const Maxima& maxima,
             std::string_view tenant) {
  TRY(CheckLimits(manifest.limits, maxima));
  for (const Manifest::Directory& directory : manifest.directories)
    TRY(FindDirectory(directory, granting, tenant));
  for (const auto& secret : manifest.secrets) TRY(FindSecret(secret, granting, tenant));
  TRY(FindDestinations(manifest, granting));
  return {};
}

Result<Granted> Grant(const Manifest& manifest, const Granting& granting, std::string_view tenant) {
  Granted granted{.environment = manifest.environment};
  for (const Manifest::Directory& directory : manifest.directories) {
    const Place place = TRY(FindDirectory(directory, granting, tenant));
    os::Fd opened = TRY_AS(OpenDirectory(place), "directories: host = \"{}\"", directory.host);
    granted.preopens.push_back({.host = directory.host,
                                .guest = directory.guest,
                                .access = directory.access,
                                .directory = std::move(opened)});
  }
  for (const auto& secret : manifest.secrets) {
    const Place place = TRY(FindSecret(secret, granting, tenant));
    granted.environment.emplace_back(
        secret.first, TRY_AS(ReadSecret(place, secret.second), "secrets.{}", secret.first));
  }
  granted.outgoing = TRY(FindDestinations(manifest, granting));
  return granted;
}

}  // namespace wasmoor::function
