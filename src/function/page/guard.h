#pragma once

#include <span>
#include <string>

#include "wasmoor/base/result.h"
#include "wasmoor/http/server.h"

// Against pages of others in an operator's browser, which can make it send requests here. There is
// nothing that a browser would add to them by itself (no cookie, no password): who reaches the
// address may do what it offers, and these may not.
namespace wasmoor::function::page {

// The field that calls must have. A page of another origin can send it only after it was allowed to
// (the CORS protocol of the Fetch standard), which nobody is.
inline constexpr std::string_view kCallField = "wasmoor-page";

// Whether the request's Host is one that nobody else can have pointed here: an address, localhost,
// or one of `names`. Else a name of another's, under which a browser takes the page for part of
// theirs (DNS rebinding). kPermissionDenied says what to do.
Status CheckHost(http::Fields fields, std::span<const std::string> names);

// Whether a call comes from the page itself, or from no browser. After CheckHost. kPermissionDenied
// names the field that says otherwise.
Status CheckOrigin(http::Fields fields);

}  // namespace wasmoor::function::page
