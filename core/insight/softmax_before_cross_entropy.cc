// Outputs that are not the logits that the loss wants.
#include <memory>

#include "absl/strings/str_cat.h"
#include "core/base/kind.h"
#include "core/insight/fixes.h"
#include "core/insight/loss_of_answer.h"
#include "core/insight/rule.h"

namespace traind::core {
namespace {

// Between 0 and 1, and so without the range of logits.
bool IsSigmoid(const Node& node) { return node.activation_kind == "sigmoid" || node.kind == "sigmoid"; }

void LookAtLogits(const v1::SoftmaxBeforeCrossEntropyRule&, const View& view, std::vector<Sighting>& found) {
  const Node& output = view.facts.graph->output();
  const auto meaning = MeaningOfOutputs(view.facts);
  if (meaning != OutputMeaning::kLogits && meaning != OutputMeaning::kLogOdds) return;
  const std::string loss = KindName(view.facts.spec->loss());
  if (meaning == OutputMeaning::kLogOdds && (IsSigmoid(output) || TraitsOf(output).makes_probabilities)) {
    Add(found, absl::StrCat(loss,
                            " has a sigmoid of its own and wants the logits: of numbers between 0 and 1 it makes "
                            "probabilities between 0.5 and 0.73"))
        .At(output)
        .Words(IsSigmoid(output) && output.kind != "sigmoid" ? "leave the activation out" : "leave the layer out");
  } else if (TraitsOf(output).makes_probabilities) {
    Add(found, absl::StrCat(loss, " has a softmax of its own and wants the logits"))
        .At(output)
        .Words("leave the layer out");
  } else if (IsRelu(output)) {
    Add(found, "relu on the logits").At(output).Words("they should be free to be negative");
  } else if (IsSigmoid(output)) {
    Add(found, absl::StrCat("sigmoid on the logits: between 0 and 1 the softmax of ", loss, " stays nearly flat"))
        .At(output)
        .Words("leave the activation out");
  }
  if (!found.empty()) PatchFreeOutputs(view.facts, found.back());
}

const Registered<Rule, v1::SoftmaxBeforeCrossEntropyRule> kSoftmaxBeforeCrossEntropy(
    "The loss takes the softmax itself, and gets no logits.",
    [](v1::SoftmaxBeforeCrossEntropyRule& config, const FieldErrors&) {
      return std::make_unique<SimpleRule<v1::SoftmaxBeforeCrossEntropyRule>>(
          RuleTraits{.family = Family::kNetwork, .at_once = true}, Source::kSpec, config, LookAtLogits);
    });

}  // namespace
}  // namespace traind::core
