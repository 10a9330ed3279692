#include <linux/bpf_common.h>
#include <linux/filter.h>

#include <string>

#include "fuzz/targets.h"
#include "seccomp/cache_entry.h"
#include "wasmoor/base/check.h"
#include "wasmoor/seccomp/program.h"

namespace wasmoor::fuzz {
namespace {

// What the kernel asks of a filter (bpf_check_classic, seccomp_check_filter): it would refuse a
// container's otherwise.
void CheckFilter(const seccomp::Program& program) {
  const auto& code = program.instructions;
  CHECK(!code.empty() && code.size() <= BPF_MAXINSNS);
  CHECK(BPF_CLASS(code.back().code) == BPF_RET);
  for (size_t at = 0; at < code.size(); ++at) {
    const auto reaches = [&](uint64_t distance) { return at + 1 + distance < code.size(); };
    switch (code[at].code) {
      case BPF_LD | BPF_W | BPF_ABS: CHECK(code[at].k % 4 == 0 && code[at].k < 64); break;
      case BPF_ALU | BPF_AND | BPF_K: break;
      case BPF_RET | BPF_K: break;
      case BPF_JMP | BPF_JA: CHECK(reaches(code[at].k)); break;
      case BPF_JMP | BPF_JEQ | BPF_K:
      case BPF_JMP | BPF_JGT | BPF_K:
      case BPF_JMP | BPF_JGE | BPF_K:
        CHECK(reaches(code[at].if_true) && reaches(code[at].if_false));
        break;
      default: CHECK(false);
    }
  }
}

}  // namespace

// The text of linux.seccomp. It is refused with the field's name, or becomes a filter that the
// kernel takes and that comes out of the cache as it went in.
void SeccompProfile(Bytes bytes) {
  const std::string text(bytes.begin(), bytes.end());
  const auto spec = oci::ParseSpec(
      R"({"ociVersion":"1.2.0","root":{"path":"/"},"linux":{"seccomp":)" + text + "}}");
  if (!spec || !spec->on_linux.seccomp) return;
  const auto program = seccomp::Compile(*spec->on_linux.seccomp);
  if (!program) {
    CHECK(program.error().message().starts_with("linux.seccomp"));
    return;
  }
  CheckFilter(*program);
  const std::string key = seccomp::KeyOf(*spec->on_linux.seccomp);
  const auto entry = seccomp::Encode(key, *program);
  const auto kept = seccomp::Decode(key, entry);
  CHECK(kept && kept->instructions == program->instructions && kept->flags == program->flags);
  CHECK(!seccomp::Decode(key + "x", entry));
}

// Any bytes for an entry of the cache of filters.
void SeccompEntry(Bytes bytes) {
  const auto program = seccomp::Decode("key", bytes);
  if (!program) return;
  CHECK(program->instructions.size() * sizeof(os::FilterInstruction) < bytes.size());
}

}  // namespace wasmoor::fuzz
