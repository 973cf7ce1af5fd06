#include "client/cli/search_chart.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "client/cli/text.h"

namespace traind::client {
namespace {

constexpr int kAxisGap = 14;  // Columns between two axes, at least.

struct ChartCell {
  const char* glyph = " ";
  Style style = Style::kPlain;
};

// Columns and rows that are drawn on. Row 0 is the highest.
class Chart {
 public:
  Chart(int width, int height)
      : width_(static_cast<size_t>(width)), height_(static_cast<size_t>(height)), cells_(width_ * height_) {}

  int RowOf(double place) const {
    return static_cast<int>(std::lround((1 - place) * static_cast<double>(height_ - 1)));
  }
  ChartCell& At(int column, int row) { return cells_[static_cast<size_t>(row) * width_ + static_cast<size_t>(column)]; }

  // The line between two places, its ends left to the axes.
  void Connect(int from, double from_place, int to, double to_place, Style style) {
    for (int column = from + 1; column < to; ++column) {
      const double share = static_cast<double>(column - from) / (to - from);
      At(column, RowOf(from_place + share * (to_place - from_place))) = {.glyph = "·", .style = style};
    }
  }

  StyledLine Line(int row) const {
    StyledLine line;
    std::string run;
    Style style = Style::kPlain;
    for (size_t column = 0; column < width_; ++column) {
      const ChartCell& cell = cells_[static_cast<size_t>(row) * width_ + column];
      if (cell.style != style && !run.empty()) {
        line.Add(run, style);
        run.clear();
      }
      style = cell.style;
      run += cell.glyph;
    }
    return line.Add(run, style);
  }

 private:
  size_t width_, height_;
  std::vector<ChartCell> cells_;
};

// Text at the columns of the axes; the last one ends at its axis.
StyledLine AxisTexts(const std::vector<int>& columns, const std::vector<std::string>& texts, Style style) {
  std::string line;
  for (size_t i = 0; i < texts.size(); ++i) {
    const bool last = i + 1 == texts.size();
    const int room = (last ? columns[i] - DisplayWidth(line) + 1 : columns[i + 1] - columns[i]) - 1;
    const std::string text = Clip(texts[i], std::max(room, 1));
    const int begin = last ? columns[i] + 1 - DisplayWidth(text) : columns[i];
    line = absl::StrCat(PadRight(line, begin), text);
  }
  return StyledLine().Add(line, style);
}

// Trials from the worst to the best, those without an objective first.
std::vector<size_t> WorstFirst(const Search& search) {
  std::vector<size_t> order(search.trials.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) {
    const auto &x = search.trials[a].objective, &y = search.trials[b].objective;
    return y && (!x || IsBetter(search, *y, *x));
  });
  return order;
}

}  // namespace

std::vector<StyledLine> ParallelLines(const Search& search, int width, int height) {
  if (search.trials.empty() || search.axes.empty()) return {};
  height = std::max(height, 3);
  width = std::max(width, 2 * kAxisGap);
  const size_t shown = std::min(search.axes.size(), static_cast<size_t>((width - 1) / kAxisGap));
  std::vector<SearchAxis> axes;
  for (size_t i = 0; i < shown; ++i) {
    std::vector<std::string> values;
    for (const SearchTrial& trial : search.trials) values.push_back(trial.values[i]);
    axes.push_back(Widened(search.axes[i], values));
  }
  const ObjectiveScale scale = ScaleOf(search);
  const int gap = std::min((width - 1) / static_cast<int>(shown), 2 * kAxisGap);
  Chart chart(gap * static_cast<int>(shown) + 1, height);
  std::vector<int> columns;
  for (size_t i = 0; i <= shown; ++i) columns.push_back(static_cast<int>(i) * gap);
  for (const int column : columns) {
    for (int row = 0; row < height; ++row) chart.At(column, row) = {.glyph = "│", .style = Style::kDim};
  }

  const std::optional<size_t> best = BestTrial(search);
  const std::vector<size_t> order = WorstFirst(search);
  for (size_t rank = 0; rank < order.size(); ++rank) {
    const SearchTrial& trial = search.trials[order[rank]];
    const bool is_best = order[rank] == best;
    const bool better_half = trial.objective && 2 * rank >= order.size();
    const Style style = is_best ? Style::kGood : better_half ? Style::kPlain : Style::kDim;
    std::vector<std::optional<double>> places;
    for (size_t i = 0; i < shown; ++i) places.push_back(PlaceOn(axes[i], trial.values[i]));
    places.push_back(trial.objective ? std::optional(scale.Place(*trial.objective)) : std::nullopt);
    for (size_t i = 0; i < places.size(); ++i) {
      if (!places[i]) continue;
      if (i + 1 < places.size() && places[i + 1]) {
        chart.Connect(columns[i], *places[i], columns[i + 1], *places[i + 1], style);
      }
      chart.At(columns[i], chart.RowOf(*places[i])) = {.glyph = is_best ? "●" : "○", .style = style};
    }
  }

  std::vector<std::string> titles, high, low;
  for (const SearchAxis& axis : axes) {
    titles.push_back(axis.title);
    high.push_back(Printable(HighEnd(axis)));
    low.push_back(Printable(LowEnd(axis)));
  }
  titles.push_back(search.objective);
  high.push_back(best ? FormatNumber(scale.best) : "");
  low.push_back(best ? FormatNumber(scale.worst) : "");
  std::vector<StyledLine> lines = {AxisTexts(columns, titles, Style::kBold), AxisTexts(columns, high, Style::kDim)};
  for (int row = 0; row < height; ++row) lines.push_back(chart.Line(row));
  lines.push_back(AxisTexts(columns, low, Style::kDim));
  std::vector<std::string> notes;
  if (scale.beyond > 0) notes.push_back(absl::StrCat(scale.beyond, " far worse at the lower edge"));
  if (shown < search.axes.size()) {
    std::vector<std::string> left_out;
    for (size_t i = shown; i < search.axes.size(); ++i) left_out.push_back(search.axes[i].title);
    notes.push_back(absl::StrCat("no room for ", absl::StrJoin(left_out, ", ")));
  }
  if (!notes.empty()) lines.push_back(StyledLine().Add(absl::StrJoin(notes, "; "), Style::kDim));
  return lines;
}

}  // namespace traind::client
