#pragma once

#include "function/page/columns.h"
#include "function/page/frame.h"
#include "function/page/html.h"
#include "function/page/selection.h"
#include "function/page/view.h"

// Tables of rows with many numbers, whose columns the rows can be sorted by.
namespace wasmoor::function::page {

// The head of one column; without a title if it has no key. Numbers are at the right.
struct ColumnHead {
  std::string_view key, title, hint;
  enum class Holds : uint8_t { kText, kNumbers } holds = Holds::kNumbers;
};
void WriteColumnHead(const View& view, const ColumnHead& head, Html* html);

struct PageOf {
  size_t page = 1, pages = 1, first = 0, shown = 0, matching = 0;
};
// Nothing where there is one page only.
void WritePager(const View& view, const PageOf& page, Html* html);

// Opens a table: `left` are the columns before those of numbers.
template <typename Row>
void WriteTableHead(const View& view, std::span<const ColumnHead> left, Markup caption,
                    Html* html) {
  html->Raw("<div class=\"scroll\"><table>\n<caption>").Raw(caption).Raw("</caption>\n<thead>\n");
  html->Raw("<tr class=\"groups\"><td colspan=\"").Number(uint64_t{left.size()}).Raw("\"></td>");
  for (const ColumnGroup& group : GroupsOf(static_cast<const Row*>(nullptr))) {
    html->Raw("<th scope=\"colgroup\" colspan=\"").Number(uint64_t{group.columns}).Raw("\">");
    html->Text(group.title).Raw("</th>");
  }
  html->Raw("</tr>\n<tr>");
  for (const ColumnHead& head : left) WriteColumnHead(view, head, html);
  for (const auto& column : ColumnsOf(static_cast<const Row*>(nullptr)))
    WriteColumnHead(view, {column.key, column.title, column.hint}, html);
  html->Raw("</tr>\n</thead>\n<tbody data-rows>\n");
}

template <typename Row>
void WriteNumbers(const Row& row, Html* html) {
  using Tone = typename Column<Row>::Tone;
  for (const Column<Row>& column : ColumnsOf(&row)) {
    const double value = column.value(row);
    const bool is_bad = column.tone == Tone::kBad && value > 0;
    html->Raw(is_bad       ? Markup("<td class=\"bad\">")
              : value <= 0 ? Markup("<td class=\"none\">")
                           : Markup("<td>"));
    html->Text(column.text(value)).Raw("</td>");
  }
}

template <typename Row>
PageOf PageOfRows(const Selection<Row>& selection) {
  return {selection.page, selection.pages, selection.first, selection.rows.size(),
          selection.matching};
}

}  // namespace wasmoor::function::page
