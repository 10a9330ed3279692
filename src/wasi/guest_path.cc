#include "wasi/guest_path.h"

#include <sys/stat.h>

#include <cstring>
#include <string_view>

#include "wasi/utf8.h"
#include "wasmoor/os/path.h"

namespace wasmoor::wasi {
namespace {

bool IsDots(std::string_view name) { return name == "." || name == ".."; }

bool Writes(int flags) {
  return (flags & O_ACCMODE) != O_RDONLY || (flags & (O_CREAT | O_TRUNC)) != 0;
}

}  // namespace

Errno GuestPath::Load(const hostcall::Memory& memory, Ptr address, Size length) {
  const uint8_t* from = memory.At(address, length);
  if (from == nullptr) return Errno::kFault;
  if (length >= sizeof(text_)) return Errno::kNametoolong;
  std::memcpy(text_, from, length);
  text_[length] = '\0';
  length_ = length;
  if (std::memchr(text_, '\0', length) != nullptr) return Errno::kInval;
  return IsUtf8({text_, length}) ? Errno::kSuccess : Errno::kIlseq;
}

bool GuestPath::plain() const {
  const std::string_view path(text_, length_);
  return !path.empty() && path.find('/') == std::string_view::npos && !IsDots(path);
}

const char* GuestPath::Split(const char** parent) {
  const std::string_view path(text_, length_);
  const size_t last = path.find_last_not_of('/');
  const size_t slash = path.find_last_of('/', last);
  const size_t start = slash == std::string_view::npos ? 0 : slash + 1;
  if (IsDots(path.substr(start, last + 1 - start))) return nullptr;
  if (last + 2 < length_) text_[last + 2] = '\0';  // One '/' says what many do.
  *parent = nullptr;
  if (start > 0) {
    text_[start - 1] = '\0';
    *parent = text_;
  }
  return text_ + start;
}

Reply OpenBelow(const hostcall::Call& call, const Descriptor& directory, const char* path,
                int flags, mode_t mode, os::Fd* opened) {
  if (directory.read_only && Writes(flags)) return Errno::kRofs;
  for (;;) {
    auto result = os::OpenBeneath(directory.file, path, flags, mode);
    if (result) {
      *opened = std::move(*result);
      return Errno::kSuccess;
    }
    if (result.error() != EINTR) return FromBeneath(result.error());
    if (call.interrupt.requested()) return hostcall::Outcome::kStopped;
  }
}

Reply Place::Find(const hostcall::Call& call, const Descriptor& directory, GuestPath& path,
                  Errno no_name) {
  if (directory.read_only) return Errno::kRofs;
  if (path.absolute()) return Errno::kNotcapable;
  if (path.text()[0] == '\0') return Errno::kNoent;
  start_ = &directory.file;
  const char* parent = nullptr;
  name_ = path.Split(&parent);
  if (name_ == nullptr) {
    // It may lead out, or nowhere, and then that is the answer.
    const Reply reply = OpenBelow(call, directory, path.text(), O_PATH | O_DIRECTORY, 0, &opened_);
    return reply.ok() ? Reply(no_name) : reply;
  }
  if (parent == nullptr) return Errno::kSuccess;
  return OpenBelow(call, directory, parent, O_PATH | O_DIRECTORY, 0, &opened_);
}

Reply Target::Find(const hostcall::Call& call, const Descriptor& directory, const GuestPath& path,
                   Link link) {
  start_ = &directory.file;
  name_ = path.text();
  if (path.plain() && link == Link::kItself) return Errno::kSuccess;
  const int follow = link == Link::kFollow ? 0 : O_NOFOLLOW;
  return OpenBelow(call, directory, path.text(), O_PATH | follow, 0, &opened_);
}

}  // namespace wasmoor::wasi
