#pragma once

#include <linux/filter.h>
#include <linux/seccomp.h>

#include <cstdint>
#include <cstring>
#include <span>

#include "wasmoor/os/seccomp.h"

namespace wasmoor::seccomp {

// What a filter answers, worked out here: for calls that this process cannot make. ~0, which is no
// answer of a filter's, if it does what a filter for system calls cannot do.
inline uint32_t AnswerOf(std::span<const os::FilterInstruction> filter, const seccomp_data& call) {
  constexpr uint32_t kBroken = UINT32_MAX;
  uint32_t a = 0;
  for (size_t at = 0; at < filter.size(); ++at) {
    const os::FilterInstruction& one = filter[at];
    const auto jump = [&](bool condition) { at += condition ? one.if_true : one.if_false; };
    switch (one.code) {
      case BPF_LD | BPF_W | BPF_ABS:
        if (one.k % sizeof(a) != 0 || one.k >= sizeof(call)) return kBroken;
        std::memcpy(&a, reinterpret_cast<const char*>(&call) + one.k, sizeof(a));
        break;
      case BPF_ALU | BPF_AND | BPF_K: a &= one.k; break;
      case BPF_JMP | BPF_JA: at += one.k; break;
      case BPF_JMP | BPF_JEQ | BPF_K: jump(a == one.k); break;
      case BPF_JMP | BPF_JGT | BPF_K: jump(a > one.k); break;
      case BPF_JMP | BPF_JGE | BPF_K: jump(a >= one.k); break;
      case BPF_JMP | BPF_JSET | BPF_K: jump((a & one.k) != 0); break;
      case BPF_RET | BPF_K: return one.k;
      default: return kBroken;
    }
  }
  return kBroken;
}

}  // namespace wasmoor::seccomp
