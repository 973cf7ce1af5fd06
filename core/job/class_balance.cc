#include "core/job/class_balance.h"

#include <algorithm>
#include <cstdint>
#include <new>

#include "absl/strings/str_cat.h"
#include "core/base/listing.h"
#include "core/data/input_pipeline.h"
#include "core/kinds/loss.h"

namespace traind::core {

bool IsBalanced(const v1::Loss& loss) {
  v1::Loss copy = loss;
  const v1::ClassWeights* weights = MutableClassWeights(copy);
  return weights != nullptr && weights->balanced();
}

absl::Status BalanceClasses(const std::string& dir, const v1::Dataset& dataset, v1::JobSpec& spec,
                            std::vector<std::string>& warnings) {
  if (!IsBalanced(spec.loss())) return absl::OkStatus();
  v1::ClassWeights* weights = MutableClassWeights(*spec.mutable_loss());
  constexpr size_t kListed = 10;
  try {
    auto split = OpenTrainingSplit(dir, spec.data());
    if (!split.ok()) return split.status();
    std::vector<int64_t> counts(static_cast<size_t>(dataset.num_classes()));
    for (const int32_t label : split->labels()) ++counts[static_cast<size_t>(label)];
    const auto present =
        static_cast<double>(counts.size()) - static_cast<double>(std::count(counts.begin(), counts.end(), 0));
    std::vector<std::string> absent;
    weights->clear_balanced();
    for (size_t c = 0; c < counts.size(); ++c) {
      const bool any = counts[c] > 0;
      weights->add_weights(any ? static_cast<double>(split->size()) / (present * static_cast<double>(counts[c])) : 1);
      if (any) continue;
      const auto names = static_cast<size_t>(dataset.class_names_size());
      absent.push_back(c < names ? dataset.class_names(static_cast<int>(c)) : absl::StrCat(c));
    }
    if (!absent.empty()) {
      warnings.push_back(absl::StrCat("class_weights: the weight is 1 for classes without a training example: ",
                                      Listing(absent, kListed)));
    }
    return absl::OkStatus();
  } catch (const std::bad_alloc&) {
    return absl::ResourceExhaustedError("no memory to count the examples of the classes");
  }
}

}  // namespace traind::core
