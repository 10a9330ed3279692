#include "cmd/runtime/state_document.h"

#include <fcntl.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "cmd/line/json_text.h"
#include "cmd/line/text.h"
#include "cmd/runtime/log.h"
#include "wasmoor/base/time.h"
#include "wasmoor/os/file.h"

namespace wasmoor::cmd {
namespace {

constexpr uint64_t kMostUsers = 16 << 20;

// The text up to `end`, which it loses.
std::string_view TakeUntil(std::string_view& text, char end) {
  const std::string_view taken = text.substr(0, text.find(end));
  text.remove_prefix(std::min(taken.size() + 1, text.size()));
  return taken;
}

}  // namespace

Summary Summarize(const jail::Container& container) {
  return {.state = container.state(),
          .rootfs = container.rootfs(),
          .created = container.created(),
          .owner_id = container.owner()};
}

// passwd(5). The C library's getpwuid(3) loads shared libraries, which a static executable cannot.
std::string UserName(uid_t user, std::string_view passwd) {
  const std::string number = fmt::format("{}", user);
  while (!passwd.empty()) {
    std::string_view line = TakeUntil(passwd, '\n');
    const std::string_view name = TakeUntil(line, ':');
    TakeUntil(line, ':');
    if (TakeUntil(line, ':') == number) return std::string(name);
  }
  return '#' + number;
}

void NameOwners(std::span<Summary> summaries) {
  if (summaries.empty()) return;
  std::string passwd;
  if (const auto file = os::OpenAt(os::Fd(AT_FDCWD), "/etc/passwd", O_RDONLY | O_CLOEXEC)) {
    if (const auto bytes = os::ReadAll(*file, kMostUsers))
      passwd.assign(bytes->begin(), bytes->end());
  }
  for (Summary& summary : summaries) summary.owner = UserName(summary.owner_id, passwd);
}

Json StateDocument(const Summary& summary) {
  const oci::State& state = summary.state;
  Json document = {{"ociVersion", state.oci_version},
                   {"id", state.id},
                   {"pid", state.pid},
                   {"status", oci::StatusName(state.status)},
                   {"bundle", state.bundle},
                   {"rootfs", summary.rootfs},
                   {"created", Rfc3339(summary.created, Precision::kNanoseconds)}};
  if (!state.annotations.empty()) document["annotations"] = state.annotations;
  document["owner"] = summary.owner;
  return document;
}

std::string ListTable(std::span<const Summary> summaries) {
  Table table;
  table.Add({{"ID"}, {"PID"}, {"STATUS"}, {"BUNDLE"}, {"CREATED"}, {"OWNER"}});
  for (const Summary& summary : summaries) {
    const oci::State& state = summary.state;
    table.Add({{Printable(state.id)},
               {fmt::format("{}", state.pid)},
               {std::string(oci::StatusName(state.status))},
               {Printable(state.bundle)},
               {Rfc3339(summary.created, Precision::kNanoseconds)},
               {Printable(summary.owner)}});
  }
  return table.Text(Table::kUnlimited, false);
}

std::string ListJson(std::span<const Summary> summaries) {
  Json list = Json::array();
  for (const Summary& summary : summaries) list.push_back(StateDocument(summary));
  return JsonLine(list);
}

}  // namespace wasmoor::cmd
