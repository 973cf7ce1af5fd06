// Outputs that stand for no class. Fewer outputs than classes are refused before.
#include <memory>

#include "absl/strings/str_cat.h"
#include "core/insight/rule.h"

namespace traind::core {
namespace {

void LookAtOutputs(const v1::OutputsAndClassesRule&, const View& view, std::vector<Sighting>& found) {
  const Node& output = view.facts.graph->output();
  const int64_t outputs = Elements(output.output), classes = view.facts.classes;
  if (classes == 0 || outputs <= classes) return;
  Add(found, absl::StrCat(outputs, " outputs for the ", classes, " classes of ", view.facts.dataset, ": the last ",
                          outputs - classes, " stand for no class"))
      .At(output)
      .Measured("outputs", static_cast<double>(outputs), v1::Evidence::RELATION_ABOVE, static_cast<double>(classes))
      .Words(absl::StrCat("give the layer ", classes, " outputs"));
}

const Registered<Rule, v1::OutputsAndClassesRule> kOutputsAndClasses(
    "There are more outputs than classes.", [](v1::OutputsAndClassesRule& config, const FieldErrors&) {
      return std::make_unique<SimpleRule<v1::OutputsAndClassesRule>>(
          RuleTraits{.family = Family::kAlone, .at_once = true}, Source::kSpec, config, LookAtOutputs);
    });

}  // namespace
}  // namespace traind::core
