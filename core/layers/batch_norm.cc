// Batch normalization (Ioffe & Szegedy 2015): y = weight (x - mean) / sqrt(var + epsilon) + bias for each channel. A
// relu that follows is done in the same pass. In training mean and variance are the minibatch's (the biased one), and
// the running ones move towards them:
//   running_mean = (1 - momentum) running_mean + momentum mean
//   running_var  = (1 - momentum) running_var  + momentum var n / (n - 1),    n values of the channel in the batch,
// the unbiased variance, as PyTorch keeps it; with n = 1 the biased one. Frozen, it normalizes by the running ones,
// which stay.
#include <algorithm>
#include <cstdint>
#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "core/kinds/activation.h"
#include "core/kinds/checks.h"
#include "core/kinds/planner.h"
#include "core/kinds/values.h"
#include "core/layers/normalization.h"
#include "core/onednn/desc.h"
#include "core/onednn/primitives.h"

namespace traind::core {
namespace {

using onednn::Type;

class BatchNormLayer : public Layer {
 public:
  explicit BatchNormLayer(const v1::BatchNorm& config) : config_(config) {}

  LayerShape Infer(absl::Span<const Shape> inputs, const FieldErrors& errors) const override {
    LayerShape shape;
    const Shape* input = SingleInput(inputs, errors);
    if (input == nullptr) return shape;
    const int64_t channels = (*input)[0];
    shape.output = *input;
    AddScaleAndShift(config_, {channels}, shape);
    const auto add_statistic = [&](const char* name, double initial) {
      shape.parameters.push_back(
          {.name = name, .shape = {channels}, .initializer = ConstantInitializer(initial), .trained = false});
    };
    add_statistic("running_mean", 0);
    add_statistic("running_var", 1);
    shape.forward_flops = CheckedFlops(Elements(*input), 1, 2, errors);
    return shape;
  }

  LayerTraits traits() const override {
    return {.linear = true, .channelwise = true, .normalizes_over_batch = true, .weight_initializer = "weight_init"};
  }

  absl::StatusOr<BackwardPlan> Plan(Planner& planner) const override {
    const Value source = Source(planner);
    const bool relu = planner.activation() != nullptr && planner.activation()->is_relu();
    // As at test time; with a way back where something before is trained.
    const bool frozen = planner.training() && planner.Frozen("weight") && planner.Frozen("bias");
    const onednn::BatchNormalizationOptions options{
        .data = planner.Desc(source),
        .epsilon = static_cast<float>(config_.epsilon()),
        .training = planner.training() && (!frozen || planner.NeedsInputGradient()),
        .relu = relu,
        .given = frozen};
    auto forward = onednn::BatchNormalization(options);
    if (!forward.ok()) return forward.status();
    if (relu) planner.TakeActivation();

    const dnnl::memory::desc channel = onednn::Plain({Channels(planner)}, Type::f32);
    const Value running_mean = planner.Parameter("running_mean", channel);
    const Value running_var = planner.Parameter("running_var", channel);
    Saved saved{.source = source, .mean = running_mean, .variance = running_var, .workspace = {}};
    if (planner.training() && !frozen) {
      saved.mean = planner.New(channel);
      saved.variance = planner.New(channel);
    }
    if (options.training && relu) saved.workspace = planner.New(forward->desc.workspace_desc());
    const ScaleShift parameters = Parameters(planner);
    const Value output = planner.New(options.data);
    Planner::Arguments arguments = {
        {DNNL_ARG_SRC, source},      {onednn::kArgScaleShift, parameters.scale}, {DNNL_ARG_SHIFT, parameters.shift},
        {DNNL_ARG_MEAN, saved.mean}, {DNNL_ARG_VARIANCE, saved.variance},        {DNNL_ARG_DST, output}};
    if (relu && planner.observed()) {
      onednn::BatchNormalizationOptions plain = options;
      plain.relu = false;
      const auto unfused = onednn::BatchNormalization(plain);
      if (!unfused.ok()) return unfused.status();
      planner.ObserveUnfused(unfused->desc, arguments);
    }
    arguments.emplace_back(DNNL_ARG_WORKSPACE, saved.workspace);
    planner.Run(forward->desc, arguments);
    const Shape& shape = planner.InputShape();
    planner.SetOutput(shape.size() > 1
                          ? output
                          : planner.View(output, onednn::Plain({planner.batch(), shape[0]}, planner.compute_type())));
    if (!options.training) return BackwardPlan();

    if (!frozen) {
      planner.Run("running statistics", {saved.mean, saved.variance, running_mean, running_var},
                  {running_mean, running_var}, MoveStatistics(planner, saved, running_mean, running_var));
    }
    return [this, options, saved, forward = *std::move(forward)](Planner& back) {
      return Backward(back, options, saved, forward);
    };
  }

