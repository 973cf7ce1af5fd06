// Which labels of a split a network doubts: the area under the margin (Pleiss, Zhang, Elenberg and Weinberger 2020,
// "Identifying Mislabeled Data using the Area Under the Margin Ranking"). The margin of an example is the output of its
// label minus the largest other output; one output x for two classes counts as the outputs 0 and x. A wrong label is
// learned late and against the others of its kind, so that its margin, as a mean over the training, is low.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "traind/v1/model_service.pb.h"

namespace traind::client {

// An example that may have the wrong label.
struct Suspect {
  int64_t example = 0;  // Its number in the split.
  int64_t label = 0;    // That it has,
  int64_t taken = 0;    // and the class for which it was taken, where the margin was lowest.
  double margin = 0;    // Mean over the checkpoints, in outputs of the network. Below 0: the label was not the answer.
};

// Sums the margins of one split over checkpoints. It takes 24 bytes for each example. Thread-compatible.
class MarginTally {
 public:
  static constexpr int64_t kMostExamples = 10'000'000;

  // Of a split of so many, at most kMostExamples.
  explicit MarginTally(int64_t examples) : sums_(static_cast<size_t>(examples)) {}

  // Parts of one checkpoint's predictions, in the order of the split; after its last one those of the next checkpoint
  // begin. INVALID_ARGUMENT: they are of no classifier, or of no labelled split. FAILED_PRECONDITION: outputs that are
  // not finite. DATA_LOSS: they are not in order, more than was said, or no sound answer. After an error the tally is
  // of no use.
  absl::Status Add(const v1::PredictResponse& part);

  int64_t examples() const { return static_cast<int64_t>(sums_.size()); }
  int64_t checkpoints() const { return checkpoints_; }  // Whose predictions are all there.
  bool between() const { return next_ == 0; }           // No checkpoint's predictions are there in part.
  // The examples with the `most` lowest margins, the lowest first; equal ones in the order of the split. With
  // checkpoints() > 0.
  std::vector<Suspect> Lowest(size_t most) const;
  int64_t doubted() const;  // Examples with a margin below 0.

 private:
  struct Sum {
    double margin = 0;
    float lowest = 0;
    int32_t label = 0;
    int32_t taken = 0;
  };

  std::vector<Sum> sums_;
  int64_t next_ = 0;  // Example of the checkpoint under way.
  int64_t checkpoints_ = 0;
};

}  // namespace traind::client
