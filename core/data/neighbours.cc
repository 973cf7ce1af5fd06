#include "core/data/neighbours.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>
#include <vector>

#include "core/base/sample.h"
#include "core/base/vectorize.h"
#include "core/data/viewed_examples.h"

namespace traind::core {
namespace {

constexpr int64_t kCoordinates = 4096;       // Of an example.
constexpr size_t kMostClassesCompared = 32;  // Of more, each would have too few among those compared.
constexpr int64_t kEnough = 16;              // Examples of one of them.
constexpr int64_t kRowsPerProgress = 16;

// Sums in lanes, which the compiler keeps in vectors.
TRAIND_VECTORIZED float SquaredDistance(const float* a, const float* b, int64_t n) {
  constexpr int kLanes = 16;
  float sums[kLanes] = {};
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) {
    for (int k = 0; k < kLanes; ++k) {
      const float difference = a[i + k] - b[i + k];
      sums[k] += difference * difference;
    }
  }
  float sum = 0;
  for (; i < n; ++i) sum += (a[i] - b[i]) * (a[i] - b[i]);
  for (const float part : sums) sum += part;
  return sum;
}

// The classes whose examples are compared: all, or `kMostClassesCompared` of them, evenly spread over those with enough
// examples; where there are not so many, the largest ones.
std::vector<bool> ComparedClasses(absl::Span<const int32_t> labels, int64_t num_classes) {
  std::vector<int64_t> counts(static_cast<size_t>(num_classes));
  for (const int32_t label : labels) ++counts[label];
  std::vector<int64_t> classes;
  for (int64_t c = 0; c < num_classes; ++c) {
    if (counts[c] > 0) classes.push_back(c);
  }
  std::vector<bool> compared(counts.size());
  if (classes.size() > kMostClassesCompared) {
    std::stable_sort(classes.begin(), classes.end(), [&](int64_t a, int64_t b) { return counts[a] > counts[b]; });
    const auto enough = static_cast<size_t>(
        std::count_if(classes.begin(), classes.end(), [&](int64_t c) { return counts[c] >= kEnough; }));
    classes.resize(std::max(enough, kMostClassesCompared));
    if (enough > kMostClassesCompared) std::sort(classes.begin(), classes.end());
    const size_t of = classes.size();
    for (size_t i = 0; i < kMostClassesCompared; ++i) compared[classes[i * of / kMostClassesCompared]] = true;
    return compared;
  }
  for (const int64_t c : classes) compared[c] = true;
  return compared;
}

// Places in the split, ascending.
std::vector<int64_t> Chosen(const Split& split, int64_t most) {
  const absl::Span<const int32_t> labels = split.labels();
  const std::vector<bool> compared = ComparedClasses(labels, split.num_classes());
  const auto is_compared = [&](int32_t label) { return compared[label]; };
  if (std::all_of(labels.begin(), labels.end(), is_compared)) {
    const std::vector<uint32_t> sample = SampleOf(split.size(), most, labels);
    return {sample.begin(), sample.end()};
  }
  std::vector<uint32_t> candidates;
  std::vector<int32_t> candidate_labels;
  for (int64_t i = 0; i < split.size(); ++i) {
    if (!is_compared(labels[i])) continue;
    candidates.push_back(static_cast<uint32_t>(i));
    candidate_labels.push_back(labels[i]);
  }
  std::vector<int64_t> places;
  for (const uint32_t i : SampleOf(static_cast<int64_t>(candidates.size()), most, candidate_labels)) {
    places.push_back(candidates[i]);
  }
  return places;
}

bool HasFiniteTarget(const Split& split, int64_t place) {
  if (split.has_labels()) return true;
  const float* target = split.target(place);
  return std::all_of(target, target + split.target_width(), [](float value) { return std::isfinite(value); });
}

// Examples as the network sees them, one row each; those with a number that is not finite are left out, and their
// places, too.
class Rows {
 public:
  Rows(const InputPipeline& input, const Split& split, std::vector<int64_t>& places,
       const std::function<void()>& progress) {
    const Preprocessor& preprocessor = input.preprocessor();
    const int64_t elements = preprocessor.output_elements();
    features_ = std::min(elements, kCoordinates);
    std::vector<float> example(static_cast<size_t>(elements));
    ViewedExamples viewed(AsStored(split), input.first_look());
    const RawExamples examples = viewed.FirstLooks();
    std::vector<int64_t> kept;
    numbers_.reserve(places.size() * static_cast<size_t>(features_));
    for (const int64_t place : places) {
      if (kept.size() % kRowsPerProgress == 0) progress();
      preprocessor.Apply(examples.type, examples.at(place), example.data());
      const size_t begin = numbers_.size();
      for (int64_t f = 0; f < features_; ++f) numbers_.push_back(example[f * elements / features_]);
      const bool finite = std::all_of(numbers_.begin() + static_cast<int64_t>(begin), numbers_.end(),
                                      [](float value) { return std::isfinite(value); });
      if (!finite || !HasFiniteTarget(split, place)) {
        numbers_.resize(begin);
        continue;
      }
      kept.push_back(place);
    }
    places = std::move(kept);
  }

