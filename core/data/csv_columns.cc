#include "core/data/csv_columns.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <set>

#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "core/base/utf8.h"
#include "core/data/dataset_dir.h"

namespace traind::core {
namespace {

constexpr std::array<absl::string_view, 6> kMissing = {"", "NA", "N/A", "NaN", "null", "?"};

// Names a column for each name, and refuses one that is there twice or not at all.
class ColumnFinder {
 public:
  explicit ColumnFinder(const CsvReader& csv) : csv_(csv) {}

  std::optional<size_t> Find(const std::string& name, const FieldErrors& at) const {
    const auto found = std::find(csv_.columns().begin(), csv_.columns().end(), name);
    if (found != csv_.columns().end()) return static_cast<size_t>(found - csv_.columns().begin());
    const std::string there = absl::CHexEscape(absl::StrJoin(csv_.columns(), ", ").substr(0, 500));
    at.Add(std::string(csv_.Bad(1, absl::StrCat("no column ", Quoted(name), "; there are: ", there)).message()));
    return std::nullopt;
  }
  std::optional<size_t> Take(const std::string& name, const FieldErrors& at) {
    const auto column = Find(name, at);
    if (column.has_value() && !taken_.insert(*column).second) {
      at.Add(absl::StrCat("the column ", Quoted(name), " is used already"));
    }
    return column;
  }
  bool taken(size_t column) const { return taken_.contains(column); }

 private:
  const CsvReader& csv_;
  std::set<size_t> taken_;
};

// What to do about a feature or target that is no number.
std::string NoNumberHint(absl::string_view text) {
  if (text.find_first_not_of("0123456789.,+-'_ ") == text.npos) {
    return "; decimals take a point, thousands no separator";
  }
  return "; --categorical-columns makes a feature of each word of a column, --drop-columns leaves a column out";
}

}  // namespace

std::string Quoted(absl::string_view text) { return absl::StrCat("'", absl::CHexEscape(text.substr(0, 100)), "'"); }

absl::Status BadField(const CsvReader& csv, size_t column, absl::string_view what) {
  return csv.Bad(csv.line(), absl::StrCat("column ", Quoted(csv.columns()[column]), ": ", what));
}

bool IsMissing(const CsvReader& csv, size_t column, bool words) {
  const std::string& text = csv.row()[column];
  if (words && csv.quoted(column)) return text.empty();
  return std::any_of(kMissing.begin(), kMissing.end(),
                     [&](absl::string_view missing) { return absl::EqualsIgnoreCase(text, missing); });
}

bool HasMissing(const CsvReader& csv, const CsvColumns& columns) {
  if (columns.label.has_value() && IsMissing(csv, *columns.label, true)) return true;
  for (const size_t column : columns.targets) {
    if (IsMissing(csv, column, false)) return true;
  }
  for (size_t i = 0; i < columns.features.size(); ++i) {
    if (IsMissing(csv, columns.features[i], columns.words[i])) return true;
  }
  return false;
}

absl::Status MissingField(const CsvReader& csv, size_t column) {
  return BadField(
      csv, column,
      absl::StrCat(csv.row()[column].empty() ? "is empty" : absl::StrCat(Quoted(csv.row()[column]), " is no value"),
                   "; --missing drop leaves such lines out, --missing mean or value:X fills the field"));
}

absl::StatusOr<float> ParseNumber(const CsvReader& csv, size_t column, bool* exact) {
  constexpr size_t kExactDigits = 7;  // Of any integer in float32.
  const std::string& text = csv.row()[column];
  float value = 0;
  if (!absl::SimpleAtof(text, &value)) {
    return BadField(csv, column, absl::StrCat(Quoted(text), " is not a number", NoNumberHint(text)));
  }
  if (!std::isfinite(value)) return BadField(csv, column, absl::StrCat(Quoted(text), " is not finite in float32"));
  int64_t integer = 0;
  if (text.size() > kExactDigits && absl::SimpleAtoi(text, &integer) &&
      static_cast<long double>(value) != static_cast<long double>(integer)) {
    *exact = false;
  }
  return value;
}

LabelKind ParseLabel(absl::string_view text, int32_t* label) {
  double value = 0;
  if (!absl::SimpleAtod(text, &value) || !std::isfinite(value)) return LabelKind::kWord;
  if (value != std::floor(value) || value < 0 || value >= static_cast<double>(kMaxClasses)) return LabelKind::kNumber;
  *label = static_cast<int32_t>(value);
  return LabelKind::kInteger;
}

absl::StatusOr<CsvColumns> FindColumns(const SplitOrigin& origin, const CsvReader& csv) {
  const v1::CsvOptions& options = origin.source->csv();
  const FieldErrors field = origin.field.At("csv");
  const int before = field.count();
  CsvColumns columns;
  ColumnFinder finder(csv);
  if (!options.label_column().empty()) columns.label = finder.Take(options.label_column(), field.At("label_column"));
  for (int i = 0; i < options.target_columns_size(); ++i) {
    columns.targets.push_back(finder.Take(options.target_columns(i), field.At("target_columns", i)).value_or(0));
  }
  for (int i = 0; i < options.feature_columns_size(); ++i) {
    columns.features.push_back(finder.Take(options.feature_columns(i), field.At("feature_columns", i)).value_or(0));
  }
  for (int i = 0; i < options.drop_columns_size(); ++i)
    finder.Take(options.drop_columns(i), field.At("drop_columns", i));
  std::set<size_t> words;
  for (int i = 0; i < options.categorical_columns_size(); ++i) {
    words.insert(finder.Find(options.categorical_columns(i), field.At("categorical_columns", i)).value_or(0));
  }
  if (field.count() != before) return origin.root->ToStatus();
  for (size_t i = 0; options.feature_columns().empty() && i < csv.columns().size(); ++i) {
    if (!finder.taken(i)) columns.features.push_back(i);
  }
  for (const size_t column : columns.features) {
    columns.words.push_back(words.erase(column) > 0);
    if (!IsUtf8(csv.columns()[column])) {
      return origin.Fail(origin.examples_field(),
                         csv.Bad(1, absl::StrCat("the column ", Quoted(csv.columns()[column]), " is not valid UTF-8")));
    }
  }
  if (!words.empty()) {
    return origin.Fail(field.At("categorical_columns"),
                       absl::StrCat("the column ", Quoted(csv.columns()[*words.begin()]), " is no feature"));
  }
  if (columns.features.empty()) {
    return origin.Fail(field.At("feature_columns"), std::string("no column is left for the features"));
  }
  return columns;
}

}  // namespace traind::core
