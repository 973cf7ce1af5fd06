// The format CSV: numbers are features or targets; labels are integers, or names, whose labels follow the sorted names.
// The first split decides which of the two they are, and what the columns are.
#include <algorithm>
#include <cmath>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "core/data/csv.h"
#include "core/data/dataset_dir.h"
#include "core/data/split_reader.h"

namespace traind::core {
namespace {

std::string Quoted(absl::string_view text) { return absl::StrCat("'", absl::CHexEscape(text.substr(0, 100)), "'"); }

// Where in a row is what.
struct CsvColumns {
  std::optional<size_t> label = std::nullopt;
  std::vector<size_t> targets = {};
  std::vector<size_t> features = {};
};

struct CsvPart {
  SplitFile file;
  CsvColumns columns;
};

absl::Status BadField(const CsvReader& csv, size_t column, absl::string_view what) {
  return csv.Bad(csv.line(), absl::StrCat("column ", Quoted(csv.columns()[column]), ": ", what));
}

absl::StatusOr<float> ParseNumber(const CsvReader& csv, size_t column) {
  const std::string& text = csv.row()[column];
  if (text.empty()) return BadField(csv, column, "is empty; a number is required");
  float value = 0;
  if (!absl::SimpleAtof(text, &value)) return BadField(csv, column, absl::StrCat(Quoted(text), " is not a number"));
  if (!std::isfinite(value)) return BadField(csv, column, absl::StrCat(Quoted(text), " is not finite in float32"));
  return value;
}

// -1: no label.
int32_t ParseLabel(const std::string& text) {
  int32_t label = -1;
  const bool digits = text.find_first_not_of("0123456789") == text.npos;
  return digits && absl::SimpleAtoi(text, &label) && label < kMaxClasses ? label : -1;
}

class CsvSplit final : public SplitReader {
 public:
  CsvSplit(SplitHeader header, const SplitOrigin& origin, std::vector<CsvPart> parts)
      : SplitReader(std::move(header)), origin_(origin), parts_(std::move(parts)) {
    const std::vector<std::string>& names = SplitReader::header().class_names;
    for (const std::string& name : names) label_of_.emplace(name, static_cast<int32_t>(label_of_.size()));
  }

  absl::Status CopyExamples(ChecksummedFile& out) override {
    int64_t left = header().count;
    std::vector<float> row(static_cast<size_t>(header().shape[0]));
    for (const CsvPart& part : parts_) {
      auto csv = CsvReader::Open(part.file.path);
      if (!csv.ok()) return origin_.Fail(part.file.field, csv.status());
      if (csv->columns().size() <= Largest(part.columns)) left = 0;
      for (;; --left) {
        auto next = csv->Next();
        if (!next.ok()) return origin_.Fail(part.file.field, next.status());
        if (!*next) break;
        if (left <= 0)
          return origin_.Fail(part.file.field, absl::StrCat(part.file.path, ": changed while it was read"));
        if (absl::Status status = ParseRow(*csv, part.columns, row); !status.ok()) {
          return origin_.Fail(part.file.field, status);
        }
        if (absl::Status status = out.Append(row.data(), header().shape[0]); !status.ok()) return status;
      }
    }
    if (left == 0) return absl::OkStatus();
    const SplitFile& last = parts_.back().file;
    return origin_.Fail(last.field, absl::StrCat(last.path, ": changed while it was read"));
  }

  absl::Status CopyLabels(ChecksummedFile& file, int64_t* largest) override {
    if (header().target_width > 0) return file.Append(targets_.data(), static_cast<int64_t>(targets_.size()));
    for (const int32_t label : labels_) *largest = std::max<int64_t>(*largest, label);
    return file.Append(labels_.data(), static_cast<int64_t>(labels_.size()));
  }

 private:
  static size_t Largest(const CsvColumns& columns) {
    size_t largest = columns.label.value_or(0);
    for (const size_t column : columns.targets) largest = std::max(largest, column);
    for (const size_t column : columns.features) largest = std::max(largest, column);
    return largest;
  }

  absl::Status ParseRow(const CsvReader& csv, const CsvColumns& columns, std::vector<float>& features) {
    for (size_t i = 0; i < features.size(); ++i) {
      auto value = ParseNumber(csv, columns.features[i]);
      if (!value.ok()) return value.status();
      features[i] = *value;
    }
    for (const size_t column : columns.targets) {
      auto value = ParseNumber(csv, column);
      if (!value.ok()) return value.status();
      targets_.push_back(*value);
    }
    if (!columns.label.has_value()) return absl::OkStatus();
    const std::string& text = csv.row()[*columns.label];
    if (label_of_.empty()) {
      labels_.push_back(ParseLabel(text));
      if (labels_.back() >= 0) return absl::OkStatus();
      return BadField(csv, *columns.label, absl::StrCat(Quoted(text), " is not an integer in [0, ", kMaxClasses, ")"));
    }
    const auto label = label_of_.find(text);
    if (label == label_of_.end()) {
      const absl::Status unknown = UnknownClass(absl::CHexEscape(text), header().class_names);
      return BadField(csv, *columns.label, unknown.message());
    }
    labels_.push_back(label->second);
    return absl::OkStatus();
  }

