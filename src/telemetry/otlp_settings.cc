#include <algorithm>
#include <charconv>

#include "telemetry/http_client.h"
#include "wasmoor/base/ascii.h"
#include "wasmoor/base/percent.h"
#include "wasmoor/base/printable.h"
#include "wasmoor/telemetry/otlp.h"

namespace wasmoor::telemetry {
namespace {

constexpr std::string_view kSpace = " \t";
constexpr std::string_view kDefaultEndpoint = "http://localhost:4318";
constexpr std::string_view kTracesPath = "/v1/traces";

std::string_view Trim(std::string_view text) {
  text.remove_prefix(std::min(text.find_first_not_of(kSpace), text.size()));
  return text.substr(0, text.find_last_not_of(kSpace) + 1);
}

// The environment, with the words that an operator hears of what it cannot mean.
class Environment {
 public:
  Environment(const std::function<const char*(const char*)>& get,
              const std::function<void(std::string_view)>& warn)
      : get_(get), warn_(warn) {}

  // One that is empty counts as not set.
  std::string_view Get(const char* name) const {
    const char* const value = get_(name);
    return value == nullptr ? std::string_view() : Trim(value);
  }
  // Of the two forms of an exporter's variable, that of its signal has the last word.
  std::string_view Get(const char* specific, const char* general) const {
    const std::string_view value = Get(specific);
    return value.empty() ? Get(general) : value;
  }
  void Warn(std::string_view line) const {
    if (warn_) warn_(line);
  }

  template <typename T>
  void ReadNumber(std::string_view name, std::string_view text, T least, T most, T* out) const {
    if (text.empty()) return;
    T value = {};
    const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (failed == std::errc() && end == text.data() + text.size() && value >= least &&
        value <= most) {
      *out = value;
    } else {
      Warn(fmt::format("{}={} is not a number from {} to {}: it stays {}", name, Printable(text),
                       least, most, *out));
    }
  }

  void ReadTime(std::string_view name, std::string_view text,
                std::chrono::milliseconds* out) const {
    constexpr int64_t kLeast = 1, kMost = 3'600'000;
    int64_t milliseconds = out->count();
    ReadNumber(name, text, kLeast, kMost, &milliseconds);
    *out = std::chrono::milliseconds(milliseconds);
  }

  // "key=value,key=value", percents decoded. The values may be secrets: nothing repeats them.
  Pairs ReadPairs(std::string_view name, std::string_view text) const {
    Pairs pairs;
    while (!text.empty()) {
      const std::string_view item = text.substr(0, text.find(','));
      text.remove_prefix(std::min(item.size() + 1, text.size()));
      if (Trim(item).empty()) continue;
      const size_t equals = item.find('=');
      const std::string_view key = Trim(item.substr(0, equals));
      if (equals == std::string_view::npos || key.empty()) {
        Warn(fmt::format("{}: an item that is not KEY=VALUE is left out", name));
        continue;
      }
      pairs.emplace_back(DecodePercents(key), DecodePercents(Trim(item.substr(equals + 1))));
    }
    return pairs;
  }

