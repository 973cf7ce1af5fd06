// A loss for numbers, with class labels.
#include <memory>

#include "absl/strings/str_cat.h"
#include "core/base/kind.h"
#include "core/insight/fixes.h"
#include "core/insight/rule.h"
#include "core/kinds/loss.h"

namespace traind::core {
namespace {

constexpr double kLearned = 0.5;      // Of the loss of a constant answer: what is above it says little of the example.
constexpr double kAfterShare = 0.25;  // Of the job, before which that is not asked.
constexpr int kNewestStretches = 3;

bool IsForNumbers(const Facts& facts) {
  if (facts.spec == nullptr || facts.classes < 2) return false;
  v1::Loss config = facts.spec->loss();
  FieldErrors::Root reported;
  const auto loss = Registry<Loss>::Get().Create(config, reported.scope());
  return loss != nullptr && loss->takes_labels() && loss->output_meaning() == OutputMeaning::kValues;
}

// Whether the outputs are free to be logits.
bool AreFree(const Node& output) { return output.activation == nullptr && !TraitsOf(output).makes_probabilities; }

class LossForClasses final : public Rule {
 public:
  LossForClasses() : Rule({.family = Family::kNetwork, .unless_improving = true, .at_once = true}) {}

  bool Reads(Source source) const override { return source == Source::kSpec || source == Source::kTrain; }

  void Look(const View& view, std::vector<Sighting>& found) const override {
    if (!IsForNumbers(view.facts)) return;
    const Node& output = view.facts.graph->output();
    const std::string kind = KindName(view.facts.spec->loss());
    Sighting& sighting = Add(found, absl::StrCat(kind, " compares the outputs with one-hot rows of ",
                                                 view.facts.classes, " classes, nearly all of which is zeros"));
    sighting.Words(AreFree(output)
                       ? "softmax_cross_entropy is the loss of classes"
                       : "softmax_cross_entropy is the loss of classes; leave out what comes behind the last weights");
    if (view.facts.given != nullptr && (AreFree(output) || PatchFreeOutputs(view.facts, sighting))) {
      Patch("loss", sighting).mutable_loss()->mutable_softmax_cross_entropy();
    }
    if (view.source == Source::kSpec) {
      sighting.Is(v1::Finding::SEVERITY_INFO);
      return;
    }
    const auto constant = ConstantAnswerLoss(view);
    if (!constant.has_value() || *constant <= 0 || !PastBeginning(view, kAfterShare)) return;
    const double share = view.history.RecentLoss(kNewestStretches) / *constant;
    if (share <= kLearned) return;
    sighting.Weighs(Weight::kPlain)
        .Measured("loss / loss of an answer that does not look at the example", share, v1::Evidence::RELATION_ABOVE,
                  kLearned);
  }
};

const Registered<Rule, v1::LossForClassesRule> kLossForClasses("A loss for numbers, with class labels.",
                                                               [](v1::LossForClassesRule&, const FieldErrors&) {
                                                                 return std::make_unique<LossForClasses>();
                                                               });

}  // namespace
}  // namespace traind::core
