// Lines and tables with a little colour, and their layout in columns. Thread-compatible.
#pragma once

#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace traind::client {

enum class Style { kPlain, kBold, kDim, kGood, kWarning, kBad };

struct Span {  // Text of one colour.
  std::string text;
  Style style = Style::kPlain;
};

class StyledLine {
 public:
  StyledLine& Add(absl::string_view text, Style style = Style::kPlain);
  // Cut to `width` columns; with ANSI colours if `color`. No line end.
  std::string Render(int width, bool color) const;

 private:
  std::vector<Span> spans_;
};

struct Column {
  std::string title;
  bool right = false;     // Alignment.
  int rank = 0;           // Columns of the highest rank leave a table that is too wide first; 0 always stays.
  bool optional = false;  // It is not there when no row has anything in it.
};

class Table {
 public:
  explicit Table(std::vector<Column> columns) : columns_(std::move(columns)) {}
  // As many cells as there are columns.
  void Add(std::vector<Span> row) { rows_.push_back(std::move(row)); }
  // The title line and the rows, columns two blanks apart.
  std::vector<StyledLine> Lines(int width) const;
  // The same as text, a line end after each line.
  std::string Render(int width, bool color) const;

 private:
  std::vector<Column> columns_;
  std::vector<std::vector<Span>> rows_;
};

}  // namespace traind::client
