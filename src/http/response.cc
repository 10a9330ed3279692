#include "http/response.h"

#include <algorithm>
#include <array>
#include <boost/beast/http/status.hpp>
#include <charconv>

namespace wasmoor::http {
namespace {

constexpr std::string_view kLineEnd = "\r\n", kColon = ": ";

void AppendField(std::string_view name, std::string_view value, std::string* out) {
  out->append(name).append(kColon).append(value).append(kLineEnd);
}

void AppendNumber(uint64_t number, int base, std::string* out) {
  std::array<char, 20> digits;  // Of the largest.
  const auto end = std::to_chars(digits.begin(), digits.end(), number, base).ptr;
  out->append(digits.data(), end - digits.data());
}

void AppendLength(uint64_t length, std::string* out) {
  out->append("content-length: ");
  AppendNumber(length, 10, out);
  out->append(kLineEnd);
}

}  // namespace

std::string_view ReasonPhrase(unsigned status) {
  const auto phrase =
      boost::beast::http::obsolete_reason(boost::beast::http::int_to_status(status));
  return {phrase.data(), phrase.size()};
}

void Response::Begin(unsigned status, Fields fields, std::string_view date) {
  constexpr unsigned kOk = 200;
  status_ = status;
  if (status == kOk) {
    head_ = "HTTP/1.1 200 OK\r\n";
  } else {
    head_ = "HTTP/1.1 ";
    AppendNumber(status, 10, &head_);
    head_.append(" ").append(ReasonPhrase(status)).append(kLineEnd);
  }
  bool has_date = false;
  for (const Field& field : fields) {
    const Known known = Identify(field.name);
    if (IsOfConnection(known) || !IsToken(field.name) || !IsValue(field.value)) continue;
    if (known == Known::kContentLength) {
      length_ = ParseLength(field.value);
      continue;
    }
    has_date |= known == Known::kDate;
    AppendField(field.name, field.value, &head_);
  }
  // RFC 9110, section 6.6.1.
  if (!has_date) AppendField("date", date, &head_);
}

void Response::Finish(Fields trailers) {
  finished_ = true;
  for (const Field& field : trailers) {
    if (IsToken(field.name) && IsValue(field.value))
      AppendField(field.name, field.value, &trailers_);
  }
}

void Response::TakeHead(const Context& context, std::string* out) {
  keeps_alive_ = context.keep_alive;
  *out += head_;
  // All of it is here: its length is known, unless trailers must follow it.
  const bool says_nothing = context.is_head && body_.empty();
  if (!length_ && finished_ && trailers_.empty() && !says_nothing) length_ = body_.size();
  if (!HasBody(status_)) {
    framing_ = Framing::kNone;
    if (status_ == kNotModified && length_ && *length_ > 0) AppendLength(*length_, out);
  } else if (length_) {
    framing_ = Framing::kLength;
    AppendLength(*length_, out);
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
        AppendNumber(body_.size(), 16, out);
        out->append(kLineEnd).append(body_).append(kLineEnd);
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
  finished_ = ended_ = broken_ = false;
  keeps_alive_ = true;
}

}  // namespace wasmoor::http
