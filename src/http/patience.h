#pragma once

#include <algorithm>
#include <chrono>

#include "http/connection.h"

namespace wasmoor::http {

// How much of what gets nobody anywhere a client of HTTP/2 may do: requests that are taken back at
// once, pings, settings, empty frames, windows opened by little. It comes back with time, and with
// what the client does to some purpose, so that one who works much may also ping much.
class Patience {
 public:
  // False when there is none left.
  bool Charge(Clock::time_point now) {
    if (now > since_) {
      const auto passed = std::chrono::duration_cast<std::chrono::milliseconds>(now - since_);
      left_ = std::min<int64_t>(kMost, left_ + passed.count() * kEachSecond / kSecond);
      since_ = now;
    }
    return --left_ >= 0;
  }
  void Refund() {
    if (left_ < kMost) ++left_;
  }

 private:
  static constexpr int64_t kMost = 1000, kEachSecond = 100, kSecond = 1000;
  int64_t left_ = kMost;
  Clock::time_point since_;
};

}  // namespace wasmoor::http
