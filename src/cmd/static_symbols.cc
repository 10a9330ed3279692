#include <dlfcn.h>
#include <sys/random.h>

#include <string_view>

// The C library's dlsym(3), in executables that are linked statically: they have no table of
// symbols, and it would find nothing. The engine looks for getrandom(2) by it. Without that it
// reads /dev/urandom, which a container need not have and a guest's filter does not let it open, by
// a descriptor that it keeps for the life of the process, and of those that are cloned from it,
// where the number is another file's.
extern "C" void* dlsym(void*, const char* name) noexcept {
  using Function = ssize_t (*)(void*, size_t, unsigned);
  if (std::string_view(name) != "getrandom") return nullptr;
  const Function found = ::getrandom;
  return reinterpret_cast<void*>(found);
}
