#include "function/catalog/folder.h"

#include <dirent.h>
#include <fcntl.h>

#include <array>
#include <cstddef>
#include <cstring>
#include <utility>

#include "function/catalog/names.h"
#include "wasmoor/base/printable.h"
#include "wasmoor/os/file.h"
#include "wasmoor/os/path.h"

namespace wasmoor::function {
namespace {

constexpr size_t kBufferBytes = 32 << 10;
constexpr size_t kMostIgnoredNames = 3;

// Calls `look` with each entry but hidden ones, "." and "..", until it returns false.
Status ForEachEntry(const os::Fd& directory,
                    const std::function<bool(const Folder::Entry&)>& look) {
  // Its own place in the directory, and an O_PATH one cannot be read.
  const os::Fd readable = TRY(os::OpenAt(directory, ".", O_RDONLY | O_DIRECTORY));
  alignas(dirent64) std::array<char, kBufferBytes> buffer;
  for (;;) {
    const auto entries = os::ReadEntries(readable, buffer);
    if (!entries) return FailErrno(entries.error(), "read the directory");
    if (entries->empty()) return {};
    for (size_t at = 0; at < entries->size();) {
      const char* const raw = entries->data() + at;
      dirent64 head;  // Without its name, which ends with a NUL.
      std::memcpy(&head, raw, offsetof(dirent64, d_name));
      const Folder::Entry entry{
          .name = raw + offsetof(dirent64, d_name), .inode = head.d_ino, .type = head.d_type};
      if (!entry.name.starts_with('.') && !look(entry)) return {};
      at += head.d_reclen;
    }
  }
}

}  // namespace

Result<bool> IsEmpty(const os::Fd& directory) {
  bool empty = true;
  TRY(ForEachEntry(directory, [&empty](const Folder::Entry&) { return empty = false; }));
  return empty;
}

Stamps Folder::LastSeen(std::string_view name) const {
  const auto known = files_.find(name);
  return known == files_.end() ? Stamps() : known->second.stamps;
}

std::string Folder::IdOf(std::string_view name) const { return JoinName(tenant_, name); }

Result<Stamps> Folder::Check(const os::Fd& directory, std::string_view name, Which which,
                             Complete complete) {
  const auto known = files_.find(name);
  const bool is_known = known != files_.end();
  std::string file(name);
  Stamps now;
  now.module = TRY(StampAt(directory, file.append(kModuleSuffix)));
  if (which == Which::kAll || !is_known || known->second.stamps.manifest.there()) {
    file.resize(name.size());
    now.manifest = TRY(StampAt(directory, file.append(kManifestSuffix)));
  }
  if (!now.module.there()) {
    if (!is_known) return Stamps();
    hot_.erase(known->first);
    news_.Gone(IdOf(name));
    files_.erase(known);
    return Stamps();
  }
  const bool is_same = is_known && known->second.stamps == now;
  if (is_same && complete == Complete::kUnknown) return now;
  const std::string id = IdOf(name);
  if (!is_known) news_.Appeared(id);
  File& entry = is_known ? known->second : files_[std::string(name)];
  entry.stamps = now;
  // Somebody has written it, and the clock of the file system may not have gone on since.
  const bool is_news = !is_same || complete == Complete::kIfSame || news_.IsSettling(id) ||
                       !now.IsSettled(std::chrono::system_clock::now());
  if (complete == Complete::kYes || is_same) {
    if (is_news) news_.Changed(id);
  } else {
    news_.Settle(id);
  }
  return now;
}

void Folder::CheckLinks(const os::Fd& directory) {
  std::vector<std::string> links;
  for (const auto& [name, file] : files_) {
    if (file.stamps.module.is_link || file.stamps.manifest.is_link) links.push_back(name);
  }
  // All at once, as they were put there.
  for (const std::string& name : links)
    static_cast<void>(Check(directory, name, Which::kAll, Complete::kYes));
}

std::string Folder::CheckSome(const os::Fd& directory, std::string_view from, size_t most) {
  auto at = files_.lower_bound(from);
  for (; at != files_.end() && most > 0; --most) {
    // Which may take the entry away.
    const std::string name = at->first;
    CheckQuietly(directory, name);
    at = files_.upper_bound(name);
  }
  return at == files_.end() ? "" : at->first;
}

void Folder::CheckHot(const os::Fd& directory) {
  const std::vector<std::string> names(hot_.begin(), hot_.end());
  for (const std::string& name : names) CheckQuietly(directory, name);
}

void Folder::OnModule(const os::Fd& directory, std::string_view name, const Entry& entry) {
  auto known = files_.find(name);
  const bool is_same = known != files_.end() && known->second.module_entry == entry.inode &&
                       entry.type != DT_LNK && entry.type != DT_UNKNOWN;
  // Nobody can tell what the file is if this fails, the next listing perhaps.
  if (!is_same) static_cast<void>(Check(directory, name, Which::kAll, Complete::kUnknown));
  known = files_.find(name);
  if (known == files_.end()) return;
  known->second.module_entry = entry.inode;
  known->second.module_listing = listing_;
}

void Folder::OnManifest(const os::Fd& directory, std::string_view name, const Entry& entry) {
  auto known = files_.find(name);
  if (known == files_.end()) return;
  const bool is_same = known->second.manifest_entry == entry.inode && entry.type != DT_LNK &&
                       entry.type != DT_UNKNOWN;
  if (!is_same) static_cast<void>(Check(directory, name, Which::kAll, Complete::kUnknown));
  known = files_.find(name);
  if (known == files_.end()) return;
  known->second.manifest_entry = entry.inode;
  known->second.manifest_listing = listing_;
}

// A listing may miss what is renamed meanwhile: each one is asked for by its name.
void Folder::LookForLost(const os::Fd& directory) {
  std::vector<std::string> lost;
  for (const auto& [name, file] : files_) {
    const bool is_manifest_lost = file.stamps.manifest.there() && file.manifest_listing != listing_;
    if (file.module_listing != listing_ || is_manifest_lost) lost.push_back(name);
  }
  for (const std::string& name : lost)
    static_cast<void>(Check(directory, name, Which::kAll, Complete::kUnknown));
}

Status Folder::List(const os::Fd& directory, const std::function<void(const Entry&)>& on_other) {
  ++listing_;
  ignored_ = 0;
  ignored_names_.clear();
  TRY(ForEachEntry(directory, [&](const Entry& entry) {
    if (const auto name = FunctionOf(entry.name, kModuleSuffix); !name.empty()) {
      OnModule(directory, name, entry);
    } else if (const auto of = FunctionOf(entry.name, kManifestSuffix); !of.empty()) {
      OnManifest(directory, of, entry);
    } else {
      on_other(entry);
    }
    return true;
  }));
  LookForLost(directory);
  TellIgnored();
  return {};
}

void Folder::Ignore(std::string_view name) {
  if (++ignored_ > kMostIgnoredNames) return;
  ignored_names_ += fmt::format("{}'{}'", ignored_ == 1 ? "" : ", ", Printable(name));
}

void Folder::TellIgnored() {
  std::string line;
  if (ignored_ > 0) {
    line = fmt::format(
        "{}: {} of the names in it {} no function's, which is NAME.wasm with a NAME of letters of "
        "ASCII, digits, '_', '-' and '.': {}{}",
        tenant_.empty() ? "the directory of functions" : "tenant '" + tenant_ + "'", ignored_,
        ignored_ == 1 ? "is" : "are", ignored_names_,
        ignored_ > kMostIgnoredNames ? " and others" : "");
  }
  if (line == told_) return;
  told_ = line;
  if (!line.empty()) news_.Notice(std::move(line));
}

void Folder::SetHot(const std::string& name, bool hot) {
  if (hot && files_.contains(name)) hot_.insert(name);
  if (!hot) hot_.erase(name);
}

void Folder::Clear() {
  for (const auto& [name, file] : files_) news_.Gone(IdOf(name));
  files_.clear();
  hot_.clear();
}

}  // namespace wasmoor::function
