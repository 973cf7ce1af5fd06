// y = a b, value by value, or with one factor b_c for each channel of a. da = dy b; db = dy a, for a factor summed over
// the channel's positions.
#include <algorithm>
#include <memory>
#include <string_view>

#include "absl/strings/str_cat.h"
#include "core/base/bfloat16.h"
#include "core/base/parallel.h"
#include "core/base/vectorize.h"
#include "core/kinds/checks.h"
#include "core/kinds/placed_value.h"
#include "core/kinds/values.h"
#include "core/onednn/desc.h"
#include "core/tensor/layout.h"

namespace traind::core {
namespace {

using onednn::Type;

template <class T>
TRAIND_VECTORIZED void MultiplyRuns(const T* a, const T* b, T* y, int64_t n) {
  for (int64_t i = 0; i < n; ++i) y[i] = FromFloat<T>(ToFloat(a[i]) * ToFloat(b[i]));
}

template <class T>
TRAIND_VECTORIZED void MultiplyByOne(const T* a, float b, T* y, int64_t n) {
  for (int64_t i = 0; i < n; ++i) y[i] = FromFloat<T>(ToFloat(a[i]) * b);
}

template <class T>
TRAIND_VECTORIZED float ProductOfRuns(const T* a, const T* b, int64_t n) {
  float sum = 0;
#pragma omp simd reduction(+ : sum)
  for (int64_t i = 0; i < n; ++i) sum += ToFloat(a[i]) * ToFloat(b[i]);
  return sum;
}

template <class T>
TRAIND_VECTORIZED void AddProducts(const T* a, const T* b, int64_t n, float* sums) {
  for (int64_t c = 0; c < n; ++c) sums[c] += ToFloat(a[c]) * ToFloat(b[c]);
}

// y = a b of two tensors of one layout; zeros in the padding of both give zeros.
template <class T>
void Product(const Frame& frame, Value a, Value b, Value y, int64_t n) {
  ParallelFor(n, kValueGrain, [&](int64_t begin, int64_t end, int) {
    MultiplyRuns(frame.at<T>(a) + begin, frame.at<T>(b) + begin, frame.at<T>(y) + begin, end - begin);
  });
}

// y = a times factor[n, c], plain.
template <class T>
void Scale(const Layout& layout, const T* a, const T* factor, T* y) {
  const int64_t slab = layout.spatial * layout.width;
  ParallelFor(layout.batch * layout.blocks, GrainFor(slab), [&](int64_t begin, int64_t end, int) {
    for (int64_t i = begin; i < end; ++i) {
      const int64_t example = i / layout.blocks, block = i % layout.blocks;
      const T* by = factor + example * layout.channels + block * layout.width;
      const int64_t valid = layout.block_width(block);
      if (layout.width == 1) {
        MultiplyByOne(a + i * slab, ToFloat(*by), y + i * slab, slab);
        continue;
      }
      for (int64_t s = 0, row = i * slab; s < layout.spatial; ++s, row += layout.width) {
        MultiplyRuns(a + row, by, y + row, valid);
        for (int64_t c = valid; c < layout.width; ++c) y[row + c] = T{};
      }
    }
  });
}

// Columns whose sums are on the stack.
constexpr int64_t kColumnRange = 64;

// sums[n, c] = sum over the positions of a b.
template <class T>
void SumProducts(const Layout& layout, const T* a, const T* b, T* sums) {
  const int64_t slab = layout.spatial * layout.width;
  ParallelFor(layout.batch * layout.blocks, GrainFor(slab), [&](int64_t begin, int64_t end, int) {
    for (int64_t i = begin; i < end; ++i) {
      const int64_t example = i / layout.blocks, block = i % layout.blocks, valid = layout.block_width(block);
      T* to = sums + example * layout.channels + block * layout.width;
      if (layout.width == 1) {
        *to = FromFloat<T>(ProductOfRuns(a + i * slab, b + i * slab, slab));
        continue;
      }
      for (int64_t first = 0; first < valid; first += kColumnRange) {
        const int64_t n = std::min(kColumnRange, valid - first);
        float totals[kColumnRange] = {};
        for (int64_t s = 0, row = i * slab + first; s < layout.spatial; ++s, row += layout.width) {
          AddProducts(a + row, b + row, n, totals);
        }
        for (int64_t c = 0; c < n; ++c) to[first + c] = FromFloat<T>(totals[c]);
      }
    }
  });
}

// The values of one step: two tensors of one layout, or one and the factors of its channels.
struct Factors {
  Layout layout;
  Value a, b;
  bool channels = false;
};

template <class T>
void RunProduct(const Frame& frame, const Factors& v, Value from, Value by, Value to) {
  if (!v.channels) return Product<T>(frame, from, by, to, v.layout.stored_elements());
  Scale(v.layout, frame.at<T>(from), frame.at<T>(by), frame.at<T>(to));
}

void AddProduct(Planner& planner, std::string_view label, const Factors& v, Value from, Value by, Value to) {
  planner.Run(label, {from, by}, {to}, [=](const Frame& frame) {
    v.layout.type == Type::bf16 ? RunProduct<Bfloat16>(frame, v, from, by, to)
                                : RunProduct<float>(frame, v, from, by, to);
  });
}

void AddFactorGradient(Planner& planner, const Factors& v, Value gradient, Value to) {
  planner.Run("factor gradient", {v.a, gradient}, {to}, [=](const Frame& frame) {
    v.layout.type == Type::bf16
        ? SumProducts(v.layout, frame.at<Bfloat16>(v.a), frame.at<Bfloat16>(gradient), frame.at<Bfloat16>(to))
        : SumProducts(v.layout, frame.at<float>(v.a), frame.at<float>(gradient), frame.at<float>(to));
  });
}

class MultiplyLayer : public Layer {
 public:
  LayerShape Infer(absl::Span<const Shape> inputs, const FieldErrors& errors) const override {
    LayerShape shape;
    if (inputs.size() != 2) {
      errors.Add(absl::StrCat("needs two inputs, not ", inputs.size()));
      return shape;
    }
    if (inputs[1] != inputs[0] && inputs[1] != Shape{inputs[0][0]}) {
      errors.Add(absl::StrCat("needs inputs of one shape, or one factor for each channel: the first is ",
                              ToString(inputs[0]), ", the second ", ToString(inputs[1])));
    }
    shape.output = inputs[0];
    shape.forward_flops = CheckedFlops(Elements(inputs[0]), 0, 1, errors);
    return shape;
  }