 private:
  const std::function<const char*(const char*)>& get_;
  const std::function<void(std::string_view)>& warn_;
};

bool IsTrue(std::string_view text) { return IsSameName(text, "true"); }

// Empty: nobody asks for traces.
std::string ReadEndpoint(const Environment& environment) {
  if (IsTrue(environment.Get("OTEL_SDK_DISABLED"))) return {};
  const std::string_view exporter = environment.Get("OTEL_TRACES_EXPORTER");
  if (!exporter.empty() && exporter != "otlp") {
    if (exporter != "none")
      environment.Warn(
          fmt::format("OTEL_TRACES_EXPORTER={}: there are otlp and none; no traces are sent",
                      Printable(exporter)));
    return {};
  }
  // That of the signal is taken as it is, that of all signals gets the path of ours.
  if (const auto whole = environment.Get("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"); !whole.empty())
    return std::string(whole);
  std::string_view base = environment.Get("OTEL_EXPORTER_OTLP_ENDPOINT");
  if (base.empty() && exporter.empty()) return {};
  if (base.empty()) base = kDefaultEndpoint;
  while (base.ends_with('/')) base.remove_suffix(1);
  return std::string(base) + std::string(kTracesPath);
}

Pairs ReadResource(std::string_view service, const Environment& environment) {
  static constexpr std::string_view kName = "service.name";
  Pairs resource = environment.ReadPairs("OTEL_RESOURCE_ATTRIBUTES",
                                         environment.Get("OTEL_RESOURCE_ATTRIBUTES"));
  const auto is_name = [](const auto& pair) { return pair.first == kName; };
  const std::string_view name = environment.Get("OTEL_SERVICE_NAME");
  if (!name.empty()) std::erase_if(resource, is_name);
  if (std::none_of(resource.begin(), resource.end(), is_name))
    resource.emplace(resource.begin(), kName, name.empty() ? service : name);
  return resource;
}

Sampler ReadSampler(const Environment& environment) {
  std::string_view word = environment.Get("OTEL_TRACES_SAMPLER");
  Sampler sampler;
  if (word.empty()) return sampler;
  constexpr std::string_view kParent = "parentbased_";
  const std::string_view whole = word;
  sampler.follows_parent = word.starts_with(kParent);
  if (sampler.follows_parent) word.remove_prefix(kParent.size());
  if (word == "always_off") {
    sampler.ratio = 0;
  } else if (word == "traceidratio") {
    environment.ReadNumber("OTEL_TRACES_SAMPLER_ARG", environment.Get("OTEL_TRACES_SAMPLER_ARG"),
                           0.0, 1.0, &sampler.ratio);
  } else if (word != "always_on") {
    environment.Warn(
        fmt::format("OTEL_TRACES_SAMPLER={} is none that is known here: it is "
                    "parentbased_always_on",
                    Printable(whole)));
    return {};
  }
  return sampler;
}

void ReadForm(const Environment& environment) {
  constexpr std::string_view kForm = "http/json";
  const std::string_view form =
      environment.Get("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL");
  if (!form.empty() && form != kForm)
    environment.Warn(fmt::format(
        "OTEL_EXPORTER_OTLP_PROTOCOL={}: {} is sent, which collectors take at the port of "
        "http/protobuf (4318)",
        Printable(form), kForm));
  const std::string_view packing =
      environment.Get("OTEL_EXPORTER_OTLP_TRACES_COMPRESSION", "OTEL_EXPORTER_OTLP_COMPRESSION");
  if (!packing.empty() && packing != "none")
    environment.Warn(fmt::format("OTEL_EXPORTER_OTLP_COMPRESSION={}: nothing is compressed",
                                 Printable(packing)));
}

}  // namespace

std::optional<OtlpSettings> ReadOtlpEnvironment(std::string_view service,
                                                const std::function<const char*(const char*)>& get,
                                                const std::function<void(std::string_view)>& warn) {
  const Environment environment(get, warn);
  OtlpSettings settings;
  settings.endpoint = ReadEndpoint(environment);
  if (settings.endpoint.empty()) return std::nullopt;
  ReadForm(environment);
  settings.headers = environment.ReadPairs(
      "OTEL_EXPORTER_OTLP_HEADERS",
      environment.Get("OTEL_EXPORTER_OTLP_TRACES_HEADERS", "OTEL_EXPORTER_OTLP_HEADERS"));
  settings.resource = ReadResource(service, environment);
  settings.sampler = ReadSampler(environment);
  environment.ReadTime(
      "OTEL_EXPORTER_OTLP_TIMEOUT",
      environment.Get("OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "OTEL_EXPORTER_OTLP_TIMEOUT"),
      &settings.timeout);
  environment.ReadTime("OTEL_BSP_SCHEDULE_DELAY", environment.Get("OTEL_BSP_SCHEDULE_DELAY"),
                       &settings.delay);
  constexpr size_t kMostSpans = 65'536;
  environment.ReadNumber("OTEL_BSP_MAX_QUEUE_SIZE", environment.Get("OTEL_BSP_MAX_QUEUE_SIZE"),
                         size_t{1}, kMostSpans, &settings.most_waiting);
  settings.batch = std::min(settings.batch, settings.most_waiting);
  environment.ReadNumber("OTEL_BSP_MAX_EXPORT_BATCH_SIZE",
                         environment.Get("OTEL_BSP_MAX_EXPORT_BATCH_SIZE"), size_t{1},
                         settings.most_waiting, &settings.batch);
  return settings;
}

}  // namespace wasmoor::telemetry
