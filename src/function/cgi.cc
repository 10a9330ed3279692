#include "function/cgi.h"

#include <algorithm>
#include <array>
#include <cctype>

#include "wasmoor/base/ascii.h"

namespace wasmoor::function {
namespace {

constexpr std::array<std::string_view, 10> kLeftOut = {
    "proxy",   "connection", "keep-alive",     "transfer-encoding", "te",
    "trailer", "upgrade",    "http2-settings", "content-type",      "content-length"};
constexpr uint16_t kHttpPort = 80;

bool IsLeftOut(std::string_view name) {
  return name.find('_') != name.npos ||
         std::any_of(kLeftOut.begin(), kLeftOut.end(),
                     [&](std::string_view one) { return IsSameName(one, name); });
}

std::string VariableOf(std::string_view field) {
  std::string name = "HTTP_";
  for (const char c : field)
    name += c == '-' ? '_' : static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  return name;
}

void AddFields(const Head& head, Variables* variables) {
  const size_t first = variables->size();
  for (const http::Field& field : head.fields()) {
    if (IsLeftOut(field.name)) continue;
    std::string name = VariableOf(field.name);
    const auto before =
        std::find_if(variables->begin() + static_cast<ptrdiff_t>(first), variables->end(),
                     [&](const auto& one) { return one.first == name; });
    if (before == variables->end()) {
      variables->emplace_back(std::move(name), field.value);
    } else {
      before->second += name == "HTTP_COOKIE" ? "; " : ", ";
      before->second += field.value;
    }
  }
}

}  // namespace

void AddCgiVariables(const CgiRequest& request, Variables* variables) {
  const Head& head = request.head;
  const Target& target = request.target;
  const auto add = [&](const char* name, std::string_view value) {
    variables->emplace_back(name, value);
  };
  const auto value_of = [&](std::string_view name) {
    const std::string_view* found = head.Find(name);
    return found == nullptr ? std::string_view() : *found;
  };
  std::string script;
  for (size_t i = 0; i < request.named && i < target.segments.size(); ++i)
    script += "/" + target.segments[i];
  const std::string rest = target.Rest(request.named);
  const std::string_view host = value_of("host");
  // An IPv6 address has colons of its own.
  const size_t colon = host.rfind(':');
  const bool has_port = colon != host.npos && host.find(']', colon) == host.npos;
  const std::string_view name = has_port ? host.substr(0, colon) : host;
  const std::string port =
      has_port ? std::string(host.substr(colon + 1))
               : std::to_string(request.server_port != 0 ? request.server_port : kHttpPort);
  add("GATEWAY_INTERFACE", "CGI/1.1");
  add("SERVER_SOFTWARE", "wasmoor/" WASMOOR_VERSION);
  add("SERVER_PROTOCOL", head.protocol());
  add("SERVER_NAME", name.empty() ? "localhost" : name);
  add("SERVER_PORT", port);
  add("REQUEST_METHOD", head.method());
  add("SCRIPT_NAME", script);
  add("PATH_INFO", rest);
  add("QUERY_STRING", target.query);
  add("REMOTE_ADDR", request.remote);
  add("REMOTE_HOST", request.remote);
  add("REMOTE_USER", "");
  add("AUTH_TYPE", "");
  add("CONTENT_TYPE", value_of("content-type"));
  add("CONTENT_LENGTH", request.body_size);
  add("X_MATCHED_ROUTE", script + "/...");
  add("X_RAW_PATH_INFO", rest);
  add("X_FULL_URL", std::string("http://") + std::string(host.empty() ? "localhost" : host) +
                        std::string(target.path) + (target.query.empty() ? "" : "?") +
                        std::string(target.query));
  AddFields(head, variables);
}

}  // namespace wasmoor::function
