#include "function/page/frame.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "function/page/columns.h"
#include "function/page/text.h"

namespace wasmoor::function::page {
namespace {

using Kind = View::Kind;

void WriteHead(const Snapshot& snapshot, const View& view, Html* html) {
  html->Raw("<!DOCTYPE html>\n<html lang=\"en\" data-version=\"").Text(snapshot.version);
  html->Raw("\">\n<head>\n<meta charset=\"utf-8\">\n<title>");
  if (!snapshot.not_ready.empty()) html->Raw("not ready · ");
  html->Text(view.kind == Kind::kFunction ? view.function : NameOf(view.kind));
  html->Raw(
      " · wasmoor</title>\n"
      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
      "<meta name=\"color-scheme\" content=\"light dark\">\n"
      "<link rel=\"icon\" href=\"/page.svg\" type=\"image/svg+xml\">\n"
      "<link rel=\"stylesheet\" href=\"/page.css\">\n"
      "<script src=\"/page.js\" defer></script>\n"
      "<noscript><meta http-equiv=\"refresh\" content=\"5\"></noscript>\n"
      "</head>\n<body>\n<a class=\"skip\" href=\"#main\">Skip to the rows</a>\n");
}

void WriteBanner(const Snapshot& snapshot, Html* html) {
  html->Raw("<header class=\"banner\">\n<h1><a href=\"/\">wasmoor</a></h1>\n");
  if (snapshot.not_ready.empty()) {
    html->Raw("<span class=\"pill good\">ready</span>\n");
  } else {
    html->Raw("<span class=\"pill bad\">not ready: ").Text(snapshot.not_ready).Raw("</span>\n");
  }
  html->Raw("<span class=\"path\">").Text(snapshot.directory).Raw("</span>\n");
  html->Raw("<span class=\"up\">up ").Text(SpanText(snapshot.uptime.count())).Raw("</span>\n");
  html->Raw(
      "<div class=\"watch\" data-still>\n"
      "<span id=\"told\" role=\"status\"><noscript>without script: a new page every 5 s"
      "</noscript></span>\n"
      "<button type=\"button\" id=\"pause\" class=\"scripted\" aria-pressed=\"false\">Pause"
      "</button>\n</div>\n</header>\n");
}

// What a tile's line is drawn against.
struct Scale {
  double least_top = 0;  // What is as high as the tile, if nothing is higher.
};

void WriteLine(const std::vector<double>& values, Scale scale, Html* html) {
  constexpr double kHeight = 24, kWidth = 119;
  double top = scale.least_top;
  for (const double value : values) top = std::max(top, std::min(value, 1e18));
  html->Raw(
      "<svg class=\"line\" viewBox=\"0 0 119 25\" preserveAspectRatio=\"none\" "
      "aria-hidden=\"true\"><path d=\"");
  double x = kWidth - static_cast<double>(values.size()) + 1;
  bool draws = false;
  for (const double value : values) {
    // A gap where there was nothing to measure.
    if (value < 0) {
      draws = false;
    } else {
      const double y = top <= 0 ? kHeight : kHeight - kHeight * std::min(value, top) / top;
      html->Raw(draws ? Markup("L") : Markup("M")).Number(x).Raw(" ").Number(y + 0.5);
      if (!draws) html->Raw("h0.1");
      draws = true;
    }
    ++x;
  }
  html->Raw("\"/></svg>");
}

struct Tile {
  Markup label;
  std::string value, unit, more;
  const std::vector<double>& line;
  Scale scale;
  Markup tone = "";
};

void WriteTile(const Tile& tile, Html* html) {
  html->Raw("<div class=\"tile ").Raw(tile.tone).Raw("\"><dt>").Raw(tile.label).Raw("</dt>");
  html->Raw("<dd><b>").Text(tile.value).Raw("</b> <span>").Text(tile.unit).Raw("</span>");
  html->Raw("<small>").Text(tile.more).Raw("</small>");
  WriteLine(tile.line, tile.scale, html);
  html->Raw("</dd></div>\n");
}

// Times are drawn by their logarithm: a slow start would leave nothing else to be seen.
constexpr double kShortest = 1e-4, kLongest = 30;
double Decades(double seconds) {
  return std::log10(std::clamp(seconds, kShortest, kLongest) / kShortest);
}

double Cpus(uint64_t millicores) { return static_cast<double>(millicores) / 1000; }

void WriteStateLink(uint64_t count, std::string_view state, Html* html) {
  html->Raw("<a href=\"").Text(View::OfState(state).Address()).Raw("\">");
  html->Text(CountText(static_cast<double>(count)) + " ").Text(state).Raw("</a>");
}

void WriteFunctionsTile(const Snapshot& snapshot, Html* html) {
  html->Raw("<div class=\"tile\"><dt>Functions</dt><dd><b>");
  html->Text(CountText(static_cast<double>(snapshot.functions.size()))).Raw("</b> <span></span>");
  html->Raw("<small>").Text(CountText(static_cast<double>(snapshot.loaded)) + " in memory");
  html->Raw("</small><small class=\"states\">");
  WriteStateLink(snapshot.compiling, NameOf(State::kCompiling), html);
  html->Raw(snapshot.broken > 0 ? Markup(" <span class=\"bad\">") : Markup(" <span>"));
  WriteStateLink(snapshot.broken, NameOf(State::kBroken), html);
  html->Raw("</span></small></dd></div>\n");
}

void WriteTiles(const Snapshot& snapshot, Html* html) {
  const Load& load = snapshot.load;
  const Sums& sums = snapshot.sums;
  const History& history = snapshot.history;
  const auto count = [](uint64_t number) { return CountText(static_cast<double>(number)); };
  const auto memory = static_cast<double>(snapshot.running.memory_bytes);
  std::vector<double> times;
  for (const double time : history.p99) times.push_back(time < 0 ? time : Decades(time));
  html->Raw("<dl class=\"tiles\">\n");
  WriteTile({.label = "Requests",
             .value = RateText(load.requests),
             .unit = "/s",
             .more = count(sums.requests()) + " since start",
             .line = history.requests},
            html);
  WriteTile({.label = "Failed",
             .value = RateText(load.failures),
             .unit = "/s",
             .more = fmt::format("{} since start, {} refused", count(sums.failures()),
                                 count(sums.refused)),
             .line = history.failures,
             .tone = load.failures > 0 ? Markup("bad") : Markup("")},
            html);
  WriteTile({.label = "Latency",
             .value = TimeText(load.p99),
             .unit = "p99",
             .more = fmt::format("p50 {}, p90 {}", TimeText(load.p50), TimeText(load.p90)),
             .line = times,
             .scale = {Decades(kLongest)}},
            html);
  WriteTile({.label = "CPU of guests",
             .value = CpusText(load.cpus),
             .unit = fmt::format("of {}", CpusText(Cpus(snapshot.millicores))),
             .more = fmt::format("{} of {} m promised", count(snapshot.running.millicores),
                                 count(snapshot.promised_millicores)),
             .line = history.cpus,
             .scale = {Cpus(snapshot.millicores)}},
            html);
  WriteTile({.label = "Memory of guests",
             .value = memory > 0 ? SizeText(memory) : "0",
             .unit = fmt::format("of {}", SizeText(static_cast<double>(snapshot.memory_bytes))),
             .more = "promised to what runs",
             .line = history.memory,
             .scale = {static_cast<double>(snapshot.memory_bytes)}},
            html);
  WriteTile({.label = "Queue",
             .value = count(snapshot.waiting.requests),
             .unit = "waiting",
             .more = fmt::format("{} running, {} turned away", count(snapshot.running.requests),
                                 count(snapshot.refused_full)),
             .line = history.waiting,
             .tone = snapshot.waiting.requests > 0 ? Markup("warn") : Markup("")},
            html);
  WriteFunctionsTile(snapshot, html);
  html->Raw("</dl>\n");
}

void WriteLatestFailure(const Snapshot& snapshot, Html* html) {
  if (snapshot.failures.empty()) return;
  const Failure& latest = snapshot.failures.front();
  html->Raw("<p class=\"latest\"><span class=\"bad\">Latest failure</span> ");
  html->Text(AgoText(snapshot.now - latest.at)).Raw(": ");
  if (!latest.function.empty()) WriteLink(View::OfFunction(latest.function), latest.function, html);
  html->Raw(" <span>").Text(latest.problem).Raw("</span> ");
  html->Raw("<a class=\"all\" href=\"/failures\">all failures</a></p>\n");
}

void WriteNavigation(const Snapshot& snapshot, const View& view, Html* html) {
  struct Tab {
    Kind kind;
    Markup title;
    size_t count;
  };
  const std::array tabs = {Tab{Kind::kFunctions, "Functions", snapshot.functions.size()},
                           Tab{Kind::kTenants, "Tenants", snapshot.tenants.size()},
                           Tab{Kind::kFailures, "Failures", snapshot.failures.size()}};
  html->Raw("<nav aria-label=\"Views\"><ul>\n");
  for (const Tab& tab : tabs) {
    html->Raw("<li><a href=\"").Text(View::OfKind(tab.kind).Address()).Raw("\"");
    if (tab.kind == view.kind) html->Raw(" aria-current=\"page\"");
    html->Raw(">").Raw(tab.title).Raw(" <span class=\"count\">");
    html->Text(CountText(static_cast<double>(tab.count))).Raw("</span></a></li>\n");
  }
  html->Raw("</ul></nav>\n");
}

void WriteDialog(Html* html) {
  html->Raw(
      "<dialog id=\"call\" aria-labelledby=\"call-title\" data-still>\n<form id=\"call-form\">\n"
      "<header><h2 id=\"call-title\">Invoke</h2>"
      "<button type=\"button\" id=\"call-close\" aria-label=\"Close\">Close</button></header>\n"
      "<div class=\"line-one\"><label>Method <select id=\"call-method\">");
  html->Raw(
      "<option>GET</option><option>POST</option><option>PUT</option><option>PATCH</option>"
      "<option>DELETE</option><option>HEAD</option><option>OPTIONS</option></select></label>\n"
      "<label class=\"wide\">Path and query <input id=\"call-target\" required "
      "spellcheck=\"false\" "
      "autocomplete=\"off\"></label>\n"
      "<button type=\"submit\" id=\"call-send\" class=\"main\">Invoke</button></div>\n"
      "<details id=\"call-more\"><summary>Fields and body</summary>\n"
      "<label>Fields, a line each <textarea id=\"call-fields\" rows=\"3\" spellcheck=\"false\" "
      "placeholder=\"content-type: application/json\"></textarea></label>\n"
      "<label>Body <textarea id=\"call-body\" rows=\"6\" spellcheck=\"false\"></textarea></label>\n"
      "<label>or a file <input type=\"file\" id=\"call-file\"></label>\n</details>\n</form>\n"
      "<section id=\"call-reply\" aria-live=\"polite\" aria-label=\"Reply\">\n"
      "<p id=\"call-status\"></p>\n<dl id=\"call-usage\"></dl>\n"
      "<details id=\"call-got\" hidden><summary>Fields of the reply</summary>"
      "<pre id=\"call-got-fields\"></pre></details>\n"
      "<pre id=\"call-output\" tabindex=\"0\" hidden></pre>\n"
      "<p><a id=\"call-save\" download=\"reply\" hidden>Save the body</a></p>\n</section>\n"
      "</dialog>\n");
}

}  // namespace

void WriteTop(const Snapshot& snapshot, const View& view, Html* html) {
  WriteHead(snapshot, view, html);
  WriteBanner(snapshot, html);
  WriteTiles(snapshot, html);
  WriteLatestFailure(snapshot, html);
  WriteNavigation(snapshot, view, html);
  html->Raw("<main id=\"main\">\n");
}

void WriteBottom(const Snapshot& snapshot, Html* html) {
  html->Raw("</main>\n<footer>\n<p>wasmoor ").Text(snapshot.version).Raw(" serves on ");
  for (size_t i = 0; i < snapshot.addresses.size(); ++i) {
    if (i > 0) html->Raw(", ");
    html->Text(snapshot.addresses[i]);
  }
  html->Raw(". CPU limits are kept ").Text(snapshot.cpu_limits).Raw(". ");
  html->Text(fmt::format("{} event loop{}, {} threads, of which {} have a guest of their own. ",
                         snapshot.loops, snapshot.loops == 1 ? "" : "s", snapshot.threads,
                         snapshot.threads_taken));
  html->Text(fmt::format("{} requests came to no function. ",
                         CountText(static_cast<double>(snapshot.nameless))));
  html->Text(fmt::format("The last seconds are {} at most.", snapshot.window.count()));
  html->Raw(
      "</p>\n<p>For machines: "
      "<a href=\"/status.json\">/status.json</a> <a href=\"/metrics\">/metrics</a></p>\n"
      "<noscript><p>Functions are invoked by the page's script; without it, by curl at the "
      "addresses above.</p></noscript>\n</footer>\n");
  WriteDialog(html);
  html->Raw("</body>\n</html>\n");
}

void WriteSearch(const View& view, const Search& search, Html* html) {
  View plain = View::OfKind(view.kind);
  html->Raw("<form class=\"search\" method=\"get\" role=\"search\" action=\"");
  html->Text(plain.Address()).Raw("\">\n<span data-still><label>").Raw(search.label);
  html->Raw(" <input type=\"search\" name=\"q\" value=\"").Text(view.find).Raw("\"></label>\n");
  const auto keep = [html](Markup name, std::string_view value) {
    if (value.empty()) return;
    html->Raw("<input type=\"hidden\" name=\"").Raw(name).Raw("\" value=\"").Text(value);
    html->Raw("\">\n");
  };
  keep("sort", view.sort);
  if (view.order != View::Order::kUsual)
    keep("order", view.order == View::Order::kRising ? "asc" : "desc");
  if (view.tenant) keep("tenant", view.tenant->empty() ? "/" : *view.tenant);
  keep("state", view.state);
  keep("name", view.function);
  html->Raw("<button type=\"submit\">Find</button></span>\n<span class=\"chips\">");
  const auto chip = [&](std::string_view text, const View& without) {
    html->Raw("<a class=\"chip\" href=\"").Text(without.Address()).Raw("\" title=\"Show all\">");
    html->Text(text).Raw(" <span aria-hidden=\"true\">×</span></a> ");
  };
  View without = view.At(1);
  if (view.tenant) {
    without.tenant = std::nullopt;
    chip(
        view.tenant->empty() ? std::string("of no tenant") : fmt::format("tenant {}", *view.tenant),
        without);
  }
  if (!view.state.empty()) {
    without = view.At(1);
    without.state.clear();
    chip("state " + view.state, without);
  }
  if (!view.function.empty()) {
    without = view.At(1);
    without.function.clear();
    chip("function " + view.function, without);
  }
  if (!view.find.empty()) {
    without = view.At(1);
    without.find.clear();
    chip(fmt::format("“{}”", view.find), without);
  }
  html->Raw("</span>\n<output>").Text(CountText(static_cast<double>(search.matching)));
  html->Raw(" ").Raw(search.matching == 1 ? search.one : search.many);
  html->Raw("</output>\n</form>\n");
}

void WriteLink(const View& view, std::string_view text, Html* html) {
  html->Raw("<a href=\"").Text(view.Address()).Raw("\">").Text(text).Raw("</a>");
}

void WriteCallButton(std::string_view function, Html* html) {
  html->Raw("<button type=\"button\" class=\"call scripted\" data-call=\"/").Text(function);
  html->Raw("\" aria-label=\"Invoke ").Text(function).Raw("\">Invoke</button>");
}

}  // namespace wasmoor::function::page
