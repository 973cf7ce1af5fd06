// What the columns of a CSV file are, and what their fields mean. The first split decides it for the others.
// Thread-compatible.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "core/data/csv.h"
#include "core/data/dataset_dir.h"
#include "core/data/split_reader.h"

namespace traind::core {

// A column that becomes features: one of its numbers, or one for each of its words.
struct CsvFeature {
  std::string column = "";
  bool words = false;
  std::vector<std::string> categories = {};             // Of words, sorted.
  absl::flat_hash_map<std::string, size_t> place = {};  // Of a word among the categories.
  std::vector<double> means = {};                       // Of each feature, over the first split. With MISSING_MEAN.
  size_t width() const { return words ? categories.size() : 1; }
};

struct CsvSchema {
  std::vector<CsvFeature> features = {};
  std::vector<double> target_means = {};  // With MISSING_MEAN.
  bool named_labels = false;
};

// Where in a row is what; `features` are those of the schema.
struct CsvColumns {
  std::optional<size_t> label = std::nullopt;
  std::vector<size_t> targets = {};
  std::vector<size_t> features = {};
  std::vector<bool> words = {};  // Of the features.
};

// The columns of a file, as the options name them. Violations go to the fields of the options.
absl::StatusOr<CsvColumns> FindColumns(const SplitOrigin& origin, const CsvReader& csv);

// The text in quotes, shortened, safe to print.
std::string Quoted(absl::string_view text);
// INVALID_ARGUMENT with the row's line and the column's name.
absl::Status BadField(const CsvReader& csv, size_t column, absl::string_view what);

// Whether the field says that there is no value. In quotes a word is a word, and only nothing is missing.
bool IsMissing(const CsvReader& csv, size_t column, bool words);
// Whether a column that is used has no value in this row.
bool HasMissing(const CsvReader& csv, const CsvColumns& columns);
// A missing field where the options have nothing to put in its place.
absl::Status MissingField(const CsvReader& csv, size_t column);

// A finite number in float32. `exact` becomes false for an integer that is rounded.
absl::StatusOr<float> ParseNumber(const CsvReader& csv, size_t column, bool* exact);

// A label as a number: an integer, which may be written 3.0.
enum class LabelKind { kInteger, kNumber, kWord };
// What is said behind one that is none.
inline constexpr absl::string_view kNotALabel = " is not an integer in [0, 1000000)";
static_assert(kMaxClasses == 1'000'000);
LabelKind ParseLabel(absl::string_view text, int32_t* label);

}  // namespace traind::core
