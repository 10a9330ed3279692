#include "function/page/guard.h"

#include <arpa/inet.h>

#include <algorithm>
#include <array>
#include <string_view>

#include "http/fields.h"
#include "wasmoor/base/printable.h"

namespace wasmoor::function::page {
namespace {

constexpr std::string_view kLocal = "localhost", kBelowLocal = ".localhost";

// Null if there is none, or more than one.
const std::string_view* Find(http::Fields fields, std::string_view name) {
  const std::string_view* found = nullptr;
  for (const http::Field& field : fields) {
    if (!http::SameText(field.name, name)) continue;
    if (found != nullptr) return nullptr;
    found = &field.value;
  }
  return found;
}

bool Has(http::Fields fields, std::string_view name) {
  return std::any_of(fields.begin(), fields.end(),
                     [name](const http::Field& field) { return http::SameText(field.name, name); });
}

template <int kFamily>
bool IsAddress(std::string_view text) {
  std::array<unsigned char, sizeof(in6_addr)> address;
  return ::inet_pton(kFamily, std::string(text).c_str(), address.data()) == 1;
}

bool IsPort(std::string_view text) {
  return text.empty() ||
         (text.front() == ':' &&
          std::all_of(text.begin() + 1, text.end(), [](char c) { return c >= '0' && c <= '9'; }));
}

bool IsOurs(std::string_view host, std::span<const std::string> names) {
  if (host.starts_with('[')) {
    const size_t end = host.find(']');
    return end != host.npos && IsAddress<AF_INET6>(host.substr(1, end - 1)) &&
           IsPort(host.substr(end + 1));
  }
  const size_t colon = std::min(host.find(':'), host.size());
  if (!IsPort(host.substr(colon))) return false;
  const std::string_view name = host.substr(0, colon);
  const bool local = http::SameText(name, kLocal) ||
                     (name.size() > kBelowLocal.size() &&
                      http::SameText(name.substr(name.size() - kBelowLocal.size()), kBelowLocal));
  return local || IsAddress<AF_INET>(name) ||
         std::any_of(names.begin(), names.end(),
                     [name](const std::string& own) { return http::SameText(own, name); });
}

}  // namespace

Status CheckHost(http::Fields fields, std::span<const std::string> names) {
  const std::string_view* const host = Find(fields, "host");
  if (host == nullptr)
    return Fail(Code::kPermissionDenied,
                "a request here has one field Host, and this one does not");
  if (IsOurs(*host, names)) return {};
  return Fail(Code::kPermissionDenied,
              "this page is not known as '{}', which could be a name of somebody else's: use an "
              "address or localhost, or add the name to the setting admin_hosts",
              Printable(host->substr(0, 256)));
}

Status CheckOrigin(http::Fields fields) {
  const std::string_view* const own = Find(fields, kCallField);
  if (own == nullptr)
    return Fail(Code::kPermissionDenied, "a call has the field '{}: call'", kCallField);
  if (Has(fields, "sec-fetch-site")) {
    const std::string_view* const site = Find(fields, "sec-fetch-site");
    if (site == nullptr || *site != "same-origin")
      return Fail(Code::kPermissionDenied,
                  "Sec-Fetch-Site: it comes from a page of somebody else's");
  }
  if (!Has(fields, "origin")) return {};
  const std::string_view* const origin = Find(fields, "origin");
  const std::string_view* const host = Find(fields, "host");
  constexpr std::string_view kScheme = "://";
  const size_t scheme = origin == nullptr ? std::string_view::npos : origin->find(kScheme);
  if (scheme == std::string_view::npos || host == nullptr ||
      !http::SameText(origin->substr(scheme + kScheme.size()), *host))
    return Fail(Code::kPermissionDenied, "Origin: it comes from a page of somebody else's");
  return {};
}

}  // namespace wasmoor::function::page
