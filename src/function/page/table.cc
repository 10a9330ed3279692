#include "function/page/table.h"

#include <fmt/format.h>

#include "function/page/text.h"

namespace wasmoor::function::page {

void WriteColumnHead(const View& view, const ColumnHead& head, Html* html) {
  using Order = View::Order;
  if (head.key.empty()) {
    html->Raw("<td></td>");
    return;
  }
  const Sorting sorting = SortingOf(view);
  const bool sorted = sorting.key == head.key;
  const bool is_text = head.holds == ColumnHead::Holds::kText;
  html->Raw(is_text ? Markup("<th scope=\"col\" class=\"text\"") : Markup("<th scope=\"col\""));
  if (sorted) {
    html->Raw(sorting.order == Order::kRising ? Markup(" aria-sort=\"ascending\"")
                                              : Markup(" aria-sort=\"descending\""));
  }
  Order next = is_text ? Order::kRising : Order::kFalling;
  if (sorted) next = sorting.order == Order::kRising ? Order::kFalling : Order::kRising;
  html->Raw("><a href=\"").Text(view.SortedBy(head.key, next).Address()).Raw("\" title=\"");
  html->Text(head.hint).Raw("\">").Text(head.title).Raw("</a></th>");
}

void WritePager(const View& view, const PageOf& page, Html* html) {
  if (page.pages <= 1) return;
  const auto count = [](size_t number) { return CountText(static_cast<double>(number)); };
  html->Raw("<nav class=\"pager\" aria-label=\"Pages\">");
  const auto link = [&](size_t other, Markup text) {
    if (other < 1 || other > page.pages) {
      html->Raw("<span>").Raw(text).Raw("</span> ");
    } else {
      html->Raw("<a href=\"").Text(view.At(other).Address()).Raw("\">").Raw(text).Raw("</a> ");
    }
  };
  link(page.page > 1 ? 1 : 0, "first");
  link(page.page - 1, "previous");
  html->Text(fmt::format("{} to {} of {} ", count(page.first + 1), count(page.first + page.shown),
                         count(page.matching)));
  link(page.page + 1, "next");
  link(page.page < page.pages ? page.pages : 0, "last");
  html->Raw("</nav>\n");
}

}  // namespace wasmoor::function::page
