#pragma once

#include <fcntl.h>
#include <limits.h>

#include "wasi/descriptor.h"
#include "wasi/reply.h"
#include "wasmoor/hostcall/function.h"
#include "wasmoor/os/fd.h"

// Paths that a guest chose. Whatever walks more than one component is walked by openat2(2) beneath
// the guest's directory; a system call that knows no such limit only ever gets one name, with a
// directory that was opened so, and must not follow the link that the name may be.
namespace wasmoor::wasi {

// A path copied out of guest memory, where it may change at any time, and then checked. On the
// stack of one call.
class GuestPath {
 public:
  // kFault, kNametoolong (PATH_MAX of limits.h), kInval for a NUL, kIlseq for what is not UTF-8.
  Errno Load(const hostcall::Memory& memory, Ptr address, Size length);

  const char* text() const { return text_; }
  bool absolute() const { return text_[0] == '/'; }
  bool ends_in_slash() const { return length_ > 0 && text_[length_ - 1] == '/'; }

  // One name with nothing to resolve: no '/', not "." or "..", not empty.
  bool plain() const;

  // Cuts the path into its last name, with at most one '/' after it, and `*parent` before it:
  // nullptr if it is the directory the path starts from. nullptr if there is no last name, since
  // the path ends in
  // "." or "..". text() is useless afterwards.
  const char* Split(const char** parent);

 private:
  size_t length_ = 0;
  char text_[PATH_MAX];
};

// open(2) of a path below a directory of the guest's. kRofs, without asking the kernel, if it would
// write below a read-only preopen.
Reply OpenBelow(const hostcall::Call& call, const Descriptor& directory, const char* path,
                int flags, mode_t mode, os::Fd* opened);

// Where a name is to be made, changed or removed: a directory and a name in it, for the calls of
// path_resolution(7) that leave the last component alone even if it is a link with '/' after it
// (mkdirat, unlinkat, renameat, symlinkat, linkat's new path).
class Place {
 public:
  // kRofs below a read-only preopen. `no_name` is the answer for a path that ends in "." or "..",
  // which exists and can be neither made nor removed.
  Reply Find(const hostcall::Call& call, const Descriptor& directory, GuestPath& path,
             Errno no_name);

  int directory() const { return opened_.valid() ? opened_.get() : start_->get(); }
  const char* name() const { return name_; }

 private:
  const os::Fd* start_ = nullptr;  // The guest's descriptor; outlives the call.
  os::Fd opened_;
  const char* name_ = nullptr;
};

// An existing file by path, for system calls that take (directory, name, flags): fstatat,
// utimensat, readlinkat. A plain name stands for itself in the guest's directory; anything else,
// and a link that is to be followed, is opened with O_PATH and stands as the empty name of that
// descriptor (AT_EMPTY_PATH).
class Target {
 public:
  enum class Link { kFollow, kItself };
  Reply Find(const hostcall::Call& call, const Descriptor& directory, const GuestPath& path,
             Link link);

  int directory() const { return opened_.valid() ? opened_.get() : start_->get(); }
  const char* name() const { return opened_.valid() ? "" : name_; }
  int at_flags() const { return opened_.valid() ? AT_EMPTY_PATH : AT_SYMLINK_NOFOLLOW; }

 private:
  const os::Fd* start_ = nullptr;  // The guest's descriptor; outlives the call.
  os::Fd opened_;
  const char* name_ = nullptr;
};

}  // namespace wasmoor::wasi