  absl::StatusOr<BackwardPlan> Plan(Planner& planner) const override {
    const PlacedValue a = PlacedChannels(planner);
    const dnnl::memory::desc desc = planner.Desc(a.value);
    Factors v{.layout = a.layout, .a = a.value, .b = {}, .channels = planner.InputShape(0) != planner.InputShape(1)};
    const dnnl::memory::desc by =
        v.channels ? onednn::Plain({planner.batch(), a.layout.channels}, a.layout.type) : desc;
    v.b = planner.In(planner.Reshaped(planner.Input(1), by), by);
    const Value y = planner.New(desc);
    AddProduct(planner, "product", v, v.a, v.b, y);
    planner.SetOutput(y);
    return BackwardPlan([v, desc, by](Planner& back) {
      const Value dy = GradientAs(back, desc);
      if (back.NeedsInputGradient(0)) {
        const Value da = back.New(desc);
        AddProduct(back, "product gradient", v, dy, v.b, da);
        GiveInputGradient(back, 0, da);
      }
      if (back.NeedsInputGradient(1)) {
        const Value db = back.New(by);
        v.channels ? AddFactorGradient(back, v, dy, db) : AddProduct(back, "product gradient", v, dy, v.a, db);
        GiveInputGradient(back, 1, db);
      }
      return absl::OkStatus();
    });
  }
};

const Registered<Layer, v1::Multiply> kMultiply("The product of two inputs, value by value or channel by channel.",
                                                [](v1::Multiply&, const FieldErrors&) {
                                                  return std::make_unique<MultiplyLayer>();
                                                });

}  // namespace
}  // namespace traind::core
