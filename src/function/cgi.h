#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "function/head.h"
#include "function/target.h"

namespace wasmoor::function {

// What a program is told of its request by variables: RFC 3875 (CGI/1.1), with those of WAGI
// ("Environment Variables" of its specification).
struct CgiRequest {
  const Head& head;
  const Target& target;
  size_t named = 1;            // Segments of the target that name the function.
  std::string_view body_size;  // Of the Content-Length; empty if it is not known.
  std::string_view remote;     // The client's address; empty if it has none.
  uint16_t server_port = 0;
};

using Variables = std::vector<std::pair<std::string, std::string>>;

// Fields of the request become HTTP_NAME, several of one name one value with commas (3875, 4.1.18).
// Not so Proxy, by which a client could choose a program's proxy (CVE-2016-5385), what is the
// connection's own, and names that could not be told from others: with an underscore.
void AddCgiVariables(const CgiRequest& request, Variables* variables);

}  // namespace wasmoor::function