  float Between(int64_t i, int64_t j) const {
    return SquaredDistance(numbers_.data() + i * features_, numbers_.data() + j * features_, features_);
  }

 private:
  int64_t features_ = 0;
  std::vector<float> numbers_;
};

// Of each row the nearest other one, of equally near ones the first.
std::vector<int64_t> Nearest(const Rows& rows, int64_t count, const std::function<void()>& progress) {
  std::vector<int64_t> nearest(static_cast<size_t>(count), -1);
  std::vector<float> least(static_cast<size_t>(count), std::numeric_limits<float>::infinity());
  const auto offer = [&](int64_t i, int64_t other, float distance) {
    if (nearest[i] >= 0 && distance >= least[i]) return;
    nearest[i] = other;
    least[i] = distance;
  };
  for (int64_t i = 0; i < count; ++i) {
    if (i % kRowsPerProgress == 0) progress();
    for (int64_t j = 0; j < i; ++j) {
      const float distance = rows.Between(i, j);
      offer(i, j, distance);
      offer(j, i, distance);
    }
  }
  return nearest;
}

NeighbourAgreement OfLabels(const Split& split, const std::vector<int64_t>& places,
                            const std::vector<int64_t>& nearest) {
  const auto n = static_cast<double>(places.size());
  std::vector<int64_t> counts(static_cast<size_t>(split.num_classes()));
  double same = 0, pairs = 0;
  for (size_t i = 0; i < places.size(); ++i) {
    const int32_t label = split.labels()[places[i]];
    if (label == split.labels()[places[nearest[i]]]) ++same;
    pairs += static_cast<double>(counts[label]++);  // With those before it.
  }
  return {.agreement = same / n, .chance = 2 * pairs / (n * (n - 1)), .compared = static_cast<int64_t>(places.size())};
}

NeighbourAgreement OfNumbers(const Split& split, const std::vector<int64_t>& places,
                             const std::vector<int64_t>& nearest) {
  const auto n = static_cast<double>(places.size());
  double near = 0, any = 0;  // Mean squared differences; of any two the variance, times 2 n / (n - 1).
  for (int64_t k = 0; k < split.target_width(); ++k) {
    const double first = split.target(places[0])[k];  // About which sums are taken: constants give exactly zero.
    double sum = 0, squares = 0;
    for (size_t i = 0; i < places.size(); ++i) {
      const double value = split.target(places[i])[k] - first;
      const double difference = value - (split.target(places[nearest[i]])[k] - first);
      near += difference * difference / n;
      sum += value;
      squares += value * value;
    }
    any += 2 / (n - 1) * (squares - sum * sum / n);
  }
  const auto compared = static_cast<int64_t>(places.size());
  if (!(any > 0)) return {.agreement = 1, .chance = 1, .compared = compared};
  return {.agreement = 1 - near / any, .chance = 0, .compared = compared};
}

}  // namespace

int64_t NeighbourMemory(int64_t features, int64_t examples, int64_t classes) {
  constexpr int64_t kOfExample = 64;  // Places, distances.
  constexpr int64_t kOfClass = 64;    // Counts, shares of a sample.
  const auto of_row = static_cast<int64_t>(sizeof(float)) * std::min(features, kCoordinates) + kOfExample;
  // Where some classes are left out: examples of the others, and their labels, as the lists grow.
  const bool chooses = classes > static_cast<int64_t>(kMostClassesCompared);
  const int64_t candidates = chooses ? 3 * static_cast<int64_t>(sizeof(uint32_t) + sizeof(int32_t)) * examples : 0;
  return std::min(examples, kMostNeighbours) * of_row + kOfClass * classes + candidates;
}

NeighbourAgreement AgreementOfNeighbours(const InputPipeline& input, const Split& split, int64_t most,
                                         const std::function<void()>& progress) {
  std::vector<int64_t> places = Chosen(split, std::min(most, kMostNeighbours));
  const Rows rows(input, split, places, progress);
  if (places.size() < 2) return {};
  const std::vector<int64_t> nearest = Nearest(rows, static_cast<int64_t>(places.size()), progress);
  return split.has_labels() ? OfLabels(split, places, nearest) : OfNumbers(split, places, nearest);
}

}  // namespace traind::core
