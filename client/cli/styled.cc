#include "client/cli/styled.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "client/cli/text.h"

namespace traind::client {
namespace {

constexpr int kGap = 2;

absl::string_view Escape(Style style) {
  switch (style) {
    case Style::kPlain:
      return "";
    case Style::kBold:
      return "\x1b[1m";
    case Style::kDim:
      return "\x1b[2m";
    case Style::kGood:
      return "\x1b[32m";
    case Style::kWarning:
      return "\x1b[33m";
    case Style::kBad:
      return "\x1b[1;31m";
  }
  return "";
}

}  // namespace

StyledLine& StyledLine::Add(absl::string_view text, Style style) {
  spans_.push_back({.text = std::string(text), .style = style});
  return *this;
}

std::string StyledLine::Render(int width, bool color) const {
  std::string line;
  for (const Span& span : spans_) {
    if (width <= 0) break;
    // Blanks that fill a cell are not worth an ellipsis.
    const absl::string_view ink = absl::StripTrailingAsciiWhitespace(span.text);
    const std::string text =
        DisplayWidth(ink) <= width ? PadRight(ink, std::min(width, DisplayWidth(span.text))) : Clip(span.text, width);
    width -= DisplayWidth(text);
    const absl::string_view escape = color ? Escape(span.style) : "";
    absl::StrAppend(&line, escape, text, escape.empty() ? "" : "\x1b[0m");
    if (text != span.text) break;
  }
  line.erase(line.find_last_not_of(' ') + 1);
  return line;
}

std::vector<StyledLine> Table::Lines(int width) const {
  std::vector<int> widths;
  for (const Column& column : columns_) widths.push_back(DisplayWidth(column.title));
  for (const std::vector<Span>& row : rows_) {
    for (size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], DisplayWidth(row[i].text));
  }
  std::vector<bool> shown(columns_.size(), true);
  for (size_t i = 0; i < columns_.size(); ++i) {
    shown[i] = !columns_[i].optional || std::any_of(rows_.begin(), rows_.end(),
                                                    [i](const std::vector<Span>& row) { return !row[i].text.empty(); });
  }
  while (true) {
    int total = -kGap;
    size_t least = columns_.size();
    for (size_t i = 0; i < columns_.size(); ++i) {
      if (!shown[i]) continue;
      total += widths[i] + kGap;
      if (columns_[i].rank > 0 && (least == columns_.size() || columns_[i].rank > columns_[least].rank)) least = i;
    }
    if (total <= width || least == columns_.size()) break;
    shown[least] = false;
  }

  std::vector<StyledLine> lines;
  const auto add = [&](auto cell) {
    StyledLine line;
    bool first = true;
    for (size_t i = 0; i < columns_.size(); ++i) {
      if (!shown[i]) continue;
      if (!first) line.Add(std::string(kGap, ' '));
      first = false;
      const Span span = cell(i);
      line.Add(columns_[i].right ? PadLeft(span.text, widths[i]) : PadRight(span.text, widths[i]), span.style);
    }
    lines.push_back(std::move(line));
  };
  add([&](size_t i) { return Span{.text = columns_[i].title, .style = Style::kDim}; });
  for (const std::vector<Span>& row : rows_) {
    add([&](size_t i) { return row[i]; });
  }
  return lines;
}

std::string Table::Render(int width, bool color) const {
  std::string text;
  for (const StyledLine& line : Lines(width)) absl::StrAppend(&text, line.Render(width, color), "\n");
  return text;
}

}  // namespace traind::client
