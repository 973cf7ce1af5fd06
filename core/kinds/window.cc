#include "core/kinds/window.h"

#include <algorithm>
#include <optional>

#include "absl/strings/str_cat.h"

namespace traind::core {
namespace {

// No image is larger; products of such numbers fit an int64_t.
constexpr uint32_t kMaxSize = 1 << 20;

// One value for both directions, or two; at least 1. `fallback` where none is given.
std::array<int64_t, 2> ResolvePair(google::protobuf::RepeatedField<uint32_t>& values,
                                   const std::optional<std::array<int64_t, 2>>& fallback, const FieldErrors& errors) {
  if (values.empty() && fallback) {
    values.Add(static_cast<uint32_t>((*fallback)[0]));
    values.Add(static_cast<uint32_t>((*fallback)[1]));
    return *fallback;
  }
  if (values.empty()) {
    errors.Add("is required: one value for a square, or height and width");
    return {1, 1};
  }
  if (values.size() > 2) {
    errors.Add(absl::StrCat("takes one value for a square, or height and width, not ", values.size(), " values"));
    return {1, 1};
  }
  for (uint32_t value : values) {
    if (value >= 1 && value <= kMaxSize) continue;
    errors.Add(absl::StrCat("must be 1 to ", kMaxSize, ", not ", value));
    return {1, 1};
  }
  if (values.size() == 1) values.Add(values.Get(0));
  return {values.Get(0), values.Get(1)};
}

void ResolvePadding(v1::Padding& padding, bool pooling, Window& window, const FieldErrors& errors) {
  auto& amount = *padding.mutable_amount();
  switch (padding.mode()) {
    case v1::Padding::MODE_SAME:
      window.same = true;
      [[fallthrough]];
    case v1::Padding::MODE_VALID:
      if (!amount.empty()) errors.At("amount").Add("contradicts the mode, which says how much");
      return;
    case v1::Padding::MODE_UNSPECIFIED:
      break;
    default:
      errors.At("mode").Add(absl::StrCat("must be VALID or SAME, not ", static_cast<int>(padding.mode())));
      return;
  }
  if (amount.empty()) {
    padding.set_mode(v1::Padding::MODE_VALID);
    return;
  }
  if (amount.size() != 1 && amount.size() != 2 && amount.size() != 4) {
    errors.At("amount").Add(absl::StrCat("takes one value; height and width; or top, bottom, left and right, not ",
                                         amount.size(), " values"));
    return;
  }
  if (amount.size() == 1) amount.Add(amount.Get(0));
  if (amount.size() == 2) {
    const uint32_t height = amount.Get(0);
    const uint32_t width = amount.Get(1);
    amount.Clear();
    for (uint32_t value : {height, height, width, width}) amount.Add(value);
  }
  for (int i = 0; i < 4; ++i) {
    const int64_t kernel = window.kernel[i / 2];
    if (pooling && amount.Get(i) >= kernel) {
      errors.At("amount").Add(absl::StrCat("must be smaller than the kernel, ", kernel, ", not ", amount.Get(i)));
      return;
    }
    if (amount.Get(i) > kMaxSize) {
      errors.At("amount").Add(absl::StrCat("must be at most ", kMaxSize, ", not ", amount.Get(i)));
      return;
    }
    (i % 2 == 0 ? window.padding_begin : window.padding_end)[i / 2] = amount.Get(i);
  }
}

}  // namespace

PlacedWindow Window::Place(const Shape& input) const {
  PlacedWindow placed{.padding_begin = padding_begin, .padding_end = padding_end, .output = {}};
  for (int axis = 0; axis < 2; ++axis) {
    const int64_t size = input[axis + 1];
    if (same) {
      const int64_t output = (size + stride[axis] - 1) / stride[axis];
      const int64_t padding = std::max<int64_t>((output - 1) * stride[axis] + extent(axis) - size, 0);
      placed.padding_begin[axis] = padding / 2;
      placed.padding_end[axis] = padding - padding / 2;
    }
    const int64_t room = size + placed.padding_begin[axis] + placed.padding_end[axis] - extent(axis);
    placed.output[axis] = room < 0 ? 0 : room / stride[axis] + 1;
    // One window more where the last one leaves something over, unless it would begin behind the input.
    if (!ceil || room < 0 || room % stride[axis] == 0) continue;
    const int64_t begin = placed.output[axis] * stride[axis];
    if (begin >= size + placed.padding_begin[axis]) continue;
    ++placed.output[axis];
    placed.overhang[axis] = std::max<int64_t>(begin - room, 0);
    placed.padding_end[axis] += placed.overhang[axis];
  }
  return placed;
}

PlacedWindow Window::Place(const Shape& input, const FieldErrors& errors) const {
  const PlacedWindow placed = Place(input);
  for (int axis = 0; axis < 2; ++axis) {
    if (placed.output[axis] >= 1) continue;
    errors.At("kernel").Add(absl::StrCat("reaches over ", extent(axis), axis == 0 ? " rows" : " columns",
                                         ", more than the input ", ToString(input), " has with its padding"));
  }
  return placed;
}

Window ResolveWindow(const WindowFields& fields, const FieldErrors& errors) {
  const std::array<int64_t, 2> ones = {1, 1};
  const bool pooling = fields.dilation == nullptr;
  Window window;
  window.kernel = ResolvePair(*fields.kernel, std::nullopt, errors.At("kernel"));
  window.stride = ResolvePair(*fields.stride, pooling ? window.kernel : ones, errors.At("stride"));
  if (!pooling) window.dilation = ResolvePair(*fields.dilation, ones, errors.At("dilation"));
  ResolvePadding(*fields.padding, pooling, window, errors.At("padding"));
  return window;
}

}  // namespace traind::core
