#include "node/record_text.h"

#include <nlohmann/json.hpp>
#include <optional>

namespace wasmoor::node {
namespace {

using Json = nlohmann::json;

// Another number is another form, and for another daemon.
constexpr int kForm = 1;

template <typename T>
Json OrNull(const std::optional<T>& value) {
  return value ? Json(*value) : Json();
}

Json OptionsJson(const task::Options& options) {
  return {{"systemd_cgroup", options.systemd_cgroup},
          {"no_pivot_root", options.no_pivot_root},
          {"no_new_keyring", options.no_new_keyring},
          {"log_level", static_cast<int>(options.log_level)},
          {"shim_cgroup", options.shim_cgroup},
          {"memory", OrNull(options.guest.memory_bytes)},
          {"table_elements", OrNull(options.guest.table_elements)},
          {"cache_directory", options.guest.cache_directory},
          {"http_address", options.guest.http_address},
          {"http_outgoing", OrNull(options.guest.http_outgoing)},
          {"annotations", options.annotations}};
}

// The fields of one object, each of which must be there and of its type.
class Reader {
 public:
  explicit Reader(const Json& object) : object_(object) {}

  void Read(const char* name, std::string* out) {
    if (const Json* at = Find(name, &Json::is_string)) *out = at->get<std::string>();
  }
  void Read(const char* name, bool* out) {
    if (const Json* at = Find(name, &Json::is_boolean)) *out = at->get<bool>();
  }
  void Read(const char* name, uint64_t* out) {
    if (const Json* at = Find(name, &Json::is_number_unsigned)) *out = at->get<uint64_t>();
  }
  void Read(const char* name, std::vector<std::string>* out) {
    const Json* at = Find(name, &Json::is_array);
    if (at == nullptr) return;
    for (const Json& one : *at) {
      if (!one.is_string()) return Blame(name);
      out->push_back(one.get<std::string>());
    }
  }
  template <typename T>
  void Read(const char* name, std::optional<T>* out) {
    const auto at = object_.find(name);
    if (at == object_.end()) return Blame(name);
    if (at->is_null()) return;
    Read(name, &out->emplace());
  }

  Status status() const {
    if (wrong_.empty()) return {};
    return Fail(Code::kInvalidArgument, "its field '{}' is missing or is not what it should be",
                wrong_);
  }

 private:
  const Json* Find(const char* name, bool (Json::*is)() const noexcept) {
    const auto at = object_.find(name);
    if (at != object_.end() && ((*at).*is)()) return &*at;
    Blame(name);
    return nullptr;
  }
  void Blame(const char* name) {
    if (wrong_.empty()) wrong_ = name;
  }

  const Json& object_;
  std::string wrong_;
};

Status ReadOptions(const Json& json, task::Options* options) {
  Reader reader(json);
  reader.Read("systemd_cgroup", &options->systemd_cgroup);
  reader.Read("no_pivot_root", &options->no_pivot_root);
  reader.Read("no_new_keyring", &options->no_new_keyring);
  uint64_t level = 0;
  reader.Read("log_level", &level);
  reader.Read("shim_cgroup", &options->shim_cgroup);
  reader.Read("memory", &options->guest.memory_bytes);
  reader.Read("table_elements", &options->guest.table_elements);
  reader.Read("cache_directory", &options->guest.cache_directory);
  reader.Read("http_address", &options->guest.http_address);
  reader.Read("http_outgoing", &options->guest.http_outgoing);
  reader.Read("annotations", &options->annotations);
  TRY(reader.status());
  if (level > static_cast<uint64_t>(task::LogLevel::kDebug))
    return Fail(Code::kInvalidArgument, "its field 'log_level' is {}", level);
  options->log_level = static_cast<task::LogLevel>(level);
  return {};
}

}  // namespace

std::string TextOf(const Record& record) {
  const Place& place = record.place;
  const Json json = {{"form", kForm},
                     {"namespace", place.key.name_space},
                     {"id", place.key.id},
                     {"socket", record.socket},
                     {"bundle", place.bundle},
                     {"ttrpc_address", place.ttrpc_address},
                     {"containerd_address", place.containerd_address},
                     {"publish_binary", place.publish_binary},
                     {"is_pod", place.life == Place::Life::kPod},
                     {"options", OptionsJson(place.options)}};
  // Paths and addresses can be any bytes.
  return json.dump(-1, ' ', false, Json::error_handler_t::replace) + '\n';
}

Result<Record> ParseRecord(std::string_view text) {
  const Json json = Json::parse(text.begin(), text.end(), nullptr, false);
  if (!json.is_object()) return Fail(Code::kInvalidArgument, "it is no JSON object");
  Record record;
  Place& place = record.place;
  Reader reader(json);
  uint64_t form = 0;
  bool is_pod = false;
  reader.Read("form", &form);
  reader.Read("namespace", &place.key.name_space);
  reader.Read("id", &place.key.id);
  reader.Read("socket", &record.socket);
  reader.Read("bundle", &place.bundle);
  reader.Read("ttrpc_address", &place.ttrpc_address);
  reader.Read("containerd_address", &place.containerd_address);
  reader.Read("publish_binary", &place.publish_binary);
  reader.Read("is_pod", &is_pod);
  TRY(reader.status());
  if (form != kForm)
    return Fail(Code::kInvalidArgument, "it has the form {}, and this daemon knows {}", form,
                kForm);
  place.life = is_pod ? Place::Life::kPod : Place::Life::kTasks;
  const auto options = json.find("options");
  if (options == json.end() || !options->is_object())
    return Fail(Code::kInvalidArgument, "its field 'options' is missing or is no object");
  TRY_AS(ReadOptions(*options, &place.options), "options");
  return record;
}

}  // namespace wasmoor::node
