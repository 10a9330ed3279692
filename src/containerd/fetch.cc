#include "containerd/fetch.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "containerd/image.h"
#include "wasmoor/base/units.h"
#include "wasmoor/os/file.h"

namespace wasmoor::containerd {
namespace {

// Hashed at once: well below a millisecond, so that the loop's others have their turn.
constexpr size_t kSlice = 128 << 10;

}  // namespace

void Fetch::Start(const Descriptor& blob, uint64_t most_bytes, OnBlob on_blob) {
  blob_ = blob;
  on_blob_ = std::move(on_blob);
  bytes_ = 0;
  hashed_ = 0;
  hash_ = Sha256();
  file_ = os::Fd();
  const auto digest = ParseDigest(blob_.digest);
  if (!digest) return Answer(tl::unexpected(digest.error()));
  digest_ = *digest;
  if (blob_.size > most_bytes) {
    return Answer(Fail(Code::kInvalidArgument, "{} is to have {}; {} is the most", blob_.digest,
                       FormatSize(blob_.size), FormatSize(most_bytes)));
  }
  if (auto kept = blobs_.Find(digest_, blob_.size)) return Answer(*std::move(kept));
  Read();
}

void Fetch::Read() {
  auto file = blobs_.NewFile();
  if (!file) return Answer(std::move(file));
  file_ = std::move(*file);
  // The store's client may outlive this.
  const auto alive = alive_;
  store_.Read(
      blob_.digest, blob_.size,
      [this, alive](std::string_view piece) -> Status {
        if (!*alive) return Fail(Code::kCancelled, "nobody waits for it");
        TRY(os::WriteAll(file_, piece));
        bytes_ += piece.size();
        return {};
      },
      [this, alive](Status status) {
        if (*alive) Check(std::move(status));
      });
}

void Fetch::Check(Status status) {
  if (!status) {
    const Error& error = status.error();
    if (error.code() == Code::kNotFound)
      return Answer(Fail(Code::kFailedPrecondition,
                         "containerd does not have {}: pull the image again, for its own platform; "
                         "if that does not help, see that discard_unpacked_layers is false in "
                         "containerd's configuration",
                         blob_.digest));
    const Code code = error.code() == Code::kOutOfRange ? Code::kInvalidArgument : error.code();
    return Answer(Fail(code, "{}: {}", blob_.digest, error.message()));
  }
  if (bytes_ != blob_.size)
    return Answer(Fail(Code::kInvalidArgument, "{} has {} bytes where the image says {}",
                       blob_.digest, bytes_, blob_.size));
  HashSome();
}

void Fetch::HashSome() {
  std::vector<uint8_t> slice(std::min<uint64_t>(kSlice, bytes_ - hashed_));
  const auto got = os::ReadAt(file_, slice, hashed_);
  if (!got) return Answer(tl::unexpected(got.error()));
  if (*got != slice.size())
    return Answer(Fail(Code::kDataLoss, "{}: a file of it was cut off", blob_.digest));
  hash_.Update(slice);
  hashed_ += slice.size();
  if (hashed_ == bytes_) return Compare();
  later_ = loop_.After({}, [this] { HashSome(); });
}

void Fetch::Compare() {
  const Digest found = hash_.Finish();
  if (found != digest_)
    return Answer(Fail(Code::kInvalidArgument,
                       "{} has other content than its name says, of {}: it was changed, remove "
                       "the image and pull it again",
                       blob_.digest, ToString(found)));
  Answer(blobs_.Keep(std::move(file_), digest_));
}

// May be the end of this.
void Fetch::Answer(Result<os::Fd> result) {
  const OnBlob on_blob = std::exchange(on_blob_, nullptr);
  on_blob(std::move(result));
}

}  // namespace wasmoor::containerd
