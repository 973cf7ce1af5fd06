// The format CSV: numbers are features or targets, words become features of 0 and 1; labels are integers, or names,
// whose labels follow the sorted names. The first split decides which of the two they are, and what the columns are.
#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "core/data/csv.h"
#include "core/data/csv_columns.h"
#include "core/data/csv_summary.h"
#include "core/data/dataset_dir.h"
#include "core/data/split_reader.h"

namespace traind::core {
namespace {

struct CsvPart {
  SplitFile file;
  CsvColumns columns;
};

std::optional<char> DelimiterOf(const v1::CsvOptions& options) {
  return options.delimiter().empty() ? std::nullopt : std::optional(options.delimiter()[0]);
}

// Something that happened in a split: how often, and where first.
struct Happened {
  int64_t count = 0;
  std::string first = "";
  void Add(const CsvReader& csv, size_t column) {
    if (++count == 1) {
      first =
          absl::StrCat(Quoted(csv.row()[column]), " in column ", Quoted(csv.columns()[column]), ", line ", csv.line());
    }
  }
};

class CsvSplit final : public SplitReader {
 public:
  CsvSplit(SplitHeader header, const SplitOrigin& origin, std::vector<CsvPart> parts)
      : SplitReader(std::move(header)), origin_(origin), options_(origin.source->csv()), parts_(std::move(parts)) {
    for (const std::string& name : SplitReader::header().class_names) {
      label_of_.emplace(name, static_cast<int32_t>(label_of_.size()));
    }
  }
  using SplitReader::Note;

  absl::Status CopyExamples(ChecksummedFile& out) override {
    int64_t left = header().count;
    std::vector<float> row;
    for (const CsvPart& part : parts_) {
      const auto changed = [&] {
        return origin_.Fail(part.file.field, absl::StrCat(part.file.input.name, ": changed while it was read"));
      };
      auto csv = CsvReader::Open(part.file.input, DelimiterOf(options_));
      if (!csv.ok()) return origin_.Fail(part.file.field, csv.status());
      if (csv->columns().size() <= Largest(part.columns)) return changed();
      for (;;) {
        auto next = csv->Next();
        if (!next.ok()) return origin_.Fail(part.file.field, next.status());
        if (!*next) break;
        if (options_.missing() == v1::CsvOptions::MISSING_DROP && HasMissing(*csv, part.columns)) continue;
        if (--left < 0) return changed();
        row.clear();
        if (absl::Status status = ParseRow(*csv, part.columns, row); !status.ok()) {
          return origin_.Fail(part.file.field, status);
        }
        if (absl::Status status = out.Append(row.data(), header().shape[0]); !status.ok()) return status;
      }
      if (&part == &parts_.back() && left > 0) return changed();
    }
    NoteChanges();
    return absl::OkStatus();
  }

  absl::Status CopyLabels(ChecksummedFile& file, int64_t* largest) override {
    if (header().target_width > 0) return file.Append(targets_.data(), static_cast<int64_t>(targets_.size()));
    for (const int32_t label : labels_) *largest = std::max<int64_t>(*largest, label);
    return file.Append(labels_.data(), static_cast<int64_t>(labels_.size()));
  }

  std::vector<ExampleOrigin> origins() const override {
    std::vector<ExampleOrigin> origins;
    for (const CsvPart& part : parts_) origins.push_back({.file = part.file.input});
    return origins;
  }

 private:
  static size_t Largest(const CsvColumns& columns) {
    size_t largest = columns.label.value_or(0);
    for (const size_t column : columns.targets) largest = std::max(largest, column);
    for (const size_t column : columns.features) largest = std::max(largest, column);
    return largest;
  }

  // A number, or what stands in its place.
  absl::StatusOr<float> Number(const CsvReader& csv, size_t column, const std::vector<double>& means, size_t mean) {
    if (!IsMissing(csv, column, false)) {
      bool exact = true;
      auto value = ParseNumber(csv, column, &exact);
      if (value.ok() && !exact) rounded_.Add(csv, column);
      return value;
    }
    if (options_.missing() == v1::CsvOptions::MISSING_MEAN) {
      replaced_.Add(csv, column);
      return static_cast<float>(means[mean]);
    }
    if (options_.missing() == v1::CsvOptions::MISSING_VALUE) {
      replaced_.Add(csv, column);
      return static_cast<float>(options_.missing_value());
    }
    return MissingField(csv, column);
  }

