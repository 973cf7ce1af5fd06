// y_t = x_t + p_t for each position t of a sequence [features, length]: p learned, or the sines and cosines of Vaswani
// et al. 2017 (section 3.5). The gradient passes as it is; that of p is its sum over the examples.
#include <cmath>
#include <memory>

#include "core/base/bfloat16.h"
#include "core/base/parallel.h"
#include "core/base/vectorize.h"
#include "core/kinds/checks.h"
#include "core/kinds/values.h"
#include "core/layers/positions.h"
#include "core/onednn/onednn.h"

namespace traind::core {
namespace {

template <class T>
TRAIND_VECTORIZED void AddPositions(const T* __restrict x, const float* __restrict p, int64_t n, T* __restrict y) {
  for (int64_t i = 0; i < n; ++i) y[i] = FromFloat<T>(ToFloat(x[i]) + p[i]);
}

template <class T>
void RunAddPositions(const Frame& frame, int64_t batch, int64_t each, Value x, Value p, Value y) {
  ParallelFor(batch, GrainFor(each), [&](int64_t begin, int64_t end, int) {
    for (int64_t n = begin; n < end; ++n) {
      AddPositions(frame.at<T>(x) + n * each, frame.at<float>(p), each, frame.at<T>(y) + n * each);
    }
  });
}

// p[t, 2 i] = sin(t / 10000^(2 i / features)), p[t, 2 i + 1] the cosine of the same.
void FillSinusoids(int64_t length, int64_t features, float* p) {
  ParallelFor(features, 1, [&](int64_t begin, int64_t end, int) {
    for (int64_t f = begin; f < end; ++f) {
      const double period = std::pow(10000.0, static_cast<double>(f - f % 2) / static_cast<double>(features));
      for (int64_t t = 0; t < length; ++t) {
        const double angle = static_cast<double>(t) / period;
        p[t * features + f] = static_cast<float>(f % 2 == 0 ? std::sin(angle) : std::cos(angle));
      }
    }
  });
}

class PositionalEmbeddingLayer : public Layer {
 public:
  explicit PositionalEmbeddingLayer(const v1::PositionalEmbedding& config) : config_(config) {}

  LayerShape Infer(absl::Span<const Shape> inputs, const FieldErrors& errors) const override {
    LayerShape shape;
    const Shape* input = SingleSequence(inputs, errors);
    if (input == nullptr) return shape;
    shape.output = *input;
    if (learned()) {
      shape.parameters.push_back(
          {.name = "weight", .shape = {(*input)[1], (*input)[0]}, .initializer = config_.weight_init()});
    }
    shape.forward_flops = CheckedFlops(Elements(*input), 0, 1, errors);
    return shape;
  }

  LayerTraits traits() const override { return {.linear = true}; }

  absl::StatusOr<BackwardPlan> Plan(Planner& planner) const override {
    const Shape input = planner.InputShape();
    const int64_t features = input[0], length = input[1], batch = planner.batch();
    const bool bf16 = planner.compute_type() == onednn::Type::bf16;
    const dnnl::memory::desc table = onednn::Plain({length, features}, onednn::Type::f32);
    const Value x = RowsOf(planner, planner.Input());
    Value p;
    if (learned()) {
      p = planner.Parameter("weight", table);
    } else {
      p = planner.New(table);
      planner.Run("sinusoids", {}, {p},
                  [=](const Frame& frame) { FillSinusoids(length, features, frame.at<float>(p)); });
    }
    const Value y = planner.New(planner.Desc(x));
    planner.Run("positions", {x, p}, {y}, [=](const Frame& frame) {
      bf16 ? RunAddPositions<Bfloat16>(frame, batch, length * features, x, p, y)
           : RunAddPositions<float>(frame, batch, length * features, x, p, y);
    });
    planner.SetOutput(FromRows(planner, y, input));
    return BackwardPlan([=, this](Planner& back) {
      const Value dy = GradientRows(back, input);
      if (learned()) {
        const Value dp = back.ParameterGradient("weight", table);
        AddSumOverExamples(back, {.value = dy, .stride = length * features}, length * features, dp);
      }
      if (back.NeedsInputGradient()) GiveInputGradient(back, 0, FromRows(back, dy, input));
      return absl::OkStatus();
    });
  }

 private:
  bool learned() const { return config_.form() != v1::PositionalEmbedding::FORM_SINUSOIDAL; }

  const v1::PositionalEmbedding config_;
};

const Registered<Layer, v1::PositionalEmbedding> kPositionalEmbedding(
    "Adds to each position a vector that says where it is.",
    [](v1::PositionalEmbedding& config, const FieldErrors& errors) -> std::unique_ptr<Layer> {
      const int before = errors.count();
      if (config.form() == v1::PositionalEmbedding::FORM_UNSPECIFIED) {
        config.set_form(v1::PositionalEmbedding::FORM_LEARNED);
      }
      if (config.form() == v1::PositionalEmbedding::FORM_LEARNED) {
        ResolveInitializer(config.mutable_weight_init(), PositionInitializer(), errors.At("weight_init"));
      } else if (config.form() != v1::PositionalEmbedding::FORM_SINUSOIDAL) {
        errors.At("form").Add("must be LEARNED or SINUSOIDAL");
      } else if (config.has_weight_init()) {
        errors.At("weight_init").Add("contradicts form: SINUSOIDAL, which has no weights");
      }
      return errors.count() > before ? nullptr : std::make_unique<PositionalEmbeddingLayer>(config);
    });

}  // namespace
}  // namespace traind::core
