#pragma once

#include <cstdint>
#include <functional>
#include <memory>

#include "containerd/blobs.h"
#include "wasmoor/containerd/store.h"
#include "wasmoor/loop/loop.h"

namespace wasmoor::containerd {

using OnBlob = std::function<void(Result<os::Fd>)>;

// Gets one blob of an image: from what this node keeps, else from containerd, held against its
// digest and size. Destroying it ends it without an answer. All that is given is borrowed.
class Fetch {
 public:
  Fetch(loop::Loop& loop, Store& store, const Blobs& blobs)
      : loop_(loop), store_(store), blobs_(blobs), alive_(std::make_shared<bool>(true)) {}
  ~Fetch() { *alive_ = false; }
  Fetch(const Fetch&) = delete;
  Fetch& operator=(const Fetch&) = delete;

  // One at a time. The answer may come from within, and may start the next. kInvalidArgument: more
  // than `most_bytes` are said to be in it, of which nothing is read then, or it is not what it is
  // said to be. kFailedPrecondition: containerd does not have it.
  void Start(const Descriptor& blob, uint64_t most_bytes, OnBlob on_blob);

 private:
  void Read();
  void Check(Status status);
  void HashSome();
  void Compare();
  void Answer(Result<os::Fd> result);

  loop::Loop& loop_;
  Store& store_;
  const Blobs& blobs_;
  const std::shared_ptr<bool> alive_;
  Descriptor blob_;
  Digest digest_{};
  OnBlob on_blob_;
  os::Fd file_;
  uint64_t bytes_ = 0;   // Read so far.
  uint64_t hashed_ = 0;  // Of them.
  Sha256 hash_;
  loop::Timer later_;
};

}  // namespace wasmoor::containerd
