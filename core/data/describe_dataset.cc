#include "core/data/describe_dataset.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "absl/hash/hash.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/string_view.h"
#include "core/data/dataset_dir.h"

namespace traind::core {
namespace {

constexpr int64_t kMaxChannels = 64;       // Moments of more are taken together.
constexpr int64_t kReportEvery = 1 << 12;  // Examples.
constexpr size_t kListed = 10;             // Names in a warning.
constexpr double kOffCentre = 0.1;         // Of the standard deviation.
constexpr double kUnbalanced = 3;          // Largest class over the smallest.
constexpr double kUnlikeScales = 100;      // Largest standard deviation over the smallest.

// An example's bytes, hashed once.
struct Key {
  uint64_t hash;
  absl::string_view bytes;
  bool operator==(const Key& other) const { return hash == other.hash && bytes == other.bytes; }
};
struct KeyHash {
  size_t operator()(const Key& key) const { return key.hash; }
};
using KeySet = absl::flat_hash_set<Key, KeyHash>;

// Count, mean and sum of squared deviations, in one pass (Welford 1962).
struct Moments {
  double count = 0, mean = 0, squares = 0;
  void Add(double value) {
    count += 1;
    const double delta = value - mean;
    mean += delta / count;
    squares += delta * (value - mean);
  }
  double std() const { return count > 0 ? std::sqrt(squares / count) : 0; }
};

// Sums of bytes are exact integers.
struct ByteSums {
  uint64_t count = 0, sum = 0, squares = 0;
  double mean() const { return static_cast<double>(sum) / static_cast<double>(count); }
  double std() const {
    const long double n = static_cast<long double>(count);
    const long double average = static_cast<long double>(sum) / n;
    return static_cast<double>(std::sqrt(std::max(0.0L, static_cast<long double>(squares) / n - average * average)));
  }
};

class SplitScan {
 public:
  // `progress` is told of the examples of each pass.
  SplitScan(const Split& split, const std::function<void(int64_t)>& progress) : split_(split), progress_(progress) {
    const int64_t first = split.example_shape()[0];
    channels_ = first <= kMaxChannels ? first : 1;
    elements_ = split.example_elements();
    per_channel_ = elements_ / channels_;
  }

  void Measure(v1::SplitDescription* out) {
    out->set_num_examples(split_.size());
    if (split_.has_labels()) {
      std::vector<int64_t> counts(static_cast<size_t>(split_.num_classes()));
      for (const int32_t label : split_.labels()) ++counts[label];
      out->mutable_class_counts()->Add(counts.begin(), counts.end());
    }
    if (split_.element_type() == v1::ELEMENT_TYPE_UINT8) {
      MeasureAs<uint8_t, ByteSums>(split_.uint8_examples(), out);
    } else {
      MeasureAs<float, Moments>(split_.float_examples(), out);
    }
  }

  // The different examples; how many of the split are in `first`, too.
  KeySet Keys(const KeySet* first, int64_t* shared) {
    KeySet keys;
    keys.reserve(static_cast<size_t>(split_.size()));
    const auto size = static_cast<size_t>(split_.example_bytes());
    for (int64_t i = 0; i < split_.size(); ++i) {
      Report(i);
      Key key{.hash = 0, .bytes = {static_cast<const char*>(split_.example(i)), size}};
      key.hash = absl::HashOf(key.bytes);
      if (first != nullptr && first->contains(key)) ++*shared;
      keys.insert(key);
    }
    return keys;
  }

  // The places of an example's numbers that are the same in every example.
  const std::vector<int64_t>& constant() const { return constant_; }

 private:
  void Report(int64_t example) const {
    if (example % kReportEvery == 0) progress_(example);
  }

  static void Count(uint8_t value, ByteSums& sums) {
    ++sums.count;
    sums.sum += value;
    sums.squares += uint64_t{value} * value;
  }
  static void Count(float value, Moments& moments) { moments.Add(value); }
  static double MeanOf(const ByteSums& sums) { return sums.mean(); }
  static double MeanOf(const Moments& moments) { return moments.mean; }

