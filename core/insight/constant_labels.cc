// Training examples that all have one class, or one target.
#include <algorithm>
#include <memory>

#include "absl/strings/str_cat.h"
#include "core/insight/rule.h"

namespace traind::core {
namespace {

// What all examples have in common, in words; empty: they differ, or it is not known.
std::string TheOne(const Facts& facts, const v1::DataProfile& data) {
  const auto& counts = data.class_counts();
  if (!counts.empty()) {
    const auto there = [](int64_t count) { return count > 0; };
    if (std::count_if(counts.begin(), counts.end(), there) != 1) return "";
    const auto only = std::find_if(counts.begin(), counts.end(), there);
    return absl::StrCat("all ", *only, " training examples have the class ", NameOfClass(facts, only - counts.begin()));
  }
  // Numbers, or more classes than are counted: then chance agrees always.
  const bool same = data.compared() > 1 && data.chance_agreement() == 1;
  return same ? absl::StrCat("all of ", data.compared(), " training examples have one target") : "";
}

void LookForOneClass(const v1::ConstantLabelsRule&, const View& view, std::vector<Sighting>& found) {
  const bool reconstructs = view.facts.spec != nullptr && view.facts.spec->data().targets() == v1::TARGET_SOURCE_INPUT;
  const std::string one = TheOne(view.facts, *view.data);
  if (reconstructs || one.empty() || view.data->examples() < 2) return;
  Add(found, absl::StrCat(one, ": there is nothing to learn"))
      .Is(v1::Finding::SEVERITY_CRITICAL)
      .Words("look at how the labels were read, and at which part of the data the split has");
}

const Registered<Rule, v1::ConstantLabelsRule> kConstantLabels(
    "All training examples have one class.", [](v1::ConstantLabelsRule& config, const FieldErrors&) {
      return std::make_unique<SimpleRule<v1::ConstantLabelsRule>>(RuleTraits{.family = Family::kData, .at_once = true},
                                                                  Source::kData, config, LookForOneClass);
    });

}  // namespace
}  // namespace traind::core
