// Makes a Plan from a graph: walks the layers forward, then backward, lets each append its operations, and decides
// where every value lives. The Planner that the layers see. Not thread-safe; builds once, and returns the first error.
// Graph, store and loss outlive the plan.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/kinds/planner.h"
#include "core/plan/plan.h"
#include "core/plan/skipped_layers.h"

namespace traind::core {

class PlanBuilder : public Planner {
 public:
  PlanBuilder(const Graph& graph, ParameterStore& store, const PlanOptions& options);

  absl::StatusOr<std::unique_ptr<Plan>> Build();

  // --- Planner
  bool training() const override { return options_.training; }
  bool sampling() const override { return options_.training || options_.sampling; }
  bool observed() const override { return options_.observe; }
  int64_t batch() const override { return options_.batch; }
  dnnl::memory::data_type compute_type() const override;
  const dnnl::engine& engine() const override { return onednn::Engine(); }
  std::string_view layer_name() const override { return stage_->node->name; }
  uint64_t seed() const override { return options_.seed; }
  v1::ConvolutionAlgorithm convolution_algorithm() const override;
  int num_inputs() const override { return static_cast<int>(stage_->inputs.size()); }
  Value Input(int i) const override { return stage_->inputs[i]; }
  Value ExactInput() override { return network_input_; }
  const Shape& InputShape(int i) const override { return stage_->input_shapes[i]; }
  const Shape& OutputShape() const override { return *stage_->output_shape; }
  const dnnl::memory::desc& Desc(Value value) const override { return values_[value.id].desc; }
  Value New(const dnnl::memory::desc& desc) override;
  Value View(Value value, const dnnl::memory::desc& desc) override;
  Value In(Value value, const dnnl::memory::desc& wanted) override;
  Value Flat(Value value) override;
  Value Reshaped(Value value, const dnnl::memory::desc& like) override;
  void SetOutput(Value value) override { stage_->output = value; }
  const Activation* activation() const override;
  void TakeActivation() override { taken_ = Taken::kByLayer; }
  void FuseActivation() override { taken_ = Taken::kFused; }
  void ObserveUnfused(const dnnl::primitive_desc_base& plain, const Arguments& arguments) override {
    unfused_ = Unfused{plain, arguments};
  }
  Value Parameter(std::string_view name, const dnnl::memory::desc& wanted) override;
  bool Frozen(std::string_view name) const override { return store_.Find(layer_name(), name).frozen; }
  Value JoinedParameters(absl::Span<const std::string_view> names, const dnnl::memory::desc& wanted) override;
  void Run(const dnnl::primitive_desc_base& desc, Arguments arguments) override;
  void Run(std::string_view label, std::vector<Value> reads, std::vector<Value> writes, Kernel kernel) override;
  Value OutputGradient() override { return stage_->output_gradient; }
  bool NeedsInputGradient(int i) const override { return stage_->wants_gradient[i]; }
  void SetInputGradient(int i, Value gradient) override { stage_->input_gradients[i] = gradient; }
  Value ParameterGradient(std::string_view name, const dnnl::memory::desc& desc) override;