  template <class T, class Sums>
  void MeasureAs(const T* examples, v1::SplitDescription* out) {
    std::vector<Sums> sums(static_cast<size_t>(channels_));
    std::vector<char> varies(static_cast<size_t>(elements_));
    T low = examples[0];
    T high = examples[0];
    for (int64_t i = 0; i < split_.size(); ++i) {
      Report(i);
      const T* example = examples + i * elements_;
      for (int64_t c = 0; c < channels_; ++c) {
        for (int64_t k = c * per_channel_; k < (c + 1) * per_channel_; ++k) {
          Count(example[k], sums[c]);
          low = std::min(low, example[k]);
          high = std::max(high, example[k]);
          varies[k] = static_cast<char>(varies[k] | static_cast<char>(example[k] != examples[k]));
        }
      }
    }
    for (const Sums& channel : sums) {
      out->add_mean(MeanOf(channel));
      out->add_std(channel.std());
    }
    out->set_min(low);
    out->set_max(high);
    for (int64_t k = 0; k < elements_; ++k) {
      if (varies[static_cast<size_t>(k)] == 0) constant_.push_back(k);
    }
  }

  const Split& split_;
  const std::function<void(int64_t)>& progress_;
  int64_t channels_ = 1;
  int64_t elements_ = 0;
  int64_t per_channel_ = 0;
  std::vector<int64_t> constant_;
};

std::string ClassName(const v1::Dataset& dataset, int label) {
  return label < dataset.class_names_size() ? dataset.class_names(label) : absl::StrCat(label);
}

void WarnOfClasses(const v1::Dataset& dataset, const v1::SplitDescription& split, v1::DatasetDescription* out) {
  std::vector<std::string> missing;
  int smallest = -1;
  int largest = -1;
  size_t absent = 0;
  for (int i = 0; i < split.class_counts_size(); ++i) {
    if (split.class_counts(i) == 0) {
      if (++absent <= kListed) missing.push_back(ClassName(dataset, i));
      continue;
    }
    if (smallest < 0 || split.class_counts(i) < split.class_counts(smallest)) smallest = i;
    if (largest < 0 || split.class_counts(i) > split.class_counts(largest)) largest = i;
  }
  if (absent > 0) {
    out->add_warnings(absl::StrCat(split.name(), ": no example of ", absent, " of ", split.class_counts_size(),
                                   " classes: ", absl::StrJoin(missing, ", "), absent > kListed ? ", ..." : ""));
  }
  if (smallest < 0) return;
  const double ratio =
      static_cast<double>(split.class_counts(largest)) / static_cast<double>(split.class_counts(smallest));
  if (ratio > kUnbalanced) {
    out->add_warnings(
        absl::StrFormat("%s: classes out of balance: %d examples of %s, %d of %s; accuracy alone misleads",
                        split.name(), split.class_counts(largest), ClassName(dataset, largest),
                        split.class_counts(smallest), ClassName(dataset, smallest)));
  }
}

// "channel 2", or the name of a feature.
std::string ChannelName(const v1::Dataset& dataset, int channel) {
  const bool is_feature = dataset.example_shape_size() == 1 && channel < dataset.feature_names_size();
  return is_feature ? absl::StrCat("'", dataset.feature_names(channel), "'") : absl::StrCat("channel ", channel);
}

void WarnOfConstants(const v1::Dataset& dataset, const v1::SplitDescription& split,
                     const std::vector<int64_t>& constant, int64_t elements, v1::DatasetDescription* out) {
  if (constant.empty() || split.num_examples() < 2) return;
  std::vector<std::string> names;
  for (size_t i = 0; i < std::min(constant.size(), kListed) && !dataset.feature_names().empty(); ++i) {
    names.push_back(ChannelName(dataset, static_cast<int>(constant[i])));
  }
  out->add_warnings(absl::StrCat(split.name(), ": ", constant.size(), " of ", elements,
                                 " features are constant: the same in every example", names.empty() ? "" : ": ",
                                 absl::StrJoin(names, ", "),
                                 names.size() < constant.size() && !names.empty() ? ", ..." : ""));
}

void WarnOfMoments(const v1::Dataset& dataset, const v1::SplitDescription& split, v1::DatasetDescription* out) {
  double worst = 0;
  int channel = 0;
  double smallest = std::numeric_limits<double>::infinity();
  double largest = 0;
  for (int c = 0; c < split.mean_size(); ++c) {
    if (split.std(c) <= 0) continue;
    smallest = std::min(smallest, split.std(c));
    largest = std::max(largest, split.std(c));
    if (std::abs(split.mean(c)) / split.std(c) <= worst) continue;
    worst = std::abs(split.mean(c)) / split.std(c);
    channel = c;
  }
  if (worst > kOffCentre) {
    const std::string where = split.mean_size() > 1 ? absl::StrCat(" of ", ChannelName(dataset, channel)) : "";
    out->add_warnings(
        absl::StrFormat("%s: not zero-mean: the mean%s is %.4g, the standard deviation %.4g; a "
                        "preprocessing that subtracts the mean helps",
                        split.name(), where, split.mean(channel), split.std(channel)));
  }
  if (largest > kUnlikeScales * smallest) {
    out->add_warnings(
        absl::StrFormat("%s: scales differ: standard deviations from %.4g to %.4g; a preprocessing that "
                        "divides by them helps",
                        split.name(), smallest, largest));
  }
}

void WarnOfDuplicates(const v1::SplitDescription& split, const std::string& first, v1::DatasetDescription* out) {
  if (split.duplicates() > 0) {
    out->add_warnings(absl::StrCat(split.name(), ": ", split.duplicates(), " of ", split.num_examples(),
                                   " examples repeat an earlier one"));
  }
  if (split.shared_with_first() > 0) {
    out->add_warnings(absl::StrCat(split.name(), ": ", split.shared_with_first(), " of ", split.num_examples(),
                                   " examples are in ", first,
                                   ", too: results on this split look better than they are"));
  }
}

}  // namespace

absl::StatusOr<v1::DatasetDescription> DescribeDataset(const std::string& dir, const Progress& progress) {
  auto dataset = LoadDataset(dir);
  if (!dataset.ok()) return dataset.status();
  v1::DatasetDescription description;
  const std::string first_name = dataset->splits(0).name();
  auto first = OpenSplit(dir, first_name);
  if (!first.ok()) return first.status();
  KeySet first_keys;
  // Each example is read twice.
  int64_t total = 0;
  for (const v1::DatasetSplit& listed : dataset->splits()) total += listed.num_examples();
  int64_t before = 0;  // In halves of an example.
  const std::function<void(int64_t)> in_pass = [&](int64_t example) { progress((before + example) / 2, total); };
  for (const v1::DatasetSplit& listed : dataset->splits()) {
    const bool is_first = listed.name() == first_name;
    absl::StatusOr<Split> other;
    if (!is_first) {
      other = OpenSplit(dir, listed.name());
      if (!other.ok()) return other.status();
    }
    SplitScan scan(is_first ? *first : *other, in_pass);
    v1::SplitDescription& out = *description.add_splits();
    out.set_name(listed.name());
    scan.Measure(&out);
    before += listed.num_examples();
    int64_t shared = 0;
    KeySet keys = scan.Keys(is_first ? nullptr : &first_keys, &shared);
    before += listed.num_examples();
    out.set_duplicates(listed.num_examples() - static_cast<int64_t>(keys.size()));
    out.set_shared_with_first(shared);
    if (is_first) first_keys = std::move(keys);
    WarnOfClasses(*dataset, out, &description);
    WarnOfMoments(*dataset, out, &description);
    WarnOfConstants(*dataset, out, scan.constant(), (is_first ? *first : *other).example_elements(), &description);
    WarnOfDuplicates(out, first_name, &description);
  }
  *description.mutable_dataset() = *std::move(dataset);
  return description;
}

}  // namespace traind::core
