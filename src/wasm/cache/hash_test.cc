#include "wasm/cache/hash.h"

#include "cache/support.h"

namespace wasmoor::wasm {
namespace {

using test::BytesOf;
using test::Must;

TEST(HashTest, IsSha256) {
  // FIPS 180-2, appendix B.
  EXPECT_EQ(ToHex(HashOf(BytesOf("abc"))),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(ToHex(HashOf(BytesOf("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"))),
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
  EXPECT_EQ(ToHex(HashOf({})), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}

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
