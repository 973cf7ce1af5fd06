#include "core/train/class_metrics.h"

#include "absl/strings/str_cat.h"
#include "core/job/metrics_size.h"
#include "core/train/scores.h"

namespace traind::core {
namespace {

double Share(int64_t part, int64_t whole) {
  return whole == 0 ? 0 : static_cast<double>(part) / static_cast<double>(whole);
}

}  // namespace

ScoresOfClasses::ScoresOfClasses(int64_t classes, int64_t examples)
    : classes_(classes), room_(examples), kept_(KeepsScores(classes, examples)) {
  if (!kept_) return;
  scores_.resize(static_cast<size_t>(classes * examples));
  has_it_.resize(scores_.size());
}

void ScoresOfClasses::Set(int64_t c, float score, bool has_it) {
  const auto place = static_cast<size_t>(c * room_ + examples_ - 1);
  scores_[place] = score;
  has_it_[place] = has_it;
}

void ScoresOfClasses::Report(v1::ClassificationMetrics& metrics) const {
  if (!kept_) {
    metrics.add_notes(absl::StrCat("no AUC: ", room_, " examples x ", classes_, " classes are more than ", kMostScores,
                                   ", or the classes more than ", kMostClassMetrics));
    return;
  }
  double sum = 0;
  int with = 0;
  for (int64_t c = 0; c < classes_; ++c) {
    const auto first = static_cast<ptrdiff_t>(c * room_), end = first + static_cast<ptrdiff_t>(examples_);
    const auto area = AreaUnderRoc({scores_.begin() + first, scores_.begin() + end},
                                   {has_it_.begin() + first, has_it_.begin() + end});
    if (!area.has_value()) continue;
    metrics.mutable_classes(static_cast<int>(c))->set_auc(*area);
    sum += *area;
    ++with;
  }
  if (with > 0) metrics.set_macro_auc(sum / with);
}

void ReportClasses(const ClassCounts& counts, v1::ClassificationMetrics& metrics) {
  const size_t classes = counts.examples.size();
  if (classes > static_cast<size_t>(kMostClassMetrics)) {
    metrics.add_notes(
        absl::StrCat("no numbers of each class: ", classes, " classes are more than ", kMostClassMetrics));
    return;
  }
  double precision = 0, recall = 0, f1 = 0;
  int with = 0;
  for (size_t c = 0; c < classes; ++c) {
    v1::ClassMetrics& one = *metrics.add_classes();
    one.set_examples(counts.examples[c]);
    one.set_precision(Share(counts.right[c], counts.answers[c]));
    one.set_recall(Share(counts.right[c], counts.examples[c]));
    one.set_f1(Share(2 * counts.right[c], counts.answers[c] + counts.examples[c]));  // The harmonic mean of the two.
    if (counts.examples[c] == 0) continue;
    precision += one.precision();
    recall += one.recall();
    f1 += one.f1();
    ++with;
  }
  if (with == 0) return;
  metrics.set_macro_precision(precision / with);
  metrics.set_macro_recall(recall / with);
  metrics.set_macro_f1(f1 / with);
}

}  // namespace traind::core
