#include "telemetry/otlp_message.h"

#include <charconv>
#include <nlohmann/json.hpp>
#include <type_traits>
#include <utility>
#include <variant>

#include "telemetry/hex.h"

namespace wasmoor::telemetry {
namespace {

using Json = nlohmann::ordered_json;

std::string Nanoseconds(std::chrono::system_clock::time_point at) {
  return std::to_string(
      std::chrono::duration_cast<std::chrono::nanoseconds>(at.time_since_epoch()).count());
}

Json Text(std::string_view text) { return {{"stringValue", text}}; }

// 64-bit integers are text in protobuf's JSON.
Json ValueOf(const AttributeValue& value) {
  return std::visit(
      [](const auto& one) -> Json {
        using T = std::decay_t<decltype(one)>;
        if constexpr (std::is_same_v<T, std::string>) return Text(one);
        if constexpr (std::is_same_v<T, int64_t>) return {{"intValue", std::to_string(one)}};
        if constexpr (std::is_same_v<T, double>) return {{"doubleValue", one}};
        if constexpr (std::is_same_v<T, bool>) return {{"boolValue", one}};
      },
      value);
}

Json Attribute(std::string_view key, Json value) {
  Json attribute = Json::object();
  attribute["key"] = key;
  attribute["value"] = std::move(value);
  return attribute;
}

Json SpanJson(const SpanData& span) {
  Json json = Json::object();
  json["traceId"] = ToHex(span.context.trace_id);
  json["spanId"] = ToHex(span.context.span_id);
  if (!span.context.state.empty()) json["traceState"] = span.context.state;
  if (span.parent) json["parentSpanId"] = ToHex(*span.parent);
  json["name"] = span.name;
  json["kind"] = static_cast<int>(span.kind);
  json["startTimeUnixNano"] = Nanoseconds(span.start);
  json["endTimeUnixNano"] = Nanoseconds(span.end);
  Json attributes = Json::array();
  for (const auto& [key, value] : span.attributes)
    attributes.push_back(Attribute(key, ValueOf(value)));
  json["attributes"] = std::move(attributes);
  Json status = Json::object();
  status["code"] = static_cast<int>(span.status);
  if (!span.message.empty()) status["message"] = span.message;
  json["status"] = std::move(status);
  return json;
}

}  // namespace

std::string TraceRequest(const Pairs& resource, std::span<const SpanData> spans) {
  Json attributes = Json::array(), list = Json::array();
  for (const auto& [key, value] : resource) attributes.push_back(Attribute(key, Text(value)));
  for (const SpanData& span : spans) list.push_back(SpanJson(span));
  Json scope = Json::object();
  scope["scope"] = {{"name", "wasmoor"}, {"version", WASMOOR_VERSION}};
  scope["spans"] = std::move(list);
  Json of_resource = Json::object();
  of_resource["resource"] = Json::object({{"attributes", std::move(attributes)}});
  of_resource["scopeSpans"] = Json::array({std::move(scope)});
  Json request = Json::object();
  request["resourceSpans"] = Json::array({std::move(of_resource)});
  // What is not UTF-8 in a text is replaced, as JSON has no other.
  return request.dump(-1, ' ', false, Json::error_handler_t::replace);
}

Refused ReadTraceResponse(std::string_view body) {
  const Json json = Json::parse(body, nullptr, /*allow_exceptions=*/false);
  Refused refused;
  if (!json.is_object()) return refused;
  const auto partial = json.find("partialSuccess");
  if (partial == json.end() || !partial->is_object()) return refused;
  if (const auto count = partial->find("rejectedSpans"); count != partial->end()) {
    if (count->is_number_unsigned()) refused.spans = count->get<uint64_t>();
    if (count->is_string()) {
      const auto& text = count->get_ref<const std::string&>();
      std::from_chars(text.data(), text.data() + text.size(), refused.spans);
    }
  }
  if (const auto why = partial->find("errorMessage"); why != partial->end() && why->is_string())
    refused.message = why->get<std::string>();
  return refused;
}

}  // namespace wasmoor::telemetry
