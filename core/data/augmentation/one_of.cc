// One of several augmentations, drawn for each example, or for each step where they blend minibatches.
#include <algorithm>
#include <memory>
#include <numeric>
#include <string>
#include <utility>
#include <vector>

#include "core/base/kind.h"
#include "core/kinds/augmentation.h"

namespace traind::core {
namespace {

constexpr int kMostChoices = 16;

// What can be drawn, and how likely it is.
class Choices {
 public:
  // Violations go to `errors`, the scope of the config.
  Choices(v1::OneOf& config, const FieldErrors& errors) {
    for (int i = 0; i < config.choices_size(); ++i) {
      v1::Augmentation& choice = *config.mutable_choices(i);
      const FieldErrors at = errors.At("choices", i);
      if (choice.has_one_of()) {
        at.At("one_of").Add("must not stand in another one: list its choices here");
        continue;
      }
      auto made = Registry<Augmentation>::Get().Create(choice, at);
      if (made == nullptr) continue;
      if (choice.has_probability()) {
        Require(choice.probability() >= 0 && choice.probability() <= 1, at, "probability", "in [0, 1]",
                choice.probability());
      } else {
        choice.set_probability(made->default_probability());
      }
      all_.push_back({.augmentation = std::move(made), .probability = choice.probability()});
      all_.back().image = dynamic_cast<const ImageAugmentation*>(all_.back().augmentation.get());
      all_.back().affine = dynamic_cast<const AffineAugmentation*>(all_.back().augmentation.get());
      all_.back().batch = dynamic_cast<const BatchAugmentation*>(all_.back().augmentation.get());
      configs_.push_back(choice);
    }
    std::vector<double> weights(config.weights().begin(), config.weights().end());
    if (weights.empty()) weights.assign(all_.size(), 1);
    const double sum = std::accumulate(weights.begin(), weights.end(), 0.0);
    double end = 0;
    for (size_t i = 0; i < std::min(all_.size(), weights.size()); ++i) all_[i].end = (end += weights[i] / sum);
  }

  struct Choice {
    std::unique_ptr<Augmentation> augmentation;
    double probability;  // That it changes anything once it is drawn.
    double end = 1;      // Of its part of [0, 1).
    const ImageAugmentation* image = nullptr;
    const AffineAugmentation* affine = nullptr;
    const BatchAugmentation* batch = nullptr;
  };
  const Choice& Pick(Draw& draw) const {
    const double place = draw.Unit();
    size_t i = 0;
    while (i + 1 < all_.size() && place >= all_[i].end) ++i;
    return all_[i];
  }
  const std::vector<Choice>& all() const { return all_; }

  void SetShape(const Shape& shape, const FieldErrors& errors) {
    for (size_t i = 0; i < all_.size(); ++i) {
      const FieldErrors at = AtKind(configs_[i], errors.At("choices", static_cast<int>(i)));
      if (all_[i].augmentation->SetShape(shape, at) != shape) {
        at.Add("changes the size of images, and one_of may draw another choice: put it into the list itself");
      }
    }
  }
  void Fit(const TrainingExamples& examples, int64_t pixels) {
    for (Choice& choice : all_) {
      if (choice.augmentation->needs_fit()) choice.augmentation->Fit(examples, pixels);
    }
  }
  bool needs_fit() const {
    return std::any_of(all_.begin(), all_.end(), [](const Choice& one) { return one.augmentation->needs_fit(); });
  }
  std::vector<std::string> warnings() const {
    std::vector<std::string> all;
    for (size_t i = 0; i < all_.size(); ++i) {
      for (const std::string& warning : all_[i].augmentation->warnings()) {
        all.push_back(absl::StrCat("one_of.choices[", i, "]: ", warning));
      }
    }
    return all;
  }
  // Under names like "choices.0.mean".
  std::vector<Tensor> parameters() const {
    return Named([](const Augmentation& one) { return one.parameters(); });
  }
  std::vector<Tensor> parameter_shapes() const {
    return Named([](const Augmentation& one) { return one.parameter_shapes(); });
  }
  void SetParameters(absl::Span<const Tensor> parameters) {
    for (Choice& choice : all_) {
      const size_t own = choice.augmentation->parameter_shapes().size();
      if (own > 0) choice.augmentation->SetParameters(parameters.first(own));
      parameters.remove_prefix(own);
    }
  }

 private:
  template <class Get>
  std::vector<Tensor> Named(const Get& get) const {
    std::vector<Tensor> all;
    for (size_t i = 0; i < all_.size(); ++i) {
      for (Tensor& tensor : get(*all_[i].augmentation)) {
        tensor.name = absl::StrCat("choices.", i, ".", tensor.name);
        all.push_back(std::move(tensor));
      }
    }
    return all;
  }

