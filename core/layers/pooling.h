// What max, average and global average pooling share: shapes and the planning of a oneDNN pooling primitive.
#pragma once

#include <memory>

#include "core/kinds/layer.h"
#include "core/kinds/window.h"
#include "core/onednn/primitives.h"

namespace traind::core {

// A layer that slides a window over [channels, height, width]. Thread-safe, as every Layer.
class PoolingLayer : public Layer {
 public:
  PoolingLayer(onednn::PoolingOptions::Kind kind, const Window& window) : kind_(kind), window_(window) {}

  LayerShape Infer(absl::Span<const Shape> inputs, const FieldErrors& errors) const override;
  LayerTraits traits() const override;
  absl::StatusOr<BackwardPlan> Plan(Planner& planner) const override;

 private:
  const onednn::PoolingOptions::Kind kind_;
  const Window window_;
};

// The layer of a config with the fields of a window; null after a violation.
template <class Config>
std::unique_ptr<Layer> MakePooling(onednn::PoolingOptions::Kind kind, Config& config, const FieldErrors& errors) {
  const int before = errors.count();
  const Window window = ResolveWindow(config, errors);
  return errors.count() > before ? nullptr : std::make_unique<PoolingLayer>(kind, window);
}

// Plans pooling of the layer's input by `window`; the output is [n, c, oh, ow].
absl::StatusOr<BackwardPlan> PlanPooling(Planner& planner, onednn::PoolingOptions::Kind kind, const Window& window);

}  // namespace traind::core
