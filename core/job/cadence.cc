#include "core/job/cadence.h"

#include <algorithm>

#include "core/job/duration.h"
#include "core/tensor/tensor.h"

namespace traind::core {
namespace {

// As measured for the networks of docs/benchmarks.md.
constexpr double kSecondsOfALayer = 4e-6;  // Of one thread.
constexpr double kSecondsToJoin = 8e-6;    // More for each layer where threads wait for one another.
constexpr double kFlopsOfAThread = 150e9;
constexpr double kBytesOfAThread = 10e9;
constexpr double kPassesOverOutput = 6;     // Reads and writes of a layer's output, forward and backward.
constexpr double kPassesOverParameter = 5;  // Of the update with momentum.
constexpr double kForwardToStep = 3;        // The backward pass computes twice as much as the forward pass.

constexpr uint64_t kFewestSteps = 10;

// The number of 1, 2 and 5 times a power of ten that is nearest by ratio.
uint64_t Round(double steps) {
  constexpr double kLargest = 1e9;
  double power = 1;
  while (power * 10 <= std::min(steps, kLargest)) power *= 10;
  const double digit = std::min(steps, kLargest) / power;
  return static_cast<uint64_t>(power * (digit < 1.5 ? 1 : digit < 3.5 ? 2 : digit < 7.5 ? 5 : 10));
}

// Steps between two reports that come each `seconds`, and at least `reports` times in the job.
uint32_t StepsBetween(double seconds, double step_seconds, uint64_t total_steps, uint64_t reports) {
  const uint64_t by_time = Round(seconds / step_seconds);
  const uint64_t by_length = total_steps / reports;
  return static_cast<uint32_t>(std::max(std::min(by_time, by_length), kFewestSteps));
}

}  // namespace

double EstimateStepSeconds(const Graph& graph, int64_t batch, int64_t threads) {
  double flops = 0, bytes = 0, layers = 0;
  for (const Node& node : graph.nodes()) {
    ++layers;
    flops += kForwardToStep * static_cast<double>(node.forward_flops);
    bytes += kPassesOverOutput * sizeof(float) * static_cast<double>(Elements(node.output));
  }
  flops *= static_cast<double>(batch);
  bytes *= static_cast<double>(batch);
  for (const Node& node : graph.nodes()) {
    for (const ParameterSpec& parameter : node.parameters) {
      bytes += kPassesOverParameter * sizeof(float) * static_cast<double>(Elements(parameter.shape));
    }
  }
  const double of_a_layer = kSecondsOfALayer + (threads > 1 ? kSecondsToJoin : 0);
  return layers * of_a_layer + (flops / kFlopsOfAThread + bytes / kBytesOfAThread) / static_cast<double>(threads);
}

void ResolveCadence(const Graph& graph, uint64_t total_steps, v1::JobSpec& spec) {
  const double step =
      EstimateStepSeconds(graph, spec.batch_size(), spec.threads()) * static_cast<double>(MinibatchesPerStep(spec));
  if (!spec.statistics().has_every_steps()) {
    spec.mutable_statistics()->set_every_steps(StepsBetween(1, step, total_steps, 20));
  }
  if (!spec.has_metrics_every_steps()) spec.set_metrics_every_steps(StepsBetween(0.25, step, total_steps, 100));
}

}  // namespace traind::core
