// The sum of two or more inputs of one shape. Each input's gradient is the output's own. With a relu behind it, as at
// the end of a residual block, both are one pass of our own over the values: oneDNN's sum takes no activation along.
#include <cstdint>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "core/base/bfloat16.h"
#include "core/base/parallel.h"
#include "core/base/vectorize.h"
#include "core/kinds/activation.h"
#include "core/kinds/checks.h"
#include "core/kinds/values.h"
#include "core/onednn/desc.h"
#include "core/onednn/primitives.h"
#include "core/tensor/layout.h"

namespace traind::core {
namespace {

// y = max(a + b, 0). NaN stays NaN.
template <class T>
TRAIND_VECTORIZED void AddRelu(const T* a, const T* b, T* y, int64_t n) {
  for (int64_t i = 0; i < n; ++i) {
    const float sum = ToFloat(a[i]) + ToFloat(b[i]);
    y[i] = FromFloat<T>(sum < 0 ? 0.0f : sum);
  }
}

template <class T>
void RunAddRelu(const Frame& frame, Value a, Value b, Value y, int64_t n) {
  ParallelFor(n, kValueGrain, [&](int64_t begin, int64_t end, int) {
    AddRelu(frame.at<T>(a) + begin, frame.at<T>(b) + begin, frame.at<T>(y) + begin, end - begin);
  });
}

class AddLayer : public Layer {
 public:
  LayerShape Infer(absl::Span<const Shape> inputs, const FieldErrors& errors) const override {
    LayerShape shape;
    if (!SeveralInputs(inputs, errors)) return shape;
    for (size_t i = 1; i < inputs.size(); ++i) {
      if (inputs[i] == inputs[0]) continue;
      errors.Add(absl::StrCat("needs inputs of one shape: the first is ", ToString(inputs[0]), ", number ", i + 1,
                              " is ", ToString(inputs[i])));
    }
    shape.output = inputs[0];
    shape.forward_flops = CheckedFlops(CheckedElements(inputs[0]), 0, static_cast<int64_t>(inputs.size()) - 1, errors);
    return shape;
  }

  LayerTraits traits() const override { return {.linear = true, .sums_inputs = true}; }

  absl::StatusOr<BackwardPlan> Plan(Planner& planner) const override {
    const int count = planner.num_inputs();
    // All in the layout of the first one; features that lie in memory in different ways, as [n, features].
    const dnnl::memory::desc desc = planner.Desc(ChannelsInput(planner));
    std::vector<Value> inputs;
    for (int i = 0; i < count; ++i) inputs.push_back(planner.In(ChannelsInput(planner, i), desc));
    const Value output = planner.New(desc);
    const auto layout = Layout::Of(desc);
    if (count == 2 && layout && IsRelu(planner.activation())) {
      planner.Run("sum and relu", inputs, {output}, [=, a = inputs[0], b = inputs[1]](const Frame& frame) {
        const int64_t n = layout->stored_elements();
        layout->type == onednn::Type::bf16 ? RunAddRelu<Bfloat16>(frame, a, b, output, n)
                                           : RunAddRelu<float>(frame, a, b, output, n);
      });
      planner.FuseActivation();
    } else {
      const auto sum = onednn::Sum(desc, std::vector<dnnl::memory::desc>(count, desc));
      if (!sum.ok()) return sum.status();
      Planner::Arguments arguments = {{DNNL_ARG_DST, output}};
      for (int i = 0; i < count; ++i) arguments.emplace_back(DNNL_ARG_MULTIPLE_SRC + i, inputs[i]);
      planner.Run(sum->desc, arguments);
    }
    planner.SetOutput(output);
    return [count](Planner& back) {
      for (int i = 0; i < count; ++i) {
        if (back.NeedsInputGradient(i)) GiveInputGradient(back, i, back.OutputGradient());
      }
      return absl::OkStatus();
    };
  }

 private:
  static bool IsRelu(const Activation* activation) {
    const auto post_op = activation == nullptr ? std::nullopt : activation->post_op();
    return post_op && post_op->algorithm == dnnl::algorithm::eltwise_relu && post_op->alpha == 0;
  }
};

const Registered<Layer, v1::Add> kAdd("The sum of two or more inputs of one shape.",
                                      [](v1::Add&, const FieldErrors&) { return std::make_unique<AddLayer>(); });

}  // namespace
}  // namespace traind::core
