#pragma once

#include <chrono>
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

#include "wasmoor/base/result.h"
#include "wasmoor/function/catalog/manifest.h"
#include "wasmoor/serve/server.h"
#include "wasmoor/wasi/grants.h"

// What manifests may ask for, which an operator says: by default, nothing.
namespace wasmoor::function {

// In a path, the name of the function's tenant. A path with it grants nothing to functions that
// have none.
inline constexpr std::string_view kTenantPlace = "{tenant}";

struct Granting {
  // A directory with all that is below it, by an absolute path.
  struct Directory {
    std::string path;
    wasi::Access access = wasi::Access::kReadOnly;  // At most.
  };
  std::vector<Directory> directories;
  std::vector<std::string> secrets;  // Directories of files, or files, whose contents may be had.
  std::vector<serve::Destination> outgoing;
};

// What limits of a manifest's can be at most.
struct Maxima {
  uint32_t cpu_millicores = std::numeric_limits<uint32_t>::max();
  uint64_t memory_bytes = std::numeric_limits<uint64_t>::max();
  uint64_t body_bytes = std::numeric_limits<uint64_t>::max();
  std::chrono::milliseconds timeout = std::chrono::milliseconds::max();
};

// The names of these as settings of a server, for messages.
inline constexpr std::string_view kDirectoriesSetting = "grant.directories",
                                  kSecretsSetting = "grant.secrets",
                                  kOutgoingSetting = "grant.outgoing", kCpuSetting = "maxima.cpu",
                                  kMemorySetting = "maxima.memory", kBodySetting = "maxima.body",
                                  kTimeoutSetting = "maxima.timeout";

// Of an operator's own words: paths are absolute and have no "." or ".." in them.
Status CheckGranting(const Granting& granting);

// May a function of this tenant (empty: of none) have what its manifest asks for? kPermissionDenied
// names it and the setting that would allow it. Looks at no file.
Status Check(const Manifest& manifest, const Granting& granting, const Maxima& maxima,
             std::string_view tenant);

// What a function was given. The directories are open, O_PATH: what their names come to stand for
// later does not matter. For many guests: each takes duplicates of the descriptors.
struct Granted {
  Manifest::Variables environment;  // Its own, and its secrets.
  std::vector<wasi::Preopen> preopens;
  std::vector<serve::Destination> outgoing;
};

// Opens and reads what a manifest asks for that has passed Check; checks that again. The part of an
// operator's path from kTenantPlace on is walked without symbolic links; what is below the path may
// have some as long as they stay below. So nobody gets, by a link in a directory that they can
// write, what is not below the path that they were granted. A secret ends before one newline at its
// end. kNotFound, kPermissionDenied, …: why something cannot be had, with the manifest's word for
// it.
Result<Granted> Grant(const Manifest& manifest, const Granting& granting, std::string_view tenant);

}  // namespace wasmoor::function