  std::vector<Choice> all_;
  std::vector<v1::Augmentation> configs_;
};

// What is the same for both kinds.
template <class Base>
class OneOfThem : public Base {
 public:
  explicit OneOfThem(Choices choices) : choices_(std::move(choices)) {}

  Shape SetShape(const Shape& shape, const FieldErrors& errors) override {
    choices_.SetShape(shape, errors);
    return shape;
  }
  bool needs_fit() const override { return choices_.needs_fit(); }
  void Fit(const TrainingExamples& examples, int64_t pixels) override { choices_.Fit(examples, pixels); }
  std::vector<std::string> warnings() const override { return choices_.warnings(); }
  std::vector<Tensor> parameters() const override { return choices_.parameters(); }
  std::vector<Tensor> parameter_shapes() const override { return choices_.parameter_shapes(); }
  void SetParameters(absl::Span<const Tensor> parameters) override { choices_.SetParameters(parameters); }

 protected:
  Choices choices_;
};

class OneOfImages final : public OneOfThem<ImageAugmentation> {
 public:
  using OneOfThem::OneOfThem;
  void Apply(Draw& draw, Workspace& work) const override {
    const Choices::Choice& choice = choices_.Pick(draw);
    if (draw.Unit() >= choice.probability) return;
    if (choice.image != nullptr) return choice.image->Apply(draw, work);
    const Affine map = choice.affine->Map(draw, work.image.height, work.image.width);
    work.ShapeSpare(work.image.height, work.image.width);
    Warp(work.image, choice.affine->border(), map, work.spare);
    std::swap(work.image, work.spare);
  }
};

class OneOfBlends final : public OneOfThem<BatchAugmentation> {
 public:
  // No example, and not the whole step either: the choice is drawn apart from what it draws itself.
  static constexpr uint32_t kChoice = Draw::kWholeStep - 1;

  using OneOfThem::OneOfThem;
  bool needs_pixels() const override {
    return std::any_of(choices_.all().begin(), choices_.all().end(),
                       [](const Choices::Choice& one) { return one.batch->needs_pixels(); });
  }
  void Blend(const RandomStream& stream, uint64_t step, double probability, const Minibatch& from, const Minibatch& to,
             Pairing& pairing) const override {
    Draw draw(stream, step, kChoice);
    const Choices::Choice& choice = choices_.Pick(draw);
    const bool blends = draw.Unit() < probability;
    choice.batch->Blend(stream, step, blends ? choice.probability : 0, from, to, pairing);
  }
};

void CheckOneOf(const v1::OneOf& config, const FieldErrors& errors) {
  const int n = config.choices_size();
  if (n < 2 || n > kMostChoices) errors.At("choices").Add(absl::StrCat("must be 2 to ", kMostChoices, ", not ", n));
  if (config.weights_size() == 0) return;
  if (config.weights_size() != n) {
    errors.At("weights").Add(absl::StrCat("has ", config.weights_size(), " numbers for ", n, " choices"));
    return;
  }
  double sum = 0;
  for (int i = 0; i < n; ++i) {
    const double weight = config.weights(i);
    if (!(weight >= 0 && IsFiniteFloat(weight))) {
      errors.At("weights", i).Add(absl::StrCat("must be finite and at least 0, not ", weight));
    }
    sum += weight;
  }
  if (sum == 0) errors.At("weights").Add("must not all be 0");
}

const Registered<Augmentation, v1::OneOf> kOneOf(
    "One of several augmentations, drawn for each example; of mixup and cutmix for each step.",
    [](v1::OneOf& config, const FieldErrors& errors) -> std::unique_ptr<Augmentation> {
      const int before = errors.count();
      CheckOneOf(config, errors);
      if (config.choices_size() > kMostChoices) return nullptr;
      Choices choices(config, errors);
      if (errors.count() > before) return nullptr;
      const auto blends = std::count_if(choices.all().begin(), choices.all().end(),
                                        [](const Choices::Choice& one) { return one.batch != nullptr; });
      if (blends == 0) return std::make_unique<OneOfImages>(std::move(choices));
      if (blends == config.choices_size()) return std::make_unique<OneOfBlends>(std::move(choices));
      errors.At("choices").Add(
          "mixes what changes an image with what blends a minibatch (mixup, cutmix): give each sort a one_of of its "
          "own");
      return nullptr;
    });

}  // namespace
}  // namespace traind::core