  absl::Status Words(const CsvReader& csv, size_t column, const CsvFeature& feature, std::vector<float>& row) {
    const size_t first = row.size();
    row.resize(first + feature.width(), 0.0f);
    if (IsMissing(csv, column, true)) {
      if (options_.missing() == v1::CsvOptions::MISSING_VALUE) {
        return BadField(csv, column, "a word is missing, for which no number can stand; --missing drop or mean");
      }
      if (options_.missing() != v1::CsvOptions::MISSING_MEAN) return MissingField(csv, column);
      replaced_.Add(csv, column);
      for (size_t k = 0; k < feature.width(); ++k) row[first + k] = static_cast<float>(feature.means[k]);
      return absl::OkStatus();
    }
    const auto place = feature.place.find(csv.row()[column]);
    if (place == feature.place.end()) {
      unknown_.Add(csv, column);
    } else {
      row[first + place->second] = 1;
    }
    return absl::OkStatus();
  }

  absl::Status ParseRow(const CsvReader& csv, const CsvColumns& columns, std::vector<float>& row) {
    const CsvSchema& schema = *header().csv;
    for (size_t i = 0; i < columns.features.size(); ++i) {
      const CsvFeature& feature = schema.features[i];
      if (feature.words) {
        if (absl::Status status = Words(csv, columns.features[i], feature, row); !status.ok()) return status;
        continue;
      }
      auto value = Number(csv, columns.features[i], feature.means, 0);
      if (!value.ok()) return value.status();
      row.push_back(*value);
    }
    for (size_t i = 0; i < columns.targets.size(); ++i) {
      auto value = Number(csv, columns.targets[i], schema.target_means, i);
      if (!value.ok()) return value.status();
      targets_.push_back(*value);
    }
    return columns.label.has_value() ? ParseLabelField(csv, *columns.label) : absl::OkStatus();
  }

  absl::Status ParseLabelField(const CsvReader& csv, size_t column) {
    const std::string& text = csv.row()[column];
    if (!header().csv->named_labels) {
      int32_t label = -1;
      if (ParseLabel(text, &label) != LabelKind::kInteger)
        return BadField(csv, column, absl::StrCat(Quoted(text), kNotALabel));
      labels_.push_back(label);
      return absl::OkStatus();
    }
    const auto label = label_of_.find(text);
    if (label == label_of_.end()) {
      const absl::Status unknown = UnknownClass(absl::CHexEscape(text), header().class_names);
      return BadField(csv, column, unknown.message());
    }
    labels_.push_back(label->second);
    return absl::OkStatus();
  }

  void NoteChanges() {
    const auto note = [&](const Happened& happened, absl::string_view what) {
      if (happened.count == 0) return;
      Note(absl::StrCat(origin_.source->name(), ": ", what, ": ", happened.count, ", first ", happened.first));
    };
    note(replaced_, options_.missing() == v1::CsvOptions::MISSING_MEAN
                        ? "missing fields that got the column's mean over the first split"
                        : absl::StrCat("missing fields that got the value ", options_.missing_value()));
    note(unknown_, "words that the first split has not, all zeros in the features");
    note(rounded_, "integers that float32 rounds");
  }

