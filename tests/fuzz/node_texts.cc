#include "cmd/wasmtimed/config.h"
#include "fuzz/input.h"
#include "fuzz/peer.h"
#include "node/record_text.h"
#include "telemetry/http_client.h"
#include "telemetry/resolve.h"
#include "wasmoor/telemetry/otlp.h"
#include "wasmoor/telemetry/trace.h"

namespace wasmoor::fuzz {
namespace {

// What is refused names the file; what is taken can be a socket's path.
void Configuration(std::string_view text) {
  constexpr size_t kMostPath = 106;  // unix(7)
  cmd::DaemonConfig config;
  const Status read = cmd::ApplyDaemonToml(text, "a.toml", &config);
  if (!read) {
    CHECK(read.error().code() == Code::kInvalidArgument);
    CHECK(std::string_view(read.error().message()).starts_with("a.toml:"));
  }
  for (const std::string& path :
       {config.listen, config.controller, config.containerd, config.SocketDirectory()})
    CHECK(path.starts_with('/') && path.size() <= kMostPath &&
          path.find('\0') == std::string::npos);
}

// What was read is written, and read again as the same.
void Record(std::string_view text) {
  const auto record = node::ParseRecord(text);
  if (!record) {
    CHECK(record.error().code() == Code::kInvalidArgument && !record.error().message().empty());
    return;
  }
  const std::string written = node::TextOf(*record);
  const auto again = node::ParseRecord(written);
  CHECK(again && node::TextOf(*again) == written);
}

// Of an operator's environment, and of whoever calls.
void Tracing(Input& input) {
  const std::string name = input.TakeLine(), value = input.TakeLine(), hosts = input.TakeLine();
  const auto get = [&](const char* wanted) -> const char* {
    if (name == wanted) return value.c_str();
    return wanted == std::string_view("OTEL_EXPORTER_OTLP_ENDPOINT") ? "http://127.0.0.1:4318"
                                                                     : nullptr;
  };
  const auto settings = telemetry::ReadOtlpEnvironment("service", get, [](std::string_view line) {
    CHECK(!line.empty() && line.find('\n') == std::string_view::npos);
  });
  if (settings) CHECK(!settings->endpoint.empty());
  if (const auto endpoint = telemetry::ParseEndpoint(value)) {
    CHECK(!endpoint->host.empty() && endpoint->port != 0 && endpoint->target.starts_with('/'));
    const auto addresses = telemetry::Resolve(endpoint->host, endpoint->port, hosts);
    CHECK(addresses ? !addresses->empty() : addresses.error().code() == Code::kNotFound);
  }
  static_cast<void>(telemetry::ParseTraceparent(value, hosts));
}

}  // namespace

void NodeTexts(Bytes bytes) {
  Input input(bytes);
  const auto which = input.Take<uint8_t>() % 3;
  if (which == 2) return Tracing(input);
  const std::string_view text = TextOf(input.TakeBytes(bytes.size()));
  which == 0 ? Configuration(text) : Record(text);
}

}  // namespace wasmoor::fuzz
