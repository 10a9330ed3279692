#include "container/descriptors.h"

#include <fcntl.h>

#include <algorithm>
#include <charconv>

#include "wasmoor/os/file.h"

namespace wasmoor::container {
namespace {

// All that are open, sorted. None if /proc is not there, without which no container is made.
std::vector<int> Open() {
  std::vector<int> numbers;
  const auto directory = os::OpenAt(os::Fd(), "/proc/self/fd", O_RDONLY | O_DIRECTORY);
  const auto names = directory ? os::ReadNames(*directory) : tl::unexpected(directory.error());
  if (!names) return numbers;
  for (const std::string& name : *names) {
    int number = -1;
    std::from_chars(name.data(), name.data() + name.size(), number);
    // Not those of this listing itself.
    if (::fcntl(number, F_GETFD) >= 0 && number != directory->get()) numbers.push_back(number);
  }
  std::sort(numbers.begin(), numbers.end());
  return numbers;
}

}  // namespace

EngineDescriptors::EngineDescriptors() : before_(Open()) {}

EngineDescriptors::~EngineDescriptors() {
  for (os::Fd& one : found_) static_cast<void>(one.Release());
}

void EngineDescriptors::Find() {
  for (const int number : Open()) {
    if (!std::binary_search(before_.begin(), before_.end(), number)) found_.emplace_back(number);
  }
}

}  // namespace wasmoor::container
