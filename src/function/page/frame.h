#pragma once

#include <string>

#include "function/page/html.h"
#include "function/page/snapshot.h"
#include "function/page/view.h"

namespace wasmoor::function::page {

// What is around every view: the document's head, how the server is, and where else to look.
void WriteTop(const Snapshot& snapshot, const View& view, Html* html);
void WriteBottom(const Snapshot& snapshot, Html* html);

// Asks for part of a name, of a view with rows.
struct Search {
  Markup label, one, many;
  size_t matching = 0;
};
void WriteSearch(const View& view, const Search& search, Html* html);

// <a href="ADDRESS">TEXT</a>
void WriteLink(const View& view, std::string_view text, Html* html);

// A button that calls what is there at this path.
void WriteCallButton(std::string_view function, Html* html);

}  // namespace wasmoor::function::page
