#include "grpc/framing.h"

#include <nghttp2/nghttp2.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <iterator>

#include "wasmoor/base/units.h"

namespace wasmoor::grpc {
namespace {

constexpr uint8_t kBitsOfByte = 8;

size_t LengthIn(std::string_view prefix) {
  size_t length = 0;
  for (const char byte : prefix.substr(1)) {
    length = length << kBitsOfByte | static_cast<uint8_t>(byte);
  }
  return length;
}

}  // namespace

std::string WithPrefix(const rpc::Payload& message) {
  std::string bytes(kPrefixBytes + message.size(), '\0');
  for (size_t i = 1; i < kPrefixBytes; ++i) {
    bytes[i] = static_cast<char>(message.size() >> (kBitsOfByte * (kPrefixBytes - 1 - i)));
  }
  message.Write(bytes.data() + kPrefixBytes);
  return bytes;
}

std::string WithPrefix(std::string_view message) { return WithPrefix(rpc::Payload(message)); }

Status MessageReader::Take(std::span<const uint8_t> bytes,
                           const std::function<void(std::string)>& take) {
  while (!bytes.empty()) {
    const bool in_prefix = prefix_.size() < kPrefixBytes;
    std::string& part = in_prefix ? prefix_ : message_;
    const size_t missing = (in_prefix ? kPrefixBytes : length_) - part.size();
    const auto now = bytes.first(std::min(missing, bytes.size()));
    part.append(now.begin(), now.end());
    bytes = bytes.subspan(now.size());
    if (in_prefix && prefix_.size() == kPrefixBytes) {
      TRY(CheckPrefix());
    }
    if (prefix_.size() == kPrefixBytes && message_.size() == length_) {
      take(std::move(message_));
      message_.clear();
      prefix_.clear();
    }
  }
  return {};
}

Status MessageReader::CheckPrefix() {
  const bool answer = part_ == Part::kAnswer;
  if (prefix_.front() != 0)
    return Fail(answer ? Code::kInternal : Code::kUnimplemented,
                "the {} is compressed, which nobody asked for", answer ? "answer" : "request");
  length_ = LengthIn(prefix_);
  if (length_ > most_bytes_)
    return Fail(Code::kResourceExhausted, "the {} has {} bytes; {} is the most",
                answer ? "answer" : "request", length_, FormatSize(most_bytes_));
  return {};
}

std::string TimeoutText(std::chrono::nanoseconds timeout) {
  constexpr int64_t kMost = 99'999'999;
  const auto millis = std::chrono::ceil<std::chrono::milliseconds>(timeout).count();
  if (millis <= kMost) return fmt::format("{}m", std::max<int64_t>(millis, 1));
  const auto seconds = std::chrono::ceil<std::chrono::seconds>(timeout).count();
  return fmt::format("{}S", std::min<int64_t>(seconds, kMost));
}

std::optional<std::chrono::nanoseconds> TimeoutFromText(std::string_view text) {
  using std::chrono::nanoseconds;
  constexpr size_t kMostDigits = 8;
  constexpr std::string_view kUnits = "numSMH";
  constexpr std::array<nanoseconds, kUnits.size()> kSizes = {
      nanoseconds(1),          std::chrono::microseconds(1), std::chrono::milliseconds(1),
      std::chrono::seconds(1), std::chrono::minutes(1),      std::chrono::hours(1)};
  if (text.size() < 2 || text.size() > kMostDigits + 1) return std::nullopt;
  const size_t unit = kUnits.find(text.back());
  text.remove_suffix(1);
  int64_t count = 0;
  const auto [rest, failed] = std::from_chars(text.data(), text.data() + text.size(), count);
  if (unit == std::string_view::npos || failed != std::errc() ||
      rest != text.data() + text.size() || count < 0)
    return std::nullopt;
  const nanoseconds size = kSizes.at(unit);
  return count > kLongestTimeout / size ? nanoseconds(kLongestTimeout) : count * size;
}

std::string EncodePercents(std::string_view text) {
  std::string encoded;
  for (const char byte : text) {
    if (byte >= ' ' && byte <= '~' && byte != '%')
      encoded += byte;
    else
      fmt::format_to(std::back_inserter(encoded), "%{:02X}", static_cast<uint8_t>(byte));
  }
  return encoded;
}

Code CodeFromText(std::string_view status) {
  unsigned number = 0;
  const char* const end = status.data() + status.size();
  const auto [rest, failed] = std::from_chars(status.data(), end, number);
  if (failed != std::errc() || rest != end ||
      number > static_cast<unsigned>(Code::kUnauthenticated)) {
    return Code::kUnknown;
  }
  return static_cast<Code>(number);
}

Code CodeFromHttp(int status) {
  switch (status) {
    case 400: return Code::kInternal;
    case 401: return Code::kUnauthenticated;
    case 403: return Code::kPermissionDenied;
    case 404: return Code::kUnimplemented;
    case 429:
    case 502:
    case 503:
    case 504: return Code::kUnavailable;
    default: return Code::kUnknown;
  }
}

Code CodeFromReset(uint32_t error) {
  switch (error) {
    case NGHTTP2_REFUSED_STREAM: return Code::kUnavailable;
    case NGHTTP2_CANCEL: return Code::kCancelled;
    case NGHTTP2_ENHANCE_YOUR_CALM: return Code::kResourceExhausted;
    case NGHTTP2_INADEQUATE_SECURITY: return Code::kPermissionDenied;
    default: return Code::kInternal;
  }
}

}  // namespace wasmoor::grpc
