#include "container/descriptors.h"

#include <fcntl.h>
#include <poll.h>

#include <algorithm>
#include <array>
#include <span>

namespace wasmoor::container {
namespace {

// The kernel gives the lowest numbers that are free (open(2)): so many of those are all that the
// engine's can be among.
constexpr size_t kMostFound = 32;
constexpr size_t kAtOnce = 48;

// Which of `count` numbers from `first` on are open: one call for all, where a list in /proc costs
// microseconds for each that any container of this process has.
void AppendOpen(size_t first, size_t count, std::vector<bool>* open) {
  std::array<struct pollfd, kAtOnce> numbers;
  for (size_t i = 0; i < count; ++i)
    numbers[i] = {.fd = static_cast<int>(first + i), .events = 0, .revents = 0};
  // Refused where so many may not be open at all (poll(2), EINVAL).
  const bool known = ::poll(numbers.data(), count, 0) >= 0;
  for (const struct pollfd& one : std::span(numbers).first(count)) {
    const bool is_open = known && (one.revents & POLLNVAL) == 0;
    // To poll(2), a descriptor of O_PATH is none.
    open->push_back(is_open || ::fcntl(one.fd, F_GETFD) >= 0);
  }
}

}  // namespace

EngineDescriptors::~EngineDescriptors() {
  for (os::Fd& one : found_) static_cast<void>(one.Release());
}

void EngineDescriptors::Look() {
  before_.clear();
  size_t free = 0;
  while (free < kMostFound) {
    AppendOpen(before_.size(), kAtOnce, &before_);
    free = static_cast<size_t>(std::count(before_.begin(), before_.end(), false));
  }
}

Status EngineDescriptors::Find() {
  std::vector<bool> now;
  while (now.size() < before_.size()) AppendOpen(now.size(), kAtOnce, &now);
  size_t found = 0;
  for (size_t number = 0; number < now.size(); ++number) {
    if (!now[number] || before_[number]) continue;
    found_.emplace_back(static_cast<int>(number));
    ++found;
  }
  if (found >= kMostFound)
    return Fail(Code::kResourceExhausted, "its code needs more than {} open files", kMostFound);
  return {};
}

}  // namespace wasmoor::container
