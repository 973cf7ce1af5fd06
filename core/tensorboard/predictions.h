// What a classifier's predictions of a split show in TensorBoard: precision and recall of each class at every
// threshold, and the examples that it is surest of and wrong. The same predictions and pictures give the same bytes.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "traind/v1/checkpoint.pb.h"
#include "traind/v1/job.pb.h"
#include "traind/v1/model_service.pb.h"

namespace traind::tensorboard {

inline constexpr int64_t kMostCurves = 200;  // Classes that have one: the first ones.
inline constexpr int64_t kThresholds = 201;  // Of a curve: 0, 0.005, ... 1.
inline constexpr size_t kMostMistakes = 48;

struct Mistake {
  int64_t example = 0;  // Its number in the split.
  int64_t label = 0;    // What it is,
  int64_t said = 0;     // and what it was taken for,
  float sure = 0;       // with this probability; or score, where the outputs are no probabilities.
};

// Counts as predictions come, and keeps none but the surest mistakes: its size does not grow with the split.
// Thread-compatible.
class PredictionTally {
 public:
  explicit PredictionTally(int64_t outputs);  // Of each example; at least one.

  // INVALID_ARGUMENT: they are not of a classifier, or not of a labelled split. FAILED_PRECONDITION: numbers that are
  // not finite. INTERNAL: they are no sound answer. After an error the tally is of no use.
  absl::Status Add(const v1::PredictResponse& part);

  int64_t outputs() const { return outputs_; }
  int64_t examples() const { return examples_; }
  int64_t wrong() const { return wrong_; }
  // Classes that have a curve: none where the outputs are scores, of which there are no thresholds from 0 to 1.
  int64_t curves() const;
  bool probable() const { return probable_; }
  // The surest first; of equal ones, in the order of the split.
  const std::vector<Mistake>& mistakes() const { return mistakes_; }
  // Of one class against all others, [6, kThresholds]: true positives, false positives, true negatives, false
  // negatives, precision, recall. Positive is what has at least the threshold's probability. What would be 0 / 0 is 0.
  std::vector<float> Curve(int64_t label) const;

 private:
  absl::Status Check(const v1::PredictResponse& part) const;
  absl::Status Count(const v1::PredictResponse& part, int64_t i);
  void Keep(const Mistake& mistake);

  const int64_t outputs_;
  int64_t examples_ = 0;
  int64_t wrong_ = 0;
  bool probable_ = false;
  // For each class and whether an example is of it, how many have a probability from each threshold to the next.
  std::vector<int64_t> counts_;
  std::vector<Mistake> mistakes_;
};

// The original of an example.
struct Picture {
  int64_t height = 0;  // In pixels, as is the next.
  int64_t width = 0;
  bool stretched = false;  // Its numbers are not the data's: those are floats.
  std::string png = {};
};

// The framed records of the file: first Begin, then the others in any order. Thread-compatible.
class PredictionRecords {
 public:
  // The step and the time of them all are those of the checkpoint. All must outlive it.
  PredictionRecords(const v1::Job& job, const v1::Checkpoint& checkpoint, const std::string& split);

  std::string Begin() const;
  // `label` is below tally.curves(). Its tag is "pr_curves/cat".
  std::string Curve(const PredictionTally& tally, int64_t label) const;
  // Its tag is "mistakes/cat_as_dog/0", counted for each pair.
  std::string Mistaken(const PredictionTally& tally, const Mistake& mistake, const Picture& picture);

 private:
  std::string NameOf(int64_t label) const;

  const v1::Job& job_;
  const v1::Checkpoint& checkpoint_;
  const std::string& split_;
  std::map<std::string, int> pictures_;  // Of each tag, so far.
};

}  // namespace traind::tensorboard
