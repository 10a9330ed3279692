// SHA1_Init and its companions are deprecated in favour of EVP, which sets the whole library up.
#define OPENSSL_SUPPRESS_DEPRECATED

#include "knative/handshake.h"

#include <openssl/evp.h>
#include <openssl/sha.h>

#include <boost/beast/core/string.hpp>
#include <boost/beast/http/basic_parser.hpp>
#include <boost/beast/http/error.hpp>
#include <span>

namespace wasmoor::knative {
namespace {

namespace beast = boost::beast;
using ErrorCode = boost::system::error_code;

// Section 1.3.
constexpr std::string_view kGuid = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
constexpr unsigned kSwitching = 101;

std::string_view View(beast::string_view text) { return {text.data(), text.size()}; }

std::string Base64(std::span<const uint8_t> bytes) {
  // Four characters for three bytes, and a NUL at the end.
  std::string text((bytes.size() + 2) / 3 * 4 + 1, '\0');
  ::EVP_EncodeBlock(reinterpret_cast<uint8_t*>(text.data()), bytes.data(),
                    static_cast<int>(bytes.size()));
  text.pop_back();
  return text;
}

bool SameWord(std::string_view one, std::string_view other) {
  return beast::iequals({one.data(), one.size()}, {other.data(), other.size()});
}

// Whether a list of words, of which some may be of no use to us, has this one.
bool HasWord(std::string_view list, std::string_view word) {
  while (!list.empty()) {
    const size_t end = std::min(list.find(','), list.size());
    std::string_view one = list.substr(0, end);
    one.remove_prefix(std::min(one.find_first_not_of(" \t"), one.size()));
    one = one.substr(0, one.find_last_not_of(" \t") + 1);
    if (SameWord(one, word)) return true;
    list.remove_prefix(std::min(end + 1, list.size()));
  }
  return false;
}

class Grammar : public beast::http::basic_parser<false> {
 public:
  Grammar() { header_limit(kMostHandshake); }

  unsigned status = 0;
  bool upgrades = false, connects = false, is_agreed_upon_more = false;
  int accepts = 0;
  std::string accept;

 private:
  void on_request_impl(beast::http::verb, beast::string_view, beast::string_view, int,
                       ErrorCode& error) override {
    error = beast::http::error::bad_version;
  }
  void on_response_impl(int of, beast::string_view, int, ErrorCode& error) override {
    error = {};
    status = of;
  }
  void on_field_impl(beast::http::field name, beast::string_view, beast::string_view value,
                     ErrorCode& error) override {
    using beast::http::field;
    error = {};
    if (name == field::upgrade) upgrades = upgrades || SameWord(View(value), "websocket");
    if (name == field::connection) connects = connects || HasWord(View(value), "upgrade");
    if (name == field::sec_websocket_extensions || name == field::sec_websocket_protocol)
      is_agreed_upon_more = true;
    if (name != field::sec_websocket_accept) return;
    ++accepts;
    accept = View(value);
  }
  void on_header_impl(ErrorCode& error) override { error = {}; }
  void on_body_init_impl(boost::optional<uint64_t> const&, ErrorCode& error) override {
    error = {};
  }
  size_t on_body_impl(beast::string_view body, ErrorCode& error) override {
    error = {};
    return body.size();
  }
  void on_chunk_header_impl(uint64_t, beast::string_view, ErrorCode& error) override { error = {}; }
  size_t on_chunk_body_impl(uint64_t, beast::string_view body, ErrorCode& error) override {
    return on_body_impl(body, error);
  }
  void on_finish_impl(ErrorCode& error) override { error = {}; }
};

}  // namespace

std::string KeyOf(const Nonce& nonce) { return Base64(nonce); }

std::string AcceptFor(std::string_view key) {
  std::array<uint8_t, SHA_DIGEST_LENGTH> digest;
  SHA_CTX context;
  ::SHA1_Init(&context);
  ::SHA1_Update(&context, key.data(), key.size());
  ::SHA1_Update(&context, kGuid.data(), kGuid.size());
  ::SHA1_Final(digest.data(), &context);
  return Base64(digest);
}

std::string HandshakeRequest(std::string_view authority, std::string_view path,
                             std::string_view key) {
  return fmt::format(
      "GET {} HTTP/1.1\r\nHost: {}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
      "Sec-WebSocket-Key: {}\r\nSec-WebSocket-Version: 13\r\n"
      "User-Agent: wasmoor/" WASMOOR_VERSION "\r\n\r\n",
      path, authority, key);
}

Status CheckHandshake(std::string_view head, std::string_view key) {
  Grammar grammar;
  ErrorCode error;
  grammar.put({head.data(), head.size()}, error);
  if (error && error != beast::http::error::need_more)
    return Fail(Code::kInternal, "it answers in no HTTP: {}", error.message());
  if (grammar.status != kSwitching)
    return Fail(Code::kInternal, "it answers with status {} instead of a WebSocket",
                grammar.status);
  if (!grammar.upgrades || !grammar.connects)
    return Fail(Code::kInternal, "it switches to something else than a WebSocket");
  if (grammar.accepts != 1 || grammar.accept != AcceptFor(key))
    return Fail(Code::kInternal, "its Sec-WebSocket-Accept does not answer our key");
  if (grammar.is_agreed_upon_more)
    return Fail(Code::kInternal, "it wants an extension or a protocol that nobody asked for");
  return {};
}

}  // namespace wasmoor::knative
