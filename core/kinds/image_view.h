// One image on its way to the network: [channels, height, width], bytes as long as they are bytes. Refers to memory
// that somebody else owns.
#pragma once

#include <algorithm>
#include <cstdint>
#include <utility>

#include "core/tensor/tensor.h"
#include "traind/v1/dataset.pb.h"

namespace traind::core {

struct ImageView {
  v1::ElementType type = v1::ELEMENT_TYPE_UINT8;  // Or FLOAT32.
  int64_t channels = 0;
  int64_t height = 0;
  int64_t width = 0;
  void* data = nullptr;

  template <class T>
  T* pixels() const {
    return static_cast<T*>(data);
  }
  int64_t plane() const { return height * width; }
  int64_t elements() const { return channels * plane(); }
  int64_t bytes() const { return elements() * (type == v1::ELEMENT_TYPE_UINT8 ? 1 : int64_t{sizeof(float)}); }
};

// Calls body(T{}) with the type of the pixels.
template <class Body>
void WithPixelType(v1::ElementType type, const Body& body) {
  type == v1::ELEMENT_TYPE_UINT8 ? body(uint8_t{}) : body(float{});
}

// The nearest value that a pixel can have.
template <class T>
inline T ToPixel(float x);
template <>
inline float ToPixel<float>(float x) {
  return x;
}
template <>
inline uint8_t ToPixel<uint8_t>(float x) {
  const float above = std::min(std::max(0.0f, x), 255.0f) + 0.5f;  // Positive, so cutting it off rounds.
  return static_cast<uint8_t>(static_cast<int32_t>(above));
}

}  // namespace traind::core
