#include "function/numbers.h"

#include <algorithm>

namespace wasmoor::function {

void Numbers::Observe(std::chrono::nanoseconds duration) {
  const double seconds = std::chrono::duration<double>(duration).count();
  const auto bound = std::lower_bound(kBounds.begin(), kBounds.end(), seconds);
  ++durations[static_cast<size_t>(bound - kBounds.begin())];
  duration_sum += seconds;
}

void Numbers::Add(const Numbers& other) {
  for (size_t i = 0; i < ends.size(); ++i) ends[i] += other.ends[i];
  for (size_t i = 0; i < durations.size(); ++i) durations[i] += other.durations[i];
  duration_sum += other.duration_sum;
  cpu_time += other.cpu_time;
  queued += other.queued;
  cold += other.cold;
  aside += other.aside;
  memory_refusals += other.memory_refusals;
  most_memory = std::max(most_memory, other.most_memory);
  bytes_in += other.bytes_in;
  bytes_out += other.bytes_out;
}

}  // namespace wasmoor::function
