// Elementwise activations. A kind states its function and derivative as a small struct:
//
//   struct Tanh {
//     static constexpr auto kSource = Activation::Source::kOutput;                      // What Derivative() takes.
//     TRAIND_INLINE float Forward(float x) const { ... }
//     TRAIND_INLINE float Derivative(float y) const { ... }
//   };
//
// and gets, from Elementwise<Tanh>, shape inference, planning, vectorized loops over float32 and bfloat16 in every
// layout, and the statistics. Padding of blocked layouts is neither read nor written by the loops (their output's
// padding is cleared), since f(0) need not be 0.
#pragma once

#include <atomic>
#include <optional>
#include <utility>

#include "core/activations/elementwise_loops.h"
#include "core/kinds/activation.h"
#include "core/kinds/placed_value.h"
#include "core/kinds/planner.h"
#include "core/kinds/values.h"

namespace traind::core {

// What an elementwise activation says about itself beside its function: see Activation and LayerTraits.
struct ElementwiseTraits {
  std::optional<Activation::PostOp> post_op;
  bool is_relu = false;
  bool can_die = false;
  bool homogeneous = false;
};

template <class Function>
class Elementwise final : public Activation {
 public:
  explicit Elementwise(Function function, ElementwiseTraits traits = {}) : function_(function), traits_(traits) {}

  LayerShape Infer(absl::Span<const Shape> inputs, const FieldErrors& /*errors*/) const override {
    return {.output = inputs[0], .parameters = {}, .forward_flops = Elements(inputs[0])};
  }

  absl::StatusOr<BackwardPlan> Plan(Planner& planner) const override {
    const PlacedValue x = PlacedInput(planner);
    const Value y = planner.New(planner.Desc(x.value));
    planner.Run("activation", {x.value}, {y},
                [this, x, y](const Frame& frame) { Forward(x.layout, frame.at(x.value), frame.at(y)); });
    planner.SetOutput(y);
    if (!planner.training()) return BackwardPlan();
    const Value source = Function::kSource == Source::kInput ? x.value : y;
    return BackwardPlan([this, source, layout = x.layout](Planner& backward) {
      if (!backward.NeedsInputGradient()) return absl::OkStatus();
      const Value dy = GradientAs(backward, backward.Desc(source));
      const Value dx = backward.New(backward.Desc(source));
      backward.Run("activation", {source, dy}, {dx}, [this, layout, source, dy, dx](const Frame& frame) {
        Backward(layout, frame.at(source), frame.at(dy), frame.at(dx));
      });
      backward.SetInputGradient(0, dx);
      return absl::OkStatus();
    });
  }

  LayerTraits traits() const override { return {.homogeneous = traits_.homogeneous}; }
  std::optional<PostOp> post_op() const override { return traits_.post_op; }
  bool is_relu() const override { return traits_.is_relu; }
  bool can_die() const override { return traits_.can_die; }
  std::optional<Source> derivative_source() const override { return Function::kSource; }

  void Backward(const Layout& layout, const void* v, const void* dy, void* dx) const override {
    const auto run = [&](auto zero) {
      using T = decltype(zero);
      ForEachRun(layout, static_cast<T*>(dx), [&](int64_t offset, int64_t n) {
        BackwardLoop(function_, static_cast<const T*>(v) + offset, static_cast<const T*>(dy) + offset,
                     static_cast<T*>(dx) + offset, n);
      });
    };
    layout.type == dnnl::memory::data_type::bf16 ? run(Bfloat16{}) : run(float{});
  }

  int64_t CountSaturated(const Layout& layout, const void* v) const override {
    const auto run = [&](auto zero) {
      using T = decltype(zero);
      std::atomic<int64_t> count = 0;
      ForEachRun(layout, static_cast<T*>(nullptr), [&](int64_t offset, int64_t n) {
        count += CountLoop(function_, static_cast<const T*>(v) + offset, n);
      });
      return count.load();
    };
    return layout.type == dnnl::memory::data_type::bf16 ? run(Bfloat16{}) : run(float{});
  }

 private:
  void Forward(const Layout& layout, const void* x, void* y) const {
    const auto run = [&](auto zero) {
      using T = decltype(zero);
      ForEachRun(layout, static_cast<T*>(y), [&](int64_t offset, int64_t n) {
        ForwardLoop(function_, static_cast<const T*>(x) + offset, static_cast<T*>(y) + offset, n);
      });
    };
    layout.type == dnnl::memory::data_type::bf16 ? run(Bfloat16{}) : run(float{});
  }

  const Function function_;
  const ElementwiseTraits traits_;
};

}  // namespace traind::core
