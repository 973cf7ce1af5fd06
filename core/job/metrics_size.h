// How much an evaluation says and keeps for its metrics (core/train/metrics.h); event.proto promises these limits.
// Pure.
#pragma once

#include <cstdint>

#include "core/kinds/loss.h"
#include "traind/v1/event.pb.h"

namespace traind::core {

// The most classes whose numbers and whose confusions are told, targets that have numbers of their own, and scores
// that are kept for the areas under the ROC curves (16 MiB).
inline constexpr int64_t kMostClassMetrics = 1000;
inline constexpr int64_t kMostConfusedClasses = 100;
inline constexpr int64_t kMostTargetMetrics = 100;
inline constexpr int64_t kMostScores = int64_t{1} << 22;

// Whether the scores of so many classes (or labels) are kept for all examples.
constexpr bool KeepsScores(int64_t classes, int64_t examples) {
  return classes <= kMostClassMetrics && examples <= kMostScores / classes;
}

// Bytes that the metrics of an evaluation take, at most.
inline int64_t MetricsBytes(OutputMeaning meaning, int64_t outputs, int64_t examples) {
  const int64_t classes = ClassesOf(meaning, outputs);
  // A score and whether it is the example's class; those of one class once more, to be sorted.
  const int64_t scores = KeepsScores(classes, examples) ? 5 * classes * examples + 16 * examples : 0;
  const int64_t confusion = classes <= kMostConfusedClasses ? 2 * 8 * classes * classes : 0;  // And in the event.
  const int64_t told = classes <= kMostClassMetrics ? classes * int64_t{sizeof(v1::ClassMetrics)} : 0;
  return scores + confusion + told + 64 * classes;
}

}  // namespace traind::core
