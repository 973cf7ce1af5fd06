#include "core/data/data_profile.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "core/data/viewed_examples.h"

namespace traind::core {
namespace {

constexpr int64_t kSample = 1024;
constexpr int64_t kMostClasses = 1000;
constexpr int64_t kExamplesPerProgress = 64;

void CountClasses(const Split& split, v1::DataProfile& profile) {
  if (!split.has_labels() || split.num_classes() > kMostClasses) return;
  profile.mutable_class_counts()->Resize(static_cast<int>(split.num_classes()), 0);
  for (const int32_t label : split.labels()) {
    profile.set_class_counts(label, profile.class_counts(label) + 1);
  }
}

// Of the numbers of many examples, one example after the other.
class Numbers {
 public:
  explicit Numbers(int64_t features) : first_(features), varies_(features, false) {}

  void Add(const std::vector<float>& example) {
    for (size_t i = 0; i < example.size(); ++i) {
      const double value = example[i];
      sum_ += value;
      squares_ += value * value;
      min_ = std::min(min_, value);
      max_ = std::max(max_, value);
      if (examples_ == 0) first_[i] = example[i];
      if (example[i] != first_[i]) varies_[i] = true;
    }
    ++examples_;
  }

  void To(v1::DataProfile& profile) const {
    const double count = static_cast<double>(examples_) * static_cast<double>(first_.size());
    if (count == 0) return;
    const double mean = sum_ / count;
    profile.set_mean(mean);
    profile.set_std(std::sqrt(std::max(0.0, squares_ / count - mean * mean)));
    profile.set_min(min_);
    profile.set_max(max_);
    profile.set_constant_features(std::count(varies_.begin(), varies_.end(), false));
  }

 private:
  std::vector<float> first_;
  std::vector<bool> varies_;
  int64_t examples_ = 0;
  double sum_ = 0, squares_ = 0;
  double min_ = std::numeric_limits<double>::infinity(), max_ = -std::numeric_limits<double>::infinity();
};

}  // namespace

v1::DataProfile ProfileOf(const InputPipeline& input, const std::function<void()>& progress) {
  const Split& split = input.split();
  const Preprocessor& preprocessor = input.preprocessor();
  v1::DataProfile profile;
  profile.set_examples(split.size());
  CountClasses(split, profile);
  const int64_t sampled = std::min(split.size(), kSample);
  profile.set_sampled(sampled);
  profile.set_features(preprocessor.output_elements());
  ViewedExamples viewed(AsStored(split), input.first_look());
  const RawExamples examples = viewed.FirstLooks();
  std::vector<float> example(static_cast<size_t>(preprocessor.output_elements()));
  Numbers numbers(preprocessor.output_elements());
  for (int64_t i = 0; i < sampled; ++i) {
    if (i % kExamplesPerProgress == 0) progress();
    preprocessor.Apply(examples.type, examples.at(i * split.size() / sampled), example.data());
    numbers.Add(example);
  }
  numbers.To(profile);
  return profile;
}

}  // namespace traind::core
