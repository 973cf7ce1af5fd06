// What a mistake costs by class, as the losses with a softmax take it.
#pragma once

#include <cstdint>
#include <vector>

#include "absl/strings/str_cat.h"
#include "core/base/errors.h"
#include "core/base/require.h"
#include "traind/v1/loss.pb.h"

namespace traind::core {

class WeightsByClass {
 public:
  // Checks the numbers; `errors` is the scope of the message that holds `class_weights`.
  WeightsByClass(const v1::ClassWeights& config, const FieldErrors& errors)
      : weights_(config.weights().begin(), config.weights().end()) {
    const FieldErrors at = errors.At("class_weights");
    if (config.balanced() && !weights_.empty()) at.At("balanced").Add("takes the place of weights; leave one out");
    bool any = weights_.empty();
    for (int i = 0; i < config.weights_size(); ++i) {
      const double weight = config.weights(i);
      if (!(weight >= 0 && IsFiniteFloat(weight))) {
        at.At("weights", i).Add(absl::StrCat("must be finite and at least 0, not ", weight));
      }
      any |= weight > 0;
    }
    if (!any) at.At("weights").Add("must not all be 0");
    balanced_ = config.balanced();
  }

  bool uniform() const { return weights_.empty(); }
  // Outputs beyond the classes are no example's.
  double of(int64_t c) const {
    return c < static_cast<int64_t>(weights_.size()) ? weights_[static_cast<size_t>(c)] : 1;
  }

  // As Loss::CheckSizes.
  void Check(int64_t outputs, int64_t classes, const FieldErrors& errors) const {
    const FieldErrors at = errors.At("class_weights");
    const int64_t wanted = classes > 0 ? classes : outputs;
    if (balanced_ && classes == 0) at.At("balanced").Add("needs class labels to count; give `weights`");
    if (uniform() || static_cast<int64_t>(weights_.size()) == wanted) return;
    at.At("weights").Add(absl::StrCat("has ", weights_.size(), " numbers, and there are ", wanted,
                                      classes > 0 ? " classes" : " outputs", ": give one for each"));
  }

 private:
  std::vector<double> weights_;
  bool balanced_ = false;
};

}  // namespace traind::core
