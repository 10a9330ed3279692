#include <fmt/format.h>

#include <algorithm>

#include "function/page/frame.h"
#include "function/page/selection.h"
#include "function/page/table.h"
#include "function/page/text.h"
#include "function/page/views.h"

namespace wasmoor::function::page {
namespace {

constexpr size_t kMostFailures = 10;

using Facts = std::vector<std::pair<std::string, std::string>>;

std::string CurlLine(const Snapshot& snapshot, std::string_view function) {
  constexpr std::string_view kUnix = "unix:";
  if (snapshot.addresses.empty()) return {};
  const std::string_view address = snapshot.addresses.front();
  if (address.starts_with(kUnix)) {
    return fmt::format("curl -i --unix-socket '{}' 'http://localhost/{}'",
                       address.substr(kUnix.size()), function);
  }
  const size_t colon = address.rfind(':');
  const bool is_any = address.starts_with("[::]") || address.starts_with("0.0.0.0");
  if (is_any && colon != address.npos)
    return fmt::format("curl -i 'http://localhost{}/{}'", address.substr(colon), function);
  return fmt::format("curl -i 'http://{}/{}'", address, function);
}

void WriteFacts(Markup title, const Facts& facts, Html* html) {
  html->Raw("<section><h3>").Raw(title).Raw("</h3><dl class=\"facts\">\n");
  for (const auto& [name, value] : facts) {
    html->Raw("<dt>").Text(name).Raw("</dt><dd>").Text(value).Raw("</dd>\n");
  }
  html->Raw("</dl></section>\n");
}

Facts LoadFacts(const Load& load) {
  return {{"requests", RateText(load.requests) + " /s"},
          {"failed", RateText(load.failures) + " /s"},
          {"p50", TimeText(load.p50)},
          {"p90", TimeText(load.p90)},
          {"p99", TimeText(load.p99)},
          {"queued", TimeText(load.queued)},
          {"CPUs", CpusText(load.cpus)}};
}

Facts SumFacts(const Sums& sums, const Detail* detail) {
  const auto count = [](uint64_t number) { return CountText(static_cast<double>(number)); };
  Facts facts = {{"answered", count(sums.ok)},
                 {"failed", count(sums.failed)},
                 {"took too long", count(sums.timed_out)},
                 {"refused", count(sums.refused)},
                 {"clients that left", count(sums.abandoned)}};
  if (detail != nullptr) {
    const auto part = [detail](double share) {
      return TimeText(Quantile(detail->bounds, detail->all, share));
    };
    facts.push_back({"p50, p90, p99", fmt::format("{}, {}, {}", part(0.5), part(0.9), part(0.99))});
  }
  const Facts more = {{"CPU time", SpanText(sums.cpu_seconds)},
                      {"memory, at most", SizeText(static_cast<double>(sums.most_memory))},
                      {"memory refused", count(sums.memory_refusals)},
                      {"waited for the module", count(sums.cold)},
                      {"got a thread of their own", count(sums.long_runs)},
                      {"received", SizeText(static_cast<double>(sums.received))},
                      {"sent", SizeText(static_cast<double>(sums.sent))}};
  facts.insert(facts.end(), more.begin(), more.end());
  return facts;
}

void WriteBar(uint64_t count, uint64_t most, Html* html) {
  constexpr double kWidth = 100;
  const double share = most == 0 ? 0 : static_cast<double>(count) / static_cast<double>(most);
  html->Raw(
      "<td class=\"bar\"><svg viewBox=\"0 0 100 8\" preserveAspectRatio=\"none\" "
      "aria-hidden=\"true\"><rect height=\"8\" width=\"");
  html->Number(kWidth * share).Raw("\"/></svg></td><td>");
  html->Text(CountText(static_cast<double>(count))).Raw("</td>");
}

void WriteDurations(const Detail& detail, Html* html) {
  const size_t rows = std::min(detail.recent.size(), detail.all.size());
  if (rows == 0 || detail.bounds.size() + 1 < rows) return;
  const uint64_t most_recent = *std::max_element(detail.recent.begin(), detail.recent.end());
  const uint64_t most = *std::max_element(detail.all.begin(), detail.all.end());
  html->Raw(
      "<section><h3>Latency</h3><table class=\"durations\"><thead><tr><th scope=\"col\">up to</th>"
      "<th scope=\"col\" colspan=\"2\">last seconds</th>"
      "<th scope=\"col\" colspan=\"2\">since start</th></tr></thead>\n<tbody>\n");
  for (size_t i = 0; i < rows; ++i) {
    html->Raw("<tr><th scope=\"row\">");
    html->Text(i < detail.bounds.size() ? TimeText(detail.bounds[i]) : "longer").Raw("</th>");
    WriteBar(detail.recent[i], most_recent, html);
    WriteBar(detail.all[i], most, html);
    html->Raw("</tr>\n");
  }
  html->Raw("</tbody></table></section>\n");
}

}  // namespace

void WriteFunction(const Snapshot& snapshot, const View& view, const std::optional<Detail>& detail,
                   Html* html) {
  const auto row = std::lower_bound(
      snapshot.functions.begin(), snapshot.functions.end(), view.function,
      [](const FunctionRow& one, const std::string& name) { return one.name < name; });
  const bool found = row != snapshot.functions.end() && row->name == view.function;
  html->Raw("<div class=\"title\"><h2>").Text(view.function).Raw("</h2>\n");
  if (found) WriteCallButton(row->name, html);
  html->Raw("</div>\n");
  if (!found) {
    html->Raw("<p class=\"empty\">There is no such function now.</p>\n");
  } else {
    if (!row->problem.empty()) html->Raw("<p class=\"why\">").Text(row->problem).Raw("</p>\n");
    html->Raw("<p><code>").Text(CurlLine(snapshot, row->name)).Raw("</code></p>\n");
    html->Raw("<div class=\"columns\">\n");
    Facts facts = {{"state", std::string(NameOf(row->state)) + (row->loaded ? ", in memory" : "")}};
    if (!row->kind.empty()) facts.push_back({"is", std::string(row->kind)});
    if (detail) facts.insert(facts.end(), detail->facts.begin(), detail->facts.end());
    WriteFacts("What it is", facts, html);
    WriteFacts("Last seconds", LoadFacts(row->now), html);
    WriteFacts("Since start", SumFacts(row->sums, detail ? &*detail : nullptr), html);
    if (detail) WriteDurations(*detail, html);
    html->Raw("</div>\n");
  }
  View failures = View::OfKind(View::Kind::kFailures);
  failures.function = view.function;
  const auto failed = SelectFailures(snapshot, failures);
  if (failed.matching == 0) return;
  html->Raw("<h3>Failures</h3>\n");
  auto rows = failed.rows;
  rows.resize(std::min(rows.size(), kMostFailures));
  WriteFailureList(rows, snapshot.now, html);
  if (failed.matching > rows.size()) {
    html->Raw("<p>");
    WriteLink(failures, fmt::format("all {}", failed.matching), html);
    html->Raw("</p>\n");
  }
}

}  // namespace wasmoor::function::page
