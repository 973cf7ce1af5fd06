// Two or more inputs joined along the channels. Backward, each input's gradient is a slice of the output's.
#include <algorithm>
#include <memory>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "core/layers/checks.h"
#include "core/layers/values.h"
#include "core/onednn/desc.h"
#include "core/onednn/primitives.h"
#include "core/tensor/layout.h"

namespace traind::core {
namespace {

using onednn::Dims;

class ConcatLayer : public Layer {
 public:
  LayerShape Infer(absl::Span<const Shape> inputs, const FieldErrors& errors) const override {
    LayerShape shape;
    if (inputs.size() < 2) {
      errors.Add("needs at least two inputs");
      return shape;
    }
    shape.output = inputs[0];
    for (size_t i = 1; i < inputs.size(); ++i) {
      const Shape& input = inputs[i];
      if (input.size() != inputs[0].size() || !std::equal(input.begin() + 1, input.end(), inputs[0].begin() + 1)) {
        errors.Add(absl::StrCat("needs inputs that differ in their channels only: the first is ", ToString(inputs[0]),
                                ", number ", i + 1, " is ", ToString(input)));
        continue;
      }
      shape.output[0] += input[0];
    }
    return shape;
  }

  absl::StatusOr<BackwardPlan> Plan(Planner& planner) const override {
    std::vector<Value> sources = Sources(planner);
    std::vector<dnnl::memory::desc> descs;
    for (Value source : sources) descs.push_back(planner.Desc(source));
    Dims dims = {planner.batch()};
    dims.insert(dims.end(), planner.OutputShape().begin(), planner.OutputShape().end());
    const auto concat = onednn::Concat(onednn::Any(dims, planner.compute_type()), /*axis=*/1, descs);
    if (!concat.ok()) return concat.status();

    const dnnl::memory::desc desc = concat->desc.dst_desc();
    const Value output = planner.New(desc);
    Planner::Arguments arguments = {{DNNL_ARG_DST, output}};
    for (size_t i = 0; i < sources.size(); ++i) {
      arguments.emplace_back(DNNL_ARG_MULTIPLE_SRC + static_cast<int>(i), sources[i]);
    }
    planner.Run(concat->primitive, arguments, concat->desc.scratchpad_desc());
    planner.SetOutput(output);
    return [desc, descs](Planner& back) {
      const Value gradient = GradientAs(back, desc);
      Dims offsets(onednn::DimsOf(desc).size(), 0);
      for (size_t i = 0; i < descs.size(); ++i) {
        const int input = static_cast<int>(i);
        const Dims slice = onednn::DimsOf(descs[i]);
        if (back.NeedsInputGradient(input)) {
          const Value part = back.View(gradient, desc.submemory_desc(slice, offsets));
          GiveInputGradient(back, input, back.In(part, descs[i]));
        }
        offsets[1] += slice[1];
      }
      return absl::OkStatus();
    };
  }

 private:
  // The inputs in one layout: blocked where the blocks of all fit together without a gap, else plain.
  static std::vector<Value> Sources(Planner& planner) {
    std::vector<Value> sources;
    for (int i = 0; i < planner.num_inputs(); ++i) sources.push_back(ChannelsInput(planner, i));
    const auto first = Layout::Of(planner.Desc(sources[0]));
    const bool fit = std::all_of(sources.begin(), sources.end(), [&](Value source) {
      const auto layout = Layout::Of(planner.Desc(source));
      const auto blocking = onednn::BlockingOf(planner.Desc(source));
      return first && layout && !layout->padded() && !blocking->inner_blocks.empty() && layout->width == first->width;
    });
    if (fit) return sources;
    for (Value& source : sources) {
      source = planner.In(source, onednn::Plain(onednn::DimsOf(planner.Desc(source)), planner.compute_type()));
    }
    return sources;
  }
};

const Registered<Layer, v1::Concat> kConcat("Two or more inputs, joined along the channels.",
                                            [](v1::Concat&, const FieldErrors&) {
                                              return std::make_unique<ConcatLayer>();
                                            });

}  // namespace
}  // namespace traind::core
