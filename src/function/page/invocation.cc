#include "function/page/invocation.h"

#include <nlohmann/json.hpp>

#include "http/fields.h"
#include "wasmoor/base/printable.h"

namespace wasmoor::function::page {
namespace {

using Json = nlohmann::ordered_json;

constexpr size_t kMostFields = 200, kMostMethod = 32;

tl::unexpected<Error> NoCall(std::string_view what) {
  return Fail(Code::kInvalidArgument, "this is no call: {}", what);
}

Result<std::string> TextOf(const Json& json, const char* key) {
  const auto found = json.find(key);
  if (found == json.end() || !found->is_string())
    return NoCall(fmt::format("'{}' is no text", key));
  return found->get<std::string>();
}

Status ReadFields(const Json& json, Pairs* fields) {
  const auto found = json.find("fields");
  if (found == json.end()) return {};
  if (!found->is_array() || found->size() > kMostFields)
    return NoCall("'fields' is no list of names and values");
  for (const Json& one : *found) {
    if (!one.is_array() || one.size() != 2 || !one[0].is_string() || !one[1].is_string())
      return NoCall("'fields' is no list of names and values");
    std::string name = one[0].get<std::string>();
    std::string value(http::Trim(one[1].get<std::string>()));
    if (!http::IsToken(name))
      return Fail(Code::kInvalidArgument, "'{}' is no name of a field", Printable(name));
    if (!http::IsValue(value))
      return Fail(Code::kInvalidArgument, "the field {} has a value that cannot be sent", name);
    const http::Known known = http::Identify(name);
    if (http::IsOfConnection(known) || known == http::Known::kContentLength ||
        known == http::Known::kExpect)
      return Fail(Code::kInvalidArgument, "the field {} is the connection's own: leave it out",
                  name);
    fields->emplace_back(std::move(name), std::move(value));
  }
  return {};
}

std::string_view NameOf(CallReply::End end) {
  switch (end) {
    case CallReply::End::kWhole: return "whole";
    case CallReply::End::kBroken: return "broken";
    case CallReply::End::kCut: return "cut";
  }
  return "";
}

}  // namespace

Result<CallRequest> ReadCall(std::string_view text) {
  const size_t end = text.find('\n');
  if (end > kMostCallHead)  // Or nowhere.
    return NoCall("it does not begin with a line of JSON");
  const Json json = Json::parse(text.substr(0, end), nullptr, false);
  if (!json.is_object()) return NoCall("it does not begin with an object of JSON");
  CallRequest call;
  call.method = TRY(TextOf(json, "method"));
  call.target = TRY(TextOf(json, "target"));
  if (!http::IsToken(call.method) || call.method.size() > kMostMethod || call.method == "CONNECT")
    return Fail(Code::kInvalidArgument, "'{}' is no method", Printable(call.method));
  if (!call.target.starts_with('/') || !http::IsTarget(call.target))
    return Fail(Code::kInvalidArgument,
                "'{}' is no path: it begins with a slash, and what is no plain letter in it is "
                "written as %XX",
                Printable(call.target));
  TRY(ReadFields(json, &call.fields));
  call.body = text.substr(end + 1);
  if (call.body.size() > kMostCallBody)
    return Fail(Code::kInvalidArgument, "the body is larger than {} bytes", kMostCallBody);
  return call;
}

std::string WriteReply(const CallReply& reply) {
  Json head = {{"status", reply.status},
               {"fields", Json::array()},
               {"end", NameOf(reply.end)},
               {"seconds", std::chrono::duration<double>(reply.took).count()}};
  for (const auto& [name, value] : reply.fields)
    head["fields"].push_back({Printable(name), Printable(value)});
  return head.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n" + reply.body;
}

}  // namespace wasmoor::function::page
