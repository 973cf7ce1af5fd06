#include "core/train/target_range.h"

#include <limits>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace traind::core {
namespace {

constexpr int64_t kExamplesPerProgress = 1024;
constexpr double kRounding = 1e-5;  // Of scale and of resampling: a white pixel may become 1.0000001.

bool IsIn(const TargetRange& range, double slack, float target) {
  return target >= range.least - slack && target <= range.most + slack;
}

// With the digits that tell it from 1.
std::string Text(float target) { return absl::StrFormat("%.7g", target); }

std::string Wanted(const TargetRange& range) {
  return range.most < std::numeric_limits<double>::infinity()
             ? absl::StrCat("takes targets from ", range.least, " to ", range.most)
             : absl::StrCat("takes targets of at least ", range.least);
}

}  // namespace

absl::Status CheckTargets(const Loss& loss, const Split& split, const std::function<void()>& progress) {
  const TargetRange range = loss.target_range();
  if (!range.bounded() || split.has_labels()) return absl::OkStatus();
  for (int64_t i = 0; i < split.size(); ++i) {
    if (i % kExamplesPerProgress == 0) progress();
    for (int64_t c = 0; c < split.target_width(); ++c) {
      const float target = split.target(i)[c];
      if (IsIn(range, 0, target)) continue;
      return absl::InvalidArgumentError(absl::StrCat("loss: ", Wanted(range), ", and target ", c, " of example ", i,
                                                     " of the split ", split.split_name(), " is ", Text(target),
                                                     "; change the data, or take another loss"));
    }
  }
  return absl::OkStatus();
}

absl::Status CheckInputAsTargets(const Loss& loss, const Batch& batch, int64_t width) {
  const TargetRange range = loss.target_range();
  if (!range.bounded()) return absl::OkStatus();
  for (int64_t k = 0; k < batch.count * width; ++k) {
    if (IsIn(range, kRounding, batch.examples[k])) continue;
    return absl::InvalidArgumentError(
        absl::StrCat("loss: ", Wanted(range), ", and with data.targets INPUT these are the network's inputs, of which ",
                     k % width, " is ", Text(batch.examples[k]), " in an example of step ", batch.step,
                     "; change data.preprocessing (scale brings bytes to 0 to 1), or take another loss"));
  }
  return absl::OkStatus();
}

}  // namespace traind::core
