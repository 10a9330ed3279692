#include "http/parser.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <string>

namespace wasmoor::http {
namespace {

class ParserTest : public testing::Test {
 protected:
  // "METHOD target|name=value|...|body|trailer=value" of a request that comes in pieces of `step`
  // bytes; or the status it is refused with; or "..." behind what there is while more is needed.
  std::string Parse(const std::string& bytes, size_t step = SIZE_MAX) {
    Parser parser(limits_);
    std::string in, said, body;
    for (size_t at = 0; at < bytes.size() && !parser.done();) {
      in += bytes.substr(at, step);
      at += std::min(step, bytes.size() - at);
      for (;;) {
        const bool had_head = parser.head_done();
        const size_t taken = parser.Put(in);
        if (parser.refusal().status != 0) return std::to_string(parser.refusal().status);
        if (!had_head && parser.head_done()) said = Say(parser.head());
        body += parser.part();
        if (parser.done()) rest_ = in.substr(taken) + bytes.substr(at);
        if (parser.done() && had_head) body += Say(parser.trailers());
        in.erase(0, taken);
        if (taken == 0 || parser.done()) break;
      }
    }
    keeps_alive_ = parser.keep_alive();
    return said + "|" + body + (parser.done() ? "" : "...");
  }

  std::string ParseIn(const char* request, std::string_view with) {
    return Parse(fmt::format(fmt::runtime(request), with));
  }

  static std::string Say(Fields fields) {
    std::string said;
    for (const Field& one : fields) said.append("|").append(one.name).append("=").append(one.value);
    return said;
  }
  static std::string Say(const Head& head) {
    return std::string(head.method) + " " + std::string(head.target) + Say(head.fields);
  }

