#include "http/response.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <boost/beast/http/field.hpp>
#include <boost/beast/http/status.hpp>
#include <charconv>

namespace wasmoor::http {
namespace {

using Name = boost::beast::http::field;

constexpr unsigned kNoContent = 204, kNotModified = 304, kFirstFinal = 200;
constexpr std::string_view kLineEnd = "\r\n";

void AppendField(std::string_view name, std::string_view value, std::string* out) {
  out->append(name).append(": ").append(value).append(kLineEnd);
}

// The connection's own (RFC 9110, section 7.6.1).
bool IsOfConnection(Name name) {
  return name == Name::connection || name == Name::transfer_encoding || name == Name::keep_alive ||
         name == Name::proxy_connection || name == Name::upgrade;
}

std::optional<uint64_t> ParseLength(std::string_view text) {
  uint64_t length = 0;
  const char* const end = text.data() + text.size();
  const auto [rest, failed] = std::from_chars(text.data(), end, length);
  if (failed != std::errc() || rest != end) return std::nullopt;
  return length;
}

void AppendChunkSize(size_t size, std::string* out) {
  std::array<char, 16> digits;
  const auto end = std::to_chars(digits.begin(), digits.end(), size, 16).ptr;
  out->append(digits.data(), end - digits.data()).append(kLineEnd);
}

bool HasBody(unsigned status) {
  return status >= kFirstFinal && status != kNoContent && status != kNotModified;
}

}  // namespace

std::string_view ReasonPhrase(unsigned status) {
  const auto phrase =
      boost::beast::http::obsolete_reason(boost::beast::http::int_to_status(status));
  return {phrase.data(), phrase.size()};
}

void Response::Begin(unsigned status, Fields fields, std::string_view date) {
  status_ = status;
  head_ += "HTTP/1.1 ";
  head_ += std::to_string(status);
  head_ += ' ';
  head_ += ReasonPhrase(status);
  head_ += kLineEnd;
  for (const Field& field : fields) {
    const Name name = boost::beast::http::string_to_field({field.name.data(), field.name.size()});
    if (IsOfConnection(name)) continue;
    if (name == Name::content_length) {
      length_ = ParseLength(field.value);
      continue;
    }
    if (name == Name::date) has_date_ = true;
    AppendField(field.name, field.value, &head_);
  }
  // RFC 9110, section 6.6.1.
  if (!has_date_) AppendField("date", date, &head_);
}

void Response::Write(std::string_view part) { body_ += part; }

void Response::Finish(Fields trailers) {
  finished_ = true;
  for (const Field& field : trailers) AppendField(field.name, field.value, &trailers_);
}

void Response::TakeHead(const Context& context, std::string* out) {
  keeps_alive_ = context.keep_alive;
  *out += head_;
  // All of it is here: its length is known, unless trailers must follow it.
  const bool says_nothing = context.is_head && body_.empty();
  if (!length_ && finished_ && trailers_.empty() && !says_nothing) length_ = body_.size();
  if (!HasBody(status_)) {
    framing_ = Framing::kNone;
    if (status_ == kNotModified && length_ && *length_ > 0)
      AppendField("content-length", std::to_string(*length_), out);
  } else if (length_) {
    framing_ = Framing::kLength;
    AppendField("content-length", std::to_string(*length_), out);
  } else if (context.is_head) {
    framing_ = Framing::kNone;
  } else if (context.is_http_1_1) {
    framing_ = Framing::kChunked;
    AppendField("transfer-encoding", "chunked", out);
  } else {
    framing_ = Framing::kUntilClose;
    keeps_alive_ = false;
  }
  if (context.is_head) framing_ = Framing::kNone;
  if (!keeps_alive_) {
    AppendField("connection", "close", out);
  } else if (!context.is_http_1_1) {
    AppendField("connection", "keep-alive", out);
  }
  *out += kLineEnd;
}

void Response::TakeBody(std::string* out) {
  switch (framing_) {
    case Framing::kLength: {
      // More than was promised would be the next response's beginning.
      const size_t fits = std::min<uint64_t>(body_.size(), *length_ - taken_);
      broken_ |= fits < body_.size();
      out->append(body_, 0, fits);
      taken_ += fits;
      broken_ |= finished_ && taken_ < *length_;
      break;
    }
    case Framing::kChunked:
      if (!body_.empty()) {
        AppendChunkSize(body_.size(), out);
        out->append(body_).append(kLineEnd);
      }
      if (finished_) out->append("0\r\n").append(trailers_).append(kLineEnd);
      break;
    case Framing::kUntilClose: out->append(body_); break;
    default: break;
  }
  body_.clear();
}

void Response::Take(const Context& context, std::string* out) {
  if (!begun() || ended_) return;
  if (framing_ == Framing::kUndecided) TakeHead(context, out);
  if (!body_.empty() || finished_) TakeBody(out);
  ended_ = finished_;
}

void Response::Reset() {
  // Strings keep their room.
  status_ = 0;
  head_.clear();
  body_.clear();
  trailers_.clear();
  length_.reset();
  taken_ = 0;
  framing_ = Framing::kUndecided;
  finished_ = ended_ = broken_ = has_date_ = false;
  keeps_alive_ = true;
}

}  // namespace wasmoor::http
