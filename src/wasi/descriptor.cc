#include "wasi/descriptor.h"

#include <unistd.h>

namespace wasmoor::wasi {
namespace {

constexpr Rights kStreamRights = kRightFdRead | kRightFdWrite | kRightFdFdstatSetFlags |
                                 kRightFdFilestatGet | kRightFdFilestatSetTimes |
                                 kRightPollFdReadwrite;

Rights RightsOf(FileType type) {
  switch (type) {
    case FileType::kDirectory: return kDirectoryRights;
    case FileType::kRegularFile:
    case FileType::kBlockDevice: return kFileRights;
    case FileType::kCharacterDevice: return kStreamRights | kRightFdSeek | kRightFdTell;
    case FileType::kSocketDgram:
    case FileType::kSocketStream: return kSocketRights | kListenerRights;
    case FileType::kSymbolicLink:
    case FileType::kUnknown: return kStreamRights;
  }
  return 0;
}

}  // namespace

FileType FileTypeOf(mode_t mode) {
  switch (mode & S_IFMT) {
    case S_IFREG: return FileType::kRegularFile;
    case S_IFDIR: return FileType::kDirectory;
    case S_IFLNK: return FileType::kSymbolicLink;
    case S_IFCHR: return FileType::kCharacterDevice;
    case S_IFBLK: return FileType::kBlockDevice;
    case S_IFSOCK: return FileType::kSocketStream;
    default: return FileType::kUnknown;
  }
}

FileType Descriptor::Type() {
  if (type_known) return type;
  struct stat status = {};
  if (file.valid() && fstat(file.get(), &status) != 0) return FileType::kUnknown;
  SetType(FileTypeOf(status.st_mode));
  return type;
}

void Descriptor::SetType(FileType known) {
  if (type_known) return;
  type = known;
  type_known = true;
  maybe_directory = false;
  Rights applicable = RightsOf(known);
  if (known == FileType::kCharacterDevice && isatty(file.get()) == 1)
    applicable &= ~(kRightFdSeek | kRightFdTell);
  base &= applicable;
  if (known != FileType::kDirectory && origin != Origin::kListener) inheriting = 0;
}

}  // namespace wasmoor::wasi
