// The memory of a job before anything of it is allocated: its plans are made without memory and without code
// (Plan::Measure), so that what is promised is what a worker on this machine takes, whatever its layers are. Pure;
// thread-safe.
#pragma once

#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "core/graph/graph.h"
#include "core/graph/parameter_rules.h"
#include "core/plan/plan.h"

namespace traind::core {

struct MemoryOptions {
  PlanOptions plan;             // Batch, precision, algorithms and what is observed; the rest is decided here.
  int optimizer_slots = 0;      // State tensors for each trained one ...
  int more_tensors = 0;         // ... and more of its size, that a job keeps beside the optimizer's.
  uint32_t threads = 1;         // Kernels keep a scratch copy for each.
  bool evaluates = true;        // While it trains, with a plan beside that of training.
  int64_t last_batch = 0;       // Examples of an epoch's last minibatch that has a plan of its own; 0: none has.
  bool averages_looks = false;  // Evaluation looks more than once at each example.
  // Of the tensors, empty: all are trained as usual; and when other ones are frozen than before.
  std::vector<ParameterTreatment> treatments = {};
  std::vector<uint64_t> unfreeze_steps = {};
  // What initializing with data needs beside training: each layer's output, or gradients, too.
  enum class Initialization { kNone, kOutputs, kGradients };
  Initialization initialization = Initialization::kNone;
};

// Bytes of a whole process, at most 2^62.
struct MemoryBound {
  int64_t training = 0;   // Training, and evaluation if there is any.
  int64_t inference = 0;  // Evaluation or prediction alone.
  // Of those, what no tensor is: program, threads, generated code. Allowances, not counted.
  int64_t training_overhead = 0;
  int64_t inference_overhead = 0;
};

// For networks beyond what any machine has (2^44 bytes), which are not planned, it is what they need at least.
// UNIMPLEMENTED: the kernel library has no kernel for a layer. Errors of options.plan.stop come as they are.
absl::StatusOr<MemoryBound> BoundMemory(const Graph& graph, const MemoryOptions& options);

}  // namespace traind::core
