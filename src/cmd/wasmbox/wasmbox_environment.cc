#include <array>
#include <charconv>
#include <string>

#include "cmd/functions/function_flags.h"
#include "cmd/wasmbox/wasmbox.h"
#include "wasmoor/knative/environment.h"

namespace wasmoor::cmd {
namespace {

using Get = std::function<const char*(const char*)>;

std::string TextOf(const Get& get, const char* name) {
  const char* const value = get(name);
  return value == nullptr ? "" : value;
}

// Nothing if it is not set. As whole numbers are written, also "50.0", as some platforms render
// them.
Result<std::optional<uint64_t>> NumberOf(const Get& get, const char* name, uint64_t most) {
  const std::string text = TextOf(get, name);
  if (text.empty()) return std::nullopt;
  uint64_t number = 0;
  const char* const end = text.data() + text.size();
  const auto [stopped, failed] = std::from_chars(text.data(), end, number);
  if (failed != std::errc() || stopped != end || number > most)
    return Fail(Code::kInvalidArgument, "{}: must be a whole number up to {}, is '{}'", name, most,
                text);
  return number;
}

Result<std::optional<double>> ShareOf(const Get& get, const char* name) {
  const std::string text = TextOf(get, name);
  if (text.empty()) return std::nullopt;
  double share = 0;
  const char* const end = text.data() + text.size();
  const auto [stopped, failed] = std::from_chars(text.data(), end, share);
  // A part of one, or percent.
  constexpr double kPercent = 100;
  if (failed != std::errc() || stopped != end || !(share > 0) || !(share <= kPercent))
    return Fail(Code::kInvalidArgument, "{}: must be a number above 0 and up to 100, is '{}'", name,
                text);
  return share > 1 ? share / kPercent : share;
}

Result<std::optional<bool>> FlagOf(const Get& get, const char* name) {
  const std::string text = TextOf(get, name);
  if (text.empty()) return std::nullopt;
  for (const std::string_view yes : {"true", "True", "TRUE", "1", "t", "T"}) {
    if (text == yes) return true;
  }
  for (const std::string_view no : {"false", "False", "FALSE", "0", "f", "F"}) {
    if (text == no) return false;
  }
  return Fail(Code::kInvalidArgument, "{}: must be true or false, is '{}'", name, text);
}

Result<std::string> AddressOf(const Get& get, const char* host_name, const char* port_name,
                              uint16_t usual_port) {
  constexpr uint64_t kMostPort = 65535;
  std::string host = TextOf(get, host_name);
  if (host == "0.0.0.0") host.clear();  // Of both families.
  if (host == "localhost") host = "127.0.0.1";
  const uint64_t port = TRY(NumberOf(get, port_name, kMostPort)).value_or(usual_port);
  return fmt::format("{}:{}", host.find(':') == host.npos ? host : "[" + host + "]", port);
}

Status ReadQueueProxy(const Get& get, function::ServerSettings* settings) {
  constexpr uint64_t kMostPort = 65535, kDay = 24 * 60 * 60;
  function::QueueProxy proxy;
  if (const std::string host = TextOf(get, "QP_HOST"); !host.empty()) proxy.host = host;
  if (const auto port = TRY(NumberOf(get, "QP_PORT", kMostPort)))
    proxy.port = static_cast<uint16_t>(*port);
  if (const auto period = TRY(NumberOf(get, "REPORTING_PERIOD_MS", kDay * 1000)))
    proxy.period = std::chrono::milliseconds(*period);
  if (const auto tries = TRY(NumberOf(get, "MAX_RETRIES", 1'000'000)))
    proxy.most_tries_told = static_cast<int>(*tries);
  if (const auto pause = TRY(NumberOf(get, "RETRY_DELAY_SEC", kDay)))
    proxy.first_pause = std::chrono::seconds(*pause);
  if (const auto window = TRY(NumberOf(get, "METRICS_COLLECTION_WINDOW", 1'000'000)))
    proxy.window = static_cast<uint32_t>(*window);
  settings->queue_proxy = proxy;
  return {};
}

Status ReadReadiness(const Get& get, function::ServerSettings* settings) {
  if (const auto window = TRY(NumberOf(get, "READINESS_WINDOW", 100'000)); window && *window > 0)
    settings->ready_window = static_cast<uint32_t>(*window);
  if (const auto share = TRY(ShareOf(get, "READINESS_UTILIZATION_TRESHOLD")))
    settings->ready_below = *share;
  return {};
}

void WarnOfRest(const Get& get, const std::function<void(std::string_view)>& warn) {
  constexpr std::array<std::pair<const char*, std::string_view>, 4> kWithoutMeaning = {{
      {"GC_UTILIZATION_TRESHOLD", "there is no garbage collector"},
      {"READINESS_RAND_TRESHOLD", "readiness is not left to chance"},
      {"ENABLE_MEM_PRE_ALLOCATION", "memory of guests comes from a pool that is reserved at once"},
      {"MEM_PRE_ALLOCATION_RATIO", "memory of guests comes from a pool that is reserved at once"},
  }};
  for (const auto& [name, why] : kWithoutMeaning) {
    const std::string text = TextOf(get, name);
    if (!text.empty() && text != "false" && text != "0")
      warn(fmt::format("{} has no effect here: {}", name, why));
  }
}

}  // namespace

Status ReadWasmboxEnvironment(const Get& get, const std::function<void(std::string_view)>& warn,
                              FunctionServerOptions* options) {
  constexpr uint16_t kPort = 8095, kHealthPort = 8086;
  constexpr uint64_t kMebibyte = 1 << 20, kMostMebibytes = 1 << 30;
  function::ServerSettings& settings = options->settings;
  // Knative says where to listen.
  const auto knative = TRY(knative::ReadContainerEnvironment(get));
  settings.listen = {
      TRY(AddressOf(get, "WEBSERVER_HOST", "WEBSERVER_PORT", knative.port.value_or(kPort)))};
  settings.health = {TRY(AddressOf(get, "HEALTHCHECK_HOST", "HEALTHCHECK_PORT", kHealthPort))};
  const std::string runtime = TextOf(get, "WASM_RUNTIME");
  if (runtime == "wasmedge") {
    warn("WASM_RUNTIME: functions run in wasmtime; those with WasmEdge's bindgen, too");
  } else if (!runtime.empty() && runtime != "wasmtime") {
    return Fail(Code::kInvalidArgument, "WASM_RUNTIME: must be wasmtime or wasmedge, is '{}'",
                runtime);
  }
  if (const auto limit = TRY(NumberOf(get, "MEMORY_LIMIT", kMostMebibytes)); limit && *limit > 0)
    settings.memory_bytes = *limit * kMebibyte;
  if (!TRY(FlagOf(get, "ENABLE_CGROUPS")).value_or(true)) settings.groups = function::Groups::kOff;
  settings.pod = TextOf(get, "POD_UID");
  const std::string level = TextOf(get, "LOG_LEVEL");
  if (level == "debug" || level == "trace")
    settings.access_log = function::ServerSettings::AccessLog::kAll;
  TRY(ReadReadiness(get, &settings));
  TRY(ReadQueueProxy(get, &settings));
  WarnOfRest(get, warn);
  return {};
}

}  // namespace wasmoor::cmd