 private:
  // What the backward pass reads.
  struct Saved {
    Value source;
    Value mean;
    Value variance;
    Value workspace;
  };
  // The joined tensor, or one each: see onednn::kScaleShiftJoined.
  struct ScaleShift {
    Value scale;
    Value shift;
  };

  static int64_t Channels(const Planner& planner) { return planner.InputShape()[0]; }

  // Features are channels of images of one pixel: the kernels for channels-last images are the fast ones.
  static Value Source(Planner& planner) {
    const Shape& shape = planner.InputShape();
    const Value input = ChannelsInput(planner);
    if (shape.size() > 1) return input;
    return planner.View(input, dnnl::memory::desc({planner.batch(), shape[0], 1, 1}, planner.compute_type(),
                                                  dnnl::memory::format_tag::nhwc));
  }

  static ScaleShift Parameters(Planner& planner) {
    const int64_t channels = Channels(planner);
    if constexpr (onednn::kScaleShiftJoined) {
      return {.scale = planner.JoinedParameters({"weight", "bias"}, onednn::Plain({2, channels}, Type::f32)),
              .shift = {}};
    }
    const dnnl::memory::desc channel = onednn::Plain({channels}, Type::f32);
    return {.scale = planner.Parameter("weight", channel), .shift = planner.Parameter("bias", channel)};
  }

  static ScaleShift Gradients(Planner& planner) {
    const int64_t channels = Channels(planner);
    if constexpr (onednn::kScaleShiftJoined) {
      return {.scale = planner.ParameterGradient("weight", onednn::Plain({2, channels}, Type::f32)), .shift = {}};
    }
    const dnnl::memory::desc channel = onednn::Plain({channels}, Type::f32);
    return {.scale = planner.ParameterGradient("weight", channel), .shift = planner.ParameterGradient("bias", channel)};
  }

  Kernel MoveStatistics(const Planner& planner, const Saved& saved, Value running_mean, Value running_var) const {
    const int64_t channels = Channels(planner);
    const int64_t count = planner.batch() * Elements(planner.InputShape()) / channels;
    const float unbiased = static_cast<float>(count) / static_cast<float>(std::max<int64_t>(count - 1, 1));
    const float momentum = static_cast<float>(config_.momentum());
    return [=](const Frame& frame) {
      const float* mean = frame.at<float>(saved.mean);
      const float* variance = frame.at<float>(saved.variance);
      float* to_mean = frame.at<float>(running_mean);
      float* to_variance = frame.at<float>(running_var);
      for (int64_t c = 0; c < channels; ++c) {
        to_mean[c] += momentum * (mean[c] - to_mean[c]);
        to_variance[c] += momentum * (variance[c] * unbiased - to_variance[c]);
      }
    };
  }

  absl::Status Backward(Planner& planner, const onednn::BatchNormalizationOptions& options, const Saved& saved,
                        const onednn::BatchNormalizationForward& forward) const {
    auto backward = onednn::BatchNormalizationGradient(options, forward);
    if (!backward.ok()) return backward.status();
    const ScaleShift parameters = Parameters(planner);
    const ScaleShift gradients = Gradients(planner);
    const Value input_gradient = planner.New(options.data);
    planner.Run(backward->desc, {{DNNL_ARG_SRC, saved.source},
                                 {DNNL_ARG_MEAN, saved.mean},
                                 {DNNL_ARG_VARIANCE, saved.variance},
                                 {DNNL_ARG_WORKSPACE, saved.workspace},
                                 {onednn::kArgScaleShift, parameters.scale},
                                 {DNNL_ARG_DIFF_DST, GradientAs(planner, options.data)},
                                 {DNNL_ARG_DIFF_SRC, input_gradient},
                                 {onednn::kArgDiffScaleShift, gradients.scale},
                                 {DNNL_ARG_DIFF_SHIFT, gradients.shift}});
    GiveInputGradient(planner, 0, input_gradient);
    return absl::OkStatus();
  }

  const v1::BatchNorm config_;
};

const Registered<Layer, v1::BatchNorm> kBatchNorm(
    "Normalizes each channel over the minibatch, then scales and shifts; running statistics at test time (slide 84).",
    [](v1::BatchNorm& config, const FieldErrors& errors) -> std::unique_ptr<Layer> {
      const int before = errors.count();
      ResolveNormalization(config, errors);
      if (!config.has_momentum()) config.set_momentum(0.1);  // As in PyTorch.
      CheckShare(config.momentum(), errors.At("momentum"));
      return errors.count() > before ? nullptr : std::make_unique<BatchNormLayer>(config);
    });

}  // namespace
}  // namespace traind::core
