#include "wasm/wasmtime/stack.h"

#include <pthread.h>
#include <sys/resource.h>
#include <unistd.h>

#include <limits>

// Where the process's first stack begins; glibc's dynamic loader and its static start-up code set
// it.
extern "C" void* __libc_stack_end;

namespace wasmoor::wasm::wasmtime {
namespace {

// The lowest address that the calling thread's stack may grow to; 0 if nothing is known, or it has
// no limit.
uintptr_t LowestAddress() {
  // The first thread's stack grows on demand, up to the limit (setrlimit(2)). pthread_getattr_np
  // knows that too, but reads all of /proc/self/maps for it.
  if (::getpid() == ::gettid()) {
    rlimit limit = {};
    const auto end = reinterpret_cast<uintptr_t>(__libc_stack_end);
    if (::getrlimit(RLIMIT_STACK, &limit) != 0 || limit.rlim_cur >= end) return 0;
    return end - limit.rlim_cur;
  }
  pthread_attr_t attributes;
  if (::pthread_getattr_np(::pthread_self(), &attributes) != 0) return 0;
  void* lowest = nullptr;
  size_t size = 0;
  const bool known = ::pthread_attr_getstack(&attributes, &lowest, &size) == 0;
  ::pthread_attr_destroy(&attributes);
  return known ? reinterpret_cast<uintptr_t>(lowest) : 0;
}

}  // namespace

uint64_t StackLeft() {
  thread_local const uintptr_t lowest = LowestAddress();
  const auto here = reinterpret_cast<uintptr_t>(__builtin_frame_address(0));
  return here > lowest ? here - lowest : 0;
}

}  // namespace wasmoor::wasm::wasmtime
