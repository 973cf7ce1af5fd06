// A step of a network, planned once and run many times: every primitive made, every value placed, every argument bound.
// Running it allocates nothing, looks nothing up by name, and takes no lock.
//
// A training plan computes output, loss and the gradients of all parameters (into the store); an inference plan
// computes the output and, given a loss, the loss. Both read the parameters of one store. Not thread-safe: one Run at a
// time over a store; the work inside is spread by OpenMP. The graph, the store and the loss outlive the plan.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "core/base/stop_check.h"
#include "core/graph/graph.h"
#include "core/kinds/loss.h"
#include "core/kinds/planner.h"
#include "core/plan/parameter_store.h"
#include "core/stats/layer_observer.h"
#include "core/tensor/buffer.h"
#include "traind/v1/checkpoint.pb.h"
#include "traind/v1/job.pb.h"
#include "traind/v1/statistics.pb.h"

namespace traind::core {

class Plan;

struct PlanOptions {
  int64_t batch = 1;
  bool training = false;  // Test mode otherwise. With a loss it goes backward too and needs a trainable store.
  bool sampling = false;  // In inference: Monte-Carlo samples, dropout stays on. Training always samples.
  v1::Precision precision = v1::PRECISION_F32;
  uint64_t seed = 0;
  std::map<std::string, v1::ConvolutionAlgorithm, std::less<>> algorithms = {};  // By layer; DIRECT where absent.
  const Loss* loss = nullptr;
  bool observe = false;  // Make the observers for steps with Input::observe.
  int histogram_bins = 64;
  int dead_window = 5;
  // Keep each layer's output before the activation as a value of its own, for RunThrough. Costs time and memory.
  bool inspect = false;
  // Whose memory the plan uses, where it fits into it (PlanBytes::FitsInto): a run of one then ends what the last Run
  // of the other left. Outlives the plan.
  const Plan* memory_of = nullptr;
  StopCheck stop = {};  // Asked between layers; planning ends with its error.

  void SetAlgorithms(absl::Span<const v1::LayerAlgorithm> chosen) {
    for (const v1::LayerAlgorithm& one : chosen) algorithms[one.layer()] = one.algorithm();
  }
};

// What a plan takes beside the parameters, in bytes.
struct PlanBytes {
  int64_t values = 0;      // Activations and gradients, which share memory by lifetime.
  int64_t scratchpad = 0;  // Of the kernel that wants the most.
  int64_t copies = 0;      // Parameters in the layouts of an inference plan's kernels.
  int64_t statistics = 0;  // What observers keep.
  int operations = 0;      // A count; each one takes bytes besides these.

  int64_t total() const { return values + scratchpad + copies + statistics; }
  // Whether values and scratchpad find room where the other plan has its own.
  bool FitsInto(const PlanBytes& other) const { return values <= other.values && scratchpad <= other.scratchpad; }
};

class Plan {
 public:
  static absl::StatusOr<std::unique_ptr<Plan>> Make(const Graph& graph, ParameterStore& store,
                                                    const PlanOptions& options);

  // What Make would take, by planning everything but memory and code. `store` is a counted one, whose layouts are
  // decided by it as by Make.
  static absl::StatusOr<PlanBytes> Measure(const Graph& graph, ParameterStore& store, const PlanOptions& options);

  struct Input {
    const float* examples = nullptr;  // [batch, ...], row-major.
    Targets targets = {};             // Of the first `count` examples; read only if there is a loss.
    int64_t count = 0;                // At most the batch; less only for inference. What follows is padding.
    uint64_t step = 0;                // Steps done before, or the number of the look: keys the masks.
    uint32_t first_example = 0;       // Number of the first example in the whole minibatch: keys the masks, too.
    bool observe = false;
  };
  absl::Status Run(const Input& input);
  // Runs up to the end of one layer, by its place in the graph, and returns its output before the activation:
  // [batch, elements], row-major, valid until the next run. Needs `inspect`.
  absl::StatusOr<absl::Span<const float>> RunThrough(const Input& input, int node);

