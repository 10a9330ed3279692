#pragma once

#include <cstdint>
#include <cstdio>
#include <string>
#include <string_view>
#include <vector>

#include "wasmoor/base/printable.h"

// Text for people, on terminals and elsewhere.
namespace wasmoor::cmd {

size_t Width(std::string_view text);  // In code points: columns, near enough for names.

// `text` broken at spaces into lines of at most `width` columns, each with `indent` spaces in
// front, the first one excepted. Newlines in it are kept; no newline at the end.
std::string Wrap(std::string_view text, size_t width, size_t indent);

size_t TerminalWidth();  // Of standard output; 100 if it is no terminal or a wider one.
bool WantsColor(
    FILE* stream);  // A terminal that shows colours, and no NO_COLOR in the environment.

enum class Style : uint8_t { kPlain, kBold, kDim, kGreen, kYellow, kRed, kHeading };

// Rows under one another, each column as wide as its widest cell. The last column is wrapped at
// the terminal's width.
class Table {
 public:
  struct Cell {
    std::string text;  // Printed as it is: Printable() what is not ours.
    Style style = Style::kPlain;
  };
  using Row = std::vector<Cell>;

  // `indent` spaces stand in front of every row.
  explicit Table(size_t indent = 0) : indent_(indent) {}
  void Add(Row row) { rows_.push_back(std::move(row)); }
  // A line of its own, in bold and not indented.
  void AddHeading(std::string text) { rows_.push_back({{std::move(text), Style::kHeading}}); }
  bool empty() const { return rows_.empty(); }
  // `width`: of the whole; kUnlimited wraps nothing.
  std::string Text(size_t width, bool color) const;
  std::string TabSeparated() const;

  static constexpr size_t kUnlimited = SIZE_MAX;

 private:
  size_t indent_;
  std::vector<Row> rows_;
};

std::string Styled(std::string_view text, Style style, bool color);

// Aligned, wrapped and in colour on a terminal; for other programs one line a row, with a tab
// between two cells.
std::string ForStandardOutput(const Table& table);

}  // namespace wasmoor::cmd
