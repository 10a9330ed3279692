#include "http/parser.h"

#include <algorithm>
#include <boost/beast/http/basic_parser.hpp>
#include <boost/beast/http/error.hpp>

namespace wasmoor::http {
namespace {

namespace beast = boost::beast;
using ErrorCode = boost::system::error_code;

constexpr unsigned kBadRequest = 400, kTooLarge = 413, kHeadTooLarge = 431, kNotImplemented = 501,
                   kVersion = 505;

std::string_view View(beast::string_view text) { return {text.data(), text.size()}; }

bool SameName(std::string_view left, std::string_view right) {
  return beast::iequals({left.data(), left.size()}, {right.data(), right.size()});
}

constexpr std::string_view kLineEnd = "\r\n", kHeadEnd = "\r\n\r\n";

Refusal RefusalFor(const ErrorCode& error) {
  using E = beast::http::error;
  if (error == E::header_limit) return {kHeadTooLarge, "the head is too large"};
  if (error == E::body_limit) return {kTooLarge, "the body is too large"};
  if (error == E::bad_version) return {kVersion, "HTTP/1.0 and HTTP/1.1 are served"};
  if (error == E::bad_content_length) return {kBadRequest, "Content-Length is no length"};
  if (error == E::bad_transfer_encoding) return {kBadRequest, "Transfer-Encoding is none"};
  return {kBadRequest, "the request is malformed"};
}

}  // namespace

class Parser::Grammar : public beast::http::basic_parser<true> {
 public:
  explicit Grammar(Parser& of) : of_(of) {
    header_limit(static_cast<uint32_t>(of.limits_.head_bytes));
    body_limit(of.limits_.body_bytes);
  }

 private:
  void on_request_impl(beast::http::verb, beast::string_view method, beast::string_view target,
                       int version, ErrorCode& error) override {
    error = {};
    of_.is_http_1_1_ = version >= 11;
    of_.method_ = View(method);
    of_.target_ = View(target);
  }
  void on_response_impl(int, beast::string_view, int, ErrorCode& error) override {
    error = beast::http::error::bad_method;
  }
  void on_field_impl(beast::http::field, beast::string_view name, beast::string_view value,
                     ErrorCode& error) override {
    error = {};
    const Field field = {View(name), View(value)};
    // A field that went over several lines is put together elsewhere (obs-fold): such a one is
    // refused, as section 5.2 of RFC 9112 has it.
    const std::string_view in = of_.input_;
    if (!field.value.empty() &&
        (field.value.data() < in.data() || field.value.data() > in.data() + in.size()))
      error = beast::http::error::bad_value;
    (is_header_done() ? of_.trailers_ : of_.fields_).push_back(field);
  }
  void on_header_impl(ErrorCode& error) override { error = {}; }
  void on_body_init_impl(boost::optional<uint64_t> const&, ErrorCode& error) override {
    error = {};
  }
  size_t on_body_impl(beast::string_view body, ErrorCode& error) override {
    error = {};
    of_.part_ = View(body);
    of_.body_bytes_ += body.size();
    return body.size();
  }
  void on_chunk_header_impl(uint64_t, beast::string_view, ErrorCode& error) override { error = {}; }
  size_t on_chunk_body_impl(uint64_t, beast::string_view body, ErrorCode& error) override {
    return on_body_impl(body, error);
  }
  void on_finish_impl(ErrorCode& error) override { error = {}; }

  Parser& of_;
};

Parser::Parser(const Limits& limits) : limits_(limits) { Reset(); }
Parser::~Parser() = default;

void Parser::Reset() {
  grammar_ = std::make_unique<Grammar>(*this);
  fields_.clear();
  trailers_.clear();
  part_ = {};
  refusal_ = {};
  expects_continue_ = false;
  body_bytes_ = 0;
  searched_ = 0;
}

size_t Parser::Put(std::string_view bytes) {
  part_ = {};
  input_ = bytes;
  if (!head_done()) return PutHead(bytes);
  size_t taken = 0;
  // One step of the grammar may be as little as the line of a chunk's size, of which nobody wants
  // to hear.
  while (refusal_.status == 0 && !done() && part_.empty() && taken < bytes.size()) {
    ErrorCode error;
    const size_t step = grammar_->put({bytes.data() + taken, bytes.size() - taken}, error);
    taken += step;
    if (error == beast::http::error::need_more) break;
    if (error) refusal_ = RefusalFor(error);
  }
  return taken;
}

// The grammar would take a head a field at a time, and leave views of what is not kept.
size_t Parser::PutHead(std::string_view bytes) {
  // Empty lines before a request are let pass (RFC 9112, 2.2).
  size_t start = 0;
  while (bytes.substr(start).starts_with(kLineEnd)) start += kLineEnd.size();
  bytes.remove_prefix(start);
  if (start > 0) searched_ = 0;
  const size_t end = bytes.find(kHeadEnd, searched_);
  if (std::min(end, bytes.size()) >= limits_.head_bytes) {
    refusal_ = {kHeadTooLarge, "the head is too large"};
  } else if (end == std::string_view::npos) {
    searched_ = bytes.size() < kHeadEnd.size() ? 0 : bytes.size() - kHeadEnd.size() + 1;
  } else {
    ErrorCode error;
    const size_t taken = grammar_->put({bytes.data(), end + kHeadEnd.size()}, error);
    if (error) {
      refusal_ = RefusalFor(error);
    } else {
      CheckHead();
    }
    return start + taken;
  }
  return start;
}

void Parser::CheckHead() {
  size_t lengths = 0, encodings = 0, hosts = 0;
  for (const Field& field : fields_) {
    if (SameName(field.name, "content-length")) ++lengths;
    if (SameName(field.name, "host")) ++hosts;
    if (SameName(field.name, "expect")) expects_continue_ = SameName(field.value, "100-continue");
    if (!SameName(field.name, "transfer-encoding")) continue;
    ++encodings;
    // Chunked alone has an end that everybody sees; others we have not.
    if (!SameName(field.value, "chunked"))
      refusal_ = {kNotImplemented, "no Transfer-Encoding but chunked"};
  }
  if (lengths + encodings > 1) refusal_ = {kBadRequest, "the body's length is given twice"};
  if (encodings > 0 && !is_http_1_1())
    refusal_ = {kBadRequest, "HTTP/1.0 has no Transfer-Encoding"};
  if (hosts > 1 || (hosts == 0 && is_http_1_1())) refusal_ = {kBadRequest, "one Host is needed"};
}

bool Parser::head_done() const { return grammar_->is_header_done(); }
bool Parser::done() const { return grammar_->is_done(); }
bool Parser::keep_alive() const { return grammar_->keep_alive(); }

Head Parser::head() const {
  return {.method = method_, .target = target_, .fields = fields_, .has_body = !done()};
}

}  // namespace wasmoor::http
