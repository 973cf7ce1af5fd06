#include "core/data/augmentation/augmenter.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "core/base/kind.h"
#include "core/kinds/learned.h"

namespace traind::core {
namespace {

constexpr int kMaxAugmentations = 16;       // Far above use.
constexpr int64_t kStoredPerReport = 1024;  // Examples: milliseconds.
constexpr absl::string_view kAugmentationList = "augmentation";

RandomStream StreamAt(uint64_t seed, uint32_t place) { return RandomStream(seed, Purpose::kAugment, place); }

// The config of what stands at `place` of the list.
FieldErrors KindAt(const Augmenter::Config& config, uint32_t place, const FieldErrors& errors) {
  const auto index = static_cast<int>(place);
  return AtKind(config[index], errors.At("augmentation", index));
}

}  // namespace

Augmenter Augmenter::Create(Config* config, const Shape* example_shape, const FieldErrors& errors) {
  Augmenter augmenter;
  if (example_shape != nullptr) {
    augmenter.output_shape_ = augmenter.largest_ = *example_shape;
  }
  if (config->size() > kMaxAugmentations) {
    errors.At("augmentation").Add(absl::StrCat("at most ", kMaxAugmentations, " augmentations"));
    return augmenter;
  }
  for (int i = 0; i < config->size(); ++i) {
    augmenter.Add(*config->Mutable(i), i, example_shape == nullptr ? nullptr : &augmenter.output_shape_,
                  errors.At("augmentation", i));
  }
  // Augmentations of the minibatch come last, wherever they stand: they see the final shape.
  for (const Step& step : augmenter.batch_steps_) {
    if (example_shape == nullptr) break;
    augmenter.all_[step.place]->SetShape(augmenter.output_shape_, KindAt(*config, step.place, errors));
  }
  return augmenter;
}

void Augmenter::CheckPreprocessed(const Shape& shape, const Config& config, const FieldErrors& errors) const {
  for (const Step& step : batch_steps_) {
    if (!step.batch->needs_pixels() || shape == output_shape_) continue;
    KindAt(config, step.place, errors)
        .Add(absl::StrCat("needs pixels, and the preprocessing makes ", ToString(shape), " of the images ",
                          ToString(output_shape_), "; leave one of them out"));
  }
}

void Augmenter::Add(v1::Augmentation& config, int place, Shape* shape, const FieldErrors& errors) {
  auto made = Registry<Augmentation>::Get().Create(config, errors);
  if (config.has_probability()) {
    Require(config.probability() >= 0 && config.probability() <= 1, errors, "probability", "in [0, 1]",
            config.probability());
  } else if (made != nullptr) {
    config.set_probability(made->default_probability());
  }
  all_.push_back(std::move(made));
  Augmentation* const augmentation = all_.back().get();
  if (augmentation == nullptr) return;
  const Step step{.place = static_cast<uint32_t>(place),
                  .probability = config.probability(),
                  .image = dynamic_cast<const ImageAugmentation*>(augmentation),
                  .affine = dynamic_cast<const AffineAugmentation*>(augmentation),
                  .batch = dynamic_cast<const BatchAugmentation*>(augmentation)};
  if (step.batch != nullptr) {
    batch_steps_.push_back(step);
    return;
  }
  image_steps_.push_back(step);
  if (shape == nullptr) return;
  const FieldErrors field = AtKind(config, errors);
  if (shape->size() != 3) {
    field.Add(absl::StrCat("needs images [channels, height, width]; the examples are ", ToString(*shape)));
    return;
  }
  const Shape before = std::exchange(*shape, augmentation->SetShape(*shape, field));
  if (*shape != before && config.probability() != 1) {
    errors.At("probability").Add("must be 1 where the size changes: all images must have the same");
  }
  if (CheckedElements(*shape, kMaxExampleElements) < 0) {
    field.Add(absl::StrCat("makes images of ", ToString(*shape), ", more than 2^24 numbers"));
    *shape = before;
  }
  for (size_t i = 0; i < shape->size(); ++i) largest_[i] = std::max(largest_[i], (*shape)[i]);
}

absl::Status Augmenter::Fit(const RawExamples& examples, const std::function<void()>& progress) {
  const int64_t elements = examples.elements();
  std::vector<float> example(static_cast<size_t>(elements));
  const auto for_each = [&](const std::function<void(const float*)>& visit) {
    for (int64_t i = 0; i < examples.count; ++i) {
      if (i % kStoredPerReport == 0) progress();
      CopyAsFloats(examples.type, examples.at(i), elements, example.data());
      visit(example.data());
    }
  };
  const TrainingExamples training{
      .count = examples.count, .type = examples.type, .for_each = for_each, .progress = progress};
  for (const auto& augmentation : all_) {
    if (augmentation->needs_fit()) augmentation->Fit(training, elements / examples.shape[0]);
  }
  return CheckLearned(parameters());
}

std::vector<Tensor> Augmenter::parameters() const { return AllLearned(kAugmentationList, all_); }

absl::Status Augmenter::Load(absl::Span<const Tensor> tensors) { return LoadLearned(kAugmentationList, tensors, all_); }

absl::StatusOr<Augmenter::Workspace> Augmenter::Workspace::For(const Augmenter& augmenter, v1::ElementType type) {
  Workspace workspace;
  if (!augmenter.changes_images()) return workspace;
  const size_t size =
      static_cast<size_t>(Elements(augmenter.largest_)) * (type == v1::ELEMENT_TYPE_UINT8 ? 1 : sizeof(float));
  for (Buffer& buffer : workspace.buffers_) {
    buffer = Buffer(size);
    if (buffer.data() == nullptr) {
      return absl::ResourceExhaustedError(absl::StrCat("no memory for images of ", ToString(augmenter.largest_)));
    }
  }
  const Shape& largest = augmenter.largest_;
  workspace.images_.row.resize(static_cast<size_t>(largest[2]));
  workspace.images_.resampler.Reserve(largest[1], largest[2], largest[1], largest[2]);
  return workspace;
}

ImageView Augmenter::Apply(const ImageView& image, const Key& key, Workspace& workspace) const {
  ImageAugmentation::Workspace& work = workspace.images_;
  work.image = image;
  work.image.data = workspace.buffers_[0].data();
  work.spare.data = workspace.buffers_[1].data();
  std::memcpy(work.image.data, image.data, static_cast<size_t>(image.bytes()));
  Affine map;
  bool moves = false;
  for (size_t i = 0; i < image_steps_.size(); ++i) {
    const Step& step = image_steps_[i];
    // The first number decides whether the example is changed, so that how it is changed does not depend on the
    // probability.
    Draw draw(StreamAt(key.seed, step.place), key.step, key.example);
    const bool changes = draw.Unit() < step.probability;
    if (step.image != nullptr) {
      if (changes) step.image->Apply(draw, work);
      continue;
    }
    if (changes) {
      map = Compose(map, step.affine->Map(draw, work.image.height, work.image.width));
      moves = true;
    }
    // Maps in a row with the same border are one map.
    const AffineAugmentation* next = i + 1 < image_steps_.size() ? image_steps_[i + 1].affine : nullptr;
    if (next != nullptr && next->border() == step.affine->border()) continue;
    if (moves) {
      work.ShapeSpare(work.image.height, work.image.width);
      Warp(work.image, step.affine->border(), map, work.spare);
      std::swap(work.image, work.spare);
    }
    map = Affine();
    moves = false;
  }
  return work.image;
}

const Minibatch& Augmenter::Blend(const Minibatch& minibatch, const Minibatch& spare, const Key& key,
                                  BatchAugmentation::Pairing& pairing) const {
  const Minibatch* from = &minibatch;
  const Minibatch* to = &spare;
  for (const Step& step : batch_steps_) {
    step.batch->Blend(StreamAt(key.seed, step.place), key.step, step.probability, *from, *to, pairing);
    std::swap(from, to);
  }
  return *from;
}

}  // namespace traind::core
