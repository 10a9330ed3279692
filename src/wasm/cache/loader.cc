#include "wasm/cache/loader.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <thread>

#include "wasm/cache/maintenance.h"
#include "wasm/cache/publish.h"
#include "wasmoor/base/check.h"
#include "wasmoor/os/file.h"

namespace wasmoor::wasm {
namespace {

using std::chrono::milliseconds;
using std::chrono::system_clock;

// Up to this size of .wasm, optimized code is compiled at once even where time matters: it takes
// some 50 ms on one CPU instead of 10, and saves the next start a second compile.
constexpr size_t kSmallModule = 32 << 10;

// The time of last use is for eviction, which can do with minutes, and costs a write.
constexpr std::chrono::minutes kTouchInterval{1};

// Between two looks at whether another's compiler is done. Its start is what a short compile takes,
// its end is not felt beside a long one.
constexpr std::chrono::microseconds kFirstPause{500};
constexpr std::chrono::microseconds kLongestPause{10'000};

// Tells one file of a name from the next one.
struct Stamp {
  ino_t inode = 0;
  time_t seconds = 0;
  long nanoseconds = 0;
  bool operator==(const Stamp&) const = default;
};

Stamp StampOf(const os::Fd& directory, const std::string& name) {
  const auto status = os::StatAt(directory, name.c_str());
  if (!status) return {};
  return {status->st_ino, status->st_ctim.tv_sec, status->st_ctim.tv_nsec};
}

std::string NotKept(std::string_view reason) {
  return fmt::format("the module was compiled for this run only, its code cannot be kept: {}",
                     reason);
}

void Append(std::string& warning, std::string_view more) {
  if (!warning.empty()) warning += "; ";
  warning += more;
}

void NoteUse(const OpenedEntry& entry) {
  const auto age = system_clock::now() - entry.last_used;
  // A failure (read-only filesystem, somebody else's file) makes the entry look unused, no more.
  if (age > kTouchInterval || age < -kTouchInterval) static_cast<void>(os::Touch(entry.file));
}

}  // namespace

EntryKey Cache::Loader::KeyOf(Tier tier) const {
  return {.module = module_, .fingerprint = engine_.Fingerprint(tier), .tier = tier};
}

Result<Cache::Loader::Look> Cache::Loader::TryEntry(const EntryKey& key) const {
  OpenedEntry entry = TRY(OpenEntry(directory(), key.FileName(), Depth::kWhole, &key));
  if (!entry.file.valid()) return Look{.damage = std::move(entry.damage)};
  NoteUse(entry);
  auto module = engine_.Load(TrustedCode(std::move(entry.file), entry.info.code));
  if (module) return Look{.module = std::move(*module)};
  // Anything else is wrong with the machine or the engine's options, not with the entry.
  if (module.error().code() != Code::kDataLoss) return tl::unexpected(std::move(module).error());
  return Look{.damage = "the engine refuses it: " + module.error().message()};
}

Result<std::optional<Cache::Found>> Cache::Loader::LookUp(Policy policy) {
  if (!directory().valid()) return std::nullopt;
  const EntryKey optimized = KeyOf(Tier::kOptimized);
  Look look = TRY(TryEntry(optimized));
  if (look.module != nullptr) return Found{.module = std::move(look.module)};
  if (policy == Policy::kOptimized) return std::nullopt;
  Look baseline = TRY(TryEntry(KeyOf(Tier::kBaseline)));
  if (baseline.module == nullptr) return std::nullopt;
  Found found{.module = std::move(baseline.module), .tier = Tier::kBaseline};
  // Nobody else will say it: this start goes on without that entry.
  if (!look.damage.empty()) found.warning = Discard(optimized, look.damage);
  return found;
}

Result<Cache::Found> Cache::Loader::FindOrCompile(Bytes wasm, Policy policy) {
  if (auto found = TRY(LookUp(policy))) return std::move(*found);
  if (policy == Policy::kFastest && wasm.size() > kSmallModule) {
    auto found = Make(wasm, Tier::kBaseline);
    // What the baseline compiler cannot do the other may; what is wrong with the module it says
    // too.
    if (found) return found;
  }
  return Make(wasm, Tier::kOptimized);
}

Result<Cache::Found> Cache::Loader::Make(Bytes wasm, Tier tier) {
  if (!announced_ && cache_.options_.before_compile) {
    cache_.options_.before_compile(tier, wasm.size());
  }
  announced_ = true;
  const EntryKey key = KeyOf(tier);
  Claim claim = TRY(ClaimEntry(key));
  if (claim.module != nullptr) {
    return Found{.module = std::move(claim.module),
                 .tier = tier,
                 .source = claim.source,
                 .compile_time = compile_time_,
                 .warning = std::move(claim.warning)};
  }
  TrustedCode code = TRY(Compile(wasm, tier));
  return Finish(std::move(code), key, std::move(claim));
}

// Waits until the entry is there or making it is up to this call.
Result<Cache::Loader::Claim> Cache::Loader::ClaimEntry(const EntryKey& key) const {
  if (!directory().valid()) return Claim{.warning = NotKept(cache_.problem_)};
  const std::string name = key.FileName();
  const auto give_up = Clock::now() + cache_.options_.patience;
  auto pause = kFirstPause;
  Stamp seen = StampOf(directory(), name);
  for (auto source = Found::Source::kHit;; source = Found::Source::kWaited) {
    auto lock = KeyLock::Try(directory(), name);
    if (!lock) return ClaimWithoutLock(key, lock.error());
    const Stamp stamp = StampOf(directory(), name);
    if (*lock || stamp != seen) {
      seen = stamp;
      Look look = TRY(TryEntry(key));
      if (look.module != nullptr) return Claim{.module = std::move(look.module), .source = source};
      if (*lock) {
        Claim claim{.lock = std::move(*lock), .can_keep = true};
        if (!look.damage.empty()) claim.warning = Discard(key, look.damage);
        return claim;
      }
    }
    if (Clock::now() >= give_up) return Claim{.can_keep = true};
    std::this_thread::sleep_for(pause);
    pause = std::min(pause * 2, kLongestPause);
  }
}

// The directory cannot be written, so that what is wrong with an entry in it stays wrong.
Result<Cache::Loader::Claim> Cache::Loader::ClaimWithoutLock(const EntryKey& key,
                                                             const Error& reason) const {
  Look look = TRY(TryEntry(key));
  if (look.module != nullptr) return Claim{.module = std::move(look.module)};
  Claim claim;
  if (!look.damage.empty()) claim.warning = Discard(key, look.damage);
  Append(claim.warning, NotKept(reason.message()));
  return claim;
}

Result<TrustedCode> Cache::Loader::Compile(Bytes wasm, Tier tier) {
  const auto start = Clock::now();
  auto code = engine_.Compile(wasm, tier);
  compile_time_ += Clock::now() - start;
  return code;
}

Result<Cache::Found> Cache::Loader::Finish(TrustedCode code, const EntryKey& key,
                                           Claim claim) const {
  Found found{.tier = key.tier,
              .source = Found::Source::kCompiled,
              .compile_time = compile_time_,
              .warning = std::move(claim.warning)};
  if (claim.can_keep) {
    if (const Status stored = Store(code, key); !stored) {
      Append(found.warning, NotKept(stored.error().message()));
    } else {
      // From the file, even now: its pages are shared with every other process that runs it.
      Look look = TRY(TryEntry(key));
      found.module = std::move(look.module);
      if (!look.damage.empty()) {
        Append(found.warning, NotKept("what was written is not usable: " + look.damage));
      }
    }
  }
  if (found.module == nullptr) found.module = TRY(engine_.Load(code));
  return found;
}

Status Cache::Loader::Store(const TrustedCode& code, const EntryKey& key) const {
  CHECK(!code.in_file());  // A compiler's output.
  if (code.bytes().size() > cache_.options_.max_bytes) {
    return Fail(Code::kResourceExhausted, "it has {} bytes and the whole cache may have {}",
                code.bytes().size(), cache_.options_.max_bytes);
  }
  TRY(Publish(directory(), code.bytes(), code.info(), key));
  if (key.tier == Tier::kOptimized) DropBaseline();
  Evict(directory(), cache_.options_.max_bytes, key.FileName());
  return {};
}

// Removes a damaged entry; the line for the operator about it.
std::string Cache::Loader::Discard(const EntryKey& key, const std::string& damage) const {
  const std::string name = key.FileName();
  Status removed = os::UnlinkAt(directory(), name.c_str());
  if (!removed && removed.error().error_number() == EISDIR) {
    removed = os::UnlinkAt(directory(), name.c_str(), AT_REMOVEDIR);
  }
  std::string line = fmt::format("cache entry {} was damaged and is not used: {}",
                                 (cache_.options_.directory / name).native(), damage);
  if (!removed && removed.error().code() != Code::kNotFound) {
    line += fmt::format(" (it cannot be removed: {})", removed.error().message());
  }
  return line;
}

void Cache::Loader::DropBaseline() const {
  static_cast<void>(os::UnlinkAt(directory(), KeyOf(Tier::kBaseline).FileName().c_str()));
}

Result<bool> Cache::Loader::Optimize(Bytes wasm) {
  if (!directory().valid()) return Fail(Code::kFailedPrecondition, "{}", cache_.problem_);
  const EntryKey key = KeyOf(Tier::kOptimized);
  const std::string name = key.FileName();
  const auto is_there = [&]() -> Result<OpenedEntry> {
    auto entry = TRY(OpenEntry(directory(), name, Depth::kWhole, &key));
    if (entry.file.valid()) DropBaseline();
    return entry;
  };
  if (TRY(is_there()).file.valid()) return false;
  const auto lock = TRY(KeyLock::Try(directory(), name));
  if (!lock) return false;
  const OpenedEntry entry = TRY(is_there());
  if (entry.file.valid()) return false;
  if (!entry.damage.empty()) static_cast<void>(Discard(key, entry.damage));
  const TrustedCode code = TRY(Compile(wasm, Tier::kOptimized));
  TRY(Store(code, key));
  return true;
}

}  // namespace wasmoor::wasm
