// What a prediction says of one example, for whoever writes it: names in place of numbers, the best classes, targets
// and errors. Views into a PredictResponse, which outlives them; thread-compatible.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "traind/v1/model_service.pb.h"

namespace traind::client {

// How predictions are written.
struct PredictionStyle {
  std::string path = "";                // A file, which appears when it is whole; empty: the standard output.
  std::string format = "";              // "table", "csv" or "json"; empty: by the file's ending, else a table.
  int top = 1;                          // Classes of each example, the most probable first.
  std::vector<std::string> files = {};  // Of each example, where they have files of their own.
};

// A class and what speaks for it: its probability, or its output where there are none.
struct RankedClass {
  int64_t index = 0;
  double score = 0;
};

class PredictionRows {
 public:
  // `names` has class_names and target_names; both arguments outlive this.
  PredictionRows(const v1::PredictResponse& part, const v1::PredictSplitResponse& names) : part_(part), names_(names) {}

  int64_t examples() const { return part_.shape_size() > 0 ? part_.shape(0) : 0; }
  int64_t width() const { return part_.shape_size() > 1 ? part_.shape(1) : 0; }
  int64_t number(int64_t i) const { return part_.first() + i; }
  bool classes() const { return examples() > 0 && part_.classes_size() == examples(); }
  bool labels() const { return part_.labels_size() == examples(); }
  bool probabilities() const { return part_.outputs_size() > 0 && part_.probabilities_size() == part_.outputs_size(); }
  bool spread() const { return part_.outputs_size() > 0 && part_.spread_size() == part_.outputs_size(); }
  bool targets() const { return part_.outputs_size() > 0 && part_.targets_size() == part_.outputs_size(); }

  int64_t chosen(int64_t i) const { return part_.classes(static_cast<int>(i)); }
  int64_t label(int64_t i) const { return part_.labels(static_cast<int>(i)); }
  double output(int64_t i, int64_t j) const { return part_.outputs(At(i, j)); }
  double spread(int64_t i, int64_t j) const { return part_.spread(At(i, j)); }
  double target(int64_t i, int64_t j) const { return part_.targets(At(i, j)); }
  // What is compared with the target: the output, its exponential where it is the logarithm of a count, or its
  // probability.
  double answer(int64_t i, int64_t j) const;
  // The `count` best classes; the first is the chosen one.
  std::vector<RankedClass> Top(int64_t i, int count) const;
  // "cat", or "3" where the classes have no names.
  std::string ClassName(int64_t index) const;
  bool named() const { return names_.class_names_size() > 0; }
  // "price", or "target0".
  std::string TargetName(int64_t j) const;

 private:
  int At(int64_t i, int64_t j) const { return static_cast<int>(i * width() + j); }

  const v1::PredictResponse& part_;
  const v1::PredictSplitResponse& names_;
};

}  // namespace traind::client
