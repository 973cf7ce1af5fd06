#include "core/insight/promise.h"

#include "core/insight/layers.h"

namespace traind::core {
namespace {

constexpr size_t kPart = 3;  // Stretches.

double MeanLoss(const std::deque<Stretch>& stretches, size_t begin) {
  double sum = 0;
  for (size_t i = begin; i < begin + kPart; ++i) sum += stretches[i].loss + stretches[i].penalty;
  return sum / static_cast<double>(kPart);
}

}  // namespace

Promise PromiseOf(const View& view) {
  const std::deque<Stretch>& recent = view.history.recent();
  if (recent.size() < 2 * kPart) return {};
  Promise promise = {.loss = MeanLoss(recent, recent.size() - kPart),
                     .before = MeanLoss(recent, recent.size() - 2 * kPart),
                     .ratio = MedianUpdateRatio(view)};
  for (const v1::ParameterStatistics& one : view.statistics->parameters()) {
    promise.of_step += double{one.gradient_norm()} * one.update_ratio() * one.weight_norm();
  }
  int trained = 0;
  for (const Node& node : view.facts.graph->nodes()) {
    for (const ParameterSpec& parameter : node.parameters) trained += parameter.trained ? 1 : 0;
  }
  promise.complete = view.statistics->parameters_size() >= trained;
  return promise;
}

}  // namespace traind::core
