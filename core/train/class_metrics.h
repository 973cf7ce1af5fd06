// What the counts of answers say of each class, and of all of them.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "traind/v1/event.pb.h"

namespace traind::core {

// Of each class: examples that have it, answers for it, and both at once.
struct ClassCounts {
  explicit ClassCounts(int64_t classes)
      : examples(static_cast<size_t>(classes)), answers(examples.size()), right(examples.size()) {}
  std::vector<int64_t> examples;
  std::vector<int64_t> answers;
  std::vector<int64_t> right;
};

// The scores of every class for every example, by which the areas under the ROC curves are found; empty where they
// would be too many.
class ScoresOfClasses {
 public:
  ScoresOfClasses(int64_t classes, int64_t examples);
  bool kept() const { return kept_; }
  // Of the example that was begun last.
  void Begin() { ++examples_; }
  void Set(int64_t c, float score, bool has_it);
  // Writes auc of each class and its mean, or a note.
  void Report(v1::ClassificationMetrics& metrics) const;

 private:
  const int64_t classes_;
  const int64_t room_;
  const bool kept_;
  int64_t examples_ = 0;
  std::vector<float> scores_;  // By class.
  std::vector<bool> has_it_;
};

// Precision, recall and F1 of each class, and their means.
void ReportClasses(const ClassCounts& counts, v1::ClassificationMetrics& metrics);

}  // namespace traind::core
