#include <fmt/format.h>

#include "function/page/frame.h"
#include "function/page/selection.h"
#include "function/page/table.h"
#include "function/page/text.h"
#include "function/page/views.h"

namespace wasmoor::function::page {
namespace {

constexpr unsigned kLeastError = 400;

void WriteFailure(const Failure& failure, std::chrono::system_clock::time_point now, Html* html) {
  html->Raw("<li data-key=\"").Number(failure.number);
  html->Raw("\"><p class=\"what\"><time title=\"").Text(ClockText(failure.at)).Raw("\">");
  html->Text(AgoText(now - failure.at)).Raw("</time> <span class=\"status\">");
  // What has begun as a success cannot become anything else.
  if (failure.status != 0) html->Number(uint64_t{failure.status});
  if (failure.status < kLeastError) html->Raw(" broke off");
  html->Raw("</span> ");
  if (failure.times > 1) {
    html->Raw("<span class=\"times\" title=\"").Text(ClockText(failure.first)).Raw("\">");
    html->Text(fmt::format("{} times, the first {}", CountText(static_cast<double>(failure.times)),
                           AgoText(now - failure.first)));
    html->Raw("</span> ");
  }
  if (failure.function.empty()) {
    html->Raw("(no function)");
  } else {
    WriteLink(View::OfFunction(failure.function), failure.function, html);
  }
  html->Raw(" <code>").Text(failure.method).Raw(" ").Text(failure.target).Raw("</code></p>\n");
  html->Raw("<p class=\"why\">").Text(failure.problem).Raw("</p>\n");
  if (!failure.backtrace.empty()) {
    html->Raw("<details open><summary>Backtrace</summary><pre>").Lines(failure.backtrace);
    html->Raw("</pre></details>\n");
  }
  html->Raw("</li>\n");
}

}  // namespace

void WriteFailureList(const std::vector<const Failure*>& failures,
                      std::chrono::system_clock::time_point now, Html* html) {
  html->Raw("<ol class=\"failures\" data-rows>\n");
  for (const Failure* failure : failures) WriteFailure(*failure, now, html);
  html->Raw("</ol>\n");
}

void WriteFailures(const Snapshot& snapshot, const View& view, Html* html) {
  const auto selection = SelectFailures(snapshot, view);
  WriteSearch(view, {"Function or problem", "kind", "kinds", selection.matching}, html);
  html->Raw("<h2 class=\"hidden\">Failures</h2>\n");
  if (selection.matching == 0) {
    html->Raw("<p class=\"empty\">");
    html->Raw(snapshot.failures.empty() ? Markup("No request has failed since the server began.")
                                        : Markup("No failure is like that."));
    html->Raw("</p>\n");
    return;
  }
  WriteFailureList(selection.rows, snapshot.now, html);
  WritePager(view, PageOfRows(selection), html);
}

}  // namespace wasmoor::function::page
