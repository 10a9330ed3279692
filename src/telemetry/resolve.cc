#include "telemetry/resolve.h"

#include <algorithm>

#include "wasmoor/base/ascii.h"

namespace wasmoor::telemetry {
namespace {

constexpr std::string_view kSpace = " \t\r";

// The next word of `line`, which is taken off it; empty at its end.
std::string_view TakeWord(std::string_view* line) {
  line->remove_prefix(std::min(line->find_first_not_of(kSpace), line->size()));
  const std::string_view word = line->substr(0, line->find_first_of(kSpace));
  line->remove_prefix(word.size());
  return word;
}

bool Names(std::string_view words, std::string_view host) {
  for (auto word = TakeWord(&words); !word.empty(); word = TakeWord(&words)) {
    if (IsSameName(word, host)) return true;
  }
  return false;
}

}  // namespace

Result<std::vector<os::SocketAddress>> Resolve(std::string_view host, uint16_t port,
                                               std::string_view hosts) {
  if (const auto numeric = os::NumericAddress(host, port)) return std::vector{*numeric};
  std::vector<os::SocketAddress> found;
  while (!hosts.empty()) {
    std::string_view line = hosts.substr(0, hosts.find('\n'));
    hosts.remove_prefix(std::min(line.size() + 1, hosts.size()));
    line = line.substr(0, line.find('#'));
    const auto address = os::NumericAddress(TakeWord(&line), port);
    if (address && Names(line, host)) found.push_back(*address);
  }
  // Where there is no such file, as in a container of few files.
  if (found.empty() && IsSameName(host, "localhost"))
    found = {*os::NumericAddress("127.0.0.1", port), *os::NumericAddress("::1", port)};
  if (found.empty())
    return Fail(Code::kNotFound,
                "'{}' is neither an IP address nor a name in /etc/hosts, and no name server is "
                "asked: name the collector's address, or put its name into /etc/hosts",
                host);
  return found;
}

}  // namespace wasmoor::telemetry
