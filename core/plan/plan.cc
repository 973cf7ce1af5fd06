#include "core/plan/plan.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "absl/strings/str_cat.h"
#include "core/base/finite.h"
#include "core/plan/plan_builder.h"
#include "oneapi/dnnl/dnnl.h"

namespace traind::core {

absl::StatusOr<std::unique_ptr<Plan>> Plan::Make(const Graph& graph, ParameterStore& store,
                                                 const PlanOptions& options) {
  return PlanBuilder(graph, store, options).Build();
}

absl::StatusOr<PlanBytes> Plan::Measure(const Graph& graph, ParameterStore& store, const PlanOptions& options) {
  const auto plan = PlanBuilder(graph, store, options).Build();
  if (!plan.ok()) return plan.status();
  return (*plan)->bytes();
}

absl::Status Plan::Execute(const Operation& operation) {
  if (operation.kernel) {
    operation.kernel(frame_);
    return frame_.failure_.ok() ? absl::OkStatus() : std::exchange(frame_.failure_, absl::OkStatus());
  }
  // The C interface takes the arguments as they are; the C++ one would build a map of them in each call.
  const dnnl_status_t status = dnnl_primitive_execute(operation.primitive.get(), stream_.get(),
                                                      static_cast<int>(operation.bound.size()), operation.bound.data());
  if (status == dnnl_success) return absl::OkStatus();
  return absl::InternalError(absl::StrCat("oneDNN failed in \"", operation.label, "\" with status ", status));
}

bool Plan::Runs(const Operation& operation, bool observe) const {
  if (operation.observes && !observe) return false;
  if (operation.skips.empty()) return true;
  const bool skipped =
      std::any_of(operation.skips.begin(), operation.skips.end(), [this](int rule) { return skipped_[rule]; });
  return skipped == operation.fills;
}

absl::Status Plan::Execute(const std::vector<Operation>& operations, bool observe) {
  for (const Operation& operation : operations) {
    if (!Runs(operation, observe)) continue;
    if (absl::Status status = Execute(operation); !status.ok()) return status;
  }
  return absl::OkStatus();
}

void Plan::Bind(const Input& input) {
  frame_.step_ = input.step;
  frame_.first_example_ = input.first_example;
  for (int id : input_values_) {
    frame_.pointers_[id] = const_cast<float*>(input.examples);
    if (memories_[id]) memories_[id].set_data_handle(const_cast<float*>(input.examples));
  }
  targets_ = input.targets;
  count_ = input.count;
  // What is observed is what the layers would give.
  for (size_t i = 0; i < skip_rules_.size(); ++i) skipped_[i] = !input.observe && skip_rules_[i](input.step);
}

absl::Status Plan::Run(const Input& input) {
  Bind(input);
  return Execute(operations_, input.observe);
}

absl::StatusOr<absl::Span<const float>> Plan::RunThrough(const Input& input, int node) {
  Bind(input);
  for (const Operation& operation : operations_) {
    if (!Runs(operation, input.observe)) continue;
    if (absl::Status status = Execute(operation); !status.ok()) return status;
    if (operation.inspects == node) {
      return absl::MakeConstSpan(frame_.at<float>({operation.values[0]}), inspected_.at(node));
    }
  }
  return absl::NotFoundError(absl::StrCat("layer ", node, " of the plan is not inspected"));
}

absl::StatusOr<int> Plan::FirstNotFinite(const Input& input) {
  Input all = input;
  all.observe = true;  // So that nothing is skipped.
  Bind(all);
  for (const Operation& operation : operations_) {
    if (operation.observes || !Runs(operation, /*observe=*/true)) continue;
    if (absl::Status status = Execute(operation); !status.ok()) return status;
    if (operation.finishes < 0) continue;
    const Stored& output = layer_outputs_[operation.finishes];
    const bool finite = output.bf16 ? AllFinite(frame_.at<Bfloat16>(output.value), output.elements)
                                    : AllFinite(frame_.at<float>(output.value), output.elements);
    if (!finite) return operation.finishes;
  }
  return -1;
}

absl::StatusOr<std::vector<Plan::OperationTime>> Plan::MeasureOperations(const Input& input, int repetitions) {
  if (absl::Status status = Run(input); !status.ok()) return status;
  std::vector<OperationTime> times;
  for (const Operation& operation : operations_) {
    std::vector<double> milliseconds;
    for (int i = 0; i < repetitions; ++i) {
      const auto begin = std::chrono::steady_clock::now();
      if (absl::Status status = Execute(operation); !status.ok()) return status;
      milliseconds.push_back(
          std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - begin).count());
    }
    std::nth_element(milliseconds.begin(), milliseconds.begin() + repetitions / 2, milliseconds.end());
    const bool compute =
        operation.primitive && (operation.primitive.get_kind() == dnnl::primitive::kind::convolution ||
                                operation.primitive.get_kind() == dnnl::primitive::kind::inner_product);
    times.push_back({operation.label, compute, milliseconds[repetitions / 2]});
  }
  return times;
}

absl::Status Plan::RefreshParameters() { return Execute(refresh_, /*observe=*/true); }

void Plan::Report(v1::StatisticsReport* report) const {
  for (const Observed& observed : observers_) {
    auto* layer = report->add_layers();
    observed.observer->Report(layer);
    layer->set_layer(observed.node->name);
    layer->set_kind(observed.node->kind);
    layer->set_activation(observed.node->activation_kind);
    layer->mutable_shape()->Add(observed.node->output.begin(), observed.node->output.end());
  }
}

bool Plan::saw_nan() const {
  return std::any_of(observers_.begin(), observers_.end(),
                     [](const Observed& o) { return o.observer->nan_count() > 0; });
}

std::vector<Plan::ObserverState> Plan::observer_states() {
  std::vector<ObserverState> states;
  for (Observed& observed : observers_) states.push_back({observed.node->name, observed.observer->silent_steps()});
  return states;
}

std::vector<std::string> Plan::operations() const {
  std::vector<std::string> labels;
  for (const Operation& operation : operations_) labels.push_back(operation.label);
  return labels;
}

}  // namespace traind::core
