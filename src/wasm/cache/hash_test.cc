#include "wasm/cache/hash.h"

#include "cache/support.h"

namespace wasmoor::wasm {
namespace {

using test::BytesOf;
using test::Must;

TEST(HashTest, OfAFileIsThatOfItsBytesAtEverySizeRoundTheBuffer) {
  const test::ScratchDirectory scratch;
  for (const size_t size : {size_t{0}, size_t{1}, kReadBuffer - 1, kReadBuffer, kReadBuffer + 1,
                            2 * kReadBuffer, 5 * kReadBuffer + 17}) {
    std::string content(size, 'x');
    for (size_t i = 0; i < size; ++i) content[i] = static_cast<char>(i * 7);
    test::WriteFile(scratch / "file", content);
    const os::Fd file = Must(os::OpenAt(os::Fd(), (scratch / "file").c_str(), O_RDONLY));
    EXPECT_EQ(Must(HashOfFile(file)), HashOf(BytesOf(content))) << size;
  }
}

}  // namespace
}  // namespace wasmoor::wasm
