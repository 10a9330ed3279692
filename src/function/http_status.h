#pragma once

#include "wasmoor/base/error.h"

namespace wasmoor::function {

// RFC 9110, section 15; 429 is of RFC 6585.
inline constexpr unsigned kBadRequest = 400, kNotFound = 404, kTooLarge = 413, kTooMany = 429,
                          kInternal = 500, kBadGateway = 502, kUnavailable = 503,
                          kGatewayTimeout = 504;

// What a client is told whose request cannot be served for this reason.
inline unsigned StatusOf(const Error& error) {
  switch (error.code()) {
    case Code::kInvalidArgument:
    case Code::kOutOfRange: return kBadRequest;
    case Code::kNotFound: return kNotFound;
    case Code::kResourceExhausted: return kTooMany;
    case Code::kUnavailable:
    case Code::kFailedPrecondition: return kUnavailable;
    case Code::kDeadlineExceeded: return kGatewayTimeout;
    default: return kInternal;
  }
}

// And where it is the function that cannot be had: what the request says is not at fault.
inline unsigned StatusOfMissing(const Error& error) {
  const unsigned status = StatusOf(error);
  if (status == kTooMany) return kUnavailable;
  return status == kBadRequest ? kInternal : status;
}

}  // namespace wasmoor::function
