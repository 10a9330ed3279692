#include "function/preopens.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>

namespace wasmoor::function {

Result<wasi::Preopen> CopyOf(const wasi::Preopen& preopen) {
  wasi::Preopen copy;
  copy.host = preopen.host;
  copy.guest = preopen.guest;
  copy.access = preopen.access;
  copy.directory = os::Fd(::fcntl(preopen.directory.get(), F_DUPFD_CLOEXEC, STDERR_FILENO + 1));
  if (!copy.directory.valid()) return FailErrno(errno, "{}", preopen.host);
  return copy;
}

std::vector<os::OpenTree> TreesOf(const Granted& granted) {
  std::vector<os::OpenTree> trees;
  for (const wasi::Preopen& one : granted.preopens) {
    trees.push_back({.tree = &one.directory,
                     .access = one.access == wasi::Access::kReadOnly ? os::OpenTree::Access::kRead
                                                                     : os::OpenTree::Access::kAll});
  }
  return trees;
}

}  // namespace wasmoor::function