  Limits limits_;
  std::string rest_;
  bool keeps_alive_ = false;
};

// Requests with a line, a field, a chunk or the like at a place.
constexpr const char* kWithLine = "{}\r\nHost: x\r\n\r\n";
constexpr const char* kWithField = "GET / HTTP/1.1\r\nHost: x\r\n{}\r\n\r\n";
constexpr const char* kWithFirstField = "GET / HTTP/1.1\r\n{}\r\nHost: x\r\n\r\n";
constexpr const char* kWithTrailer =
    "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n{}\r\n\r\n";
constexpr const char* kWithChunk =
    "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n{}";

TEST_F(ParserTest, ReadsARequestHoweverItIsCut) {
  const std::string get = "\r\nGET /a?b HTTP/1.1\r\nHost:x\r\nA-b: \t c d\t\r\nE:\r\n\r\n";
  const std::string post =
      "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: Chunked\r\n\r\n3\r\nabc\r\n"
      "00A;a=b;c=\"d\"\r\n0123456789\r\n0 ; x\r\nX-T: 1\r\nY:\r\n\r\nGET";
  for (const size_t step : {1, 2, 3, 7, 1000}) {
    EXPECT_EQ(Parse(get, step), "GET /a?b|Host=x|A-b=c d|E=|");
    EXPECT_EQ(Parse(post, step), "POST /|Host=x|Transfer-Encoding=Chunked|abc0123456789|X-T=1|Y=");
    EXPECT_EQ(rest_, "GET");
    EXPECT_EQ(Parse("PUT * HTTP/1.1\r\nHost: x\r\nContent-Length: 0005\r\n\r\nabcdeG", step),
              "PUT *|Host=x|Content-Length=0005|abcde");
  }
}

TEST_F(ParserTest, KnowsWhetherAnotherRequestMayFollow) {
  struct {
    const char* version;
    const char* fields;
    bool keeps_alive;
  } const all[] = {
      {"1.1", "", true},
      {"1.1", "Connection: close\r\n", false},
      {"1.1", "Connection: a, CLOSE ,b\r\n", false},
      {"1.1", "Connection: a\r\nconnection: close\r\n", false},
      {"1.1", "Connection: closed\r\n", true},
      {"1.0", "", false},
      {"1.0", "Connection: keep-alive\r\n", true},
      {"1.0", "Connection: keep-alive, close\r\n", false},
  };
  for (const auto& one : all) {
    Parse(fmt::format("GET / HTTP/{}\r\nHost: x\r\n{}\r\n", one.version, one.fields));
    EXPECT_EQ(keeps_alive_, one.keeps_alive) << one.version << one.fields;
  }
}

TEST_F(ParserTest, RefusesRequestLinesThatAreNone) {
  for (const std::string& line :
       {std::string("GET /"), std::string("GET"), std::string(" "), std::string(" GET / HTTP/1.1"),
        std::string("GET / HTTP/1.1 "), std::string("GET / http/1.1"), std::string("GET / HTTP/1"),
        std::string("GET / HTTP/11.1"), std::string("GET / HTTP/1.x"),
        std::string("GET\t/ HTTP/1.1"), std::string("G(T / HTTP/1.1"),
        std::string("GET /a\tb HTTP/1.1"), std::string("GET /\x01 HTTP/1.1"),
        std::string("GET /\x7f HTTP/1.1"), std::string("GET /\0 HTTP/1.1", 16),
        std::string("GET /\rHTTP/1.1 HTTP/1.1"), std::string("GET / HTTP/1.1\nA: b")})
    EXPECT_EQ(ParseIn(kWithLine, line), "400") << line;
  for (const char* version : {"1.2", "2.0", "0.9", "9.9"})
    EXPECT_EQ(ParseIn("GET / HTTP/{}\r\nHost: x\r\n\r\n", version), "505");
}

TEST_F(ParserTest, RefusesFieldsThatAreNone) {
  for (const std::string& field :
       {std::string("A"), std::string(": b"), std::string("A : b"), std::string(" A: b"),
        std::string("A b: c"), std::string("A\t: b"), std::string("\xc3\xa4: b"),
        std::string("A@: b"), std::string("A: b\rc"), std::string("A: b\nc"),
        std::string("A: b\0c", 6), std::string("A: \x1b"), std::string("A: \x7f"),
        std::string("A: b\r\n c: d"), std::string("A: b\r\n\tc"), std::string("A:\r")}) {
    EXPECT_EQ(ParseIn(kWithField, field), "400") << field;
    EXPECT_EQ(ParseIn(kWithFirstField, field), "400") << field;
    EXPECT_EQ(ParseIn(kWithTrailer, field), "400") << field;
  }
  // Letters of other scripts may be in values, and in targets.
  EXPECT_EQ(Parse("GET /\xc3\xa4 HTTP/1.1\r\nHost: \xc3\xa4\r\n\r\n"),
            "GET /\xc3\xa4|Host=\xc3\xa4|");
}

TEST_F(ParserTest, RefusesBodiesOfUnsureLength) {
  for (const char* length :
       {"", "-0", "+1", "1 1", "1,1", "1, 1", "0x1", "1.0", "one", "\"1\"", "18446744073709551616"})
    EXPECT_EQ(ParseIn(kWithField, std::string("Content-Length: ") + length), "400") << length;
  for (const char* encoding :
       {"", "identity", "gzip, chunked", "chunked, chunked", "chunked;a", "\"chunked\"", "chunke"})
    EXPECT_EQ(ParseIn(kWithField, std::string("Transfer-Encoding: ") + encoding), "501")
        << encoding;
}

TEST_F(ParserTest, RefusesChunksThatAreNone) {
  for (const std::string& chunk :
       {std::string("\r\n"), std::string("g\r\n"), std::string(" 1\r\na\r\n"),
        std::string("1 \r\na\r\n"), std::string("0x1\r\na\r\n"), std::string("1 a\r\na\r\n"),
        std::string("1\na\r\n"), std::string("1;\x01\r\na\r\n"), std::string("1;a\nb\r\na\r\n"),
        std::string("1;a\rb\r\na\r\n"), std::string("1\r\nab\r\n"),
        std::string("1\r\na\n0\r\n\r\n"), std::string("1\r\na\rb"),
        std::string("ffffffffffffffff\r\n"), std::string("10000000000000000\r\n"),
        std::string(5000, '0')})
    EXPECT_EQ(ParseIn(kWithChunk, chunk), "400") << chunk.substr(0, 40);
  // Cut off: more is waited for, whatever comes.
  for (const char* chunk :
       {"1", "1;a", "1\r", "1\r\n", "1\r\na", "1\r\na\r", "0\r\n", "0\r\nA: b\r\n"})
    EXPECT_TRUE(ParseIn(kWithChunk, chunk).ends_with("...")) << chunk;
}

TEST_F(ParserTest, HasLimits) {
  limits_.head_bytes = 100;
  limits_.body_bytes = 10;
  EXPECT_EQ(Parse("GET /" + std::string(100, 'a')), "431");
  EXPECT_EQ(Parse("GET / HTTP/1.1\r\nHost: x\r\nA: " + std::string(100, 'a') + "\r\n\r\n"), "431");
  EXPECT_EQ(ParseIn(kWithChunk, "0\r\nA: " + std::string(100, 'a')), "431");
  EXPECT_EQ(Parse("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 11\r\n\r\n"), "413");
  EXPECT_EQ(ParseIn(kWithChunk, "b\r\n"), "413");
  EXPECT_EQ(ParseIn(kWithChunk, "5\r\nabcde\r\n6\r\n"), "413");
  EXPECT_EQ(ParseIn(kWithChunk, "5\r\nabcde\r\n5\r\nabcde\r\n0\r\n\r\n"),
            "POST /|Host=x|Transfer-Encoding=chunked|abcdeabcde");
  std::string extended;
  for (int i = 0; i < 10; ++i) extended += "1;" + std::string(20, 'e') + "\r\na\r\n";
  EXPECT_EQ(ParseIn(kWithChunk, extended), "400");
}

}  // namespace
}  // namespace wasmoor::http
