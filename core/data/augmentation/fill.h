// What stands where cutout and random_erasing have covered an image: learned from the training split, by channel.
#pragma once

#include <cstdint>
#include <vector>

#include "core/kinds/augmentation.h"

namespace traind::core {

class Fill {
 public:
  explicit Fill(v1::Cutout::Fill kind) : kind_(kind) {}

  void SetChannels(int64_t channels);
  bool needs_fit() const { return kind_ != v1::Cutout::FILL_ZERO; }
  void Fit(const TrainingExamples& examples, int64_t pixels);
  std::vector<Tensor> parameters() const;
  std::vector<Tensor> parameter_shapes() const;
  void SetParameters(absl::Span<const Tensor> parameters);

  // Covers the rows [top, bottom) and columns [left, right), which lie within the image.
  void Cover(Draw& draw, const ImageView& image, int64_t top, int64_t bottom, int64_t left, int64_t right) const;

 private:
  // A part of a row of channel `c`; zero, where nothing was fitted.
  template <class T>
  void CoverRow(Draw& draw, int64_t c, T* row, int64_t n) const;

  const v1::Cutout::Fill kind_;
  int64_t channels_ = 0;
  std::vector<float> mean_;  // By channel, as are the stored pixels.
  std::vector<float> std_;
};

// An augmentation that covers parts of an image, and keeps its size.
class CoveringAugmentation : public ImageAugmentation {
 public:
  explicit CoveringAugmentation(v1::Cutout::Fill kind) : fill_(kind) {}

  Shape SetShape(const Shape& shape, const FieldErrors& /*errors*/) override {
    fill_.SetChannels(shape[0]);
    return shape;
  }
  bool needs_fit() const override { return fill_.needs_fit(); }
  void Fit(const TrainingExamples& examples, int64_t pixels) override { fill_.Fit(examples, pixels); }
  std::vector<Tensor> parameters() const override { return fill_.parameters(); }
  std::vector<Tensor> parameter_shapes() const override { return fill_.parameter_shapes(); }
  void SetParameters(absl::Span<const Tensor> parameters) override { fill_.SetParameters(parameters); }

 protected:
  const Fill& fill() const { return fill_; }

 private:
  Fill fill_;
};

// Puts `fallback` where nothing is said; a value this build does not know is a violation of the field `fill`.
template <class Config>
void ResolveFill(Config& config, v1::Cutout::Fill fallback, const FieldErrors& errors) {
  if (!v1::Cutout::Fill_IsValid(config.fill())) errors.At("fill").Add("must be MEAN, ZERO or NOISE");
  if (config.fill() == v1::Cutout::FILL_UNSPECIFIED) config.set_fill(fallback);
}

}  // namespace traind::core
