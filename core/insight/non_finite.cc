#include "core/insight/non_finite.h"

#include <memory>

#include "absl/strings/str_cat.h"
#include "core/insight/fixes.h"
#include "core/insight/rule.h"

namespace traind::core {
namespace {

constexpr double kClip = 1;      // A usual joint norm.
constexpr double kSlower = 0.1;  // Of the learning rate.

// Its windows are in the worker.
class NonFiniteRule final : public Rule {
 public:
  NonFiniteRule() : Rule({.family = Family::kNonFinite, .slide = 41, .at_once = true}) {}
  bool Reads(Source) const override { return false; }
  void Look(const View&, std::vector<Sighting>&) const override {}
};

const Registered<Rule, v1::NonFiniteRule> kNonFinite(
    "A number that is NaN or infinite, with the first place where it is seen.",
    [](v1::NonFiniteRule&, const FieldErrors&) { return std::make_unique<NonFiniteRule>(); });

}  // namespace

v1::Finding NonFiniteFinding(const v1::JobSpec& spec, uint64_t step, const std::string& what,
                             const NonFiniteSource& source) {
  Sighting sighting;
  v1::Finding& finding = sighting.finding;
  finding.set_rule("non_finite");
  finding.set_severity(v1::Finding::SEVERITY_CRITICAL);
  finding.set_state(v1::Finding::STATE_OPEN);
  finding.set_first_step(step);
  finding.set_last_step(step);
  const std::string place = source.layer.empty() ? source.tensor : source.layer;
  finding.set_id(place.empty() ? "non_finite" : absl::StrCat("non_finite/", place));
  if (!source.layer.empty()) finding.set_layer(source.layer);
  if (source.layer.empty() && !source.tensor.empty()) finding.set_tensor(source.tensor);
  const std::string where =
      source.layer.empty() ? (source.gradient ? "the gradient of a tensor" : "a tensor") : "the output of a layer";
  finding.set_cause(absl::StrCat("the ", what, " is not a finite number",
                                 place.empty() ? "" : absl::StrCat("; the first such number is in ", where)));
  finding.mutable_evidence()->set_quantity(what);
  Facts facts;
  facts.spec = &spec;
  sighting.Words(TakesClipping(facts) ? "lower the learning rate, clip the gradients, or normalize the data"
                                      : "lower the learning rate, or normalize the data");
  PatchRate(facts, kSlower, sighting);
  PatchClipping(facts, kClip, sighting);
  return std::move(finding);
}

}  // namespace traind::core
