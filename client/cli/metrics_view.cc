#include "client/cli/metrics_view.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "client/cli/text.h"

namespace traind::client {
namespace {

constexpr int kListedRows = 50;  // About a screen.
constexpr int kNameWidth = 20;
constexpr size_t kListedMistakes = 5;
constexpr size_t kNumbersUpTo = 20;  // Classes whose confusion is in numbers; of more in shades.

using Lines = std::vector<StyledLine>;

std::string Digits(double value) { return std::isnan(value) ? "-" : absl::StrFormat("%.3f", value); }

void AddTable(const Table& table, int width, Lines& lines) {
  for (StyledLine& line : table.Lines(width)) lines.push_back(std::move(line));
}

void AddMore(int rows, const char* what, Lines& lines) {
  if (rows <= kListedRows) return;
  lines.push_back(StyledLine().Add(
      absl::StrCat("... and ", rows - kListedRows, " ", what, " more: --json has all of them"), Style::kDim));
}

std::string NameOf(const std::vector<std::string>& names, size_t c) {
  return c < names.size() ? Clip(Printable(names[c]), kNameWidth) : absl::StrCat(c);
}

// "accuracy of the 2 largest outputs 97.1 %, of 3 ...".
std::string TopK(const v1::ClassificationMetrics& metrics) {
  if (metrics.top_k_accuracy_size() == 2) return "";  // Of two classes one is always among them.
  std::string text;
  for (int k = 2; k <= metrics.top_k_accuracy_size(); ++k) {
    const double share = metrics.top_k_accuracy(k - 1);
    if (k > 3 && k != 5 && k != 10) continue;
    absl::StrAppend(&text, text.empty() ? "" : "  ", "top-", k, " ", FormatPercent(share));
    if (share == 1) break;
  }
  return text;
}

void AddTotals(const v1::ClassificationMetrics& metrics, Lines& lines) {
  const auto say = [&](const char* key, const std::string& value) {
    if (value.empty()) return;
    lines.push_back(StyledLine().Add(PadRight(key, 18), Style::kDim).Add(value));
  };
  say("in the largest k", TopK(metrics));
  if (metrics.has_label_accuracy()) say("labels right", FormatPercent(metrics.label_accuracy()));
  if (metrics.has_exact_match()) say("all labels right", FormatPercent(metrics.exact_match()));
  if (metrics.has_macro_f1()) {
    say("mean of classes",
        absl::StrCat("precision ", Digits(metrics.macro_precision()), "  recall ", Digits(metrics.macro_recall()),
                     "  F1 ", Digits(metrics.macro_f1()),
                     metrics.has_macro_auc() ? absl::StrCat("  AUC ", Digits(metrics.macro_auc())) : ""));
  }
  if (metrics.has_log_loss()) say("log loss", FormatNumber(metrics.log_loss()));
  if (metrics.has_calibration_error()) say("calibration error", Digits(metrics.calibration_error()));
}

void AddClassTable(const v1::ClassificationMetrics& metrics, const std::vector<std::string>& names, int width,
                   Lines& lines) {
  if (metrics.classes().empty()) return;
  lines.emplace_back();
  Table table({{"CLASS"}, {"EXAMPLES", true}, {"PRECISION", true}, {"RECALL", true}, {"F1", true}, {"AUC", true}});
  for (int c = 0; c < std::min(metrics.classes_size(), kListedRows); ++c) {
    const v1::ClassMetrics& one = metrics.classes(c);
    table.Add({{NameOf(names, static_cast<size_t>(c))},
               {FormatCount(static_cast<double>(one.examples()))},
               {Digits(one.precision())},
               {Digits(one.recall())},
               {Digits(one.f1())},
               {one.has_auc() ? Digits(one.auc()) : "-"}});
  }
  AddTable(table, width, lines);
  AddMore(metrics.classes_size(), "classes", lines);
}

// Of n x n answers; class i is row i.
struct Confusion {
  explicit Confusion(const v1::ClassificationMetrics& metrics)
      : counts(metrics.confusion().begin(), metrics.confusion().end()),
        n(static_cast<size_t>(std::llround(std::sqrt(static_cast<double>(counts.size()))))) {
    n = n * n == counts.size() ? n : 0;
  }
  int64_t at(size_t i, size_t j) const { return counts[i * n + j]; }
  int64_t examples(size_t i) const {
    int64_t sum = 0;
    for (size_t j = 0; j < n; ++j) sum += at(i, j);
    return sum;
  }
  std::vector<int64_t> counts;
  size_t n;
};

// The share of a row, from none to all of it.
const char* Shade(int64_t count, int64_t examples) {
  static constexpr std::array<const char*, 5> kShades = {"·", "░", "▒", "▓", "█"};
  if (count == 0) return kShades[0];
  const double share = static_cast<double>(count) / static_cast<double>(examples);
  return share < 0.05 ? kShades[1] : share < 0.2 ? kShades[2] : share < 0.5 ? kShades[3] : kShades[4];
}

// With the number that its column has.
std::string RowName(const std::vector<std::string>& names, size_t c) {
  return c < names.size() ? absl::StrCat(c, " ", NameOf(names, c)) : absl::StrCat(c);
}

void AddConfusion(const Confusion& confusion, const std::vector<std::string>& names, int width, Lines& lines) {
  if (confusion.n == 0) return;
  int name_width = 0, cell = 2;
  for (size_t i = 0; i < confusion.n; ++i) name_width = std::max(name_width, DisplayWidth(RowName(names, i)));
  for (const int64_t count : confusion.counts) cell = std::max(cell, static_cast<int>(absl::StrCat(count).size()) + 1);
  const int n = static_cast<int>(confusion.n);
  const bool numbers = confusion.n <= kNumbersUpTo && name_width + n * cell <= width;
  if (!numbers && name_width + 1 + n > width) {
    lines.emplace_back();
    lines.push_back(StyledLine().Add(absl::StrCat("the confusion of ", n, " classes does not fit here: --json has it"),
                                     Style::kDim));
    return;
  }
  lines.emplace_back();
  lines.push_back(StyledLine()
                      .Add("CONFUSION", Style::kBold)
                      .Add(numbers ? "  rows: the class; columns: the answer"
                                   : "  rows: the class; columns: the answer; share of the row: ░ any, ▒ 5 %, ▓ 20 %, "
                                     "█ half",
                           Style::kDim));
  if (numbers) {
    std::string head = PadRight("", name_width);
    for (int j = 0; j < n; ++j) absl::StrAppend(&head, PadLeft(absl::StrCat(j), cell));
    lines.push_back(StyledLine().Add(head, Style::kDim));
  }
  for (size_t i = 0; i < confusion.n; ++i) {
    StyledLine line;
    line.Add(PadRight(RowName(names, i), name_width), Style::kDim);
    if (!numbers) line.Add(" ");
    const int64_t examples = confusion.examples(i);
    for (size_t j = 0; j < confusion.n; ++j) {
      const int64_t count = confusion.at(i, j);
      const Style style = count == 0 ? Style::kDim : i == j ? Style::kGood : Style::kPlain;
      line.Add(numbers ? PadLeft(count == 0 ? "·" : absl::StrCat(count), cell) : Shade(count, examples), style);
    }
    lines.push_back(std::move(line));
  }
}

void AddMistakes(const Confusion& confusion, const std::vector<std::string>& names, Lines& lines) {
  std::vector<std::pair<int64_t, size_t>> mistakes;
  for (size_t k = 0; k < confusion.n * confusion.n; ++k) {
    if (k / confusion.n != k % confusion.n && confusion.counts[k] > 0) mistakes.emplace_back(-confusion.counts[k], k);
  }
  if (mistakes.empty()) return;
  std::sort(mistakes.begin(), mistakes.end());
  mistakes.resize(std::min(mistakes.size(), kListedMistakes));
  lines.emplace_back();
  lines.push_back(StyledLine().Add("MOST FREQUENT MISTAKES", Style::kBold));
  for (const auto& [count, k] : mistakes) {
    const size_t i = k / confusion.n;
    const double share = static_cast<double>(-count) / static_cast<double>(confusion.examples(i));
    lines.push_back(StyledLine().Add(absl::StrCat("  ", NameOf(names, i), " taken for ", NameOf(names, k % confusion.n),
                                                  ": ", FormatCount(static_cast<double>(-count)), " (",
                                                  FormatPercent(share), " of the class)")));
  }
}

void AddRegression(const v1::RegressionMetrics& metrics, int width, Lines& lines) {
  const auto r2 = [](const auto& of) { return of.has_r2() ? Digits(of.r2()) : std::string("-"); };
  lines.push_back(StyledLine()
                      .Add(PadRight("errors", 18), Style::kDim)
                      .Add(absl::StrCat("MAE ", FormatNumber(metrics.mean_absolute_error()), "  RMSE ",
                                        FormatNumber(metrics.root_mean_squared_error()), "  R2 ", r2(metrics))));
  if (metrics.targets_size() < 2) return;
  lines.emplace_back();
  Table table({{"TARGET"}, {"MAE", true}, {"RMSE", true}, {"R2", true}});
  for (int t = 0; t < std::min(metrics.targets_size(), kListedRows); ++t) {
    const v1::TargetMetrics& one = metrics.targets(t);
    table.Add({{absl::StrCat(t)},
               {FormatNumber(one.mean_absolute_error())},
               {FormatNumber(one.root_mean_squared_error())},
               {r2(one)}});
  }
  AddTable(table, width, lines);
  AddMore(metrics.targets_size(), "targets", lines);
}

}  // namespace

std::vector<StyledLine> RenderMetrics(const v1::EvaluationMetrics& metrics, const std::vector<std::string>& class_names,
                                      int width) {
  Lines lines;
  if (metrics.has_classification()) {
    const v1::ClassificationMetrics& of_classes = metrics.classification();
    AddTotals(of_classes, lines);
    AddClassTable(of_classes, class_names, width, lines);
    const Confusion confusion(of_classes);
    AddConfusion(confusion, class_names, width, lines);
    AddMistakes(confusion, class_names, lines);
    for (const std::string& note : of_classes.notes()) lines.push_back(StyledLine().Add(Printable(note), Style::kDim));
  }
  if (metrics.has_regression()) AddRegression(metrics.regression(), width, lines);
  return lines;
}

}  // namespace traind::client
