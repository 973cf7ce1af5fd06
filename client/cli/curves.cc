#include "client/cli/curves.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "absl/strings/str_cat.h"
#include "client/cli/text.h"

namespace traind::client {
namespace {

constexpr const char* kGlyphs[] = {"●", "○", "×"};
constexpr int kLabelWidth = 9;  // Of the values at the left.

// What one column holds of a curve.
struct Cell {
  double sum = 0;
  int finite = 0;
  bool broken = false;
};

// Columns without a value, between two that have one and with nothing broken there, get what lies on the line between.
void FillGaps(std::vector<Cell>& cells) {
  size_t last = cells.size();  // The column before with something in it; at first none.
  for (size_t i = 0; i < cells.size(); ++i) {
    if (cells[i].finite == 0 && !cells[i].broken) continue;
    const bool joined = last < i && !cells[last].broken && !cells[i].broken;
    for (size_t gap = last + 1; joined && gap < i; ++gap) {
      const double share = static_cast<double>(gap - last) / static_cast<double>(i - last);
      const double from = cells[last].sum / cells[last].finite, to = cells[i].sum / cells[i].finite;
      cells[gap] = {.sum = from + share * (to - from), .finite = 1};
    }
    last = i;
  }
}

}  // namespace

std::string RenderCurves(const std::vector<PlottedCurve>& curves, int width, int height) {
  const int columns = std::max(width - kLabelWidth - 2, 8);
  height = std::max(height, 2);
  uint64_t first = std::numeric_limits<uint64_t>::max(), last = 0;
  for (const PlottedCurve& curve : curves) {
    for (const auto& [step, value] : curve.points) {
      first = std::min(first, step);
      last = std::max(last, step);
    }
  }
  double low = std::numeric_limits<double>::infinity(), high = -low;
  std::vector<std::vector<Cell>> cells(curves.size(), std::vector<Cell>(static_cast<size_t>(columns)));
  for (size_t i = 0; i < curves.size(); ++i) {
    for (const auto& [step, value] : curves[i].points) {
      const double share = last > first ? static_cast<double>(step - first) / static_cast<double>(last - first) : 0;
      Cell& cell = cells[i][static_cast<size_t>(share * (columns - 1))];
      if (std::isfinite(value)) {
        cell.sum += value;
        ++cell.finite;
      } else {
        cell.broken = true;
      }
    }
    FillGaps(cells[i]);
    for (const Cell& cell : cells[i]) {
      if (cell.finite == 0) continue;
      low = std::min(low, cell.sum / cell.finite);
      high = std::max(high, cell.sum / cell.finite);
    }
  }
  if (!(low <= high)) return "";

  // The first curve is drawn last: it lies above the others.
  std::vector<std::vector<std::string>> rows(static_cast<size_t>(height),
                                             std::vector<std::string>(static_cast<size_t>(columns), " "));
  for (size_t i = curves.size(); i-- > 0;) {
    for (size_t column = 0; column < cells[i].size(); ++column) {
      const Cell& cell = cells[i][column];
      if (cell.broken) {
        rows[0][column] = "!";
      } else if (cell.finite > 0) {
        const double share = high > low ? (high - cell.sum / cell.finite) / (high - low) : 1;
        rows[static_cast<size_t>(std::lround(share * (height - 1)))][column] = kGlyphs[i % std::size(kGlyphs)];
      }
    }
  }
  std::string text;
  for (size_t row = 0; row < rows.size(); ++row) {
    const std::string label = row == 0 ? FormatNumber(high) : row + 1 == rows.size() ? FormatNumber(low) : "";
    std::string line = absl::StrCat(PadLeft(label, kLabelWidth), " │");
    for (const std::string& cell : rows[row]) line += cell;
    line.erase(line.find_last_not_of(' ') + 1);
    absl::StrAppend(&text, line, "\n");
  }
  const std::string ends = absl::StrCat(first), end = absl::StrCat(last);
  absl::StrAppend(&text, PadLeft("step", kLabelWidth), "  ", ends,
                  PadLeft(end, std::max(columns - DisplayWidth(ends), DisplayWidth(end) + 1)), "\n");
  absl::StrAppend(&text, std::string(kLabelWidth + 2, ' '));
  for (size_t i = 0; i < curves.size(); ++i) {
    absl::StrAppend(&text, i > 0 ? "   " : "", kGlyphs[i % std::size(kGlyphs)], " ", curves[i].name);
  }
  return text + "\n";
}

}  // namespace traind::client
