#include "core/data/csv_summary.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "core/base/utf8.h"
#include "core/data/dataset_dir.h"

namespace traind::core {
namespace {

constexpr size_t kMaxWords = 1000;  // Of a categorical column.

}  // namespace

CsvSummary::CsvSummary(const v1::CsvOptions& options, const CsvReader& csv, const CsvColumns& columns, bool first)
    : options_(options), file_(csv.name()), first_(first) {
  for (size_t i = 0; i < columns.features.size(); ++i) {
    features_.push_back({.column = csv.columns()[columns.features[i]], .words = columns.words[i]});
  }
  for (const size_t column : columns.targets) targets_.push_back(csv.columns()[column]);
  words_.resize(features_.size());
  sums_.resize(features_.size() + targets_.size());
}

absl::Status CsvSummary::Read(CsvReader& csv, const CsvColumns& columns) {
  const int64_t before = rows_ + dropped_;
  for (;;) {
    auto next = csv.Next();
    if (!next.ok()) return next.status();
    if (!*next) break;
    if (options_.missing() == v1::CsvOptions::MISSING_DROP && HasMissing(csv, columns)) {
      ++dropped_;
      continue;
    }
    if (++rows_ > kMaxExamples) return csv.Bad(csv.line(), absl::StrCat("more than ", kMaxExamples, " examples"));
    absl::Status status = columns.label.has_value() ? AddLabel(csv, *columns.label) : absl::OkStatus();
    if (status.ok() && first_) status = AddFields(csv, columns);
    if (!status.ok()) return status;
  }
  if (rows_ + dropped_ == before) return csv.Bad(1, "a header without rows");
  return rows_ > 0 ? absl::OkStatus() : csv.Bad(1, "every line has a missing field");
}

absl::StatusOr<bool> CsvSummary::NamedLabels(const std::vector<std::string>& class_names) const {
  const std::set<std::string> names(class_names.begin(), class_names.end());
  const bool all_named = !names.empty() && std::includes(names.begin(), names.end(), labels_.begin(), labels_.end());
  if (all_named && !labels_.empty()) return true;
  if (odd_labels_ == 0) return false;
  if (names.empty() && numbers_ * 2 >= rows_) return first_odd_;
  return true;
}

absl::StatusOr<std::shared_ptr<const CsvSchema>> CsvSummary::Schema(const std::vector<std::string>& class_names) const {
  auto named = NamedLabels(class_names);
  if (!named.ok()) return named.status();
  auto schema = std::make_shared<CsvSchema>();
  schema->named_labels = *named;
  schema->features = features_;
  const auto check = [&](const std::string& column, const Sum& sum) {
    if (sum.count > 0 || options_.missing() != v1::CsvOptions::MISSING_MEAN) return absl::OkStatus();
    return absl::InvalidArgumentError(
        absl::StrCat(file_, ": column ", Quoted(column), " has no value to take the mean of"));
  };
  for (size_t i = 0; i < features_.size(); ++i) {
    CsvFeature& feature = schema->features[i];
    for (const auto& [word, count] : words_[i]) {
      feature.place.emplace(word, feature.categories.size());
      feature.categories.push_back(word);
      feature.means.push_back(static_cast<double>(count) / static_cast<double>(sums_[i].count));
    }
    if (!feature.words) feature.means = {sums_[i].mean()};
    if (absl::Status status = check(feature.column, sums_[i]); !status.ok()) return status;
  }
  for (size_t i = 0; i < targets_.size(); ++i) {
    const Sum& sum = sums_[features_.size() + i];
    if (absl::Status status = check(targets_[i], sum); !status.ok()) return status;
    schema->target_means.push_back(sum.mean());
  }
  return schema;
}

void CsvSummary::AddNotes(absl::string_view split, bool named_labels, absl::FunctionRef<void(std::string)> add) const {
  if (dropped_ > 0) {
    add(absl::StrCat(split, ": lines left out because a field is missing: ", dropped_, " of ", rows_ + dropped_));
  }
  if (first_ && named_labels && numbers_ > 0) {
    add(absl::StrCat(split, ": labels are names, although numbers are among them: ", numbers_, " of ", rows_));
  }
}

absl::Status CsvSummary::AddLabel(const CsvReader& csv, size_t column) {
  const std::string& text = csv.row()[column];
  if (IsMissing(csv, column, true)) {
    return BadField(csv, column,
                    absl::StrCat(text.empty() ? "is empty" : absl::StrCat(Quoted(text), " is no value"),
                                 "; a label is required. --missing drop leaves such lines out",
                                 text.empty() ? "" : "; in quotes it is the name of a class"));
  }
  int32_t label = -1;
  const LabelKind kind = ParseLabel(text, &label);
  if (kind != LabelKind::kWord) ++numbers_;
  if (kind != LabelKind::kInteger && ++odd_labels_ == 1) {
    first_odd_ = BadField(csv, column,
                          absl::StrCat(Quoted(text), kNotALabel,
                                       ", and most labels are numbers; --class-names=A,B,... lists labels that are "
                                       "names, --target-columns reads numbers to predict"));
  }
  labels_.insert(text);
  if (static_cast<int64_t>(labels_.size()) > kMaxClasses) {
    return BadField(csv, column, absl::StrCat("more than ", kMaxClasses, " classes"));
  }
  return absl::OkStatus();
}

absl::Status CsvSummary::AddFields(const CsvReader& csv, const CsvColumns& columns) {
  for (size_t i = 0; i < columns.features.size(); ++i) {
    const size_t column = columns.features[i];
    if (IsMissing(csv, column, columns.words[i])) continue;
    absl::Status status = columns.words[i] ? AddWord(csv, column, i) : AddNumber(csv, column, i);
    if (!status.ok()) return status;
  }
  for (size_t i = 0; i < columns.targets.size(); ++i) {
    if (IsMissing(csv, columns.targets[i], false)) continue;
    absl::Status status = AddNumber(csv, columns.targets[i], columns.features.size() + i);
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

absl::Status CsvSummary::AddWord(const CsvReader& csv, size_t column, size_t feature) {
  const std::string& word = csv.row()[column];
  if (!IsUtf8(word)) return BadField(csv, column, absl::StrCat(Quoted(word), " is not valid UTF-8"));
  ++words_[feature][word];
  ++sums_[feature].count;
  if (words_[feature].size() <= kMaxWords) return absl::OkStatus();
  return BadField(
      csv, column,
      absl::StrCat("more than ", kMaxWords, " different words; each would be a feature. --drop-columns leaves it out"));
}

absl::Status CsvSummary::AddNumber(const CsvReader& csv, size_t column, size_t place) {
  if (options_.missing() != v1::CsvOptions::MISSING_MEAN) return absl::OkStatus();
  bool exact = true;
  auto value = ParseNumber(csv, column, &exact);
  if (!value.ok()) return value.status();
  sums_[place].sum += *value;
  ++sums_[place].count;
  return absl::OkStatus();
}

}  // namespace traind::core
