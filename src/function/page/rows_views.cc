#include <array>

#include "function/page/table.h"
#include "function/page/text.h"
#include "function/page/views.h"

namespace wasmoor::function::page {
namespace {

Markup ClassOf(State state) {
  switch (state) {
    case State::kBroken: return "bad";
    case State::kCompiling: return "warn";
    case State::kRegistered: return "quiet";
    case State::kReady: return "";
  }
  return "";
}

void WriteFunctionRow(const FunctionRow& row, Html* html) {
  html->Raw("<tr data-key=\"").Text(row.name).Raw("\"><th scope=\"row\">");
  WriteLink(View::OfFunction(row.name), row.name, html);
  if (!row.problem.empty()) {
    html->Raw("<span class=\"problem\" title=\"").Text(row.problem).Raw("\">");
    html->Text(row.problem).Raw("</span>");
  }
  html->Raw("</th><td>");
  WriteCallButton(row.name, html);
  html->Raw("</td><td class=\"text\"><span class=\"").Raw(ClassOf(row.state)).Raw("\">");
  html->Text(NameOf(row.state)).Raw("</span>");
  const bool is_stale = row.state == State::kReady && !row.problem.empty();
  if (is_stale) html->Raw(" <span class=\"warn\">an earlier one</span>");
  html->Raw("</td>");
  WriteNumbers(row, html);
  html->Raw("</tr>\n");
}

void WriteTenantRow(const TenantRow& row, Html* html) {
  html->Raw("<tr data-key=\"").Text(row.name).Raw("\"><th scope=\"row\">");
  WriteLink(View::OfTenant(row.name), row.name.empty() ? "(none)" : row.name, html);
  html->Raw("</th><td>").Text(CountText(static_cast<double>(row.functions)));
  if (row.broken > 0) {
    html->Raw(" <span class=\"bad\">");
    html->Text(CountText(static_cast<double>(row.broken)) + " broken").Raw("</span>");
  }
  html->Raw("</td>");
  WriteNumbers(row, html);
  html->Raw("</tr>\n");
}

}  // namespace

void WriteFunctions(const Snapshot& snapshot, const View& view, Html* html) {
  constexpr std::array<ColumnHead, 3> kLeft = {
      {{"name", "Function", "Its name, which is its path.", ColumnHead::Holds::kText},
       {},
       {"state", "State", "Whether it can be run.", ColumnHead::Holds::kText}}};
  const auto selection = SelectFunctions(snapshot, view);
  WriteSearch(view, {"Function", "function", "functions", selection.matching}, html);
  if (selection.matching == 0) {
    html->Raw("<p class=\"empty\">");
    if (!snapshot.functions.empty()) {
      html->Raw("No function is like that.</p>\n");
    } else if (!snapshot.not_ready.empty()) {
      html->Raw("No function is known now.</p>\n");
    } else {
      html->Raw("There is no function yet. A file NAME.wasm that is put into <code>");
      html->Text(snapshot.directory).Raw("</code> can be called as /NAME at once.</p>\n");
    }
    return;
  }
  WriteTableHead<FunctionRow>(view, kLeft, "Functions", html);
  for (const FunctionRow* row : selection.rows) WriteFunctionRow(*row, html);
  html->Raw("</tbody>\n</table></div>\n");
  WritePager(view, PageOfRows(selection), html);
}

void WriteTenants(const Snapshot& snapshot, const View& view, Html* html) {
  constexpr std::array<ColumnHead, 2> kLeft = {
      {{"name", "Tenant", "The directory that its functions are in.", ColumnHead::Holds::kText},
       {"functions", "functions", "Those that it has."}}};
  const auto selection = SelectTenants(snapshot, view);
  WriteSearch(view, {"Tenant", "tenant", "tenants", selection.matching}, html);
  if (selection.matching == 0) {
    html->Raw("<p class=\"empty\">No tenant is like that.</p>\n");
    return;
  }
  WriteTableHead<TenantRow>(view, kLeft, "Tenants", html);
  for (const TenantRow* row : selection.rows) WriteTenantRow(*row, html);
  html->Raw("</tbody>\n</table></div>\n");
  WritePager(view, PageOfRows(selection), html);
}

}  // namespace wasmoor::function::page
