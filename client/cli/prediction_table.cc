#include "client/cli/prediction_table.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "absl/strings/str_cat.h"
#include "client/cli/text.h"

namespace traind::client {
namespace {

constexpr int kPredictionWidth = 8;  // Of FormatNumber: "-1.2e-05".
constexpr int kMostNameColumns = 40;

std::string Right(double value) { return PadLeft(FormatNumber(value), kPredictionWidth); }

// With a sign.
std::string ErrorText(double error) { return absl::StrCat(error > 0 ? "+" : "", FormatNumber(error)); }

}  // namespace

PredictionTable::PredictionTable(const Context& context, int64_t examples, const PredictionStyle& style)
    : context_(context), examples_(examples), style_(style) {
  for (const std::string& file : style.files) {
    file_width_ = std::max(file_width_, std::min(DisplayWidth(Printable(file)), 2 * kMostNameColumns));
  }
}

void PredictionTable::Write(const PredictionRows& rows) {
  Table table = rows.classes() ? Classes(rows) : rows.targets() ? Targets(rows) : Outputs(rows);
  const std::vector<StyledLine> lines = table.Lines(context_.console.width);
  for (size_t i = begun_ ? 1 : 0; i < lines.size(); ++i) {
    context_.out() << lines[i].Render(context_.console.width, context_.color()) << "\n";
  }
  begun_ = true;
}

void PredictionTable::Finish() const {
  if (counted_) context_.Note(absl::StrCat(right_, " of ", examples_, " right"));
  if (compared_ == 0) return;
  const auto n = static_cast<double>(compared_);
  context_.Note(absl::StrCat("mean absolute error ", FormatNumber(error_sum_ / n), ", root of the mean square ",
                             FormatNumber(std::sqrt(square_sum_ / n))));
}

std::vector<Column> PredictionTable::BeginningColumns() const {
  std::vector<Column> columns = {{.title = "example", .right = true}};
  if (!style_.files.empty()) columns.push_back({.title = "file"});
  return columns;
}

std::vector<Span> PredictionTable::Beginning(const PredictionRows& rows, int64_t i) const {
  const int64_t number = rows.number(i);
  std::vector<Span> cells = {
      {.text = PadLeft(absl::StrCat(number), static_cast<int>(absl::StrCat(number - i + examples_).size()))}};
  const auto place = static_cast<size_t>(number);
  if (!style_.files.empty()) {
    const std::string file = place < style_.files.size() ? Printable(style_.files[place]) : "";
    cells.push_back({.text = PadRight(Clip(file, file_width_), file_width_)});
  }
  return cells;
}

Table PredictionTable::Outputs(const PredictionRows& rows) const {
  std::vector<Column> columns = BeginningColumns();
  columns.push_back({.title = "outputs"});
  Table table(std::move(columns));
  for (int64_t i = 0; i < rows.examples(); ++i) {
    std::string outputs;
    for (int64_t j = 0; j < rows.width(); ++j) {
      absl::StrAppend(&outputs, j == 0 ? "" : "  ", FormatNumber(rows.output(i, j)),
                      rows.spread() ? absl::StrCat(" +- ", FormatNumber(rows.spread(i, j))) : "");
    }
    std::vector<Span> cells = Beginning(rows, i);
    cells.push_back({.text = outputs});
    table.Add(std::move(cells));
  }
  return table;
}

// The answers beside the targets: in columns where there is one of each, else one after the other.
Table PredictionTable::Targets(const PredictionRows& rows) {
  const bool one = rows.width() == 1;
  std::vector<Column> columns = BeginningColumns();
  if (one) {
    columns.push_back({.title = "answer", .right = true});
    columns.push_back({.title = Printable(rows.TargetName(0)), .right = true});
    columns.push_back({.title = "error", .right = true});
    columns.push_back({.title = "spread", .right = true, .optional = true});
  } else {
    columns.push_back({.title = "answer (target, error)"});
  }
  Table table(std::move(columns));
  for (int64_t i = 0; i < rows.examples(); ++i) {
    std::vector<Span> cells = Beginning(rows, i);
    std::string all;
    for (int64_t j = 0; j < rows.width(); ++j) {
      const double answer = rows.answer(i, j), target = rows.target(i, j);
      ++compared_;
      error_sum_ += std::abs(answer - target);
      square_sum_ += (answer - target) * (answer - target);
      absl::StrAppend(&all, j == 0 ? "" : "  ", Printable(rows.TargetName(j)), " ", FormatNumber(answer), " (",
                      FormatNumber(target), ", ", ErrorText(answer - target), ")");
      if (!one) continue;
      cells.push_back({.text = Right(answer), .style = Style::kBold});
      cells.push_back({.text = Right(target)});
      cells.push_back({.text = PadLeft(ErrorText(answer - target), kPredictionWidth + 1)});
      cells.push_back({.text = rows.spread() ? Right(rows.spread(i, j)) : ""});
    }
    if (!one) cells.push_back({.text = all});
    table.Add(std::move(cells));
  }
  return table;
}

Table PredictionTable::Classes(const PredictionRows& rows) {
  const bool probable = rows.probabilities();
  const bool labels = rows.labels();
  counted_ = labels;
  int name_width = 0;
  for (int64_t c = 0; rows.named() && c < std::max<int64_t>(rows.width(), 2); ++c) {
    name_width = std::max(name_width, std::min(DisplayWidth(Printable(rows.ClassName(c))), kMostNameColumns));
  }
  const auto name = [&](int64_t c) {
    if (!rows.named()) return rows.ClassName(c);
    return PadRight(Clip(Printable(rows.ClassName(c)), name_width), name_width);
  };
  std::vector<Column> columns = BeginningColumns();
  const bool more = style_.top > 1;
  for (Column column :
       {Column{.title = "class", .right = !rows.named()},
        Column{.title = "label", .right = !rows.named(), .optional = true}, Column{.title = "", .optional = true},
        Column{.title = probable ? "probability" : "output", .right = true},
        Column{.title = "spread", .right = true, .optional = true},
        Column{.title = more ? "then" : "", .optional = true}}) {
    columns.push_back(std::move(column));
  }
  Table table(std::move(columns));
  for (int64_t i = 0; i < rows.examples(); ++i) {
    const std::vector<RankedClass> top = rows.Top(i, style_.top);
    const int64_t chosen = top.front().index;
    const bool hit = labels && chosen == rows.label(i);
    right_ += hit ? 1 : 0;
    const int64_t at = std::clamp<int64_t>(chosen, 0, rows.width() - 1);
    std::vector<Span> cells = Beginning(rows, i);
    cells.push_back({.text = name(chosen), .style = Style::kBold});
    cells.push_back({.text = labels ? name(rows.label(i)) : ""});
    cells.push_back({.text = !labels ? "" : hit ? "right" : "wrong", .style = hit ? Style::kGood : Style::kBad});
    cells.push_back({.text = probable ? FormatPercent(top.front().score) : Right(top.front().score)});
    cells.push_back({.text = rows.spread() ? Right(rows.spread(i, at)) : ""});
    std::string rest;
    for (size_t k = 1; k < top.size(); ++k) {
      absl::StrAppend(&rest, k == 1 ? "" : ", ", Printable(rows.ClassName(top[k].index)), " ",
                      probable ? FormatPercent(top[k].score) : FormatNumber(top[k].score));
    }
    cells.push_back({.text = more ? rest : probable ? Bar(top.front().score, 20) : "", .style = Style::kDim});
    table.Add(std::move(cells));
  }
  return table;
}

}  // namespace traind::client
