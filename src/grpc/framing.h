#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "rpc/payload.h"
#include "wasmoor/base/result.h"

// What gRPC says in HTTP/2 (PROTOCOL-HTTP2.md): messages with a prefix, the status in trailers.
namespace wasmoor::grpc {

// Length-Prefixed-Message: a byte (1: compressed), the length as 4 bytes, big-endian.
constexpr size_t kPrefixBytes = 5;
std::string WithPrefix(const rpc::Payload& message);
std::string WithPrefix(std::string_view message);

// Which part of a call a message belongs to. Compression, which nobody here offers, is an error of
// another code in each ("Compression").
enum class Part : uint8_t { kRequest, kAnswer };

// Takes a stream of prefixed messages apart. Holds what has come of one message, at most its limit.
class MessageReader {
 public:
  MessageReader(Part part, size_t most_bytes) : part_(part), most_bytes_(most_bytes) {}

  // Calls `take` with each message that `bytes` complete. After an Error it is of no use.
  Status Take(std::span<const uint8_t> bytes, const std::function<void(std::string)>& take);
  // Nothing of a message that has not come whole.
  bool at_boundary() const { return prefix_.empty(); }

 private:
  Status CheckPrefix();

  Part part_;
  size_t most_bytes_;
  std::string prefix_, message_;
  size_t length_ = 0;
};

// The value of grpc-timeout: at most 8 digits and a unit; rounded up.
std::string TimeoutText(std::chrono::nanoseconds timeout);
// The same read; kLongestTimeout instead of what is longer. Nothing if it is no such value.
std::optional<std::chrono::nanoseconds> TimeoutFromText(std::string_view text);
constexpr std::chrono::hours kLongestTimeout{24 * 365 * 100};

// The value of grpc-message: what is not printable ASCII, and '%', as %XX ("Percent-Byte-Encoded").
std::string EncodePercents(std::string_view text);

// kUnknown for what is no status of gRPC's.
Code CodeFromText(std::string_view status);
// Where a server that does not know gRPC answered ("HTTP to gRPC status code mapping").
Code CodeFromHttp(int status);
// Where a stream was reset ("Errors": HTTP2 codes to gRPC's).
Code CodeFromReset(uint32_t error);

}  // namespace wasmoor::grpc
