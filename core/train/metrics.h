// What an evaluation says beside loss and accuracy: how well classes are told apart, or how far numbers are off.
// Not thread-safe.
#pragma once

#include <cstdint>
#include <memory>

#include "core/kinds/loss.h"
#include "core/tensor/targets.h"
#include "traind/v1/event.pb.h"

namespace traind::core {

class Metrics {
 public:
  struct Task {
    OutputMeaning meaning = OutputMeaning::kValues;
    bool labels = false;        // Targets are class labels; else rows of floats,
    bool reconstructs = false;  // which are the network's input.
    int64_t outputs = 0;
    int64_t examples = 0;  // To come, at most.
  };
  // Null where there is nothing to say: rows of soft labels. Allocates when it is made, and in Report; MetricsBytes
  // (core/job/metrics_size.h) at most.
  static std::unique_ptr<Metrics> For(const Task& task);

  virtual ~Metrics() = default;
  // A part of the evaluated examples: `output` [n, outputs], and their targets.
  virtual void Add(const float* output, const Targets& targets, int64_t n) = 0;
  // Writes `classification` or `regression`, once all were added.
  virtual void Report(v1::EvaluationMetrics& metrics) const = 0;
};

}  // namespace traind::core