  const SplitOrigin& origin_;
  const std::vector<CsvPart> parts_;
  absl::flat_hash_map<std::string, int32_t> label_of_;
  std::vector<int32_t> labels_;
  std::vector<float> targets_;
};

// Finds the columns that the options name. Violations go to the fields of the options.
absl::StatusOr<CsvColumns> FindColumns(const SplitOrigin& origin, const CsvReader& csv) {
  const v1::CsvOptions& options = origin.source->csv();
  const FieldErrors field = origin.field.At("csv");
  const int before = field.count();
  CsvColumns columns;
  std::set<size_t> taken;
  const auto find = [&](const std::string& name, const FieldErrors& at) -> std::optional<size_t> {
    const auto found = std::find(csv.columns().begin(), csv.columns().end(), name);
    if (found == csv.columns().end()) {
      const std::string there = absl::CHexEscape(absl::StrJoin(csv.columns(), ", ").substr(0, 500));
      at.Add(std::string(csv.Bad(1, absl::StrCat("no column ", Quoted(name), "; there are: ", there)).message()));
      return std::nullopt;
    }
    const size_t column = static_cast<size_t>(found - csv.columns().begin());
    if (!taken.insert(column).second) at.Add(absl::StrCat("the column ", Quoted(name), " is used already"));
    return column;
  };
  if (!options.label_column().empty()) columns.label = find(options.label_column(), field.At("label_column"));
  for (int i = 0; i < options.target_columns_size(); ++i) {
    columns.targets.push_back(find(options.target_columns(i), field.At("target_columns", i)).value_or(0));
  }
  for (int i = 0; i < options.feature_columns_size(); ++i) {
    columns.features.push_back(find(options.feature_columns(i), field.At("feature_columns", i)).value_or(0));
  }
  if (field.count() != before) return origin.root->ToStatus();
  for (size_t i = 0; options.feature_columns().empty() && i < csv.columns().size(); ++i) {
    if (!taken.contains(i)) columns.features.push_back(i);
  }
  if (columns.features.empty())
    return origin.Fail(field.At("feature_columns"), std::string("no column is left for the features"));
  return columns;
}

std::vector<std::string> NamesOf(const CsvReader& csv, const std::vector<size_t>& columns) {
  std::vector<std::string> names;
  for (const size_t column : columns) names.push_back(csv.columns()[column]);
  return names;
}

// Features of the same names in the same order, in every file of every split.
absl::Status CheckFeatures(const CsvReader& csv, const std::vector<std::string>& names,
                           const std::vector<std::string>& expected) {
  for (size_t i = 0; i < std::max(names.size(), expected.size()); ++i) {
    const std::string found = i < names.size() ? Quoted(names[i]) : "missing";
    const std::string wanted = i < expected.size() ? Quoted(expected[i]) : "no more";
    if (found != wanted) {
      return csv.Bad(1,
                     absl::StrCat("feature column ", i + 1, " is ", found, ", but in the first file it is ", wanted));
    }
  }
  return absl::OkStatus();
}

// What the first pass finds.
struct Summary {
  int64_t rows = 0;
  bool integers = true;  // All labels.
  std::set<std::string> labels = {};
};

absl::Status Summarize(CsvReader& csv, const CsvColumns& columns, Summary* summary) {
  const int64_t before = summary->rows;
  for (;; ++summary->rows) {
    auto next = csv.Next();
    if (!next.ok()) return next.status();
    if (!*next) break;
    if (summary->rows >= kMaxExamples)
      return csv.Bad(csv.line(), absl::StrCat("more than ", kMaxExamples, " examples"));
    if (!columns.label.has_value()) continue;
    const std::string& text = csv.row()[*columns.label];
    if (text.empty()) return BadField(csv, *columns.label, "is empty; a label is required");
    summary->integers = summary->integers && ParseLabel(text) >= 0;
    summary->labels.insert(text);
    if (static_cast<int64_t>(summary->labels.size()) > kMaxClasses) {
      return BadField(csv, *columns.label, absl::StrCat("more than ", kMaxClasses, " classes"));
    }
  }
  return summary->rows > before ? absl::OkStatus() : csv.Bad(1, "a header without rows");
}

}  // namespace

absl::StatusOr<std::unique_ptr<SplitReader>> OpenCsvSplit(const SplitOrigin& origin) {
  const v1::CsvOptions& options = origin.source->csv();
  if (options.label_column().empty() == options.target_columns().empty()) {
    return origin.Fail(origin.field.At("csv"), std::string("needs either a label_column or target_columns"));
  }
  auto files = SplitFiles(origin);
  if (!files.ok()) return files.status();
  std::vector<CsvPart> parts;
  Summary summary;
  std::vector<std::string> features;
  if (origin.first != nullptr) features = origin.first->feature_names;
  for (SplitFile& file : *files) {
    auto csv = CsvReader::Open(file.path);
    if (!csv.ok()) return origin.Fail(file.field, csv.status());
    auto columns = FindColumns(origin, *csv);
    if (!columns.ok()) return columns.status();
    if (features.empty()) features = NamesOf(*csv, columns->features);
    absl::Status status = CheckFeatures(*csv, NamesOf(*csv, columns->features), features);
    if (status.ok()) status = Summarize(*csv, *columns, &summary);
    if (!status.ok()) return origin.Fail(file.field, status);
    parts.push_back({.file = std::move(file), .columns = *std::move(columns)});
  }
  const bool named = origin.first != nullptr ? !origin.first->class_names.empty() : !summary.integers;
  std::vector<std::string> names;
  if (named) names = origin.class_names;
  if (named && names.empty()) names.assign(summary.labels.begin(), summary.labels.end());
  const auto width = static_cast<int64_t>(features.size());
  SplitHeader header{.count = summary.rows,
                     .shape = {width},
                     .type = v1::ELEMENT_TYPE_FLOAT32,
                     .target_width = options.target_columns_size(),
                     .class_names = std::move(names),
                     .feature_names = std::move(features)};
  return std::make_unique<CsvSplit>(std::move(header), origin, std::move(parts));
}

}  // namespace traind::core
