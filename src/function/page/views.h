#pragma once

#include <optional>

#include "function/page/html.h"
#include "function/page/snapshot.h"
#include "function/page/view.h"

// What stands in the middle of the page.
namespace wasmoor::function::page {

void WriteFunctions(const Snapshot& snapshot, const View& view, Html* html);
void WriteTenants(const Snapshot& snapshot, const View& view, Html* html);
void WriteFailures(const Snapshot& snapshot, const View& view, Html* html);
void WriteFunction(const Snapshot& snapshot, const View& view, const std::optional<Detail>& detail,
                   Html* html);

// Requests that failed, each with its backtrace, if it has one.
void WriteFailureList(const std::vector<const Failure*>& failures,
                      std::chrono::system_clock::time_point now, Html* html);

}  // namespace wasmoor::function::page
