#pragma once

#include <sys/uio.h>

#include "wasi/reply.h"
#include "wasmoor/hostcall/function.h"

namespace wasmoor::wasi {

// A guest's list of buffers, checked, as the kernel takes it: the data is moved between file and
// guest memory without a copy. Empty buffers are left out. Of a longer list the first kMost are
// taken, so that less than all is moved, which readers and writers must expect anyway. On the stack
// of one call.
class Buffers {
 public:
  static constexpr int kMost = 1024;  // UIO_MAXIOV of readv(2).

  // kFault if the list or a buffer of it is outside the guest's memory.
  Reply Load(const hostcall::Call& call, Ptr list, Size count);

  const iovec* data() const { return vectors_; }
  iovec* data() { return vectors_; }
  int count() const { return count_; }
  bool single() const { return count_ <= 1; }
  void* base() const { return count_ == 0 ? nullptr : vectors_[0].iov_base; }
  size_t length() const { return count_ == 0 ? 0 : vectors_[0].iov_len; }
  uint64_t total() const;

 private:
  int count_ = 0;
  iovec vectors_[kMost];
};

}  // namespace wasmoor::wasi
