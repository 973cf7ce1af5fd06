// A few layers in a plan of their own: examples in, the last layer's output out. For tests that hold a layer to its
// definition.
#pragma once

#include <cmath>
#include <string>
#include <vector>

#include "core/onednn/onednn.h"
#include "gtest/gtest.h"
#include "tests/support/planned_network.h"

namespace traind::core {

inline std::vector<v1::Precision> Precisions() {
  return onednn::SupportsBf16() ? std::vector<v1::Precision>{v1::PRECISION_F32, v1::PRECISION_BF16}
                                : std::vector<v1::Precision>{v1::PRECISION_F32};
}

class LayerRun {
 public:
  // `network` in text format. The examples are smooth and of about unit size, the weights those of one seed.
  LayerRun(const std::string& network, int64_t batch, v1::Precision precision, bool training = true, uint64_t seed = 3)
      : LayerRun(network, {.batch = batch, .training = training, .precision = precision, .seed = seed}) {}
  // With a loss, Output() goes back too; the targets are zeros.
  LayerRun(const std::string& network, const PlanOptions& options)
      : network_(FromText<v1::Network>(network), options), batch_(options.batch) {
    targets_.resize(batch_ * network_.plan->outputs());
    for (int64_t i = 0; i < batch_ * Elements(network_.graph->input_shape()); ++i) {
      // Exact at bfloat16, so that both precisions see the same.
      examples_.push_back(static_cast<float>(std::round(std::sin(1.7 * static_cast<double>(i * i) + 0.3) * 64) / 64));
    }
  }

  int64_t batch() const { return batch_; }
  std::vector<float>& examples() { return examples_; }
  std::vector<std::string> operations() const { return network_.plan->operations(); }

  absl::Status Run(uint64_t step) {
    return network_.plan->Run(
        {.examples = examples_.data(), .targets = {.values = targets_.data()}, .count = batch_, .step = step});
  }
  std::vector<float> Output(uint64_t step = 0) {
    network_.store->UpdateCopies();
    EXPECT_TRUE(network_.plan->RefreshParameters().ok());
    const absl::Status status = Run(step);
    EXPECT_TRUE(status.ok()) << status;
    return {network_.plan->output(), network_.plan->output() + batch_ * network_.plan->outputs()};
  }

  // A parameter by its full name.
  std::vector<float> Get(const std::string& name) const { return network_.Get(name); }
  // Its gradient in the last Output().
  std::vector<float> Gradient(const std::string& name) const { return network_.Gradient(name); }
  void Set(const std::string& name, const std::vector<float>& values) { network_.Set(name, values); }

 private:
  PlannedNetwork network_;
  std::vector<float> examples_;
  std::vector<float> targets_;
  const int64_t batch_;
};

}  // namespace traind::core
