// The cache of precompiled modules.
//
// WHAT AN ENTRY IS. One file in one directory, named
//     <SHA-256 of the .wasm, 64 digits>-<XXH3-128 of the engine's fingerprint and the tier, 32
//     digits>
// and made of
//     code            what the engine's compiler made: an ELF image, mapped from offset 0 of the
//     file fingerprint     Engine::Fingerprint as text, for people and against a collision in the
//     name trailer         88 bytes: magic, format, tier, module or component, size of the code,
//     time of
//                     making, SHA-256 of the .wasm, size of the fingerprint, XXH3-128 of all before
//                     it
// The description stands at the end because the engine maps the file itself: what is verified and
// what runs are one open file, never copied and never opened a second time, and its pages are
// shared by every process that runs the module. Beside the entries stand, while somebody works on
// an entry, <entry>.lock and, on filesystems without O_TMPFILE, <entry>.<random>.tmp; and "hashes",
// the memory of which file has which SHA-256 (memo.h). Other names are not ours and are left alone.
//
// A HIT takes no lock and reads no directory: open the entry, look at its owner and mode, read it
// through once to compare the checksum, note the use if the last note is over a minute old, hand
// the descriptor to the engine. Whatever is wrong with an entry, be it a bit, its length, its owner
// or that the engine refuses it, it is removed, said once in Found::warning, and compiled again.
//
// A MISS takes the entry's lock (lock.h) and looks again; of many who start a new module at once,
// one compiles and the others pick the entry up as soon as it appears. The lock saves work and
// guards nothing: who has waited longer than CacheOptions::patience compiles too, because the
// holder may be stopped, and a holder that dies has lost the lock with its last descriptor.
//
// WHY A KILL BREAKS NOTHING. An entry is written into a file without a name and linked to its name
// when it is complete (where there is no O_TMPFILE: renamed). At every moment before, the name
// means nothing or the old entry; the kernel drops a file without a name with its last descriptor.
// An entry is never written again after it has its name, so that a mapping of it never changes; it
// is only unlinked, which leaves mappings whole. A named temporary file and a lock carry a flock(2)
// as long as their maker lives: without it they are rubbish, which the next eviction and Prune
// remove.
//
// WHAT IT DOES NOT DO. It does not fsync: after a power cut an entry may be torn, which its
// checksum shows. It does not defend against its own user or root, who can forge a checksum, and
// who can crash a running program by truncating its entry (a mapping ends with SIGBUS). Network
// filesystems are as good as their flock and rename. Nothing is ever loaded from anywhere else
// (trusted_code.h).

#include "wasmoor/wasm/cache.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <utility>

#include "wasm/cache/directory.h"
#include "wasm/cache/loader.h"
#include "wasm/cache/memo.h"
#include "wasmoor/os/file.h"

