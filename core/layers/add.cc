// The sum of two or more inputs of one shape. Each input's gradient is the output's own.
#include <memory>
#include <vector>

#include "absl/strings/str_cat.h"
#include "core/layers/checks.h"
#include "core/layers/values.h"
#include "core/onednn/desc.h"
#include "core/onednn/primitives.h"

namespace traind::core {
namespace {

class AddLayer : public Layer {
 public:
  LayerShape Infer(absl::Span<const Shape> inputs, const FieldErrors& errors) const override {
    LayerShape shape;
    if (inputs.size() < 2) {
      errors.Add("needs at least two inputs");
      return shape;
    }
    for (size_t i = 1; i < inputs.size(); ++i) {
      if (inputs[i] == inputs[0]) continue;
      errors.Add(absl::StrCat("needs inputs of one shape: the first is ", ToString(inputs[0]), ", number ", i + 1,
                              " is ", ToString(inputs[i])));
    }
    shape.output = inputs[0];
    shape.forward_flops = CheckedFlops(CheckedElements(inputs[0]), 0, static_cast<int64_t>(inputs.size()) - 1, errors);
    return shape;
  }

  absl::StatusOr<BackwardPlan> Plan(Planner& planner) const override {
    const int count = planner.num_inputs();
    // All in the layout of the first one; features that lie in memory in different ways, as [n, features].
    const dnnl::memory::desc desc = planner.Desc(ChannelsInput(planner));
    const std::vector<dnnl::memory::desc> descs(count, desc);
    const auto sum = onednn::Sum(desc, descs);
    if (!sum.ok()) return sum.status();
    Planner::Arguments arguments;
    for (int i = 0; i < count; ++i) {
      arguments.emplace_back(DNNL_ARG_MULTIPLE_SRC + i, planner.In(ChannelsInput(planner, i), desc));
    }
    const Value output = planner.New(desc);
    arguments.emplace_back(DNNL_ARG_DST, output);
    planner.Run(sum->primitive, arguments, sum->desc.scratchpad_desc());
    planner.SetOutput(output);
    return [count](Planner& back) {
      for (int i = 0; i < count; ++i) {
        if (back.NeedsInputGradient(i)) GiveInputGradient(back, i, back.OutputGradient());
      }
      return absl::OkStatus();
    };
  }
};

const Registered<Layer, v1::Add> kAdd("The sum of two or more inputs of one shape.",
                                      [](v1::Add&, const FieldErrors&) { return std::make_unique<AddLayer>(); });

}  // namespace
}  // namespace traind::core