  const SplitOrigin& origin_;
  const v1::CsvOptions& options_;
  const std::vector<CsvPart> parts_;
  absl::flat_hash_map<std::string, int32_t> label_of_;
  std::vector<int32_t> labels_;
  std::vector<float> targets_;
  Happened replaced_;
  Happened unknown_;
  Happened rounded_;
};

// Features of the same columns in the same order, in every file of every split.
absl::Status CheckFeatures(const CsvReader& csv, const CsvColumns& columns, const std::vector<CsvFeature>& expected) {
  for (size_t i = 0; i < std::max(columns.features.size(), expected.size()); ++i) {
    const std::string found =
        i < columns.features.size() ? Quoted(csv.columns()[columns.features[i]]) : std::string("missing");
    const std::string wanted = i < expected.size() ? Quoted(expected[i].column) : "no more";
    if (found != wanted) {
      return csv.Bad(1,
                     absl::StrCat("feature column ", i + 1, " is ", found, ", but in the first file it is ", wanted));
    }
    if (columns.words[i] != expected[i].words) {
      return csv.Bad(1, absl::StrCat("the column ", found, " is of words in one split and of numbers in another"));
    }
  }
  return absl::OkStatus();
}

// The columns of the first file, to which those of the others are compared.
std::vector<CsvFeature> FeaturesOf(const CsvReader& csv, const CsvColumns& columns) {
  std::vector<CsvFeature> features;
  for (size_t i = 0; i < columns.features.size(); ++i) {
    features.push_back({.column = csv.columns()[columns.features[i]], .words = columns.words[i]});
  }
  return features;
}

std::string NameOf(char delimiter) { return delimiter == ';' ? "semicolons" : delimiter == '\t' ? "tabs" : "commas"; }

SplitHeader HeaderOf(int64_t rows, int64_t targets, std::shared_ptr<const CsvSchema> schema,
                     std::vector<std::string> class_names) {
  SplitHeader header{
      .count = rows, .type = v1::ELEMENT_TYPE_FLOAT32, .target_width = targets, .class_names = std::move(class_names)};
  for (const CsvFeature& feature : schema->features) {
    if (!feature.words) {
      header.feature_names.push_back(feature.column);
      continue;
    }
    v1::CategoricalColumn& column = header.categorical_columns.emplace_back();
    column.set_name(feature.column);
    for (const std::string& word : feature.categories) {
      column.add_categories(word);
      header.feature_names.push_back(absl::StrCat(feature.column, "=", word));
    }
  }
  header.shape = {static_cast<int64_t>(header.feature_names.size())};
  header.csv = std::move(schema);
  return header;
}

}  // namespace

absl::StatusOr<std::unique_ptr<SplitReader>> OpenCsvSplit(const SplitOrigin& origin) {
  const v1::CsvOptions& options = origin.source->csv();
  auto files = SplitFiles(origin);
  if (!files.ok()) return files.status();
  std::shared_ptr<const CsvSchema> schema = origin.first == nullptr ? nullptr : origin.first->csv;
  std::vector<CsvFeature> expected;
  if (schema != nullptr) expected = schema->features;
  std::vector<CsvPart> parts;
  std::optional<CsvSummary> summary;
  std::vector<std::string> notes;
  for (SplitFile& file : *files) {
    auto csv = CsvReader::Open(file.input, DelimiterOf(options));
    if (!csv.ok()) return origin.Fail(file.field, csv.status());
    auto columns = FindColumns(origin, *csv);
    if (!columns.ok()) return columns.status();
    if (expected.empty()) expected = FeaturesOf(*csv, *columns);
    if (!summary.has_value()) summary.emplace(options, *csv, *columns, schema == nullptr);
    absl::Status status = CheckFeatures(*csv, *columns, expected);
    if (status.ok()) status = summary->Read(*csv, *columns);
    if (!status.ok()) return origin.Fail(file.field, status);
    if (options.delimiter().empty() && csv->delimiter() != ',') {
      notes.push_back(absl::StrCat(file.input.name, ": fields are separated by ", NameOf(csv->delimiter()),
                                   ", by its header line; --delimiter says otherwise"));
    }
    parts.push_back({.file = std::move(file), .columns = *std::move(columns)});
  }
  if (schema == nullptr) {
    auto own = summary->Schema(origin.class_names);
    if (!own.ok()) return origin.Fail(parts.front().file.field, own.status());
    schema = *std::move(own);
  }
  std::vector<std::string> names;
  if (schema->named_labels) names = origin.class_names;
  if (schema->named_labels && names.empty()) names.assign(summary->labels().begin(), summary->labels().end());
  SplitHeader header = HeaderOf(summary->rows(), options.target_columns_size(), std::move(schema), std::move(names));
  header.label_column = options.label_column();
  header.target_columns.assign(options.target_columns().begin(), options.target_columns().end());
  if (header.shape[0] < 1 || header.shape[0] > kMaxExampleElements) {
    return origin.Fail(origin.examples_field(), absl::StrCat(header.shape[0], " features; 1 to ", kMaxExampleElements));
  }
  auto split = std::make_unique<CsvSplit>(std::move(header), origin, std::move(parts));
  for (std::string& note : notes) split->Note(std::move(note));
  summary->AddNotes(origin.source->name(), split->header().csv->named_labels,
                    [&](std::string note) { split->Note(std::move(note)); });
  return split;
}

}  // namespace traind::core
