// The data of the benchmark of insight: five kinds, made by fixed seeds but for Fashion-MNIST, each as it is and
// changed for a fault. Inputs are as people have them, bytes or numbers far from zero: jobs normalize them.
#pragma once

#include <array>
#include <string>

#include "absl/status/statusor.h"
#include "traind/v1/dataset.pb.h"

namespace traind::insight {

enum class Data : uint8_t {
  kFashion,     // [1, 28, 28] bytes, 10 classes: the first images of Fashion-MNIST, or those behind them.
  kDigits,      // [1, 16, 16] bytes, 10 classes: digits of a 5x7 font, turned, moved and scaled, with noise.
  kBlobs,       // [16] numbers, 6 classes: normal clouds, whose features have deviations of 1 to 100.
  kCircles,     // [2] numbers, 3 classes: rings around one another.
  kRegression,  // [10] numbers, one target of deviation 1: Friedman's first function (1991), with noise.
};
inline constexpr std::array kAllData = {Data::kFashion, Data::kDigits, Data::kBlobs, Data::kCircles, Data::kRegression};

// What is done to the data. The test split stays as it is but for kTestShifted and kTargetsScaled.
enum class Change : uint8_t {
  kNone,
  kLabelsShuffled,  // Labels of the training split in another order.
  kLabelsShifted,   // Each training example has the label of the next one.
  kLabelsNoisy,     // Six of ten training labels are drawn anew.
  kImbalanced,      // Of all training classes but the first a thirtieth is left.
  kOneClass,        // All training labels are 0.
  kTestShifted,     // The test examples are brighter by half of the range of bytes; of numbers two deviations larger.
  kTargetsScaled,   // Targets times 1000.
};

std::string NameOf(Data data);
std::string NameOf(Change change);
bool IsImage(Data data);
bool HasClasses(Data data);
int NumClasses(Data data);  // 1 for a regression: the outputs of a network.

// What a dataset has of the numbers that a result is read by.
struct Made {
  v1::Dataset dataset;
  std::string dir;             // Where it is stored.
  double target_variance = 0;  // Of the test split; 0 with classes.
};

// Which examples: others, drawn from the same distribution, but that the clouds of kBlobs stand elsewhere.
enum class Series : uint8_t { kTuning, kHeldOut };

// The dataset "<data>-<change>", of kHeldOut "held-out-<data>-<change>", below `folder`, which exists; imported there
// the first time. NOT_FOUND, with the name of Debian's package: Fashion-MNIST is not there.
absl::StatusOr<Made> MakeData(Data data, Change change, const std::string& folder, Series series = Series::kTuning);

}  // namespace traind::insight