 private:
  // A value of the plan under construction.
  struct Slot {
    dnnl::memory::desc desc;
    int root;               // The value that has the memory: itself, or the one it views.
    void* fixed = nullptr;  // Memory outside the arena.
    bool constant = false;  // Depends on parameters alone.
    bool external = false;  // The caller's memory, another one in each step.
    int first = -1;         // Operations that touch it, over all views; -1: none.
    int last = -1;
    std::vector<int> skips = {};  // Of what writes it: Plan::Operation::skips.
  };
  // One call of a layer's or an activation's Plan, and later of its BackwardPlan.
  struct Stage {
    const Node* node = nullptr;
    bool is_activation = false;
    std::vector<Value> inputs = {};
    std::vector<Shape> input_shapes = {};
    const Shape* output_shape = nullptr;
    Value output = {};
    BackwardPlan backward = {};
    std::vector<bool> wants_gradient = {};
    Value output_gradient = {};
    std::vector<Value> input_gradients = {};
  };
  enum class Taken { kNo, kByLayer, kFused };
  // What the backward pass must know of a node.
  struct PlannedNode {
    Stage layer;
    Stage activation;
    Taken taken = Taken::kNo;
    Value output;
    bool needs_gradient = false;
    std::vector<Value> gradients;  // One from each reader.
  };
  // A bfloat16 parameter asked for before its master has a layout.
  struct PendingCopy {
    StoredParameter* parameter;
    Value value;
    size_t operation;  // The place kept for a reorder.
  };
  struct GradientReorder {
    Value from;
    Value to;
  };
  // Of ObserveUnfused.
  struct Unfused {
    dnnl::primitive_desc_base plain;
    Arguments arguments;
  };

  bool backward() const { return training() && options_.loss != nullptr; }
  bool HasTrained(const Node& node) const;  // In this plan: one that is not frozen.
  absl::Status Forward();
  absl::Status PlanNode(int index, Value network_input);
  absl::Status RunStage(Stage& stage, const Layer& layer);
  void Observe(const PlannedNode& planned, const Node& node);
  // Where an observed step shows the values of `output` with the NaN that a fused activation hid; null: nothing is
  // hidden.
  std::function<const void*(const Frame&)> LookBehind(Value output, std::vector<Value>& reads,
                                                      std::vector<Value>& writes);
  void Inspect(const PlannedNode& planned, int index);
  absl::Status AddLoss();
  absl::Status Backward();
  absl::Status BackwardNode(int index);
  // Zeros in place of the gradients that a skipped layer gives.
  void FillSkipped(int index, const Stage& last);
  Value Sum(const std::vector<Value>& gradients);
  Value FusedActivationGradient(const PlannedNode& planned, Value gradient);
  absl::Status SettleCopies();
  absl::Status Place();
  absl::Status TakeMemory();
  absl::Status Bind(Plan::Operation& operation);

  Value NewFixed(const dnnl::memory::desc& desc, void* memory);
  Value NewConstant(const dnnl::memory::desc& desc);
  std::vector<Plan::Operation>& Target(Value source);
  void Append(std::vector<Plan::Operation>& operations, Plan::Operation operation);
  Plan::Operation ReorderOperation(Value from, Value to);
  // What a plan keeps of an operation. A counted one is never run: thousands of primitives are a lot of memory.
  Plan::Operation Needed(Plan::Operation operation);
  std::string Label(std::string_view what) const;
  // Keeps the first thing that went wrong inside a Planner call; layers need not check each one.
  void Fail(absl::Status status) {
    if (status_.ok()) status_ = std::move(status);
  }

  const Graph& graph_;
  ParameterStore& store_;
  const PlanOptions options_;
  std::unique_ptr<Plan> plan_;
  std::deque<Slot> values_;  // Desc() gives references, which must stay valid while values are added.
  std::vector<PlannedNode> planned_;
  Stage* stage_ = nullptr;
  Taken taken_ = Taken::kNo;
  std::optional<Unfused> unfused_;
  bool observing_ = false;
  SkippedLayers skipped_;
  std::vector<int> skipping_;  // What is appended does not run where one of these rules holds.
  Value network_input_;
  Value logits_;
  Value logits_gradient_;
  std::map<int, std::vector<Value>> reordered_;      // What In() has made of a value.
  std::map<const void*, std::vector<Value>> fixed_;  // The values of a memory outside the arena.
  size_t scratchpad_ = 0;                            // Of the primitive that wants the most.
  char* arena_ = nullptr;                            // The plan's own memory, or that of options_.memory_of.
  char* scratch_ = nullptr;
  std::vector<PendingCopy> pending_copies_;
  std::vector<GradientReorder> gradient_reorders_;
  absl::Status status_;
};

}  // namespace traind::core