namespace wasmoor::wasm {
namespace {

// From here on, remembering a file's hash is worth it. The table costs two microseconds, for which
// 4 KiB are hashed; but what the times of a file say is taken on trust, for which there should be a
// gain that a person or a benchmark can see: 40 of the 1,500 microseconds of a start.
constexpr uint64_t kMemoFrom = 64 << 10;

std::filesystem::path PathFromEnvironment(const char* name) {
  const char* value = secure_getenv(name);
  const std::filesystem::path path = value == nullptr ? "" : value;
  return path.is_absolute() ? path : std::filesystem::path();
}

Result<Digest> HashModule(const os::Fd& directory, const os::Fd& file, const struct stat& status) {
  if (static_cast<uint64_t>(status.st_size) < kMemoFrom) return HashOfFile(file);
  const auto identity = IdentityOf(file, status);
  if (!identity) return HashOfFile(file);
  const HashMemo memo(directory);
  if (const auto digest = memo.Find(*identity)) return *digest;
  const auto read_at = std::chrono::system_clock::now();
  const Digest digest = TRY(HashOfFile(file));
  if (IdentityOf(file, TRY(os::Stat(file))) == identity) memo.Remember(*identity, digest, read_at);
  return digest;
}

Status CheckModuleFile(const struct stat& status, uint64_t max_bytes) {
  if (S_ISDIR(status.st_mode))
    return Fail(Code::kInvalidArgument, "it is a directory, not a module");
  if (S_ISREG(status.st_mode) && static_cast<uint64_t>(status.st_size) > max_bytes) {
    return Fail(Code::kInvalidArgument, "it has {} bytes; a module may have at most {}",
                status.st_size, max_bytes);
  }
  return {};
}

}  // namespace

std::optional<std::filesystem::path> DefaultCacheDirectory() {
  constexpr std::string_view kBelow = "wasmoor/modules";
  if (auto own = PathFromEnvironment("WASMOOR_CACHE_DIR"); !own.empty()) return own;
  if (const auto xdg = PathFromEnvironment("XDG_CACHE_HOME"); !xdg.empty()) return xdg / kBelow;
  if (const auto home = PathFromEnvironment("HOME"); !home.empty()) return home / ".cache" / kBelow;
  if (geteuid() == 0) return std::filesystem::path("/var/cache") / kBelow;
  return std::nullopt;
}

Cache::Cache(CacheOptions options, os::Fd directory, std::string problem)
    : options_(std::move(options)),
      directory_(std::move(directory)),
      problem_(std::move(problem)) {}

Result<Cache> Cache::Open(CacheOptions options) {
  auto directory = OpenPrivateDirectory(options.directory);
  if (directory) return Cache(std::move(options), std::move(*directory), "");
  Error error = std::move(directory).error();
  // Found unsafe or not a directory: an operator has to mend it. An errno: there is no cache here,
  // for a reason that programs can live with.
  if (error.error_number() == 0) return tl::unexpected(std::move(error));
  return Cache(std::move(options), os::Fd(), error.message());
}

Result<Cache::Found> Cache::Load(const Engine& engine, Bytes wasm, Policy policy) const {
  return Loader(*this, engine, HashOf(wasm)).FindOrCompile(wasm, policy);
}

Result<ModuleHash> Cache::HashFile(const os::Fd& wasm_file) const {
  const struct stat status = TRY(os::Stat(wasm_file));
  TRY(CheckModuleFile(status, options_.max_module_bytes));
  return HashModule(directory_, wasm_file, status);
}

Result<std::optional<Cache::Found>> Cache::Find(const Engine& engine, const ModuleHash& module,
                                                Policy policy) const {
  return Loader(*this, engine, module).LookUp(policy);
}

Result<Cache::Found> Cache::LoadFile(const Engine& engine, const os::Fd& wasm_file,
                                     Policy policy) const {
  const struct stat status = TRY(os::Stat(wasm_file));
  TRY(CheckModuleFile(status, options_.max_module_bytes));
  if (S_ISREG(status.st_mode) && directory_.valid()) {
    const ModuleHash module = TRY(HashModule(directory_, wasm_file, status));
    if (auto found = TRY(Find(engine, module, policy))) return std::move(*found);
  }
  auto wasm = os::ReadAll(wasm_file, options_.max_module_bytes);
  if (!wasm && wasm.error().code() == Code::kOutOfRange) {
    return Fail(Code::kInvalidArgument, "{}", wasm.error().message());
  }
  // Hashed anew: what is compiled is what its entry is named after, whatever happened to the file.
  return Load(engine, TRY(std::move(wasm)), policy);
}

Result<bool> Cache::Optimize(const Engine& engine, Bytes wasm) const {
  return Loader(*this, engine, HashOf(wasm)).Optimize(wasm);
}

bool Cache::Contains(const Engine& engine, Bytes wasm, Tier tier) const {
  if (!directory_.valid()) return false;
  const EntryKey key = Loader(*this, engine, HashOf(wasm)).KeyOf(tier);
  const auto entry = OpenEntry(directory_, key.FileName(), Depth::kLabel, &key);
  return entry && entry->file.valid();
}

}  // namespace wasmoor::wasm
