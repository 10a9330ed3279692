#pragma once

#include <sys/stat.h>
#include <sys/statfs.h>

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "wasmoor/base/result.h"
#include "wasmoor/os/fd.h"

// Files by descriptor. Every call goes on when a signal interrupts it (EINTR) and when the kernel
// does a part of it only; an Error carries the errno and names the file where the call knows a
// name. Every descriptor made here is close-on-exec.
namespace wasmoor::os {

// openat(2). `mode` counts if `flags` can make a file.
Result<Fd> OpenAt(const Fd& directory, const char* name, int flags, mode_t mode = 0);

// Another descriptor of the same open file (F_DUPFD_CLOEXEC), O_PATH ones too.
Result<Fd> Duplicate(const Fd& file);

Result<struct stat> Stat(const Fd& file);
// Of the name itself: a symbolic link is not followed.
Result<struct stat> StatAt(const Fd& directory, const char* name);
Result<struct statfs> StatFilesystem(const Fd& file);
// Do both tell of one file (st_dev and st_ino, stat(3type))?
bool IsSameFile(const struct stat& one, const struct stat& other);
// Is this file what the name itself stands for, and no other that has come in its place?
bool IsNamed(const Fd& file, const Fd& directory, const char* name);

// Reads from `offset` until `out` is full or the file ends: less than out.size() means end of file.
// The descriptor's own position does not matter and does not move.
Result<size_t> ReadAt(const Fd& file, std::span<uint8_t> out, uint64_t offset);

// All of a file, at most `max_bytes` (kOutOfRange beyond). A regular file is read from its start, a
// pipe, terminal or socket from where it stands to its end.
Result<std::vector<uint8_t>> ReadAll(const Fd& file, uint64_t max_bytes);

// Appends all of `bytes` at the descriptor's position. After an Error some of it may be written.
Status WriteAll(const Fd& file, std::span<const uint8_t> bytes);
Status WriteAll(const Fd& file, std::string_view text);
Status WriteAt(const Fd& file, std::span<const uint8_t> bytes, uint64_t offset);

// The names in a directory, without "." and "..", in no order. `directory` may be O_PATH.
Result<std::vector<std::string>> ReadNames(const Fd& directory);

// `flags`: AT_REMOVEDIR for a directory.
Status UnlinkAt(const Fd& directory, const char* name, int flags = 0);
Status RenameAt(const Fd& directory, const char* from, const char* to);

// A file without a name (O_TMPFILE), readable and writable, which vanishes with its last descriptor
// unless it is linked. kUnimplemented where the filesystem has no such files.
Result<Fd> OpenUnnamed(const Fd& directory, mode_t mode);
// Gives it its name, all at once. kAlreadyExists if the name is taken.
Status LinkUnnamed(const Fd& file, const Fd& directory, const char* name);

// Takes the exclusive flock(2) of the open file, which its descriptor then holds until it is closed
// in every process that has it, or the last of them dies. False if somebody else has it.
Result<bool> TryLock(const Fd& file);
// Ends that, whoever else has the descriptor.
void Unlock(const Fd& file);

// Sets the times of last access and modification to now.
Status Touch(const Fd& file);

}  // namespace wasmoor::os
