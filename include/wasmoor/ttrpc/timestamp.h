#pragma once

#include <chrono>
#include <cstdint>

namespace wasmoor::ttrpc {

// google.protobuf.Timestamp: nanoseconds count forward, of a time before 1970, too. Timestamp is a
// parameter as its header is generated.
template <typename Timestamp>
void SetTime(std::chrono::system_clock::time_point time, Timestamp* out) {
  using std::chrono::floor, std::chrono::seconds, std::chrono::nanoseconds;
  const auto since = time.time_since_epoch();
  const auto whole = floor<seconds>(since);
  out->set_seconds(whole.count());
  out->set_nanos(static_cast<int32_t>(nanoseconds(since - whole).count()));
}

}  // namespace wasmoor::ttrpc
