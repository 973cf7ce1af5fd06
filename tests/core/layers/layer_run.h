// A few layers in a plan of their own: examples in, the last layer's output out. For tests that hold a layer to its
// definition.
#pragma once

#include <cmath>
#include <memory>
#include <string>
#include <vector>

#include "core/graph/graph.h"
#include "core/onednn/onednn.h"
#include "core/plan/parameter_store.h"
#include "core/plan/plan.h"
#include "google/protobuf/text_format.h"
#include "gtest/gtest.h"

namespace traind::core {

inline std::vector<v1::Precision> Precisions() {
  return onednn::SupportsBf16() ? std::vector<v1::Precision>{v1::F32, v1::BF16} : std::vector<v1::Precision>{v1::F32};
}

class LayerRun {
 public:
  // `network` in text format. The examples are smooth and of about unit size, the weights those of one seed.
  LayerRun(const std::string& network, int64_t batch, v1::Precision precision, bool training = true, uint64_t seed = 3)
      : LayerRun(network, {.batch = batch, .training = training, .precision = precision, .seed = seed}) {}
  // With a loss, Output() goes back too; the targets are zeros.
  LayerRun(const std::string& network, const PlanOptions& options) : batch_(options.batch) {
    v1::Network config;
    EXPECT_TRUE(google::protobuf::TextFormat::ParseFromString(network, &config)) << network;
    FieldErrors::Root errors;
    graph_ = Graph::Build(config, errors.scope());
    EXPECT_TRUE(errors.ok()) << errors.ToStatus();
    store_ = std::make_unique<ParameterStore>(*graph_, /*trainable=*/true, 0);
    auto plan = Plan::Make(*graph_, *store_, options);
    EXPECT_TRUE(plan.ok()) << plan.status();
    plan_ = *std::move(plan);
    store_->Initialize(5);
    targets_.resize(batch_ * plan_->outputs());
    for (int64_t i = 0; i < batch_ * Elements(graph_->input_shape()); ++i) {
      // Exact at bfloat16, so that both precisions see the same.
      examples_.push_back(static_cast<float>(std::round(std::sin(1.7 * static_cast<double>(i * i) + 0.3) * 64) / 64));
    }
  }

  int64_t batch() const { return batch_; }
  std::vector<float>& examples() { return examples_; }
  std::vector<std::string> operations() const { return plan_->operations(); }

  absl::Status Run(uint64_t step) {
    return plan_->Run(
        {.examples = examples_.data(), .targets = {.values = targets_.data()}, .count = batch_, .step = step});
  }
  std::vector<float> Output(uint64_t step = 0) {
    store_->UpdateCopies();
    EXPECT_TRUE(plan_->RefreshParameters().ok());
    const absl::Status status = Run(step);
    EXPECT_TRUE(status.ok()) << status;
    return {plan_->output(), plan_->output() + batch_ * plan_->outputs()};
  }

  // A parameter by its full name.
  std::vector<float> Get(const std::string& name) {
    const StoredParameter& parameter = Find(name);
    std::vector<float> values(Elements(parameter.spec->shape));
    store_->Get(parameter, parameter.master, absl::MakeSpan(values));
    return values;
  }
  // Its gradient in the last Output().
  std::vector<float> Gradient(const std::string& name) {
    const StoredParameter& parameter = Find(name);
    std::vector<float> values(Elements(parameter.spec->shape));
    store_->Get(parameter, parameter.gradient, absl::MakeSpan(values));
    return values;
  }
  void Set(const std::string& name, const std::vector<float>& values) {
    const StoredParameter& parameter = Find(name);
    store_->Set(parameter, parameter.master, values);
  }

 private:
  StoredParameter& Find(const std::string& name) {
    for (StoredParameter& parameter : store_->parameters()) {
      if (parameter.name == name) return parameter;
    }
    ADD_FAILURE() << "no parameter " << name;
    return store_->parameters().front();
  }

  std::unique_ptr<Graph> graph_;
  std::unique_ptr<ParameterStore> store_;
  std::unique_ptr<Plan> plan_;
  std::vector<float> examples_;
  std::vector<float> targets_;
  const int64_t batch_;
};

}  // namespace traind::core
