#include "telemetry/resolve.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <strings.h>

#include <optional>
#include <string>

namespace wasmoor::telemetry {
namespace {

constexpr std::string_view kSpace = " \t\r";

bool SameName(std::string_view one, std::string_view other) {
  return one.size() == other.size() && ::strncasecmp(one.data(), other.data(), one.size()) == 0;
}

std::optional<SocketAddress> Numeric(std::string_view text, uint16_t port) {
  const std::string host(text);
  SocketAddress address;
  auto* v4 = reinterpret_cast<sockaddr_in*>(&address.storage);
  auto* v6 = reinterpret_cast<sockaddr_in6*>(&address.storage);
  if (::inet_pton(AF_INET, host.c_str(), &v4->sin_addr) == 1) {
    v4->sin_family = AF_INET;
    v4->sin_port = htons(port);
    address.size = sizeof(*v4);
    return address;
  }
  if (::inet_pton(AF_INET6, host.c_str(), &v6->sin6_addr) == 1) {
    v6->sin6_family = AF_INET6;
    v6->sin6_port = htons(port);
    address.size = sizeof(*v6);
    return address;
  }
  return std::nullopt;
}

// The next word of `line`, which is taken off it; empty at its end.
std::string_view TakeWord(std::string_view* line) {
  line->remove_prefix(std::min(line->find_first_not_of(kSpace), line->size()));
  const std::string_view word = line->substr(0, line->find_first_of(kSpace));
  line->remove_prefix(word.size());
  return word;
}

bool Names(std::string_view words, std::string_view host) {
  for (auto word = TakeWord(&words); !word.empty(); word = TakeWord(&words)) {
    if (SameName(word, host)) return true;
  }
  return false;
}

}  // namespace

Result<std::vector<SocketAddress>> Resolve(std::string_view host, uint16_t port,
                                           std::string_view hosts) {
  if (const auto numeric = Numeric(host, port)) return std::vector{*numeric};
  std::vector<SocketAddress> found;
  while (!hosts.empty()) {
    std::string_view line = hosts.substr(0, hosts.find('\n'));
    hosts.remove_prefix(std::min(line.size() + 1, hosts.size()));
    line = line.substr(0, line.find('#'));
    const auto address = Numeric(TakeWord(&line), port);
    if (address && Names(line, host)) found.push_back(*address);
  }
  // Where there is no such file, as in a container of few files.
  if (found.empty() && SameName(host, "localhost"))
    found = {*Numeric("127.0.0.1", port), *Numeric("::1", port)};
  if (found.empty())
    return Fail(Code::kNotFound,
                "'{}' is neither an IP address nor a name in /etc/hosts, and no name server is "
                "asked: name the collector's address, or put its name into /etc/hosts",
                host);
  return found;
}

}  // namespace wasmoor::telemetry
