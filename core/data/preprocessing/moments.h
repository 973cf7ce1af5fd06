// Mean and standard deviation of each feature or channel over the training split, in double, two passes.
#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include "core/base/errors.h"
#include "core/kinds/transform.h"
#include "core/tensor/tensor.h"
#include "traind/v1/preprocessing.pb.h"

namespace traind::core {

// The numbers that share one mean: a feature's own, or those of a channel.
struct Groups {
  int64_t count = 0;
  int64_t width = 0;  // Consecutive features of one group.
  Shape shape;        // Of the parameters: the example's, or [channels].

  int64_t features() const { return count * width; }
};

// PER_CHANNEL needs an image; anything else is a violation of the field `grouping`.
Groups MakeGroups(v1::Grouping grouping, const Shape& example_shape, const FieldErrors& errors);

// A value this build does not know is a violation of the field `grouping`.
void CheckGrouping(v1::Grouping grouping, const FieldErrors& errors);

// The value of each feature's group.
std::vector<float> ExpandToFeatures(const std::vector<float>& by_group, const Groups& groups);

struct GroupMoments {
  std::vector<double> mean;
  std::vector<double> std;  // Of the population: divided by the number of values.
};

GroupMoments ComputeMoments(const TrainingExamples& examples, const Groups& groups);

// What zero_mean and standardize share: a mean of each group, which is subtracted. Apply and the parameters are theirs.
class CentringTransform : public Transform {
 public:
  // `for_images` is what an unspecified grouping means for images; for other examples it is PER_FEATURE.
  CentringTransform(v1::Grouping grouping, v1::Grouping for_images) : grouping_(grouping), for_images_(for_images) {}

  Shape SetShape(const Shape& shape, const FieldErrors& errors) override {
    if (grouping_ == v1::GROUPING_UNSPECIFIED) {
      grouping_ = shape.size() == 3 ? for_images_ : v1::GROUPING_PER_FEATURE;
    }
    groups_ = MakeGroups(grouping_, shape, errors);
    return shape;
  }
  bool needs_fit() const override { return true; }
  bool centres() const override { return true; }
  // In double while fitting, and as floats by group and by feature.
  int64_t memory_bytes() const override { return 64 * groups_.features(); }

 protected:
  void SetMean(std::vector<float> mean) {
    mean_ = std::move(mean);
    feature_mean_ = ExpandToFeatures(mean_, groups_);
  }
  v1::Grouping grouping() const { return grouping_; }
  const Groups& groups() const { return groups_; }
  const std::vector<float>& mean() const { return mean_; }  // By group.
  const float* feature_mean() const { return feature_mean_.data(); }

 private:
  v1::Grouping grouping_;
  const v1::Grouping for_images_;
  Groups groups_;
  std::vector<float> mean_;
  std::vector<float> feature_mean_;
};

// The two passes, for one example of n features: sum += x, and sum += (x - mean)^2.
void AddValues(const float* x, int64_t n, double* sum);
void AddSquaredDistances(const float* x, const double* mean, int64_t n, double* sum);

}  // namespace traind::core
