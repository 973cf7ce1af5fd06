// What the layers check in the same way. Each function records violations at the field it names. Thread-safe: pure.
#pragma once

#include <cstdint>
#include <optional>

#include "core/kinds/layer.h"
#include "traind/v1/initializer.pb.h"

namespace traind::core {

// The most units or channels of a layer; keeps every product of two sizes within an int64_t.
inline constexpr int64_t kMaxChannels = int64_t{1} << 24;

// The only input's shape; null, with a violation, when there are none or several.
const Shape* SingleInput(absl::Span<const Shape> inputs, const FieldErrors& errors);

// The same for a layer that works on images: the shape is [channels, height, width].
const Shape* SingleImage(absl::Span<const Shape> inputs, const FieldErrors& errors);

// Puts `fallback` where the user chose no initializer, then checks what is there and fills in its defaults.
void ResolveInitializer(v1::Initializer* initializer, const v1::Initializer& fallback, const FieldErrors& errors);
v1::Initializer ZerosInitializer();
v1::Initializer KaimingInitializer();
v1::Initializer ConstantInitializer(double value);

// The defaults of `bias`, `weight_init` and `bias_init` of a dense or conv2d layer.
template <class Config>
void ResolveWeights(Config& config, const FieldErrors& errors) {
  if (!config.has_bias()) config.set_bias(true);
  ResolveInitializer(config.mutable_weight_init(), KaimingInitializer(), errors.At("weight_init"));
  if (config.bias()) {
    ResolveInitializer(config.mutable_bias_init(), ZerosInitializer(), errors.At("bias_init"));
  } else if (config.has_bias_init()) {
    errors.At("bias_init").Add("contradicts bias: false");
  }
}

// A number of units or channels: 1 to kMaxChannels.
void CheckChannels(int64_t channels, const FieldErrors& errors);

// Violations when a parameter or the operations of one example exceed what the engine counts with.
void CheckParameter(const ParameterSpec& parameter, const FieldErrors& errors);
// 2 * products + additions, both counted over `outputs`; 0 with a violation when it exceeds 2^53.
int64_t CheckedFlops(int64_t outputs, int64_t products_each, int64_t additions_each, const FieldErrors& errors);

// The shape of a layer that gives what it takes, with `flops_each` operations for each value.
LayerShape SameShape(absl::Span<const Shape> inputs, int64_t flops_each, const FieldErrors& errors);

// The weight of `weight_shape` and, where the config has one, the bias [weight_shape[0]] of a dense or conv2d layer.
template <class Config>
void AddWeights(const Config& config, const Shape& weight_shape, int64_t fan_in, int64_t fan_out, LayerShape& shape) {
  shape.parameters.push_back({.name = "weight",
                              .shape = weight_shape,
                              .initializer = config.weight_init(),
                              .fan_in = fan_in,
                              .fan_out = fan_out,
                              .penalized = true});
  if (!config.bias()) return;
  shape.parameters.push_back({.name = "bias",
                              .shape = {weight_shape[0]},
                              .initializer = config.bias_init(),
                              .fan_in = fan_in,
                              .fan_out = fan_out});
}

// The shape of a layer with a weight [units, features of the input] and, where its config has one, a bias [units]:
// dense and drop_connect. `units` is the config's own number times `pieces` (Layer::Widen).
template <class Config>
LayerShape DenseShape(const Config& config, int64_t pieces, absl::Span<const Shape> inputs, const FieldErrors& errors) {
  LayerShape shape;
  const Shape* input = SingleInput(inputs, errors);
  if (input == nullptr) return shape;
  const int64_t in = Elements(*input), out = config.units() * pieces;
  if (pieces > 1) CheckChannels(out, errors.At("units"));
  shape.output = {out};
  AddWeights(config, {out, in}, in, out, shape);
  CheckParameter(shape.parameters[0], errors.At("units"));
  shape.forward_flops = CheckedFlops(out, in, config.bias() ? 1 : 0, errors.At("units"));
  return shape;
}

}  // namespace traind::core
