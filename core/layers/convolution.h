// What conv2d, depthwise_conv2d and conv1d are: a oneDNN convolution with the bias and, where it can be, the activation
// inside. Direct or Winograd as the planner says (core/plan/convolution_rule.h).
#pragma once

#include <cstdint>

#include "core/kinds/layer.h"
#include "core/kinds/planner.h"
#include "core/kinds/window.h"
#include "core/onednn/primitives.h"
#include "traind/v1/network.pb.h"

namespace traind::core {

class ConvolutionLayer : public Layer {
 public:
  enum class Over { kImage, kSequence };

  // `config` has the channels, the groups, the bias and the initializers, all filled in; the rest of it is not read.
  // With a `multiplier` above 0 each channel is a group of its own, and the config's channels and groups do not count.
  ConvolutionLayer(const v1::Conv2d& config, const Window& window, Over over, int64_t multiplier = 0)
      : config_(config), window_(window), over_(over), multiplier_(multiplier) {}

  bool Widen(int64_t pieces) override;
  LayerShape Infer(absl::Span<const Shape> inputs, const FieldErrors& errors) const override;
  // A depthwise convolution names no weight_initializer: with the pointwise one behind it, it is one convolution in two
  // factors, and not a linear layer too many.
  LayerTraits traits() const override {
    return {.linear = true, .homogeneous = true, .weight_initializer = multiplier_ > 0 ? "" : "weight_init"};
  }
  absl::StatusOr<BackwardPlan> Plan(Planner& planner) const override;

 private:
  // The geometry over an image; a sequence is one of one row.
  ConvolutionShape Place(const Shape& image) const;
  void CheckGroups(int64_t in, const FieldErrors& errors) const;
  onednn::ConvolutionOptions Options(const Planner& planner) const;
  absl::Status Backward(Planner& planner, Value source, onednn::ConvolutionOptions options,
                        const onednn::ConvolutionForward& forward) const;

  const v1::Conv2d config_;
  const Window window_;
  const Over over_;
  const int64_t multiplier_;
  int64_t pieces_ = 1;
};

}  // namespace traind::core
