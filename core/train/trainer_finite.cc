// What a run says when its numbers are no longer finite. The loss is looked at in every step; the norm of the gradients
// and the penalty where they are measured; the layers' outputs where they are observed; and every value of a checkpoint
// when it is written. So nothing that is kept holds a NaN, whatever the kernels hide: oneDNN's relu makes 0 of it.
#include "absl/strings/str_cat.h"
#include "core/base/finite.h"
#include "core/train/trainer.h"

namespace traind::core {
namespace {

constexpr char kAdvice[] = "; lower the learning rate, clip the gradients, or normalize the data";

// The first parameter, in the order of the graph, of a layer up to `last`.
template <class IsBad>
const StoredParameter* FirstParameter(const ParameterStore& store, const Graph& graph, int last, const IsBad& is_bad) {
  auto parameter = store.parameters().begin();
  for (int i = 0; i <= last; ++i) {
    for (size_t k = 0; k < graph.nodes()[i].parameters.size(); ++k, ++parameter) {
      if (is_bad(*parameter)) return &*parameter;
    }
  }
  return nullptr;
}

}  // namespace

// Runs the step again; the parameters are still those before the update.
NonFiniteSource Trainer::FirstNotFinite(const Plan::Input& input) {
  const Graph& graph = *model_.graph;
  const auto layer = ran_->FirstNotFinite(input);
  const int last = static_cast<int>(graph.nodes().size()) - 1;
  const int bad = layer.value_or(-1);
  const auto value = [](const StoredParameter& p) { return !AllFinite(p.master, p.stored_elements()); };
  const auto gradient = [](const StoredParameter& p) {
    return p.gradient != nullptr && !AllFinite(p.gradient, p.stored_elements());
  };
  if (const auto* tensor = FirstParameter(*model_.store, graph, bad < 0 ? last : bad, value)) {
    return {.tensor = tensor->name};
  }
  if (bad >= 0) return {.layer = graph.nodes()[bad].name};
  if (const auto* tensor = FirstParameter(*model_.store, graph, last, gradient)) {
    return {.tensor = tensor->name, .gradient = true};
  }
  return {};
}

absl::Status Trainer::NotFinite(absl::string_view what, const Plan::Input& input) {
  const NonFiniteSource source = FirstNotFinite(input);
  const std::string where =
      !source.layer.empty()   ? absl::StrCat("; the first layer with such values is \"", source.layer, "\"")
      : source.tensor.empty() ? ""
                              : absl::StrCat("; the first tensor with such values ",
                                             source.gradient ? "in its gradient " : "", "is \"", source.tensor, "\"");
  if (spec_.insight().profile() != v1::InsightSpec::PROFILE_OFF) {
    v1::Event event = NewEvent(step_ + 1);
    *event.mutable_finding() = NonFiniteFinding(spec_, step_ + 1, std::string(what), source);
    sink_.Emit(std::move(event));
  }
  return absl::AbortedError(
      absl::StrCat("the ", what, " of step ", step_ + 1, " is not a finite number", where, kAdvice));
}

absl::Status Trainer::InputNotFinite() const {
  return absl::AbortedError(
      absl::StrCat("the examples of step ", step_ + 1,
                   " are not all finite numbers after the preprocessing: scale them, or let it scale them less"));
}

absl::Status Trainer::CheckpointNotFinite(uint64_t step, const absl::Status& found) const {
  return absl::AbortedError(absl::StrCat("the numbers after step ", step, " are not all finite, and no checkpoint of ",
                                         "them is kept: ", found.message(), kAdvice));
}

}  // namespace traind::core
