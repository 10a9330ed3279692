#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace wasmoor {

// What went wrong, as a number a caller can act on. The numbers are gRPC's (google.rpc.Code), so an
// error crosses a wire unchanged.
enum class Code : uint8_t {
  kOk = 0,
  kCancelled = 1,
  kUnknown = 2,
  kInvalidArgument = 3,
  kDeadlineExceeded = 4,
  kNotFound = 5,
  kAlreadyExists = 6,
  kPermissionDenied = 7,
  kResourceExhausted = 8,
  kFailedPrecondition = 9,
  kAborted = 10,
  kOutOfRange = 11,
  kUnimplemented = 12,
  kInternal = 13,
  kUnavailable = 14,
  kDataLoss = 15,
  kUnauthenticated = 16,
};

std::string_view CodeName(Code code);  // "not_found"; never empty.
Code CodeFromErrno(int error_number);  // errno(3) to the nearest Code; kUnknown if there is none.

// A failure: a code for the program, a sentence for the operator, and the errno that caused it (0
// if none). Plain value; copyable; any thread. Context is added in front on the way up: "run
// a.wasm: open: No such file or directory".
class [[nodiscard]] Error {
 public:
  Error(Code code, std::string message, int error_number = 0)
      : code_(code), errno_(error_number), message_(std::move(message)) {}

  Code code() const { return code_; }
  int error_number() const { return errno_; }
  const std::string& message() const { return message_; }

  Error&& WithContext(std::string_view context) &&;

 private:
  Code code_;
  int errno_;
  std::string message_;
};

}  // namespace wasmoor
