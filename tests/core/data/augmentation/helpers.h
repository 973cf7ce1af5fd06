// Images in vectors, and one list of augmentations applied to them.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "core/data/augmentation/augmenter.h"
#include "tests/support/text_proto.h"

namespace traind::core {

inline Augmenter::Config ParseAugmentation(const std::vector<std::string>& texts) {
  Augmenter::Config config;
  for (const std::string& text : texts) *config.Add() = FromText<v1::Augmentation>(text);
  return config;
}

inline Augmenter MakeAugmenter(const std::vector<std::string>& texts, const Shape& shape) {
  Augmenter::Config config = ParseAugmentation(texts);
  FieldErrors::Root errors;
  Augmenter augmenter = Augmenter::Create(&config, &shape, errors.scope("data"));
  EXPECT_TRUE(errors.ok()) << errors.ToStatus();
  return augmenter;
}

template <class T>
ImageView ImageIn(const std::vector<T>& pixels, const Shape& shape) {
  return {sizeof(T) == 1 ? v1::ELEMENT_TYPE_UINT8 : v1::ELEMENT_TYPE_FLOAT32, shape[0], shape[1], shape[2],
          const_cast<T*>(pixels.data())};
}

template <class T>
std::vector<T> PixelsOf(const ImageView& image) {
  return {image.pixels<T>(), image.pixels<T>() + image.elements()};
}

// One augmenter at work on one image.
template <class T>
class Augmented {
 public:
  Augmented(const std::vector<std::string>& texts, const Shape& shape)
      : augmenter_(MakeAugmenter(texts, shape)), shape_(shape) {
    auto workspace =
        Augmenter::Workspace::For(augmenter_, sizeof(T) == 1 ? v1::ELEMENT_TYPE_UINT8 : v1::ELEMENT_TYPE_FLOAT32);
    EXPECT_TRUE(workspace.ok()) << workspace.status();
    workspace_ = *std::move(workspace);
  }
  std::vector<T> operator()(const std::vector<T>& pixels, uint32_t example, uint64_t step = 0, uint64_t seed = 1) {
    return PixelsOf<T>(augmenter_.Apply(ImageIn(pixels, shape_), {seed, step, example}, workspace_));
  }
  Augmenter& augmenter() { return augmenter_; }

 private:
  Augmenter augmenter_;
  Shape shape_;
  Augmenter::Workspace workspace_;
};

// Pixels that differ from each other as well as they can.
template <class T>
std::vector<T> Pattern(const Shape& shape) {
  std::vector<T> pixels(static_cast<size_t>(Elements(shape)));
  for (size_t i = 0; i < pixels.size(); ++i) pixels[i] = static_cast<T>((i * 37 + 11) % 251);
  return pixels;
}

}  // namespace traind::core
