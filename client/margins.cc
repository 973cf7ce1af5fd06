#include "client/margins.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "absl/strings/str_cat.h"

namespace traind::client {

absl::Status MarginTally::Add(const v1::PredictResponse& part) {
  const int64_t count = part.shape_size() == 2 ? part.shape(0) : 0;
  const int64_t width = part.shape_size() == 2 ? part.shape(1) : 0;
  if (count < 1 || width < 1 || part.outputs_size() / width != count || part.outputs_size() % width != 0) {
    return absl::DataLossError("the server's predictions have not the numbers that their shape says");
  }
  if (part.labels_size() != count) return absl::InvalidArgumentError("the split has no class labels");
  if (part.first() != next_ || count > examples() - next_) {
    return absl::DataLossError(absl::StrCat("the server sent the examples ", part.first(), " to ",
                                            part.first() + count - 1, " where ", next_, " of ", examples(),
                                            " was to come"));
  }
  const int64_t classes = std::max<int64_t>(width, 2);  // One output x stands for the logits 0 and x of two classes.
  for (int64_t i = 0; i < count; ++i) {
    const float* outputs = part.outputs().data() + i * width;
    const int64_t label = part.labels(static_cast<int>(i));
    if (label < 0 || label >= classes) {
      return absl::InvalidArgumentError(absl::StrCat("example ", part.first() + i, " has the label ", label,
                                                     ", and the network has ", width,
                                                     width == 1 ? " output" : " outputs"));
    }
    int64_t taken = label == 0 ? 1 : 0;
    for (int64_t j = 0; j < width; ++j) {
      if (!std::isfinite(outputs[j])) {
        return absl::FailedPreconditionError(
            absl::StrCat("the network's outputs for example ", part.first() + i, " are not finite"));
      }
      if (width > 1 && j != label && outputs[j] > outputs[taken]) taken = j;
    }
    const float margin = width > 1 ? outputs[label] - outputs[taken] : label == 1 ? outputs[0] : -outputs[0];
    Sum& sum = sums_[static_cast<size_t>(next_ + i)];
    if (checkpoints_ == 0 || margin < sum.lowest) {
      sum.lowest = margin;
      sum.label = static_cast<int32_t>(label);
      sum.taken = static_cast<int32_t>(taken);
    }
    sum.margin += margin;
  }
  next_ += count;
  if (next_ == examples()) {
    next_ = 0;
    ++checkpoints_;
  }
  return absl::OkStatus();
}

std::vector<Suspect> MarginTally::Lowest(size_t most) const {
  std::vector<int32_t> order(sums_.size());
  std::iota(order.begin(), order.end(), 0);
  const auto lower = [&](int32_t a, int32_t b) {
    const double left = sums_[static_cast<size_t>(a)].margin, right = sums_[static_cast<size_t>(b)].margin;
    return left != right ? left < right : a < b;
  };
  const auto last = order.begin() + static_cast<std::ptrdiff_t>(std::min(most, order.size()));
  std::partial_sort(order.begin(), last, order.end(), lower);
  order.erase(last, order.end());
  std::vector<Suspect> lowest;
  for (const int32_t example : order) {
    const Sum& sum = sums_[static_cast<size_t>(example)];
    lowest.push_back({.example = example,
                      .label = sum.label,
                      .taken = sum.taken,
                      .margin = sum.margin / static_cast<double>(std::max<int64_t>(checkpoints_, 1))});
  }
  return lowest;
}

int64_t MarginTally::doubted() const {
  return std::count_if(sums_.begin(), sums_.end(), [](const Sum& sum) { return sum.margin < 0; });
}

}  // namespace traind::client
