#include "core/train/target_range.h"

#include <limits>
#include <string>

#include "absl/strings/str_cat.h"

namespace traind::core {
namespace {

bool IsIn(const TargetRange& range, float target) { return target >= range.least && target <= range.most; }

std::string Wanted(const TargetRange& range) {
  return range.most < std::numeric_limits<double>::infinity()
             ? absl::StrCat("takes targets from ", range.least, " to ", range.most)
             : absl::StrCat("takes targets of at least ", range.least);
}

}  // namespace

absl::Status CheckTargets(const Loss& loss, const Split& split) {
  const TargetRange range = loss.target_range();
  if (!range.bounded() || split.has_labels()) return absl::OkStatus();
  for (int64_t i = 0; i < split.size(); ++i) {
    for (int64_t c = 0; c < split.target_width(); ++c) {
      const float target = split.target(i)[c];
      if (IsIn(range, target)) continue;
      return absl::InvalidArgumentError(absl::StrCat("loss: ", Wanted(range), ", and target ", c, " of example ", i,
                                                     " of the split ", split.split_name(), " is ", target,
                                                     "; change the data, or take another loss"));
    }
  }
  return absl::OkStatus();
}

absl::Status CheckInputAsTargets(const Loss& loss, const Batch& batch, int64_t width) {
  const TargetRange range = loss.target_range();
  if (!range.bounded()) return absl::OkStatus();
  for (int64_t k = 0; k < batch.count * width; ++k) {
    if (IsIn(range, batch.examples[k])) continue;
    return absl::InvalidArgumentError(
        absl::StrCat("loss: ", Wanted(range), ", and with data.targets INPUT these are the network's inputs, of which ",
                     k % width, " is ", batch.examples[k], " in an example of step ", batch.step,
                     "; change data.preprocessing (scale brings bytes to 0 to 1), or take another loss"));
  }
  return absl::OkStatus();
}

}  // namespace traind::core
