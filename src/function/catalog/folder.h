#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "function/catalog/news.h"
#include "function/catalog/stamp.h"
#include "wasmoor/base/result.h"
#include "wasmoor/os/fd.h"

namespace wasmoor::function {

// The functions of one directory, as far as it was looked at: which there are, and the stamps of
// their files. Holds no descriptor. One thread.
class Folder {
 public:
  Folder(std::string tenant, News& news) : tenant_(std::move(tenant)), news_(news) {}

  const std::string& tenant() const { return tenant_; }
  size_t size() const { return files_.size(); }
  bool Knows(std::string_view name) const { return files_.contains(name); }
  Stamps LastSeen(std::string_view name) const;
  std::string IdOf(std::string_view name) const;

  // kIfSame: it was looked at some time ago, and is complete if it has stayed as it was.
  enum class Complete : uint8_t { kUnknown, kIfSame, kYes };
  // Which files: a manifest that is not there yet is seen when the directory is listed.
  enum class Which : uint8_t { kAll, kKnown };
  // Looks at the files of a function. Stamps without a module: there is none.
  Result<Stamps> Check(const os::Fd& directory, std::string_view name, Which which,
                       Complete complete);
  // All whose files are symbolic links, which may lead elsewhere now.
  void CheckLinks(const os::Fd& directory);
  // Up to `most` from `from` on; the name to go on from, empty after the last.
  std::string CheckSome(const os::Fd& directory, std::string_view from, size_t most);
  // Those that are in use.
  void CheckHot(const os::Fd& directory);

  // Reads the names, and looks at the files of those that are new, or stand for another file than
  // at the last time. Calls `on_directory` with names that may be those of tenants. Not all of it
  // may be read before an Error; nothing is taken to be gone then.
  struct Entry {
    std::string_view name;
    uint64_t inode = 0;
    uint8_t type = 0;  // DT_DIR, …
  };
  Status List(const os::Fd& directory, const std::function<void(const Entry&)>& on_other);
  // Of an entry that is no function's, and no tenant's. During List.
  void Ignore(std::string_view name);

  void SetHot(const std::string& name, bool hot);
  bool has_hot() const { return !hot_.empty(); }
  // All of them are gone.
  void Clear();

 private:
  struct File {
    Stamps stamps;
    // Their numbers in the directory, and when it was listed with them.
    uint64_t module_entry = 0, manifest_entry = 0;
    uint64_t module_listing = 0, manifest_listing = 0;
  };
  using Files = std::map<std::string, File, std::less<>>;

  void CheckQuietly(const os::Fd& directory, const std::string& name) {
    static_cast<void>(Check(directory, name, Which::kKnown, Complete::kUnknown));
  }
  void OnModule(const os::Fd& directory, std::string_view name, const Entry& entry);
  void OnManifest(const os::Fd& directory, std::string_view name, const Entry& entry);
  void LookForLost(const os::Fd& directory);
  void TellIgnored();

  const std::string tenant_;
  News& news_;
  Files files_;
  std::set<std::string> hot_;
  uint64_t listing_ = 0;  // Its number.
  // Of the listing under way.
  size_t ignored_ = 0;
  std::string ignored_names_;
  std::string told_;  // What was told of those ignored.
};

// Is there nothing in it that somebody has put there? What is hidden does not count.
Result<bool> IsEmpty(const os::Fd& directory);

}  // namespace wasmoor::function
