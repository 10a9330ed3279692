#include <array>
#include <cstring>
#include <numeric>
#include <vector>

#include "fuzz/input.h"
#include "fuzz/scratch.h"
#include "wasm/cache/entry.h"
#include "wasmoor/os/file.h"

namespace wasmoor::fuzz {
namespace {

constexpr size_t kMostEdits = 64;

std::vector<uint8_t> Code() {
  std::vector<uint8_t> code(3000);
  std::iota(code.begin(), code.end(), uint8_t{7});
  return code;
}

void Store(const os::Fd& directory, const std::string& name, Bytes content) {
  auto file = os::OpenAt(directory, name.c_str(), O_RDWR | O_CREAT | O_TRUNC, 0600);
  CHECK(file && os::WriteAll(*file, content));
}

std::vector<uint8_t> Entry(const os::Fd& directory, const std::string& name,
                           const wasm::EntryKey& key) {
  auto file = os::OpenAt(directory, name.c_str(), O_RDWR | O_CREAT | O_TRUNC, 0600);
  CHECK(file);
  CHECK(wasm::WriteEntry(*file, Code(), {.tier = key.tier}, key));
  auto bytes = os::ReadAll(*file, 1 << 20);
  CHECK(bytes);
  return *std::move(bytes);
}

// Byte edits and a new length for a sound entry.
void Edit(Input& input, std::vector<uint8_t>* entry) {
  for (size_t i = 0; i < kMostEdits && !input.empty(); ++i) {
    const size_t at = input.Take<uint16_t>();
    const auto value = input.Take<uint8_t>();
    if (at < entry->size()) {
      (*entry)[entry->size() - 1 - at] ^= value;  // The label is at the end.
    } else if (at < 2 * entry->size()) {
      entry->resize(at - entry->size());
    } else {
      entry->insert(entry->end(), at % 64, value);
    }
  }
}

}  // namespace

// An entry is refused, or it is exactly what was stored.
void CacheEntry(Bytes bytes) {
  const Scratch scratch;
  const os::Fd directory = Scratch::Open(scratch.path());
  wasm::EntryKey key;
  key.fingerprint = "engine 1.0 options";
  const std::string name = key.FileName();

  Input input(bytes);
  std::vector<uint8_t> entry;
  const std::vector<uint8_t> sound = Entry(directory, name, key);
  if (input.Take<uint8_t>() % 4 == 0) {
    const Bytes raw = input.TakeBytes(bytes.size());
    entry.assign(raw.begin(), raw.end());
  } else {
    entry = sound;
    Edit(input, &entry);
  }
  Store(directory, name, entry);

  const auto opened = wasm::OpenEntry(directory, name, wasm::Depth::kWhole, &key);
  CHECK(opened);
  CHECK(opened->file.valid() || !opened->damage.empty());
  if (opened->file.valid()) {
    CHECK(opened->info.code_bytes == Code().size());
    std::vector<uint8_t> code(Code().size());
    const auto size = os::ReadAt(opened->file, code, 0);
    CHECK(size && *size == code.size() && code == Code());
    CHECK(opened->info.code.tier == wasm::Tier::kOptimized && !opened->info.code.is_component);
  }
  // What `cache ls` reads must not depend on the rest being sound.
  CHECK(wasm::OpenEntry(directory, name, wasm::Depth::kLabel, nullptr));
}

}  // namespace wasmoor::fuzz
