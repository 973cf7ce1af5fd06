// One position of a sequence: [features, length] -> [features]. Its gradient is zero at all others.
#include <algorithm>
#include <memory>

#include "absl/strings/str_cat.h"
#include "core/base/bfloat16.h"
#include "core/base/parallel.h"
#include "core/kinds/checks.h"
#include "core/kinds/values.h"
#include "core/onednn/onednn.h"

namespace traind::core {
namespace {

// A row of `features` in each example: from row `from.index` of from.length to row to.index of to.length, which are
// zeros but for it.
struct RowPlace {
  Value value;
  int64_t length = 1;
  int64_t index = 0;
};

template <class T>
void CopyRows(const Frame& frame, int64_t batch, int64_t features, const RowPlace& from, const RowPlace& to) {
  ParallelFor(batch, GrainFor(to.length * features), [&](int64_t begin, int64_t end, int) {
    for (int64_t n = begin; n < end; ++n) {
      const T* row = frame.at<T>(from.value) + (n * from.length + from.index) * features;
      T* example = frame.at<T>(to.value) + n * to.length * features;
      std::fill(example, example + to.index * features, T{});
      std::copy(row, row + features, example + to.index * features);
      std::fill(example + (to.index + 1) * features, example + to.length * features, T{});
    }
  });
}

void AddCopy(Planner& planner, int64_t features, const RowPlace& from, const RowPlace& to) {
  const bool bf16 = planner.compute_type() == onednn::Type::bf16;
  planner.Run("position", {from.value}, {to.value}, [=, batch = planner.batch()](const Frame& frame) {
    bf16 ? CopyRows<Bfloat16>(frame, batch, features, from, to) : CopyRows<float>(frame, batch, features, from, to);
  });
}

class TakePositionLayer : public Layer {
 public:
  explicit TakePositionLayer(int64_t index) : index_(index) {}

  LayerShape Infer(absl::Span<const Shape> inputs, const FieldErrors& errors) const override {
    LayerShape shape;
    const Shape* input = SingleSequence(inputs, errors);
    if (input == nullptr) return shape;
    if (index_ >= (*input)[1]) {
      errors.At("index").Add(absl::StrCat("must be below the length of ", ToString(*input), ", not ", index_));
    }
    shape.output = {(*input)[0]};
    return shape;
  }

  LayerTraits traits() const override { return {.linear = true, .homogeneous = true, .passes_zeros = true}; }

  absl::StatusOr<BackwardPlan> Plan(Planner& planner) const override {
    const Shape input = planner.InputShape();
    const int64_t features = input[0];
    const dnnl::memory::desc desc = onednn::Plain({planner.batch(), features}, planner.compute_type());
    const RowPlace from{.value = RowsOf(planner, planner.Input()), .length = input[1], .index = index_};
    const RowPlace to{.value = planner.New(desc)};
    AddCopy(planner, features, from, to);
    planner.SetOutput(to.value);
    return BackwardPlan([=](Planner& back) {
      if (!back.NeedsInputGradient()) return absl::OkStatus();
      RowPlace gradient = from;
      gradient.value = back.New(back.Desc(from.value));
      AddCopy(back, features, {.value = GradientAs(back, desc)}, gradient);
      GiveInputGradient(back, 0, FromRows(back, gradient.value, input));
      return absl::OkStatus();
    });
  }

 private:
  const int64_t index_;
};

const Registered<Layer, v1::TakePosition> kTakePosition("One position of a sequence.",
                                                        [](v1::TakePosition& config, const FieldErrors&) {
                                                          return std::make_unique<TakePositionLayer>(config.index());
                                                        });

}  // namespace
}  // namespace traind::core
