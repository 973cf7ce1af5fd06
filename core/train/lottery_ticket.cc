#include "core/train/lottery_ticket.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace traind::core {
namespace {

// NaN is never the smallest.
float Magnitude(float w) { return std::isnan(w) ? std::numeric_limits<float>::infinity() : std::abs(w); }

std::string Percent(double share) { return absl::StrFormat("%.4g %%", 100 * share); }

}  // namespace

absl::StatusOr<std::unique_ptr<LotteryTicket>> LotteryTicket::Make(const v1::LotteryTicket& config,
                                                                   uint64_t round_steps, ParameterStore& store) {
  std::unique_ptr<LotteryTicket> ticket(new LotteryTicket(config, round_steps, store));
  for (StoredParameter& parameter : store.parameters()) {
    Tensor tensor{.parameter = &parameter, .elements = Elements(parameter.spec->shape)};
    auto kept = store.Reserve(parameter);
    if (!kept.ok()) return kept.status();
    tensor.kept = *kept;
    if (parameter.spec->trained && parameter.spec->group == v1::PARAMETER_GROUP_WEIGHTS) {
      auto mask = store.Reserve(parameter);
      if (!mask.ok()) return mask.status();
      tensor.mask = *mask;
      store.Set(parameter, tensor.mask, std::vector<float>(tensor.elements, 1.0f));
      parameter.mask = tensor.mask;
    }
    ticket->tensors_.push_back(tensor);
  }
  return ticket;
}

void LotteryTicket::AfterStep(uint64_t step) {
  if (step != config_.rewind_step()) return;
  for (const Tensor& tensor : tensors_) {
    std::copy_n(tensor.parameter->master, tensor.parameter->stored_elements(), tensor.kept);
  }
}

std::string LotteryTicket::Prune(uint64_t step) {
  std::vector<Tensor*> prunable;
  for (Tensor& tensor : tensors_) {
    if (tensor.mask != nullptr) prunable.push_back(&tensor);
  }
  if (config_.global()) {
    PruneTensors(prunable);
  } else {
    for (Tensor* tensor : prunable) PruneTensors({tensor});
  }
  for (const Tensor& tensor : tensors_) {
    const int64_t n = tensor.parameter->stored_elements();
    for (int64_t i = 0; i < n; ++i) {
      const bool stays = tensor.mask == nullptr || tensor.mask[i] != 0;
      tensor.parameter->master[i] = stays ? tensor.kept[i] : 0.0f;
    }
  }
  store_.UpdateCopies();

  int64_t left = 0, all = 0;
  std::string each;
  for (const Tensor* tensor : prunable) {
    left += tensor->elements - tensor->pruned;
    all += tensor->elements;
    absl::StrAppend(&each, each.empty() ? "" : ", ", tensor->parameter->name, " ",
                    Percent(1 - static_cast<double>(tensor->pruned) / static_cast<double>(tensor->elements)));
  }
  return absl::StrCat("pruned after round ", round(step), " of ", uint64_t{config_.rounds()} + 1, ": ", left, " of ",
                      all, " weights are left (", each, "), rewound to step ", config_.rewind_step());
}

// Takes the smallest of the weights that are left in all these tensors together; of equal ones the first, in the public
// order. Works on the public layout, so that the choice does not depend on the kernels.
void LotteryTicket::PruneTensors(const std::vector<Tensor*>& tensors) {
  std::vector<float> weights, mask, left;
  const auto load = [&](const Tensor& tensor) {
    weights.resize(tensor.elements);
    mask.resize(tensor.elements);
    store_.Get(*tensor.parameter, tensor.parameter->master, absl::MakeSpan(weights));
    store_.Get(*tensor.parameter, tensor.mask, absl::MakeSpan(mask));
  };
  for (const Tensor* tensor : tensors) {
    load(*tensor);
    for (int64_t i = 0; i < tensor->elements; ++i) {
      if (mask[i] != 0) left.push_back(Magnitude(weights[i]));
    }
  }
  const auto count = static_cast<int64_t>(std::floor(config_.prune_rate() * static_cast<double>(left.size())));
  if (count == 0) return;
  std::nth_element(left.begin(), left.begin() + (count - 1), left.end());
  const float largest = left[count - 1];  // Of those that go.
  const auto smaller = std::count_if(left.begin(), left.end(), [=](float m) { return m < largest; });
  int64_t equal = count - smaller;
  for (Tensor* tensor : tensors) {
    load(*tensor);
    for (int64_t i = 0; i < tensor->elements; ++i) {
      if (mask[i] == 0) continue;
      const float magnitude = Magnitude(weights[i]);
      if (magnitude > largest || (magnitude == largest && equal-- <= 0)) continue;
      mask[i] = 0;
      ++tensor->pruned;
    }
    store_.Set(*tensor->parameter, tensor->mask, mask);
  }
}

std::vector<LotteryTicket::State> LotteryTicket::States(uint64_t step) {
  std::vector<State> states;
  for (const Tensor& tensor : tensors_) {
    if (tensor.mask != nullptr) {
      states.push_back({absl::StrCat(tensor.parameter->name, "/mask"), tensor.parameter, tensor.mask});
    }
    if (HasKept(step)) {
      states.push_back({absl::StrCat(tensor.parameter->name, "/rewind"), tensor.parameter, tensor.kept});
    }
  }
  return states;
}

void LotteryTicket::CountPruned() {
  for (Tensor& tensor : tensors_) {
    if (tensor.mask == nullptr) continue;
    const auto left =
        std::count_if(tensor.mask, tensor.mask + tensor.parameter->stored_elements(), [](float m) { return m != 0; });
    tensor.pruned = tensor.elements - left;
  }
}

std::optional<double> LotteryTicket::Sparsity(size_t parameter) const {
  const Tensor& tensor = tensors_[parameter];
  if (tensor.mask == nullptr) return std::nullopt;
  return static_cast<double>(tensor.pruned) / static_cast<double>(tensor.elements);
}

}  // namespace traind::core
