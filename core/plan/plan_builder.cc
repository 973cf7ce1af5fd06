// The walk over the graph: forward, loss, backward. What the layers call meanwhile is in plan_builder_values.cc, what
// looks at their outputs in plan_builder_observe.cc.
#include "core/plan/plan_builder.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "core/base/bfloat16.h"
#include "core/base/parallel.h"
#include "core/onednn/desc.h"
#include "core/onednn/primitives.h"

namespace traind::core {
namespace {

using dnnl::memory;

template <class T>
TRAIND_VECTORIZED void AddLoop(const T* a, const T* b, T* sum, int64_t n) {
  for (int64_t i = 0; i < n; ++i) sum[i] = FromFloat<T>(ToFloat(a[i]) + ToFloat(b[i]));
}

// sum = a + b over the whole of two tensors of one layout; padding is zero in both and stays so.
template <class T>
void Add(const void* a, const void* b, void* sum, int64_t n) {
  ParallelFor(n, 4096, [&](int64_t begin, int64_t end, int) {
    AddLoop(static_cast<const T*>(a) + begin, static_cast<const T*>(b) + begin, static_cast<T*>(sum) + begin,
            end - begin);
  });
}

void FillZeros(char* bytes, int64_t n) {
  ParallelFor(n, 4 * kValueGrain, [&](int64_t begin, int64_t end, int) { std::fill(bytes + begin, bytes + end, 0); });
}

}  // namespace

PlanBuilder::PlanBuilder(const Graph& graph, ParameterStore& store, const PlanOptions& options)
    : graph_(graph), store_(store), options_(options), plan_(new Plan()), planned_(graph.nodes().size()) {}

absl::StatusOr<std::unique_ptr<Plan>> PlanBuilder::Build() {
  using Step = absl::Status (PlanBuilder::*)();
  for (Step step : {&PlanBuilder::Forward, &PlanBuilder::AddLoss, &PlanBuilder::Backward, &PlanBuilder::SettleCopies,
                    &PlanBuilder::Place}) {
    if (absl::Status status = (this->*step)(); !status.ok()) return status;
    if (!status_.ok()) return status_;
  }
  return std::move(plan_);
}

bool PlanBuilder::HasTrained(const Node& node) const {
  return std::any_of(node.parameters.begin(), node.parameters.end(),
                     [&](const auto& p) { return p.trained && !store_.Find(node.name, p.name).frozen; });
}

// --- Forward.

absl::Status PlanBuilder::Forward() {
  memory::dims dims = {options_.batch};
  dims.insert(dims.end(), graph_.input_shape().begin(), graph_.input_shape().end());
  network_input_ = New(onednn::Plain(dims, memory::data_type::f32));
  values_[network_input_.id].external = true;
  plan_->input_ = network_input_;
  const Value input = In(network_input_, onednn::Plain(dims, compute_type()));
  // Whoever inspects looks at every layer.
  if (sampling() && !options_.inspect) skipped_ = FindSkippedLayers(graph_, options_.seed, training());
  plan_->skip_rules_ = skipped_.rules;
  plan_->skipped_.resize(skipped_.rules.size());
  for (size_t i = 0; i < graph_.nodes().size(); ++i) {
    if (!skipped_.rules.empty()) skipping_ = skipped_.forward[i];
    if (absl::Status status = PlanNode(static_cast<int>(i), input); !status.ok()) return status;
  }
  skipping_.clear();
  return absl::OkStatus();
}

absl::Status PlanBuilder::RunStage(Stage& stage, const Layer& layer) {
  stage_ = &stage;
  absl::StatusOr<BackwardPlan> backward = absl::UnknownError("");
  const absl::Status caught = onednn::Guard(stage.node->name, [&] { backward = layer.Plan(*this); });
  stage_ = nullptr;
  if (!caught.ok()) return caught;
  if (!backward.ok()) return backward.status();
  if (!status_.ok()) return status_;
  stage.backward = *std::move(backward);
  stage.input_gradients.resize(stage.inputs.size());
  return absl::OkStatus();
}

absl::Status PlanBuilder::PlanNode(int index, Value network_input) {
  if (absl::Status status = Ask(options_.stop); !status.ok()) return status;
  const Node& node = graph_.nodes()[index];
  PlannedNode& planned = planned_[index];
  Stage first{.node = &node, .input_shapes = node.input_shapes};
  bool upstream = false;  // Something before this node is trained.
  for (int i : node.inputs) {
    const bool wanted = i >= 0 && planned_[i].needs_gradient;
    first.inputs.push_back(i < 0 ? network_input : planned_[i].output);
    first.wants_gradient.push_back(wanted);
    upstream |= wanted;
  }
  planned.needs_gradient = backward() && (upstream || HasTrained(node));

  taken_ = Taken::kNo;
  unfused_.reset();
  if (node.layer) {
    planned.layer = first;
    planned.layer.output_shape = &node.pre_activation;
    if (absl::Status status = RunStage(planned.layer, *node.layer); !status.ok()) return status;
    planned.output = planned.layer.output;
    if (options_.inspect) Inspect(planned, index);
    first = {.node = &node,
             .inputs = {planned.output},
             .input_shapes = {node.pre_activation},
             .wants_gradient = {planned.needs_gradient}};
  }
  planned.taken = taken_;
  if (node.activation && planned.taken == Taken::kNo) {
    planned.activation = first;
    planned.activation.is_activation = true;
    planned.activation.output_shape = &node.output;
    if (absl::Status status = RunStage(planned.activation, *node.activation); !status.ok()) return status;
    planned.output = planned.activation.output;
  }
  const memory::desc& desc = Desc(planned.output);
  const bool bf16 = onednn::TypeOf(desc) == memory::data_type::bf16;
  const auto bytes = static_cast<int64_t>(desc.get_size());
  plan_->layer_outputs_.push_back({.value = planned.output, .elements = bytes / (bf16 ? 2 : 4), .bf16 = bf16});
  // A layer that only looks at its input in another way is finished with it.
  if (auto& all = plan_->operations_; !all.empty() && all.back().finishes < 0) all.back().finishes = index;
  if (options_.observe) Observe(planned, node);
  return absl::OkStatus();
}

absl::Status PlanBuilder::AddLoss() {
  const Value flat = Flat(planned_[graph_.output_index()].output);
  const memory::desc desc = onednn::Plain(onednn::DimsOf(Desc(flat)), memory::data_type::f32);
  logits_ = In(flat, desc);
  plan_->output_ = logits_;
  plan_->outputs_ = onednn::DimsOf(desc)[1];
  if (options_.loss == nullptr) return absl::OkStatus();
  if (backward()) logits_gradient_ = New(desc);
  Run("loss", {logits_}, {logits_gradient_},
      [plan = plan_.get(), loss = options_.loss, logits = logits_, gradient = logits_gradient_](const Frame& frame) {
        plan->loss_sum_ = loss->Compute(frame.at<float>(logits), plan->targets_, plan->count_, plan->outputs_,
                                        gradient.valid() ? frame.at<float>(gradient) : nullptr);
      });
  return absl::OkStatus();
}

// --- Backward.

absl::Status PlanBuilder::Backward() {
  if (!backward()) return absl::OkStatus();
  PlannedNode& last = planned_[graph_.output_index()];
  const memory::dims dims = onednn::DimsOf(Desc(last.output));
  const Value shaped = Reshaped(logits_gradient_, Desc(last.output));
  last.gradients = {In(shaped, onednn::Plain(dims, compute_type()))};
  for (int i = static_cast<int>(planned_.size()) - 1; i >= 0; --i) {
    if (!planned_[i].needs_gradient) continue;
    if (!skipped_.rules.empty()) skipping_ = skipped_.backward[i];
    if (absl::Status status = BackwardNode(i); !status.ok()) return status;
  }
  skipping_.clear();
  return absl::OkStatus();
}

absl::Status PlanBuilder::BackwardNode(int index) {
  if (absl::Status status = Ask(options_.stop); !status.ok()) return status;
  const Node& node = graph_.nodes()[index];
  PlannedNode& planned = planned_[index];
  Stage naming{.node = &node};
  stage_ = &naming;
  Value gradient = Sum(planned.gradients);
  if (planned.taken == Taken::kFused) gradient = FusedActivationGradient(planned, gradient);

  // The activation first, where it is a stage of its own, then the layer; what the last one finds goes to the inputs.
  Stage* last = nullptr;
  for (Stage* stage : {&planned.activation, &planned.layer}) {
    if (stage->node == nullptr) continue;
    stage->output_gradient = last ? last->input_gradients[0] : gradient;
    stage_ = stage;
    if (stage->backward) {
      absl::Status status;
      const absl::Status caught = onednn::Guard(node.name, [&] { status = stage->backward(*this); });
      if (!caught.ok()) return caught;
      if (!status.ok()) return status;
    }
    last = stage;
  }
  for (const GradientReorder& reorder : gradient_reorders_) {
    const Value from = Reshaped(reorder.from, Desc(reorder.to));
    Append(plan_->operations_, ReorderOperation(from, reorder.to));
  }
  gradient_reorders_.clear();
  stage_ = nullptr;
  if (!status_.ok()) return status_;

  for (size_t k = 0; k < node.inputs.size(); ++k) {
    if (!last->wants_gradient[k]) continue;
    if (!last->input_gradients[k].valid()) {
      return absl::InternalError(absl::StrCat("layer \"", node.name, "\" gave no gradient for its input ", k));
    }
    planned_[node.inputs[k]].gradients.push_back(last->input_gradients[k]);
  }
  if (!skipping_.empty()) FillSkipped(index, *last);
  return absl::OkStatus();
}

void PlanBuilder::FillSkipped(int index, const Stage& last) {
  const Node& node = graph_.nodes()[index];
  Stage naming{.node = &node};
  stage_ = &naming;
  const auto fill = [this](const std::vector<Value>& writes, Kernel kernel) {
    Run("gradient of nothing", {}, writes, std::move(kernel));
    plan_->operations_.back().fills = true;
  };
  for (size_t k = 0; k < node.inputs.size(); ++k) {
    if (!last.wants_gradient[k] || skipped_.backward[node.inputs[k]] == skipping_) continue;
    const Value gradient = last.input_gradients[k];
    const auto bytes = static_cast<int64_t>(Desc(gradient).get_size());
    fill({gradient}, [=](const Frame& frame) { FillZeros(frame.at<char>(gradient), bytes); });
  }
  for (const ParameterSpec& spec : node.parameters) {
    if (!spec.trained) continue;
    const StoredParameter& parameter = store_.Find(node.name, spec.name);
    fill({}, [&parameter](const Frame&) {
      FillZeros(reinterpret_cast<char*>(parameter.gradient), parameter.stored_elements() * int64_t{sizeof(float)});
    });
  }
  stage_ = nullptr;
}

Value PlanBuilder::Sum(const std::vector<Value>& gradients) {
  Value sum = gradients[0];
  for (size_t k = 1; k < gradients.size(); ++k) {
    const memory::desc desc = Desc(sum);
    const Value a = sum;
    const Value b = In(Reshaped(gradients[k], desc), desc);
    const Value to = k == 1 ? New(desc) : sum;  // The first sum of the values is ours to add to.
    const bool bf16 = onednn::TypeOf(desc) == memory::data_type::bf16;
    const int64_t n = static_cast<int64_t>(desc.get_size() / (bf16 ? 2 : 4));
    Run("sum of gradients", {a, b}, {to},
        [=](const Frame& frame) { (bf16 ? Add<Bfloat16> : Add<float>)(frame.at(a), frame.at(b), frame.at(to), n); });
    sum = to;
  }
  return sum;
}

Value PlanBuilder::FusedActivationGradient(const PlannedNode& planned, Value gradient) {
  const Activation* activation = planned.layer.node->activation.get();
  Value output = planned.layer.output;
  if (!Layout::Of(Desc(output))) output = In(output, onednn::Plain(onednn::DimsOf(Desc(output)), compute_type()));
  const memory::desc desc = Desc(output);
  const Value from = In(Reshaped(gradient, desc), desc);
  const Value to = New(desc);
  Run("activation gradient", {output, from}, {to}, [=, layout = *Layout::Of(desc)](const Frame& frame) {
    activation->Backward(layout, frame.at(output), frame.at(from), frame.at(to));
  });
  return to;
}

}  // namespace traind::core