  // Runs a step again, all of it, and returns the first layer, by its place in the graph, whose output is not finite
  // everywhere; -1: there is none.
  absl::StatusOr<int> FirstNotFinite(const Input& input);

  // --- Of the last Run.
  const float* output() const { return frame_.at<float>(output_); }  // [batch, outputs], row-major.
  int64_t outputs() const { return outputs_; }
  double loss_sum() const { return loss_sum_; }  // Over `count` examples.
  // The statistics of every layer, in the order of the graph; only after a Run with `observe`.
  void Report(v1::StatisticsReport* report) const;
  // Whether a layer's output had a NaN; only after a Run with `observe`.
  bool saw_nan() const;

  // An inference plan keeps parameters in the layout of its own kernels: call after they changed, before Run.
  absl::Status RefreshParameters();

  // What a checkpoint must hold of the observers, by layer.
  struct ObserverState {
    std::string layer;
    absl::Span<float> silent_steps;
  };
  std::vector<ObserverState> observer_states();

  // How long each operation takes when it is repeated alone, with everything it reads in its place; for benchmarks.
  struct OperationTime {
    std::string label;
    bool compute = false;     // A convolution or an inner product.
    double milliseconds = 0;  // The median of the repetitions.
  };
  absl::StatusOr<std::vector<OperationTime>> MeasureOperations(const Input& input, int repetitions);

  // What runs, in order: "conv1: convolution", "conv1: reorder", "relu1: relu". For tests and people.
  std::vector<std::string> operations() const;
  const PlanBytes& bytes() const { return bytes_; }

 private:
  friend class PlanBuilder;

  // Either a kernel of ours or a primitive with its arguments.
  struct Operation {
    std::string label = {};
    std::vector<int> values = {};  // All it touches.
    bool observes = false;         // Runs only in observed steps.
    int inspects = -1;             // The layer whose output before the activation is its first value.
    int finishes = -1;             // The layer whose output is there after it.
    std::vector<int> skips = {};   // Rules of skip_rules_: where one holds the operation does not run ...
    bool fills = false;            // ... or only then: it writes the zeros of what does not run.
    Kernel kernel = {};
    dnnl::primitive_desc_base desc = {};  // Of the primitive, until that is made.
    dnnl::primitive primitive = {};
    std::vector<std::pair<int, int>> arguments = {};  // DNNL_ARG_... and the value.
    dnnl::memory scratchpad_memory = {};
    std::vector<dnnl_exec_arg_t> bound = {};
  };
  struct Observed {
    const Node* node;
    std::unique_ptr<LayerObserver> observer;
  };

  // All that is stored of a layer's output, padding included.
  struct Stored {
    Value value;
    int64_t elements = 0;
    bool bf16 = false;
  };

  Plan() : stream_(onednn::Engine()) {}
  void Bind(const Input& input);
  absl::Status Execute(const Operation& operation);
  absl::Status Execute(const std::vector<Operation>& operations, bool observe);
  bool Runs(const Operation& operation, bool observe) const;

  Frame frame_;
  Value input_;
  std::vector<int> input_values_;  // input_ and the views of it.
  Value output_;
  int64_t outputs_ = 0;
  std::map<int, int64_t> inspected_;    // Elements of what RunThrough returns, by layer.
  std::vector<dnnl::memory> memories_;  // By Value::id; empty for values that no primitive touches.
  std::vector<Operation> refresh_;      // Of an inference plan: parameters into the layouts of the kernels.
  std::vector<Operation> operations_;
  std::vector<Operation> unfused_;  // Run by observers only, see Planner::ObserveUnfused.
  std::vector<Observed> observers_;
  std::vector<Stored> layer_outputs_;         // By layer.
  std::vector<Layer::LeavesOut> skip_rules_;  // See skipped_layers.h.
  std::vector<bool> skipped_;                 // Of the step that runs, by rule. None in an observed one.
  Buffer arena_;
  Buffer scratchpad_;
  std::vector<Buffer> constants_;  // What refresh_ writes.
  dnnl::stream stream_;

  PlanBytes bytes_;
  Targets targets_;
  int64_t count_ = 0;
  double loss_sum_ = 0;
};

}  // namespace traind::core
