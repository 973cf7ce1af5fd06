#include "core/data/held_out.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "core/base/random.h"
#include "core/data/dataset_dir.h"
#include "google/protobuf/util/message_differencer.h"

namespace traind::core {

using google::protobuf::util::MessageDifferencer;

namespace {

constexpr Purpose kHeldOut("held_out");
// A key and an index of each example to be sorted, and of both parts what comes of it, with the labels.
constexpr int64_t kBytesPerExample = 24;

// All examples, class by class, each class in an order of its own.
std::vector<uint32_t> ShuffledWithinClasses(uint64_t seed, int64_t examples, absl::Span<const int32_t> labels) {
  const auto n = static_cast<size_t>(examples);
  std::vector<uint32_t> keys(n), order(n);
  const RandomStream random(seed, kHeldOut, 0);
  for (size_t i = 0; i < n; ++i) keys[i] = random.Block(0, static_cast<uint32_t>(i), 0)[0];
  std::iota(order.begin(), order.end(), 0u);
  std::sort(order.begin(), order.end(), [&](uint32_t a, uint32_t b) {
    if (!labels.empty() && labels[a] != labels[b]) return labels[a] < labels[b];
    return keys[a] != keys[b] ? keys[a] < keys[b] : a < b;
  });
  return order;
}

int64_t ExamplesOf(const v1::Dataset& dataset, const std::string& name) {
  const v1::DatasetSplit* split = FindSplit(dataset, name);
  return split == nullptr ? 0 : split->num_examples();
}

}  // namespace

bool HoldsOut(const v1::DataSpec& data) { return data.validation_fraction() > 0 || data.has_folds(); }

bool IsHeldOutPart(const v1::DataSpec& data, absl::string_view name) { return HoldsOut(data) && name == kHeldOutName; }

bool HoldsOutTheSame(const v1::DataSpec& a, const v1::DataSpec& b) {
  if (!HoldsOut(a) || !HoldsOut(b)) return HoldsOut(a) == HoldsOut(b);
  if (a.has_folds() && b.has_folds()) return MessageDifferencer::Equals(a.folds(), b.folds());
  return a.has_folds() == b.has_folds() && a.validation_fraction() == b.validation_fraction() &&
         a.validation_seed() == b.validation_seed();
}

bool HasSeenHeldOut(const v1::DataSpec& now, const v1::DataSpec& before) {
  return HoldsOut(now) && now.train_split() == before.train_split() && !HoldsOutTheSame(now, before);
}

int64_t HeldOutCount(const v1::DataSpec& data, int64_t examples) {
  if (!data.has_folds()) return std::llround(data.validation_fraction() * static_cast<double>(examples));
  const int64_t count = data.folds().count(), index = data.folds().index();
  return (examples - index + count - 1) / count;
}

std::vector<uint32_t> HeldOutPlaces(const v1::DataSpec& data, int64_t examples, absl::Span<const int32_t> labels) {
  const uint64_t seed = data.has_folds() ? data.folds().seed() : data.validation_seed();
  const std::vector<uint32_t> order = ShuffledWithinClasses(seed, examples, labels);
  const int64_t wanted = HeldOutCount(data, examples);
  std::vector<uint32_t> places;
  places.reserve(static_cast<size_t>(wanted));
  for (int64_t i = 0; i < examples; ++i) {
    const bool takes = data.has_folds() ? i % data.folds().count() == data.folds().index()
                                        : (i + 1) * wanted / examples > i * wanted / examples;
    if (takes) places.push_back(order[static_cast<size_t>(i)]);
  }
  std::sort(places.begin(), places.end());
  return places;
}

std::vector<uint32_t> AllBut(const std::vector<uint32_t>& places, int64_t examples) {
  std::vector<uint32_t> rest;
  rest.reserve(static_cast<size_t>(examples) - places.size());
  auto next = places.begin();
  for (int64_t i = 0; i < examples; ++i) {
    if (next != places.end() && *next == static_cast<uint32_t>(i)) {
      ++next;
    } else {
      rest.push_back(static_cast<uint32_t>(i));
    }
  }
  return rest;
}

int64_t HeldOutBytes(const v1::DataSpec& data, const v1::Dataset& dataset) {
  return HoldsOut(data) ? kBytesPerExample * ExamplesOf(dataset, data.train_split()) : 0;
}

int64_t NumTrained(const v1::DataSpec& data, const v1::Dataset& dataset) {
  const int64_t all = ExamplesOf(dataset, data.train_split());
  return LimitedTo(data.max_train_examples(),
                   HoldsOut(data) ? std::max<int64_t>(0, all - HeldOutCount(data, all)) : all);
}

int64_t NumEvaluated(const v1::DataSpec& data, const v1::Dataset& dataset) {
  const bool held_out = IsHeldOutPart(data, data.evaluation_split());
  const int64_t all = ExamplesOf(dataset, held_out ? data.train_split() : data.evaluation_split());
  return LimitedTo(data.max_evaluation_examples(), held_out ? HeldOutCount(data, all) : all);
}

int64_t NumTested(const v1::DataSpec& data, const v1::Dataset& dataset) {
  return LimitedTo(data.max_test_examples(), ExamplesOf(dataset, data.test_split()));
}

}  // namespace traind::core
