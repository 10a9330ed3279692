#include "http/parser.h"

#include <algorithm>

namespace wasmoor::http {
namespace {

constexpr std::string_view kLineEnd = "\r\n", kHeadEnd = "\r\n\r\n";
constexpr size_t kMostDigits = 15;  // Of a chunk's size: nobody sends what is larger.
constexpr size_t kMostChunkLine = 4096;

constexpr int DigitOf(char byte) {
  if (byte >= '0' && byte <= '9') return byte - '0';
  const char lower = static_cast<char>(byte | 0x20);
  return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

}  // namespace

// What a head has of the fields that say where the request ends.
struct Parser::Counted {
  size_t hosts = 0, lengths = 0, encodings = 0, settings = 0;
  std::string_view length;
  bool close = false, keep_alive = false, upgrade = false, names_settings = false, h2c = false;
};

void Parser::Reset() {
  fields_.clear();
  trailers_.clear();
  part_ = {};
  refusal_ = {};
  at_ = At::kHead;
  expects_continue_ = wants_h2c_ = false;
  left_ = body_bytes_ = 0;
  searched_ = extensions_ = 0;
}

size_t Parser::Put(std::string_view bytes) {
  part_ = {};
  if (at_ == At::kHead) return PutHead(bytes);
  size_t taken = 0;
  // One step may be as little as the line of a chunk's size, of which nobody wants to hear.
  while (refusal_.status == 0 && !done() && part_.empty()) {
    const size_t step = PutBody(bytes.substr(taken));
    taken += step;
    if (step == 0) break;
  }
  return taken;
}

size_t Parser::PutHead(std::string_view bytes) {
  // Empty lines before a request are let pass (RFC 9112, section 2.2).
  size_t start = 0;
  while (bytes.substr(start).starts_with(kLineEnd)) start += kLineEnd.size();
  bytes.remove_prefix(start);
  if (start > 0) searched_ = 0;
  const size_t end = bytes.find(kHeadEnd, searched_);
  if (std::min(end, bytes.size()) >= limits_.head_bytes) {
    Refuse(kHeadTooLarge, "the head is too large");
  } else if (end == std::string_view::npos) {
    searched_ = bytes.size() < kHeadEnd.size() ? 0 : bytes.size() - kHeadEnd.size() + 1;
  } else {
    ParseHead(bytes.substr(0, end + kLineEnd.size()));
    return start + end + kHeadEnd.size();
  }
  return start;
}

// Its lines, each with its end.
void Parser::ParseHead(std::string_view lines) {
  const size_t end = lines.find(kLineEnd);
  if (!ParseRequestLine(lines.substr(0, end))) return;
  if (!ParseFields(lines.substr(end + kLineEnd.size()), &fields_))
    return Refuse(kBadRequest, "a field of the request is malformed");
  CheckHead();
}

// "GET /path HTTP/1.1", with one space each (RFC 9112, section 3).
bool Parser::ParseRequestLine(std::string_view line) {
  constexpr std::string_view kName = "HTTP/", kOneOne = "1.1", kOneNought = "1.0";
  const auto next_word = [&line] {
    const std::string_view word = line.substr(0, line.find(' '));
    line.remove_prefix(std::min(word.size() + 1, line.size()));
    return word;
  };
  method_ = next_word();
  target_ = next_word();
  if (!IsToken(method_) || !IsTarget(target_) || !line.starts_with(kName)) {
    Refuse(kBadRequest, "the request line is malformed");
    return false;
  }
  line.remove_prefix(kName.size());
  is_http_1_1_ = line == kOneOne;
  if (!is_http_1_1_ && line != kOneNought) {
    const bool is_version = line.size() == kOneOne.size() && DigitOf(line[0]) >= 0 &&
                            line[1] == '.' && DigitOf(line[2]) >= 0;
    is_version ? Refuse(kVersion, "HTTP/1.0, HTTP/1.1 and HTTP/2 are served")
               : Refuse(kBadRequest, "the request line is malformed");
    return false;
  }
  return true;
}

// A line that begins with a space, which once continued the one before it, has no name (RFC 9112,
// section 5.2); nor has one with a space before its colon (section 5.1). Bare CR and LF are no part
// of a value.
bool Parser::ParseFields(std::string_view lines, std::vector<Field>* fields) {
  while (!lines.empty()) {
    const std::string_view line = lines.substr(0, lines.find(kLineEnd));
    const size_t colon = line.find(':');
    if (colon == std::string_view::npos) return false;
    const Field field = {line.substr(0, colon), Trim(line.substr(colon + 1))};
    if (!IsToken(field.name) || !IsValue(field.value)) return false;
    fields->push_back(field);
    lines.remove_prefix(line.size() + kLineEnd.size());
  }
  return true;
}

void Parser::Count(const Field& field, Counted* counted) {
  switch (Identify(field.name)) {
    case Known::kHost: ++counted->hosts; break;
    case Known::kContentLength:
      ++counted->lengths;
      counted->length = field.value;
      break;
    case Known::kTransferEncoding:
      ++counted->encodings;
      // Chunked alone has an end that everybody sees; others we have not.
      if (!SameText(field.value, "chunked"))
        Refuse(kNotImplemented, "no Transfer-Encoding but chunked");
      break;
    case Known::kExpect: expects_continue_ = SameText(field.value, "100-continue"); break;
    case Known::kConnection:
      counted->close |= ListHas(field.value, "close");
      counted->keep_alive |= ListHas(field.value, "keep-alive");
      counted->upgrade |= ListHas(field.value, "upgrade");
      counted->names_settings |= ListHas(field.value, "http2-settings");
      break;
    case Known::kUpgrade: counted->h2c |= ListHas(field.value, "h2c"); break;
    case Known::kHttp2Settings:
      ++counted->settings;
      h2c_settings_ = field.value;
      break;
    default: break;
  }
}

void Parser::CheckHead() {
  Counted counted;
  for (const Field& field : fields_) Count(field, &counted);
  if (refusal_.status != 0) return;
  keep_alive_ = !counted.close && (is_http_1_1_ || counted.keep_alive);
  if (counted.hosts > 1 || (counted.hosts == 0 && is_http_1_1_))
    return Refuse(kBadRequest, "one Host is needed");
  if (counted.lengths + counted.encodings > 1)
    return Refuse(kBadRequest, "the body's length is given twice");
  if (counted.encodings > 0 && !is_http_1_1_)
    return Refuse(kBadRequest, "HTTP/1.0 has no Transfer-Encoding");
  at_ = At::kEnd;
  if (counted.encodings > 0) at_ = At::kChunkSize;
  if (counted.lengths > 0) {
    const auto length = ParseLength(counted.length);
    if (!length) return Refuse(kBadRequest, "Content-Length is no length");
    if (*length > limits_.body_bytes) return Refuse(kTooLarge, "the body is too large");
    left_ = *length;
    if (left_ > 0) at_ = At::kBody;
  }
  // One of HTTP/1.0 cannot be told to go on, nor be upgraded (RFC 9110, sections 10.1.1 and 7.8).
  expects_continue_ = expects_continue_ && is_http_1_1_ && !done();
  wants_h2c_ = is_http_1_1_ && done() && counted.h2c && counted.upgrade && counted.names_settings &&
               counted.settings == 1;
}

size_t Parser::PutBody(std::string_view bytes) {
  switch (at_) {
    case At::kChunkSize: return PutChunkSize(bytes);
    case At::kChunkEnd: return PutChunkEnd(bytes);
    case At::kTrailers: return PutTrailers(bytes);
    default: break;
  }
  part_ = bytes.substr(0, left_);
  left_ -= part_.size();
  body_bytes_ += part_.size();
  if (left_ == 0) at_ = at_ == At::kBody ? At::kEnd : At::kChunkEnd;
  return part_.size();
}

// "1a;name=value", and the end of the line (RFC 9112, section 7.1).
size_t Parser::PutChunkSize(std::string_view bytes) {
  bytes = bytes.substr(0, kMostChunkLine);
  const size_t end = bytes.find(kLineEnd);
  if (end == std::string_view::npos) {
    if (bytes.size() == kMostChunkLine)
      Refuse(kBadRequest, "a line of the body's chunks is too long");
    return 0;
  }
  const std::string_view line = bytes.substr(0, end);
  size_t digits = 0;
  uint64_t size = 0;
  for (; digits < line.size() && digits <= kMostDigits && DigitOf(line[digits]) >= 0; ++digits)
    size = size << 4 | static_cast<uint64_t>(DigitOf(line[digits]));
  const std::string_view extension = line.substr(digits);
  extensions_ += extension.size();
  if (digits == 0 || digits > kMostDigits || !IsValue(extension) ||
      (!extension.empty() && !Trim(extension).starts_with(';'))) {
    Refuse(kBadRequest, "a chunk of the body is malformed");
  } else if (extensions_ > limits_.head_bytes) {
    Refuse(kBadRequest, "the extensions of the body's chunks are too large");
  } else if (size > limits_.body_bytes - body_bytes_) {
    Refuse(kTooLarge, "the body is too large");
  }
  left_ = size;
  at_ = size == 0 ? At::kTrailers : At::kChunk;
  searched_ = 0;
  return end + kLineEnd.size();
}

size_t Parser::PutChunkEnd(std::string_view bytes) {
  if (bytes.size() < kLineEnd.size() && kLineEnd.starts_with(bytes)) return 0;
  if (!bytes.starts_with(kLineEnd)) Refuse(kBadRequest, "a chunk of the body is malformed");
  at_ = At::kChunkSize;
  return kLineEnd.size();
}

size_t Parser::PutTrailers(std::string_view bytes) {
  if (bytes.starts_with(kLineEnd)) {
    at_ = At::kEnd;
    return kLineEnd.size();
  }
  const size_t end = bytes.find(kHeadEnd, searched_);
  if (std::min(end, bytes.size()) >= limits_.head_bytes) {
    Refuse(kHeadTooLarge, "the trailers are too large");
  } else if (end == std::string_view::npos) {
    searched_ = bytes.size() < kHeadEnd.size() ? 0 : bytes.size() - kHeadEnd.size() + 1;
  } else {
    if (!ParseFields(bytes.substr(0, end + kLineEnd.size()), &trailers_))
      Refuse(kBadRequest, "a trailer of the request is malformed");
    at_ = At::kEnd;
    return end + kHeadEnd.size();
  }
  return 0;
}

}  // namespace wasmoor::http
