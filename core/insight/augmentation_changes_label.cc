// Augmentation after which a digit or a letter may be another one: said, not asserted.
#include <algorithm>
#include <array>
#include <memory>
#include <string_view>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "core/base/kind.h"
#include "core/insight/fixes.h"
#include "core/insight/rule.h"

namespace traind::core {
namespace {

constexpr double kMostTurn = 45;  // Degrees: what is turned further is nearer to lying than to standing.

// "datasets/mnist-small", not "fashion-mnist" nor "fmnist": a word of the name begins with one of these.
bool SpeaksOfCharacters(const std::string& dataset) {
  static constexpr std::array<std::string_view, 10> kWords = {"mnist", "emnist", "kmnist", "qmnist", "notmnist",
                                                              "digit", "letter", "svhn",   "usps",   "omniglot"};
  const std::string name = absl::AsciiStrToLower(dataset.substr(dataset.rfind('/') + 1));
  if (absl::StrContains(name, "fashion")) return false;
  const std::vector<std::string> words = absl::StrSplit(name, absl::ByAnyChar("-_."), absl::SkipEmpty());
  return std::any_of(words.begin(), words.end(), [](const std::string& word) {
    return std::any_of(kWords.begin(), kWords.end(), [&](std::string_view one) { return word.starts_with(one); });
  });
}

bool Mirrors(const v1::Augmentation& one) {
  return (one.has_horizontal_flip() || one.has_vertical_flip()) && one.probability() > 0;
}
bool TurnsFar(const v1::Augmentation& one) {
  return one.has_rotate() && one.probability() > 0 && one.rotate().max_degrees() > kMostTurn;
}

// What among the choices of one_of changes a label: a mirroring choice is drawn as before and then does nothing.
void LookAtChoices(const v1::Augmentation& one, v1::Augmentation& kept, std::vector<std::string>& changes) {
  if (one.probability() == 0) return;
  for (int i = 0; i < one.one_of().choices_size(); ++i) {
    const v1::Augmentation& choice = one.one_of().choices(i);
    if (i < one.one_of().weights_size() && one.one_of().weights(i) == 0) continue;
    v1::Augmentation& kept_choice = *kept.mutable_one_of()->mutable_choices(i);
    if (Mirrors(choice)) {
      changes.push_back(KindName(choice));
      kept_choice.set_probability(0);
    } else if (TurnsFar(choice)) {
      changes.push_back(absl::StrCat("rotate by up to ", choice.rotate().max_degrees(), " degrees"));
      kept_choice.mutable_rotate()->set_max_degrees(kMostTurn);
    }
  }
}

void LookAtAugmentation(const v1::AugmentationChangesLabelRule&, const View& view, std::vector<Sighting>& found) {
  if (view.facts.spec == nullptr || view.facts.classes == 0 || !SpeaksOfCharacters(view.facts.dataset)) return;
  const auto& steps = view.facts.spec->data().augmentation();
  const v1::DataSpec* given = view.facts.given == nullptr ? nullptr : &view.facts.given->data();
  const bool patches = given != nullptr && given->augmentation_size() == steps.size();
  std::vector<std::string> changes;
  google::protobuf::RepeatedPtrField<v1::Augmentation> left;
  for (int i = 0; i < steps.size(); ++i) {
    if (Mirrors(steps[i])) {
      changes.push_back(KindName(steps[i]));
      continue;
    }
    v1::Augmentation& kept = *left.Add();
    kept = patches ? given->augmentation(i) : steps[i];
    LookAtChoices(steps[i], kept, changes);
    if (!TurnsFar(steps[i])) continue;
    changes.push_back(absl::StrCat("rotate by up to ", steps[i].rotate().max_degrees(), " degrees"));
    kept.mutable_rotate()->set_max_degrees(kMostTurn);
  }
  if (changes.empty()) return;
  Sighting& sighting =
      Add(found, absl::StrCat(absl::StrJoin(changes, " and "), " may turn an example of ", view.facts.dataset,
                              " into one of another class, as b into d or 6 into 9"));
  sighting.Is(v1::Finding::SEVERITY_INFO).Words("if it does: no flips, and turns of at most 45 degrees");
  if (patches) *Patch("data.augmentation", sighting).mutable_data()->mutable_augmentation() = std::move(left);
}

const Registered<Rule, v1::AugmentationChangesLabelRule> kAugmentationChangesLabel(
    "An augmentation after which a digit or a letter may be another one.",
    [](v1::AugmentationChangesLabelRule& config, const FieldErrors&) {
      return std::make_unique<SimpleRule<v1::AugmentationChangesLabelRule>>(
          RuleTraits{.family = Family::kAlone, .slide = 88, .at_once = true}, Source::kSpec, config,
          LookAtAugmentation);
    });

}  // namespace
}  // namespace traind::core
