#include "ttrpc/wire.h"

#include <google/protobuf/io/coded_stream.h>

#include "wasmoor/base/printable.h"
#include "wasmoor/ttrpc/call.h"

namespace wasmoor::ttrpc {
namespace {

using google::protobuf::io::CodedOutputStream;

constexpr size_t kMostText = 16 << 10;
constexpr int kLengthDelimited = 2;  // The wire type (protobuf's encoding).

}  // namespace

size_t FieldSize(size_t payload) {
  if (payload == 0) return 0;
  return 1 + CodedOutputStream::VarintSize32(static_cast<uint32_t>(payload)) + payload;
}

char* WriteFieldHead(int number, size_t payload, char* out) {
  if (payload == 0) return out;
  *out = static_cast<char>(number << 3 | kLengthDelimited);
  auto* place = reinterpret_cast<uint8_t*>(out + 1);
  place = CodedOutputStream::WriteVarint32ToArray(static_cast<uint32_t>(payload), place);
  return reinterpret_cast<char*>(place);
}

std::string WireText(const Error& error) {
  return Printable(std::string_view(error.message()).substr(0, kMostText), Lines::kMany);
}

Error TooLong(std::string_view what, size_t bytes) {
  return Error(Code::kResourceExhausted, fmt::format("{}: {} bytes are more than the {} of a frame",
                                                     what, bytes, kMostInFrame));
}

}  // namespace wasmoor::ttrpc
