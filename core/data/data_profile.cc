#include "core/data/data_profile.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "absl/strings/str_cat.h"
#include "core/data/feature_sample.h"
#include "core/data/neighbours.h"
#include "core/data/shared_examples.h"
#include "core/data/viewed_examples.h"

namespace traind::core {
namespace {

constexpr int64_t kSample = 1024;
constexpr int64_t kMostClasses = 1000;
constexpr int64_t kExamplesPerProgress = 64;
constexpr int64_t kTargetsPerProgress = 1024;
constexpr int64_t kMostCompared = int64_t{1} << 28;  // Numbers of the training split: a fraction of a second.

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

// Evenly spread.
std::vector<int64_t> Sampled(int64_t examples) {
  std::vector<int64_t> places(static_cast<size_t>(std::min(examples, kSample)));
  const auto count = static_cast<int64_t>(places.size());
  for (int64_t i = 0; i < count; ++i) places[i] = i * examples / count;
  return places;
}

// Calls `look` with these examples of a split, each as the network sees it.
template <class Look>
void ForEachSeen(const InputPipeline& input, const Split& split, const std::vector<int64_t>& places,
                 const std::function<void()>& progress, const Look& look) {
  ViewedExamples viewed(AsStored(split), input.first_look());
  const RawExamples examples = viewed.FirstLooks();
  std::vector<float> example(static_cast<size_t>(input.preprocessor().output_elements()));
  for (size_t i = 0; i < places.size(); ++i) {
    if (i % kExamplesPerProgress == 0) progress();
    input.preprocessor().Apply(examples.type, examples.at(places[i]), example.data());
    look(example);
  }
}

// Half the sum of what the classes' shares differ by; 0 without labels.
double ClassShift(const v1::DataProfile& training, const Split& evaluation) {
  v1::DataProfile counts;
  CountClasses(evaluation, counts);
  const double n = static_cast<double>(training.examples()), m = static_cast<double>(evaluation.size());
  double shift = 0;
  for (int i = 0; i < std::min(counts.class_counts_size(), training.class_counts_size()); ++i) {
    shift +=
        std::abs(static_cast<double>(training.class_counts(i)) / n - static_cast<double>(counts.class_counts(i)) / m);
  }
  return shift / 2;
}

// How the neighbours in both splits agree, among as many examples of each: the fewer there are, the further away they
// are, and the less they agree.
void CompareNeighbours(const InputPipeline& input, const Split& split, const std::function<void()>& progress,
                       v1::DataProfile& profile) {
  const Split& training = input.split();
  if (training.has_labels() != split.has_labels()) return;
  const int64_t count = std::min({kMostNeighbours, training.size(), split.size()});
  const NeighbourAgreement there = AgreementOfNeighbours(input, split, count, progress);
  NeighbourAgreement here = {
      .agreement = profile.neighbour_agreement(), .chance = profile.chance_agreement(), .compared = profile.compared()};
  if (here.compared != there.compared) here = AgreementOfNeighbours(input, training, count, progress);
  if (here.compared != there.compared) return;  // Some are not finite.
  v1::DataProfile::EvaluationProfile& evaluation = *profile.mutable_evaluation();
  evaluation.set_neighbour_agreement(there.agreement);
  evaluation.set_chance_agreement(there.chance);
  evaluation.set_training_agreement(here.agreement);
  evaluation.set_training_chance(here.chance);
  evaluation.set_compared(there.compared);
}

// Of targets that are numbers and that the job reads, over all examples, row by row as they lie in the file.
void MeasureTargets(const InputPipeline& input, const std::function<void()>& progress, v1::DataProfile& profile) {
  const Split& split = input.split();
  if (input.is_own_target() || split.has_labels() || split.size() == 0) return;
  const int64_t width = split.target_width();
  const float* first = split.target(0);  // About which sums are taken.
  std::vector<double> sum(static_cast<size_t>(width)), squares(static_cast<size_t>(width));
  for (int64_t i = 0; i < split.size(); ++i) {
    if (i % kTargetsPerProgress == 0) progress();
    const float* target = split.target(i);
    for (int64_t k = 0; k < width; ++k) {
      const double value = double{target[k]} - first[k];
      sum[k] += value;
      squares[k] += value * value;
    }
  }
  double variance = 0;
  const auto n = static_cast<double>(split.size());
  for (int64_t k = 0; k < width; ++k) {
    variance += std::max(0.0, squares[k] / n - sum[k] / n * (sum[k] / n)) / static_cast<double>(width);
  }
  if (std::isfinite(variance)) profile.set_target_variance(variance);
}

// Against the training split and its `features`.
void Compare(const InputPipeline& input, const Split& split, const FeatureSample& features,
             const std::function<void()>& progress, ProfiledData& data) {
  v1::DataProfile::EvaluationProfile& evaluation = *data.profile.mutable_evaluation();
  const std::vector<int64_t> places = Sampled(split.size());
  evaluation.set_split(split.called());
  evaluation.set_examples(split.size());
  evaluation.set_sampled(static_cast<int64_t>(places.size()));
  FeatureSample here(input.preprocessor().output_elements());
  ForEachSeen(input, split, places, progress, [&](const std::vector<float>& example) { here.Add(example); });
  evaluation.set_shift(features.ShiftTo(here));
  evaluation.set_class_shift(ClassShift(data.profile, split));
  const SharedExamples shared = CountShared(input.split(), split, places, kMostCompared, progress);
  evaluation.set_shared(shared.shared);
  CompareNeighbours(input, split, progress, data.profile);
  if (shared.looked == input.split().size()) return;
  data.notes.push_back(absl::StrCat("examples of the split ", split.called(), " were looked for among ", shared.looked,
                                    " of the ", input.split().size(), " training examples"));
}

}  // namespace

int64_t ProfileMemory(int64_t features, int64_t examples, int64_t classes) {
  constexpr int64_t kOfSampled = 256;  // Places, and what is sought in the other split.
  constexpr int64_t kOfFeature = 2 * sizeof(float);
  return 2 * FeatureSample::Bytes(features) + kOfFeature * features + kOfSampled * std::min(examples, kSample) +
         NeighbourMemory(features, examples, classes);
}

ProfiledData ProfileOf(const InputPipeline& input, const Split* evaluation, const std::function<void()>& progress) {
  const Split& split = input.split();
  ProfiledData data;
  v1::DataProfile& profile = data.profile;
  profile.set_examples(split.size());
  CountClasses(split, profile);
  MeasureTargets(input, progress, profile);
  const std::vector<int64_t> places = Sampled(split.size());
  profile.set_sampled(static_cast<int64_t>(places.size()));
  profile.set_features(input.preprocessor().output_elements());
  Numbers numbers(profile.features());
  FeatureSample features(profile.features());
  ForEachSeen(input, split, places, progress, [&](const std::vector<float>& example) {
    numbers.Add(example);
    features.Add(example);
  });
  numbers.To(profile);
  profile.set_duplicated_features(features.Duplicated());
  const NeighbourAgreement neighbours = AgreementOfNeighbours(input, split, kMostNeighbours, progress);
  profile.set_neighbour_agreement(neighbours.agreement);
  profile.set_chance_agreement(neighbours.chance);
  profile.set_compared(neighbours.compared);
  if (evaluation != nullptr) Compare(input, *evaluation, features, progress, data);
  return data;
}

}  // namespace traind::core
