#include "http/http2_head.h"

#include <utility>

namespace wasmoor::http {
namespace {

constexpr size_t kOverhead = 32;  // Of each field, as RFC 9113 counts them.

}  // namespace

void Http2Head::Clear() {
  bytes_ = 0;
  for (std::string* one : {&method_, &scheme_, &authority_, &path_, &host_, &cookie_}) one->clear();
  kept_.Clear();
  fields_.clear();
  length_ = 0;
  expects_continue_ = has_host_ = false;
}

void Http2Head::Trim() {
  Clear();
  for (std::string* one : {&method_, &scheme_, &authority_, &path_, &host_, &cookie_})
    one->shrink_to_fit();
  kept_ = FieldList();
  fields_.shrink_to_fit();
}

void Http2Head::AddPseudo(std::string_view name, std::string_view value) {
  if (name == ":method") method_ = value;
  if (name == ":scheme") scheme_ = value;
  if (name == ":authority") authority_ = value;
  if (name == ":path") path_ = value;
}

void Http2Head::Add(std::string_view name, std::string_view value) {
  bytes_ += name.size() + value.size() + kOverhead;
  if (too_large()) return;
  if (name.starts_with(':')) return AddPseudo(name, value);
  switch (Identify(name)) {
    case Known::kHost:
      has_host_ = true;
      host_ = value;
      return;
    case Known::kCookie:
      // Which HTTP/2 may have taken apart (RFC 9113, section 8.2.3).
      if (!cookie_.empty()) cookie_ += "; ";
      cookie_ += value;
      return;
    case Known::kContentLength: length_ = ParseLength(value).value_or(0); break;
    case Known::kExpect: expects_continue_ = SameText(value, "100-continue"); break;
    default: break;
  }
  kept_.Add(name, value);
}

Refusal Http2Head::Check() {
  if (too_large()) return {kHeadTooLarge, "the head is too large"};
  if (length_ > limits_.body_bytes) return {kTooLarge, "the body is too large"};
  // The request's target, for there is no other.
  const bool connects = method_ == "CONNECT";
  if (connects) path_ = authority_;
  if (!IsToken(method_) || !IsTarget(path_) || !IsValue(authority_))
    return {kBadRequest, "the request's target is malformed"};
  if (!connects && !SameText(scheme_, "http") && !SameText(scheme_, "https"))
    return {kBadRequest, "a scheme that is not HTTP's"};
  // RFC 9113, section 8.3.1.
  if (authority_.find('@') != std::string::npos)
    return {kBadRequest, "an authority with a user in it"};
  if (has_host_ && !authority_.empty() && !SameText(host_, authority_))
    return {kBadRequest, "two different hosts are named"};
  return {};
}

Fields Http2Head::fields() {
  fields_.clear();
  kept_.AppendTo(&fields_);
  return fields_;
}

Head Http2Head::head(bool has_body) {
  fields_.clear();
  fields_.push_back({"host", has_host_ ? host_ : authority_});
  kept_.AppendTo(&fields_);
  if (!cookie_.empty()) fields_.push_back({"cookie", cookie_});
  return {.method = method_,
          .target = path_,
          .fields = fields_,
          .has_body = has_body,
          .protocol = "HTTP/2.0"};
}

FieldList Http2Head::Take() { return std::exchange(kept_, {}); }

}  // namespace wasmoor::http
