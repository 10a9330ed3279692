#include "wasmoor/base/error.h"

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "wasmoor/base/check.h"
#include "wasmoor/base/result.h"

namespace wasmoor {

std::string_view CodeName(Code code) {
  switch (code) {
    case Code::kOk: return "ok";
    case Code::kCancelled: return "cancelled";
    case Code::kUnknown: return "unknown";
    case Code::kInvalidArgument: return "invalid_argument";
    case Code::kDeadlineExceeded: return "deadline_exceeded";
    case Code::kNotFound: return "not_found";
    case Code::kAlreadyExists: return "already_exists";
    case Code::kPermissionDenied: return "permission_denied";
    case Code::kResourceExhausted: return "resource_exhausted";
    case Code::kFailedPrecondition: return "failed_precondition";
    case Code::kAborted: return "aborted";
    case Code::kOutOfRange: return "out_of_range";
    case Code::kUnimplemented: return "unimplemented";
    case Code::kInternal: return "internal";
    case Code::kUnavailable: return "unavailable";
    case Code::kDataLoss: return "data_loss";
    case Code::kUnauthenticated: return "unauthenticated";
  }
  return "unknown";
}

Code CodeFromErrno(int error_number) {
  switch (error_number) {
    case 0: return Code::kOk;
    case EINTR:
    case ECANCELED: return Code::kCancelled;
    case EINVAL:
    case ENAMETOOLONG:
    case EILSEQ:
    case EBADF:
    case ENOTDIR:
    case EISDIR: return Code::kInvalidArgument;
    case ETIMEDOUT: return Code::kDeadlineExceeded;
    case ENOENT:
    case ESRCH:
    case ENODEV:
    case ENXIO: return Code::kNotFound;
    case EEXIST: return Code::kAlreadyExists;
    case EPERM:
    case EACCES:
    case EROFS:
    case EXDEV: return Code::kPermissionDenied;
    case ENOMEM:
    case ENOSPC:
    case EDQUOT:
    case EMFILE:
    case ENFILE:
    case EFBIG: return Code::kResourceExhausted;
    case EBUSY:
    case ENOTEMPTY:
    case ELOOP: return Code::kFailedPrecondition;
    case EDEADLK: return Code::kAborted;
    case EOVERFLOW:
    case ERANGE: return Code::kOutOfRange;
    case ENOSYS:
    case EOPNOTSUPP: return Code::kUnimplemented;
    case EAGAIN:
    case ECONNREFUSED:
    case ECONNRESET: return Code::kUnavailable;
    case EIO: return Code::kDataLoss;
    default: return Code::kUnknown;
  }
}

Error&& Error::WithContext(std::string_view context) && {
  message_.insert(0, ": ");
  message_.insert(0, context);
  return std::move(*this);
}

tl::unexpected<Error> FailErrnoText(int error_number, std::string context) {
  context += ": ";
  context += strerror(error_number);
  return tl::unexpected(Error(CodeFromErrno(error_number), std::move(context), error_number));
}

namespace internal {
void CheckFailed(const char* file, int line, const char* condition) {
  fprintf(stderr, "wasmoor: internal error at %s:%d: %s does not hold; please report it\n", file,
          line, condition);
  abort();
}
}  // namespace internal

}  // namespace wasmoor
