// Local response normalization (Krizhevsky et al. 2012): y_c = x_c / (k + alpha / size * sum of x^2 over the `size`
// channels around c) ^ beta. A oneDNN primitive; its fast kernels are for 5 channels and beta 0.75.
#include <cmath>
#include <cstdint>
#include <memory>
#include <utility>

#include "core/base/require.h"
#include "core/kinds/checks.h"
#include "core/kinds/planner.h"
#include "core/kinds/values.h"
#include "core/layers/fusion.h"
#include "core/onednn/desc.h"
#include "core/onednn/primitives.h"

namespace traind::core {
namespace {

using Tag = dnnl::memory::format_tag;

class LocalResponseNormLayer : public Layer {
 public:
  explicit LocalResponseNormLayer(const v1::LocalResponseNorm& config) : config_(config) {}

  LayerShape Infer(absl::Span<const Shape> inputs, const FieldErrors& errors) const override {
    LayerShape shape;
    const Shape* input = SingleImage(inputs, errors);
    if (input == nullptr) return shape;
    shape.output = *input;
    // The sum's squares; alpha, k, the power and the division.
    shape.forward_flops = CheckedFlops(Elements(*input), config_.size(), 4, errors.At("size"));
    return shape;
  }

  absl::StatusOr<BackwardPlan> Plan(Planner& planner) const override {
    Value source = planner.Input();
    onednn::LocalResponseOptions options{.data = planner.Desc(source),
                                         .training = planner.training(),
                                         .size = config_.size(),
                                         .alpha = static_cast<float>(config_.alpha()),
                                         .beta = static_cast<float>(config_.beta()),
                                         .k = static_cast<float>(config_.k())};
    const onednn::Dims dims = onednn::DimsOf(options.data);
    const onednn::Desc channels_last(dims, planner.compute_type(), Tag::nhwc);
    // Measured on oneDNN 3.7.2: where the channels are no multiple of 16, the gradients of the bfloat16 kernel for nhwc
    // are wrong by 3 % of their norm, those of the others by 0.2 %. There it is done in float32.
    const bool imprecise = planner.compute_type() == onednn::Type::bf16 && dims[1] % 16 != 0;
    absl::StatusOr<onednn::LocalResponseForward> forward = absl::UnimplementedError("too coarse");
    if (!imprecise || options.data != channels_last) forward = onednn::LocalResponse(options);
    // Where no fast kernel takes the layout as it comes, one may take another.
    for (const Tag tag : {Tag::nhwc, Tag::nChw16c}) {
      if (forward.ok() && !IsReference(*forward)) break;
      onednn::LocalResponseOptions other = options;
      other.data = {dims, imprecise ? onednn::Type::f32 : planner.compute_type(), tag};
      auto faster = onednn::LocalResponse(other);
      if (!faster.ok() || (forward.ok() && IsReference(*faster))) continue;
      forward = std::move(faster);
      options = other;
      source = planner.In(planner.Input(), options.data);
    }
    if (!forward.ok()) return forward.status();
    const Value output = planner.New(options.data);
    Value workspace;
    if (planner.training() && forward->desc.workspace_desc().get_size() > 0) {
      workspace = planner.New(forward->desc.workspace_desc());
    }
    planner.Run(forward->desc, {{DNNL_ARG_SRC, source}, {DNNL_ARG_DST, output}, {DNNL_ARG_WORKSPACE, workspace}});
    planner.SetOutput(planner.In(output, onednn::WithType(options.data, planner.compute_type())));
    if (!planner.training()) return BackwardPlan();
    return BackwardPlan([options, source, workspace, forward = *std::move(forward)](Planner& back) -> absl::Status {
      auto backward = onednn::LocalResponseGradient(options, forward);
      if (!backward.ok()) return backward.status();
      const Value input_gradient = back.New(options.data);
      back.Run(backward->desc, {{DNNL_ARG_SRC, source},
                                {DNNL_ARG_DIFF_DST, GradientAs(back, options.data)},
                                {DNNL_ARG_WORKSPACE, workspace},
                                {DNNL_ARG_DIFF_SRC, input_gradient}});
      GiveInputGradient(back, 0, back.In(input_gradient, onednn::WithType(options.data, back.compute_type())));
      return absl::OkStatus();
    });
  }

 private:
  const v1::LocalResponseNorm config_;
};

const Registered<Layer, v1::LocalResponseNorm> kLocalResponseNorm(
    "Divides each value by a power of the neighbouring channels' mean square (AlexNet).",
    [](v1::LocalResponseNorm& config, const FieldErrors& errors) -> std::unique_ptr<Layer> {
      const int before = errors.count();
      // The size of AlexNet; the others as in PyTorch.
      if (!config.has_size()) config.set_size(5);
      if (!config.has_alpha()) config.set_alpha(1e-4);
      if (!config.has_beta()) config.set_beta(0.75);
      if (!config.has_k()) config.set_k(1);
      Require(config.size() % 2 == 1 && config.size() < 1024, errors, "size", "odd and below 1024", config.size());
      Require(config.alpha() >= 0 && IsFiniteFloat(config.alpha()), errors, "alpha", "finite and at least 0",
              config.alpha());
      Require(config.beta() >= 0 && config.beta() <= 100, errors, "beta", "0 to 100", config.beta());
      Require(IsPositiveFloat(config.k()), errors, "k", "finite and greater than 0", config.k());
      return errors.count() > before ? nullptr : std::make_unique<LocalResponseNormLayer>(config);
    });

}  // namespace
}  // namespace traind::core
