#include "function/ask.h"

#include <algorithm>
#include <charconv>

#include "wasmoor/base/ascii.h"

namespace wasmoor::function {
namespace {

constexpr std::string_view kCpu = "cpu_quota", kMemory = "memory-request",
                           kTime = "request-timeout";
constexpr uint64_t kMebibyte = 1 << 20;
constexpr uint64_t kMost = uint64_t{1} << 40;  // Of any number; so nothing overflows.

std::string_view Trim(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

Result<uint64_t> ParseNumber(std::string_view text, std::string_view field) {
  uint64_t number = 0;
  const char* const end = text.data() + text.size();
  const auto [stopped, failed] = std::from_chars(text.data(), end, number);
  if (text.empty() || failed != std::errc() || stopped != end || number == 0 || number > kMost)
    return Fail(Code::kInvalidArgument, "{}: not a whole number greater than 0", field);
  return number;
}

// Nothing if the field is not there.
Result<std::string_view> ValueOf(const Head& head, std::string_view field) {
  const std::string_view* const value = head.Find(field);
  if (value == nullptr) return std::string_view();
  if (head.Count(field) > 1) return Fail(Code::kInvalidArgument, "{}: given twice", field);
  return Trim(*value);
}

Result<std::chrono::milliseconds> ParseTime(std::string_view text) {
  if (text.ends_with("ms")) {
    text.remove_suffix(2);
    return std::chrono::milliseconds(TRY(ParseNumber(text, kTime)));
  }
  if (text.ends_with('s')) text.remove_suffix(1);
  return std::chrono::seconds(std::min(TRY(ParseNumber(text, kTime)), kMost / 1000));
}

}  // namespace

Result<Allowance> ReadAllowance(const Head& head, const Allowance& usual, const Allowance& most) {
  Allowance wanted = usual;
  bool cpu = false, memory = false, time = false;
  // One pass, since most requests have none of them.
  for (const http::Field& field : head.fields()) {
    cpu = cpu || IsSameName(field.name, kCpu);
    memory = memory || IsSameName(field.name, kMemory);
    time = time || IsSameName(field.name, kTime);
  }
  if (cpu) {
    const uint64_t asked = TRY(ParseNumber(TRY(ValueOf(head, kCpu)), kCpu));
    if (asked > most.millicores) {
      return Fail(Code::kOutOfRange, "{}: {} millicores, and a request may have {} here", kCpu,
                  asked, most.millicores);
    }
    wanted.millicores = static_cast<uint32_t>(asked);
  }
  if (memory) {
    const uint64_t asked = TRY(ParseNumber(TRY(ValueOf(head, kMemory)), kMemory));
    if (asked > most.memory_bytes / kMebibyte) {
      return Fail(Code::kOutOfRange, "{}: {} MB, and a request may have {} MB here", kMemory, asked,
                  most.memory_bytes / kMebibyte);
    }
    wanted.memory_bytes = asked * kMebibyte;
  }
  if (time) wanted.time = TRY(ParseTime(TRY(ValueOf(head, kTime))));
  wanted.time = std::min(wanted.time, most.time);
  return wanted;
}

}  // namespace wasmoor::function
