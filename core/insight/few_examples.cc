// So few training examples that a network learns them by heart.
#include <algorithm>
#include <memory>

#include "absl/strings/str_cat.h"
#include "core/base/require.h"
#include "core/insight/rule.h"

namespace traind::core {
namespace {

class FewExamples final : public Rule {
 public:
  explicit FewExamples(const v1::FewExamplesRule& config)
      : Rule({.family = Family::kData, .at_once = true}), config_(config) {}

  bool Reads(Source source) const override { return source == Source::kData || source == Source::kEvaluation; }

  void Look(const View& view, std::vector<Sighting>& found) const override {
    if (view.data == nullptr || view.facts.spec == nullptr) return;
    const v1::DataProfile& data = *view.data;
    // Of more than 1000 classes the counts are not known.
    const int64_t classes = data.class_counts().empty()
                                ? view.facts.classes
                                : std::count_if(data.class_counts().begin(), data.class_counts().end(),
                                                [](int64_t count) { return count > 0; });
    const double least = classes > 0 ? config_.least_per_class() * static_cast<double>(classes)
                                     : static_cast<double>(config_.least_examples());
    if (data.examples() == 0 || !(static_cast<double>(data.examples()) < least)) return;
    const std::string of = classes > 0 ? absl::StrCat(" of ", classes, " classes") : "";
    Sighting& sighting = Add(found, absl::StrCat("there are ", data.examples(), " training examples", of));
    sighting.Measured("training examples", static_cast<double>(data.examples()), v1::Evidence::RELATION_BELOW, least)
        .Words(view.facts.spec->data().max_train_examples() > 0
                   ? "raise data.max_train_examples, or add augmentation, dropout or weight decay"
                   : "more data, augmentation, dropout or weight decay, or a network that was trained before");
    if (!Shows(view)) sighting.Is(v1::Finding::SEVERITY_INFO);
  }

 private:
  // Whether the evaluation's loss is far above that of the training.
  bool Shows(const View& view) const {
    if (view.source == Source::kData) return false;
    const v1::DataSpec& data = view.facts.spec->data();
    const Evaluated& now = view.history.evaluations().back();
    return data.train_split() != data.evaluation_split() && now.train_loss > 0 &&
           now.loss > config_.most_gap() * now.train_loss;
  }

  const v1::FewExamplesRule config_;
};

const Registered<Rule, v1::FewExamplesRule> kFewExamples(
    "So few training examples that a network learns them by heart.",
    [](v1::FewExamplesRule& config, const FieldErrors& errors) {
      if (!config.has_least_per_class()) config.set_least_per_class(20);
      Require(config.least_per_class() >= 0, errors, "least_per_class", "at least 0", config.least_per_class());
      if (!config.has_least_examples()) config.set_least_examples(100);
      Require(config.least_examples() >= 0, errors, "least_examples", "at least 0", config.least_examples());
      if (!config.has_most_gap()) config.set_most_gap(1.5);
      Require(config.most_gap() >= 1, errors, "most_gap", "at least 1", config.most_gap());
      return std::make_unique<FewExamples>(config);
    });

}  // namespace
}  // namespace traind::core
