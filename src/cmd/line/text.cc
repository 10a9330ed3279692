#include "cmd/line/text.h"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>

namespace wasmoor::cmd {
namespace {

constexpr size_t kUsualWidth = 100;
constexpr size_t kNarrowest = 40;
constexpr size_t kNarrowestColumn = 20;
constexpr std::string_view kGap = "  ";

std::string_view CodeOf(Style style) {
  switch (style) {
    case Style::kPlain: return "";
    case Style::kHeading:
    case Style::kBold: return "1";
    case Style::kDim: return "2";
    case Style::kGreen: return "32";
    case Style::kYellow: return "33";
    case Style::kRed: return "31";
  }
  return "";
}

}  // namespace

size_t Width(std::string_view text) {
  return static_cast<size_t>(std::count_if(text.begin(), text.end(), [](char c) {
    return (static_cast<unsigned char>(c) & 0xc0) != 0x80;
  }));
}

std::string Wrap(std::string_view text, size_t width, size_t indent) {
  std::string wrapped;
  size_t column = 0;
  const auto new_line = [&] {
    wrapped += '\n';
    column = 0;
  };
  const auto put = [&](std::string_view word) {
    const size_t wide = Width(word);
    if (column > 0 && column + 1 + wide > width) new_line();
    if (column > 0) {
      wrapped += ' ';
      ++column;
    } else if (!wrapped.empty()) {
      wrapped.append(indent, ' ');
    }
    wrapped += word;
    column += wide;
  };
  while (!text.empty()) {
    const size_t end = std::min(text.find_first_of(" \n"), text.size());
    if (end > 0) put(text.substr(0, end));
    if (end < text.size() && text[end] == '\n') new_line();
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return wrapped;
}

size_t TerminalWidth() {
  struct winsize size = {};
  if (isatty(STDOUT_FILENO) == 0 || ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0 ||
      size.ws_col == 0)
    return kUsualWidth;
  return std::clamp<size_t>(size.ws_col, kNarrowest, kUsualWidth);
}

bool WantsColor(FILE* stream) {
  if (isatty(fileno(stream)) == 0) return false;
  const char* forbidden = std::getenv("NO_COLOR");
  if (forbidden != nullptr && *forbidden != '\0') return false;
  const char* terminal = std::getenv("TERM");
  return terminal != nullptr && std::string_view(terminal) != "dumb";
}

std::string Styled(std::string_view text, Style style, bool color) {
  if (!color || style == Style::kPlain || text.empty()) return std::string(text);
  return fmt::format("\x1b[{}m{}\x1b[0m", CodeOf(style), text);
}

std::string Table::Text(size_t width, bool color) const {
  std::vector<size_t> widths;
  for (const Row& row : rows_) {
    widths.resize(std::max(widths.size(), row.size()));
    // A last cell is not padded, so that one alone in its row does not widen its column.
    for (size_t i = 0; i + 1 < row.size(); ++i) widths[i] = std::max(widths[i], Width(row[i].text));
  }
  std::string text;
  for (const Row& row : rows_) {
    const bool heading = !row.empty() && row.front().style == Style::kHeading;
    size_t column = heading ? 0 : indent_;
    text.append(column, ' ');
    for (size_t i = 0; i < row.size(); ++i) {
      const Cell& cell = row[i];
      if (i + 1 == row.size()) {
        const bool wraps = width != kUnlimited && width > column + kNarrowestColumn;
        text +=
            Styled(wraps ? Wrap(cell.text, width - column, column) : cell.text, cell.style, color);
        break;
      }
      text += Styled(cell.text, cell.style, color);
      text.append(widths[i] - Width(cell.text), ' ');
      text += kGap;
      column += widths[i] + kGap.size();
    }
    while (text.ends_with(' ')) text.pop_back();
    text += '\n';
  }
  return text;
}

std::string Table::TabSeparated() const {
  std::string text;
  for (const Row& row : rows_) {
    for (size_t i = 0; i < row.size(); ++i) text += (i == 0 ? "" : "\t") + row[i].text;
    text += '\n';
  }
  return text;
}

std::string ForStandardOutput(const Table& table) {
  if (isatty(STDOUT_FILENO) == 0) return table.TabSeparated();
  return table.Text(TerminalWidth(), WantsColor(stdout));
}

}  // namespace wasmoor::cmd
