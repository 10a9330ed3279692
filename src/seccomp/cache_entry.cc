#include "seccomp/cache_entry.h"

#include <linux/bpf_common.h>
#include <linux/filter.h>
#include <seccomp.h>
#include <sys/utsname.h>

#include <array>
#include <cstring>
#include <string_view>
#include <type_traits>

#include "base/checksum.h"

namespace wasmoor::seccomp {
namespace {

// Raised with every change of what Compile makes of a profile, or of the format below.
constexpr uint32_t kFormat = 1;
constexpr std::array<char, 8> kMagic = {'w', 'a', 's', 'm', 'o', 'o', 'r', 'S'};
constexpr size_t kNameDigits = 32;

// The start of an entry; the key and the instructions follow. As it stands in memory: an entry does
// not leave its machine.
struct Header {
  std::array<char, 8> magic = kMagic;
  uint32_t format = kFormat;
  uint32_t flags = 0;
  uint32_t key_bytes = 0;
  uint32_t instructions = 0;
  Checksum checksum;  // Of all other bytes.
};
static_assert(sizeof(Header) == 40 && std::has_unique_object_representations_v<Header>);
constexpr size_t kLabelBytes = sizeof(Header) - sizeof(Checksum);

static_assert(sizeof(os::FilterInstruction) == sizeof(sock_filter) &&
              std::has_unique_object_representations_v<os::FilterInstruction>);

Checksum ChecksumFor(const Header& header, std::span<const uint8_t> content) {
  Checksummer sum;
  sum.Update({reinterpret_cast<const uint8_t*>(&header), kLabelBytes});
  sum.Update(content);
  return sum.Finish();
}

// Values one after another, each so that it is seen where it ends.
class KeyWriter {
 public:
  void Add(uint64_t value) { key_.append(reinterpret_cast<const char*>(&value), sizeof(value)); }
  void Add(std::string_view text) {
    Add(text.size());
    key_ += text;
  }
  void Add(const std::optional<uint32_t>& value) {
    Add(value ? uint64_t{1} << 32 | *value : uint64_t{0});
  }
  void Add(const std::vector<std::string>& texts) {
    Add(texts.size());
    for (const std::string& text : texts) Add(std::string_view(text));
  }
  void Add(const oci::SeccompRule& rule) {
    Add(rule.names);
    Add(std::string_view(rule.action));
    Add(rule.errno_ret);
    Add(rule.args.size());
    for (const oci::SeccompArg& one : rule.args) {
      Add(one.index);
      Add(one.value);
      Add(one.value_two);
      Add(std::string_view(one.op));
    }
  }
  std::string Take() { return std::move(key_); }

 private:
  std::string key_;
};

}  // namespace

std::string KeyOf(const oci::Seccomp& profile) {
  KeyWriter key;
  key.Add(kFormat);
  const struct scmp_version* library = seccomp_version();
  key.Add(library->major);
  key.Add(library->minor);
  key.Add(library->micro);
  key.Add(seccomp_arch_native());
  // Which actions and flags there are is a matter of the kernel's version.
  struct utsname kernel = {};
  ::uname(&kernel);
  for (const char* text : {kernel.release, kernel.version, kernel.machine})
    key.Add(std::string_view(text));
  key.Add(std::string_view(profile.default_action));
  key.Add(profile.default_errno_ret);
  key.Add(profile.architectures);
  key.Add(profile.flags);
  // Where the listener is does not matter, only whether one is named.
  key.Add(profile.listener_path.empty() ? 0 : 1);
  key.Add(profile.listener_metadata.empty() ? 0 : 1);
  key.Add(profile.syscalls.size());
  for (const oci::SeccompRule& rule : profile.syscalls) key.Add(rule);
  return key.Take();
}

std::string EntryName(const std::string& key) {
  const Checksum sum = ChecksumOf({reinterpret_cast<const uint8_t*>(key.data()), key.size()});
  return ToHex({reinterpret_cast<const uint8_t*>(&sum), sizeof(sum)});
}

bool IsEntryName(const std::string& name) {
  return name.size() == kNameDigits &&
         name.find_first_not_of("0123456789abcdef") == std::string::npos;
}

std::vector<uint8_t> Encode(const std::string& key, const Program& program) {
  const size_t code_bytes = program.instructions.size() * sizeof(os::FilterInstruction);
  std::vector<uint8_t> bytes(sizeof(Header) + key.size() + code_bytes);
  std::memcpy(bytes.data() + sizeof(Header), key.data(), key.size());
  std::memcpy(bytes.data() + sizeof(Header) + key.size(), program.instructions.data(), code_bytes);
  Header header = {.flags = program.flags,
                   .key_bytes = static_cast<uint32_t>(key.size()),
                   .instructions = static_cast<uint32_t>(program.instructions.size())};
  header.checksum = ChecksumFor(header, std::span(bytes).subspan(sizeof(Header)));
  std::memcpy(bytes.data(), &header, sizeof(header));
  return bytes;
}

std::optional<Program> Decode(const std::string& key, std::span<const uint8_t> bytes) {
  Header header;
  if (bytes.size() < sizeof(header)) return std::nullopt;
  std::memcpy(&header, bytes.data(), sizeof(header));
  const std::span content = bytes.subspan(sizeof(header));
  if (header.magic != kMagic || header.format != kFormat) return std::nullopt;
  if (header.instructions == 0 || header.instructions > BPF_MAXINSNS) return std::nullopt;
  const size_t code_bytes = header.instructions * sizeof(os::FilterInstruction);
  // The whole key is compared: two profiles of one name, by chance or by art, are told apart.
  if (header.key_bytes != key.size() || content.size() != key.size() + code_bytes ||
      std::memcmp(content.data(), key.data(), key.size()) != 0 ||
      header.checksum != ChecksumFor(header, content)) {
    return std::nullopt;
  }
  Program program{.flags = header.flags};
  program.instructions.resize(header.instructions);
  std::memcpy(program.instructions.data(), content.data() + key.size(), code_bytes);
  return program;
}

}  // namespace wasmoor::seccomp
