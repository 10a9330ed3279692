#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "wasmoor/base/result.h"
#include "wasmoor/node/place.h"
#include "wasmoor/os/fd.h"

namespace wasmoor::node {

struct Record {
  Place place;
  std::string socket;  // Where its task service listens.
};

// What is written down of a node's sandboxes, so that another daemon can serve them again:
//
//     DIRECTORY/NAMESPACE/ID/sandbox.json   a Record; written beside its name and renamed
//     DIRECTORY/NAMESPACE/ID/               whoever serves the sandbox keeps what else it has here
//
// There is no fsync: the directory is in a tmpfs (/run), which does not outlive a power cut, as the
// sandboxes do not. One thread.
class Records {
 public:
  // Makes the directory, mode 0700. kPermissionDenied if somebody else could write it.
  static Result<Records> Open(const std::string& directory);

  Status Write(const Record& record);
  // The sandbox's directory with all that is in it; no error if it is not there.
  Status Remove(const Key& key);
  std::string DirectoryOf(const Key& key) const;

  // Those that are whole. `warn` hears of what is none, which is left where it is: a line each.
  Result<std::vector<Record>> ReadAll(const std::function<void(std::string_view)>& warn) const;

  // Removes what a process has begun to write that was killed meanwhile: directories without a
  // Record.
  void RemoveUnfinished() const;

  // Held against all others who would serve from this directory, until this is destroyed or its
  // process ends. kFailedPrecondition: somebody else does, which is waited for, some seconds.
  Status Lock();

 private:
  Records(std::string directory, os::Fd opened)
      : directory_(std::move(directory)), opened_(std::move(opened)) {}
  std::string directory_;
  os::Fd opened_, lock_;
};

}  // namespace wasmoor::node
