// A learned vector before the first position: [features, length] -> [features, length + 1] (Devlin et al. 2019;
// Dosovitskiy et al. 2021). Its gradient is the sum over the examples of that of its position.
#include <algorithm>
#include <memory>

#include "core/base/bfloat16.h"
#include "core/base/parallel.h"
#include "core/kinds/checks.h"
#include "core/kinds/values.h"
#include "core/layers/positions.h"
#include "core/onednn/onednn.h"

namespace traind::core {
namespace {

// `each` values of an example behind `features` of the token.
template <class T>
void PutToken(const Frame& frame, int64_t batch, int64_t features, int64_t each, Value x, Value token, Value y) {
  ParallelFor(batch, GrainFor(features + each), [&](int64_t begin, int64_t end, int) {
    const float* w = frame.at<float>(token);
    for (int64_t n = begin; n < end; ++n) {
      T* to = frame.at<T>(y) + n * (features + each);
      for (int64_t f = 0; f < features; ++f) to[f] = FromFloat<T>(w[f]);
      std::copy_n(frame.at<T>(x) + n * each, each, to + features);
    }
  });
}

template <class T>
void DropToken(const Frame& frame, int64_t batch, int64_t features, int64_t each, Value dy, Value dx) {
  ParallelFor(batch, GrainFor(each), [&](int64_t begin, int64_t end, int) {
    for (int64_t n = begin; n < end; ++n) {
      std::copy_n(frame.at<T>(dy) + n * (features + each) + features, each, frame.at<T>(dx) + n * each);
    }
  });
}

class ClassTokenLayer : public Layer {
 public:
  explicit ClassTokenLayer(const v1::ClassToken& config) : config_(config) {}

  LayerShape Infer(absl::Span<const Shape> inputs, const FieldErrors& errors) const override {
    LayerShape shape;
    const Shape* input = SingleSequence(inputs, errors);
    if (input == nullptr) return shape;
    shape.output = {(*input)[0], (*input)[1] + 1};
    shape.parameters.push_back({.name = "weight", .shape = {(*input)[0]}, .initializer = config_.weight_init()});
    return shape;
  }

  LayerTraits traits() const override { return {.linear = true}; }

  absl::StatusOr<BackwardPlan> Plan(Planner& planner) const override {
    const Shape input = planner.InputShape(), output = planner.OutputShape();
    const int64_t features = input[0], each = Elements(input), batch = planner.batch();
    const bool bf16 = planner.compute_type() == onednn::Type::bf16;
    const dnnl::memory::desc vector = onednn::Plain({features}, onednn::Type::f32);
    const Value x = RowsOf(planner, planner.Input());
    const Value token = planner.Parameter("weight", vector);
    const Value y = planner.New(onednn::Plain({batch * output[1], features}, planner.compute_type()));
    planner.Run("class token", {x, token}, {y}, [=](const Frame& frame) {
      bf16 ? PutToken<Bfloat16>(frame, batch, features, each, x, token, y)
           : PutToken<float>(frame, batch, features, each, x, token, y);
    });
    planner.SetOutput(FromRows(planner, y, output));
    return BackwardPlan([=](Planner& back) {
      const Value dy = GradientRows(back, output);
      AddSumOverExamples(back, {.value = dy, .stride = features + each}, features,
                         back.ParameterGradient("weight", vector));
      if (!back.NeedsInputGradient()) return absl::OkStatus();
      const Value dx = back.New(back.Desc(x));
      back.Run("class token gradient", {dy}, {dx}, [=](const Frame& frame) {
        bf16 ? DropToken<Bfloat16>(frame, batch, features, each, dy, dx)
             : DropToken<float>(frame, batch, features, each, dy, dx);
      });
      GiveInputGradient(back, 0, FromRows(back, dx, input));
      return absl::OkStatus();
    });
  }

 private:
  const v1::ClassToken config_;
};

const Registered<Layer, v1::ClassToken> kClassToken(
    "Puts a learned vector before the first position of a sequence.",
    [](v1::ClassToken& config, const FieldErrors& errors) -> std::unique_ptr<Layer> {
      const int before = errors.count();
      ResolveInitializer(config.mutable_weight_init(), PositionInitializer(), errors.At("weight_init"));
      return errors.count() > before ? nullptr : std::make_unique<ClassTokenLayer>(config);
    });

}  // namespace
}  // namespace traind::core
