// What every kind of preprocessing is (lecture slides 36-42): it may learn from the training split, and then maps each
// example, here and for good. One kind is one .cc file in core/data/preprocessing, registered for its message of
// v1::Preprocessing.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "core/base/registry.h"
#include "core/tensor/tensor.h"
#include "traind/v1/dataset.pb.h"
#include "traind/v1/preprocessing.pb.h"

namespace traind::core {

// The examples to learn from, as the transforms before leave them. Each call goes through all of them in the stored
// order, in one thread.
struct TrainingExamples {
  int64_t count = 0;
  v1::ElementType type = v1::ELEMENT_TYPE_FLOAT32;  // As they are stored; bytes come as floats of 0 to 255.
  std::function<void(const std::function<void(const float* example)>&)> for_each;
  std::function<void()> progress;  // To be called now and then while something takes long, in the thread of Fit.
};

class Transform {
 public:
  virtual ~Transform() = default;

  // The shape of every example; called once, before all others. A shape that does not suit is a violation.
  // Returns the shape that Apply leaves, which has at most as many elements.
  virtual Shape SetShape(const Shape& shape, const FieldErrors& errors) = 0;
  // Writes the defaults that depend on the shape into the config that it was made from.
  virtual void FillIn(v1::Preprocessing& /*config*/) const {}
  virtual bool needs_fit() const { return false; }
  virtual void Fit(const TrainingExamples& /*examples*/) {}
  // What a person should know of the examples that Fit saw.
  virtual std::vector<std::string> warnings() const { return {}; }
  // At most, while fitting and after.
  virtual int64_t memory_bytes() const { return 0; }

  // What Fit learned, by names such as "mean"; empty when there is nothing to learn.
  virtual std::vector<Tensor> parameters() const { return {}; }
  // The names and shapes that parameters() has after Fit, without values.
  virtual std::vector<Tensor> parameter_shapes() const { return {}; }
  // Takes them back, in the same order. The values are finite.
  virtual void SetParameters(absl::Span<const Tensor> /*parameters*/) {}

  // Whether values that are all positive come out with both signs.
  virtual bool centres() const { return false; }

  // Maps one example in place. Allocates nothing; may be called by several threads.
  virtual void Apply(float* example) const = 0;
};

}  // namespace traind::core
