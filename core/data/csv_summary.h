// The first pass over a split of CSV files: how many rows it has, of which labels; and of the first split what the
// others follow. Thread-compatible.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "core/data/csv.h"
#include "core/data/csv_columns.h"
#include "traind/v1/dataset.pb.h"

namespace traind::core {

class CsvSummary {
 public:
  // `csv` is the first file, with its columns; `options` outlive the summary. Only the summary of a split that is
  // `first` has a schema.
  CsvSummary(const v1::CsvOptions& options, const CsvReader& csv, const CsvColumns& columns, bool first);

  // All rows of a file. INVALID_ARGUMENT names the line.
  absl::Status Read(CsvReader& csv, const CsvColumns& columns);

  int64_t rows() const { return rows_; }  // Without those that are left out.
  const std::set<std::string>& labels() const { return labels_; }
  // Labels are names when they are among `class_names`, or when less than half of them are numbers. INVALID_ARGUMENT
  // names the first label that does not fit the others.
  absl::StatusOr<std::shared_ptr<const CsvSchema>> Schema(const std::vector<std::string>& class_names) const;
  void AddNotes(absl::string_view split, bool named_labels, absl::FunctionRef<void(std::string)> add) const;

 private:
  struct Sum {
    double sum = 0;
    int64_t count = 0;
    double mean() const { return count == 0 ? 0 : sum / static_cast<double>(count); }
  };

  absl::StatusOr<bool> NamedLabels(const std::vector<std::string>& class_names) const;
  absl::Status AddLabel(const CsvReader& csv, size_t column);
  absl::Status AddFields(const CsvReader& csv, const CsvColumns& columns);
  absl::Status AddWord(const CsvReader& csv, size_t column, size_t feature);
  absl::Status AddNumber(const CsvReader& csv, size_t column, size_t place);

  const v1::CsvOptions& options_;
  const std::string file_;  // The first one.
  const bool first_;
  std::vector<CsvFeature> features_;  // Their columns alone.
  std::vector<std::string> targets_;  // Columns.
  int64_t rows_ = 0;
  int64_t dropped_ = 0;
  int64_t numbers_ = 0;     // Labels that are numbers.
  int64_t odd_labels_ = 0;  // Labels that are no integers.
  absl::Status first_odd_;
  std::set<std::string> labels_;
  std::vector<std::map<std::string, int64_t>> words_;  // Of each feature.
  std::vector<Sum> sums_;                              // Of each feature and, after them, each target.
};

}  // namespace traind::core
