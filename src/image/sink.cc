#include "image/sink.h"

#include "wasmoor/os/file.h"

namespace wasmoor::image {

Status FileSink::Write(std::span<const uint8_t> bytes) {
  TRY(os::WriteAll(file_, bytes));
  bytes_ += bytes.size();
  hash_.Update(bytes);
  return {};
}

Status HashSink::Write(std::span<const uint8_t> bytes) {
  hash_.Update(bytes);
  return next_.Write(bytes);
}

}  // namespace wasmoor::image
