// A fresh network with minibatches of its data: what the initializations of this folder see of it and change in it.
// Every measurement runs the network in training mode from its input, so it always shows the weights as they are.
// Not thread-safe; graph, store and minibatches outlive it.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "core/plan/parameter_store.h"
#include "core/plan/plan.h"

namespace traind::core {

class NetworkUnderData {
 public:
  // A layer with weights: rows of `weight` belong to units, which are the channels of its output.
  struct WeightLayer {
    int node = 0;  // Its place in the graph.
    std::string name;
    int64_t units = 0;
    int64_t outputs = 0;  // Of one example, before the activation.
    StoredParameter* weight = nullptr;
    StoredParameter* bias = nullptr;  // Null without.
  };
  // Over all examples and positions; the variance is the biased one.
  struct Moments {
    double mean = 0;
    double variance = 0;
    // Whether the variance is more than the rounding of values around the mean: the deviation is above 1e-15, and above
    // 1e-5 of the mean, which float32 rounds by 6e-8.
    bool varies() const { return variance > 1e-30 && variance > 1e-10 * mean * mean; }
  };

  // Makes a plan over the store, whose layouts should be decided. `progress` is called after each run.
  static absl::StatusOr<std::unique_ptr<NetworkUnderData>> Make(const Graph& graph, ParameterStore& store,
                                                                const PlanOptions& options,
                                                                absl::Span<const std::vector<float>> minibatches,
                                                                std::function<void()> progress);

  const std::vector<WeightLayer>& layers() const { return layers_; }
  uint64_t seed() const { return options_.seed; }

  // Of each unit's output before the activation; ABORTED when a value is not finite.
  absl::StatusOr<std::vector<Moments>> Measure(const WeightLayer& layer);
  // For each layer, the root of the expected squared norm of one example's gradient with respect to the weights, of the
  // output projected on a random direction, N(0, 1) for each output. Needs a trainable store.
  absl::StatusOr<std::vector<double>> GradientNorms();

  // Row-major in the public layout.
  std::vector<float> Get(const StoredParameter& parameter) const;
  void Set(StoredParameter& parameter, absl::Span<const float> values);

  void Warn(std::string text) { warnings_.push_back(std::move(text)); }
  const std::vector<std::string>& warnings() const { return warnings_; }

 private:
  NetworkUnderData(const Graph& graph, ParameterStore& store, const PlanOptions& options,
                   absl::Span<const std::vector<float>> minibatches, std::function<void()> progress);

  const Graph& graph_;
  ParameterStore& store_;
  const PlanOptions options_;
  const absl::Span<const std::vector<float>> minibatches_;
  const std::function<void()> progress_;
  std::vector<WeightLayer> layers_;
  std::unique_ptr<Plan> plan_;
  std::vector<std::string> warnings_;
};

// Runs what `config` (a resolved one) says over a network whose own initializers have run; returns warnings. Statistics
// that the layers keep themselves (running_mean, ...) stay as they were. ABORTED when values are not finite.
absl::StatusOr<std::vector<std::string>> InitializeFromData(const v1::DataInitialization& config, const Graph& graph,
                                                            ParameterStore& store, const PlanOptions& options,
                                                            absl::Span<const std::vector<float>> minibatches,
                                                            const std::function<void()>& progress);

}  // namespace traind::core
