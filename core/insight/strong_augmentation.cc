// An augmentation that leaves too little of an image to know it by.
#include <algorithm>
#include <cmath>
#include <memory>
#include <numeric>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "core/base/require.h"
#include "core/insight/fixes.h"
#include "core/insight/rule.h"

namespace traind::core {
namespace {

double ProbabilityOf(const v1::Augmentation& one) { return one.has_probability() ? one.probability() : 1; }

// Of the choice's part among all.
double ShareOf(const v1::OneOf& config, int choice) {
  if (choice >= config.weights_size()) return config.weights().empty() ? 1.0 / config.choices_size() : 0;
  return config.weights(choice) / std::accumulate(config.weights().begin(), config.weights().end(), 0.0);
}

// Mean share of the area, of a kind that takes some of it away; 1 of others. Squares of cutout may hang over the edge
// and lie on each other: that is not counted for the former, and is for the latter.
double AreaLeft(const v1::Augmentation& one, const Shape& image) {
  double left = 1;
  if (one.has_one_of()) {
    for (int i = 0; i < one.one_of().choices_size(); ++i) {
      left -= ShareOf(one.one_of(), i) * (1 - AreaLeft(one.one_of().choices(i), image));
    }
  }
  if (one.has_random_erasing()) left = 1 - (one.random_erasing().min_area() + one.random_erasing().max_area()) / 2;
  if (one.has_random_resized_crop()) {
    const v1::RandomResizedCrop& crop = one.random_resized_crop();
    left = (crop.min_area() + crop.max_area()) / 2;
  } else if (one.has_cutout() && image.size() == 3) {
    const double side = one.cutout().size();
    const double height = static_cast<double>(image[1]), width = static_cast<double>(image[2]);
    const double share = std::min(1.0, side / height) * std::min(1.0, side / width);
    left = std::pow(1 - share, one.cutout().count());
  }
  return 1 - ProbabilityOf(one) * (1 - left);
}

// The turns of more than `most` degrees, those among the choices of one_of too.
void AddTurns(const v1::Augmentation& one, double most, std::vector<std::string>& turns) {
  if (ProbabilityOf(one) == 0) return;
  if (one.has_rotate() && one.rotate().max_degrees() > most) {
    turns.push_back(absl::StrFormat("rotate turns images by up to %g degrees", one.rotate().max_degrees()));
  }
  for (int i = 0; i < one.one_of().choices_size(); ++i) {
    if (ShareOf(one.one_of(), i) > 0) AddTurns(one.one_of().choices(i), most, turns);
  }
}

void Weaken(const v1::StrongAugmentationRule& config, bool small, v1::Augmentation& one) {
  if (one.has_rotate()) {
    one.mutable_rotate()->set_max_degrees(std::min(one.rotate().max_degrees(), config.most_degrees()));
  }
  if (one.has_one_of()) {
    for (v1::Augmentation& choice : *one.mutable_one_of()->mutable_choices()) Weaken(config, small, choice);
  }
  if (!small) return;
  if (one.has_random_resized_crop()) {
    one.mutable_random_resized_crop()->clear_min_area();
    one.mutable_random_resized_crop()->clear_max_area();
  }
  if (one.has_random_erasing()) {
    one.mutable_random_erasing()->clear_min_area();
    one.mutable_random_erasing()->clear_max_area();
  }
  if (one.has_cutout()) {
    one.mutable_cutout()->set_size(std::max(1u, one.cutout().size() / 2));
    one.mutable_cutout()->clear_count();
  }
}

void PatchAugmentation(const v1::StrongAugmentationRule& config, const Facts& facts, bool small, Sighting& sighting) {
  if (facts.given == nullptr) return;
  v1::JobSpec& patch = Patch("data.augmentation", sighting);
  *patch.mutable_data()->mutable_augmentation() = facts.given->data().augmentation();
  for (v1::Augmentation& one : *patch.mutable_data()->mutable_augmentation()) {
    Weaken(config, small, one);
  }
}

class StrongAugmentation final : public Rule {
 public:
  explicit StrongAugmentation(const v1::StrongAugmentationRule& config)
      : Rule({.family = Family::kData, .slide = 88, .unless_improving = true, .at_once = true}), config_(config) {}

  bool Reads(Source source) const override { return source == Source::kSpec || source == Source::kTrain; }

  void Look(const View& view, std::vector<Sighting>& found) const override {
    if (view.facts.spec == nullptr) return;
    double left = 1;
    std::vector<std::string> what;
    for (const v1::Augmentation& one : view.facts.spec->data().augmentation()) {
      left *= AreaLeft(one, view.facts.graph->input_shape());
      AddTurns(one, config_.most_degrees(), what);
    }
    const bool small = left < config_.least_area(), turns = !what.empty();
    if (small) {
      what.insert(what.begin(), absl::StrFormat("the augmentation leaves %.2g of an image on average", left));
    }
    if (what.empty()) return;
    Sighting& sighting = Add(found, absl::StrJoin(what, ", and "));
    // Turns are right for some data: only a run that does not improve speaks against them.
    if (view.source == Source::kSpec && !small) sighting.Is(v1::Finding::SEVERITY_INFO);
    if (small) {
      sighting.Measured("mean share of the image's area", left, v1::Evidence::RELATION_BELOW, config_.least_area());
    }
    sighting.Words(absl::StrCat(
        small ? "take larger parts: min_area and max_area of random_resized_crop and random_erasing "
                "as they are by default, a smaller size of cutout"
              : "",
        small && turns ? "; " : "", turns ? absl::StrCat("turn by ", config_.most_degrees(), " degrees at most") : ""));
    PatchAugmentation(config_, view.facts, small, sighting);
  }

 private:
  const v1::StrongAugmentationRule config_;
};

const Registered<Rule, v1::StrongAugmentationRule> kStrongAugmentation(
    "An augmentation that leaves too little of an image.",
    [](v1::StrongAugmentationRule& config, const FieldErrors& errors) {
      if (!config.has_least_area()) config.set_least_area(0.3);
      Require(config.least_area() > 0 && config.least_area() < 1, errors, "least_area", "in (0, 1)",
              config.least_area());
      if (!config.has_most_degrees()) config.set_most_degrees(45);
      Require(config.most_degrees() > 0 && config.most_degrees() <= 180, errors, "most_degrees", "in (0, 180]",
              config.most_degrees());
      return std::make_unique<StrongAugmentation>(config);
    });

}  // namespace
}  // namespace traind::core
