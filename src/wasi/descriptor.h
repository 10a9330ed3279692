#pragma once

#include <sys/stat.h>

#include <cstdint>

#include "wasi/abi.h"
#include "wasmoor/os/fd.h"
#include "wasmoor/wasi/stream.h"

namespace wasmoor::wasi {

// The sets of rights that descriptors start with and that their types allow.
inline constexpr Rights kDirectoryRights =
    kRightFdDatasync | kRightFdSync | kRightFdFdstatSetFlags | kRightFdReaddir |
    kRightFdFilestatGet | kRightFdFilestatSetTimes | kRightPathCreateDirectory |
    kRightPathCreateFile | kRightPathLinkSource | kRightPathLinkTarget | kRightPathOpen |
    kRightPathReadlink | kRightPathRenameSource | kRightPathRenameTarget | kRightPathFilestatGet |
    kRightPathFilestatSetSize | kRightPathFilestatSetTimes | kRightPathSymlink |
    kRightPathRemoveDirectory | kRightPathUnlinkFile;
inline constexpr Rights kFileRights =
    kRightFdDatasync | kRightFdRead | kRightFdSeek | kRightFdFdstatSetFlags | kRightFdSync |
    kRightFdTell | kRightFdWrite | kRightFdAdvise | kRightFdAllocate | kRightFdFilestatGet |
    kRightFdFilestatSetSize | kRightFdFilestatSetTimes | kRightPollFdReadwrite;
inline constexpr Rights kSocketRights = kRightFdRead | kRightFdWrite | kRightFdFdstatSetFlags |
                                        kRightFdFilestatGet | kRightPollFdReadwrite |
                                        kRightSockShutdown;
inline constexpr Rights kListenerRights =
    kRightFdFdstatSetFlags | kRightFdFilestatGet | kRightPollFdReadwrite | kRightSockAccept;
// What a read-only preopen withholds. path_link's source is among them: a second name in a
// directory that is writable would make the file writable.
inline constexpr Rights kWritingRights =
    kRightFdWrite | kRightFdAllocate | kRightFdFilestatSetSize | kRightFdFilestatSetTimes |
    kRightPathCreateDirectory | kRightPathCreateFile | kRightPathLinkSource | kRightPathLinkTarget |
    kRightPathRenameSource | kRightPathRenameTarget | kRightPathFilestatSetSize |
    kRightPathFilestatSetTimes | kRightPathSymlink | kRightPathRemoveDirectory |
    kRightPathUnlinkFile;

// Where a descriptor came from, which says who else holds what it refers to.
enum class Origin : uint8_t {
  kClosed,    // The number is free.
  kStdio,     // Shared with whoever started the guest: its status flags are not the guest's to set.
  kPreopen,   // A granted directory, maybe O_PATH, maybe shared.
  kListener,  // A granted socket, maybe shared with other guests that accept from it.
  kOpened,    // By path_open: the guest's own.
  kAccepted,  // By sock_accept: the guest's own connection.
};

// One open descriptor of a guest. A plain value with an owner; the guest's thread only.
struct Descriptor {
  // Not valid, without a stream: standard I/O that was not granted, which reads as empty and
  // swallows.
  os::Fd file;
  Stream* stream = nullptr;  // In the place of a file. Borrowed.
  Origin origin = Origin::kClosed;
  FileType type = FileType::kUnknown;  // Only once type_known.
  bool type_known = false;
  bool maybe_directory = false;  // The type is not known, and a directory is possible.
  bool read_only = false;        // Comes from a read-only preopen.
  bool listed = false;           // fd_readdir was called on it.
  uint16_t flags = 0;            // The fdflags that the guest set and is told.
  int32_t preopen = -1;          // Which of Grants::preopens it is; -1 if none.
  uint64_t serial = 0;           // Never used twice in a table: survives a renumbering.
  Rights base = 0;
  Rights inheriting = 0;

  bool open() const { return origin != Origin::kClosed; }
  bool granted() const { return file.valid() || stream != nullptr; }
  bool is_socket() const { return origin == Origin::kAccepted || origin == Origin::kListener; }
  bool nonblocking() const { return (flags & kFdflagNonblock) != 0; }

  // The type, asked of the kernel the first time (fstat(2), and isatty(3) for a character device).
  // The rights that do not apply to it are then gone: what wasi-libc's isatty() looks at is a
  // character device without the right to seek.
  FileType Type();

  // Records a type that is known some other way.
  void SetType(FileType known);
};

FileType FileTypeOf(mode_t mode);

}  // namespace wasmoor::wasi
