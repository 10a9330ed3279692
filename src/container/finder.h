#pragma once

#include <string>

#include "wasmoor/base/result.h"
#include "wasmoor/jail/executor.h"
#include "wasmoor/os/fd.h"

namespace wasmoor::container {

// A program's file, as it is found on the host before the container's file tree is there.
struct ProgramFile {
  std::string path;  // In the container, absolute.
  os::Fd file;       // Readable, regular.
};

// Finds what execve(2) would: `path` itself if it has a slash, from the process's working directory
// if it is not absolute; else in the PATH of the process's environment. For the container's first
// process the bind mounts of its specification count as if they were there; what a link in the root
// says of a mount is not followed into it. The tree is hostile: nothing outside of it, or of a
// mount's source, is reached, and a device or FIFO is not opened. The execute permission does not
// matter. kNotFound: "…: no such file or directory" or "…: executable file not found in $PATH".
Result<ProgramFile> FindProgram(const jail::ProgramRequest& request, const std::string& path);

}  // namespace wasmoor::container
