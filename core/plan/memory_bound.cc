#include "core/plan/memory_bound.h"

#include <omp.h>

#include <algorithm>
#include <cmath>

#include "absl/cleanup/cleanup.h"
#include "core/kinds/loss.h"
#include "core/plan/parameter_store.h"

namespace traind::core {
namespace {

constexpr double kMaxBytes = 0x1p62;
// No machine has so much: a network beyond is refused, and the kernel library need not look at such shapes.
constexpr double kMaxPlanned = 0x1p44;
// The process itself: program, libraries, threads' stacks, buffers for events and files. Measured on Debian 12: a
// worker whose tensors are small takes 45 to 55 MB.
constexpr int64_t kProcessBytes = int64_t{64} << 20;
// What an operation takes beside its values: generated code, descriptors, arguments. Measured over the presets: 10 to
// 30 kB that are touched.
constexpr int64_t kOperationBytes = int64_t{32} << 10;
// Of LookAverage, for each output: at most four sums in double, the mean and its spread.
constexpr int64_t kLookBytes = 40;

// A loss for plans that are never run.
class AnyLoss final : public Loss {
 public:
  double Compute(const float*, const Targets&, int64_t, int64_t, float*) const override { return 0; }
};

// What no job can do without: the parameters, their gradients and state, the copy of a checkpoint, and every output of
// a training step once.
double LeastTraining(const Graph& graph, const MemoryOptions& options) {
  double parameters = 0, outputs = 0;
  for (const Node& node : graph.nodes()) {
    outputs += static_cast<double>(Elements(node.output));
    for (const ParameterSpec& parameter : node.parameters) parameters += static_cast<double>(Elements(parameter.shape));
  }
  const double value_bytes = options.plan.precision == v1::PRECISION_BF16 ? 2 : 4;
  return 4 * (3.0 + 2.0 * options.optimizer_slots) * parameters +
         value_bytes * outputs * static_cast<double>(options.plan.batch);
}

// The largest parameter, which is copied to be read and written in the public layout.
int64_t LargestParameter(const Graph& graph) {
  int64_t largest = 0;
  for (const Node& node : graph.nodes()) {
    for (const ParameterSpec& parameter : node.parameters) largest = std::max(largest, Elements(parameter.shape));
  }
  return 4 * largest;
}

// What is copied of the parameters and their state to be written beside the training.
int64_t CheckpointCopy(const ParameterStore& store, const MemoryOptions& options) {
  int64_t elements = 0;
  for (const StoredParameter& parameter : store.parameters()) {
    const int state = parameter.spec->trained ? options.optimizer_slots : 0;
    elements += parameter.stored_elements() * (1 + state + options.more_tensors);
  }
  return elements * int64_t{sizeof(float)};
}

struct ProcessBytes {
  int64_t tensors = 0;
  int64_t overhead = kProcessBytes;
  int64_t total() const { return tensors + overhead; }
};

// The plans of one process, in the order in which a worker makes them over its one store. Training with a smaller
// minibatch uses the memory of the first.
// `step` says what is frozen.
absl::StatusOr<ProcessBytes> CountProcess(const Graph& graph, const MemoryOptions& options,
                                          absl::Span<const PlanOptions> plans, bool trainable, uint64_t step) {
  ParameterStore store(graph, trainable, options.optimizer_slots, ParameterStore::Memory::kCounted);
  store.Treat(options.treatments, step);
  ProcessBytes process;
  PlanBytes first;
  for (const PlanOptions& one : plans) {
    const auto plan = Plan::Measure(graph, store, one);
    if (!plan.ok()) return plan.status();
    if (&one == &plans[0]) first = *plan;
    const bool shares = one.batch < plans[0].batch && one.training && plan->FitsInto(first);
    process.tensors += shares ? plan->copies + plan->statistics : plan->total();
    process.overhead += plan->operations * kOperationBytes;
  }
  for (const StoredParameter& parameter : store.parameters()) {
    if (!parameter.spec->trained) continue;
    const int rows = trainable && std::isfinite(parameter.penalty.max_norm) ? 1 : 0;  // core/train/max_norm.h
    for (int i = 0; i < options.more_tensors + rows; ++i) static_cast<void>(store.Reserve(parameter));
  }
  if (trainable) process.tensors += CheckpointCopy(store, options);
  const int64_t outputs = options.plan.batch * Elements(graph.output().output);
  process.tensors += store.bytes() + LargestParameter(graph) +
                     outputs * (options.averages_looks ? kLookBytes : int64_t{sizeof(float)});
  return process;
}

}  // namespace

absl::StatusOr<MemoryBound> BoundMemory(const Graph& graph, const MemoryOptions& options) {
  if (const double least = LeastTraining(graph, options); least > kMaxPlanned) {
    const auto bytes = static_cast<int64_t>(std::min(least, kMaxBytes));
    return MemoryBound{.training = bytes, .inference = bytes / (3 + 2 * options.optimizer_slots)};
  }
  const int before = omp_get_max_threads();  // Of this thread alone.
  omp_set_num_threads(static_cast<int>(std::max(1u, options.threads)));
  const absl::Cleanup restore = [before] { omp_set_num_threads(before); };

  const AnyLoss loss;
  PlanOptions evaluation = options.plan;
  evaluation.training = evaluation.observe = false;
  evaluation.loss = nullptr;
  PlanOptions training = options.plan;
  training.training = true;
  training.loss = &loss;
  std::vector<PlanOptions> plans = {training};
  if (options.last_batch > 0) {
    plans.push_back(training);
    plans.back().batch = options.last_batch;
  }
  if (options.evaluates) plans.push_back(evaluation);
  PlanOptions looking = training;
  looking.observe = false;
  if (options.initialization == MemoryOptions::Initialization::kGradients) plans.push_back(looking);
  looking.loss = nullptr;
  looking.inspect = true;
  if (options.initialization != MemoryOptions::Initialization::kNone) plans.push_back(looking);

  // A job makes its plans anew whenever other tensors are frozen.
  auto trained = CountProcess(graph, options, plans, /*trainable=*/true, 0);
  if (!trained.ok()) return trained.status();
  for (const uint64_t step : options.unfreeze_steps) {
    const auto then = CountProcess(graph, options, plans, /*trainable=*/true, step);
    if (!then.ok()) return then.status();
    if (then->total() > trained->total()) trained = then;
  }
  const auto inferred = CountProcess(graph, options, {&evaluation, 1}, /*trainable=*/false, 0);
  if (!inferred.ok()) return inferred.status();
  return MemoryBound{.training = trained->total(),
                     .inference = inferred->total(),
                     .training_overhead = trained->overhead,
                     .inference_overhead = inferred->overhead};
}

}  // namespace traind::core
