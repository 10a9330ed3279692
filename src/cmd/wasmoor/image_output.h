#pragma once

#include <string>

#include "wasmoor/base/result.h"
#include "wasmoor/os/fd.h"

namespace wasmoor::cmd {

// A file that is there whole or not at all: what is written goes into one without a name, which
// Publish puts in the place of whatever was called so. Whoever dies before leaves nothing.
class ImageOutput {
 public:
  // "-" is standard output. kFailedPrecondition: a directory, a terminal, a file that may not be
  // written.
  static Result<ImageOutput> Open(const std::string& name);

  const os::Fd& file() const { return file_; }  // To write into, from its start.
  Status Publish();

 private:
  enum class Kind : uint8_t { kFile, kStream };

  Status Link();
  Status CopyTo(const os::Fd& target) const;

  Kind kind_ = Kind::kFile;
  std::string path_, leaf_;  // Of a file: its name in the folder.
  os::Fd folder_, target_, file_;
  bool is_unnamed_ = false;  // `file_` lies in the folder's file system and can be given a name.
};

}  // namespace wasmoor::cmd
