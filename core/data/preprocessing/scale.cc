// y = x * factor + offset
#include <cmath>
#include <memory>

#include "core/base/vectorize.h"
#include "core/kinds/transform.h"

namespace traind::core {
namespace {

TRAIND_VECTORIZED void ScaleLoop(float* x, int64_t n, float factor, float offset) {
  for (int64_t i = 0; i < n; ++i) x[i] = x[i] * factor + offset;
}

class ScaleTransform final : public Transform {
 public:
  explicit ScaleTransform(const v1::Scale& config)
      : factor_(static_cast<float>(config.factor())), offset_(static_cast<float>(config.offset())) {}

  Shape SetShape(const Shape& shape, const FieldErrors& /*errors*/) override {
    features_ = Elements(shape);
    return shape;
  }
  bool centres() const override { return offset_ < 0; }
  void Apply(float* example) const override { ScaleLoop(example, features_, factor_, offset_); }

 private:
  const float factor_;
  const float offset_;
  int64_t features_ = 0;
};

const Registered<Transform, v1::Scale> kScale("x * factor + offset",
                                              [](v1::Scale& config,
                                                 const FieldErrors& errors) -> std::unique_ptr<Transform> {
                                                if (!config.has_factor()) config.set_factor(1.0 / 255);
                                                if (!std::isfinite(static_cast<float>(config.factor())))
                                                  errors.At("factor").Add("must be a finite float32");
                                                if (!std::isfinite(static_cast<float>(config.offset())))
                                                  errors.At("offset").Add("must be a finite float32");
                                                return std::make_unique<ScaleTransform>(config);
                                              });

}  // namespace
}  // namespace traind::core
