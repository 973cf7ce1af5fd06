// What every published network is: it checks its few parameters and says its layers, plain ones and blocks. One kind is
// one .cc file in core/presets that registers itself. Thread-safety: const methods may run in several threads at once.
#pragma once

#include <optional>
#include <vector>

#include "core/base/errors.h"
#include "core/base/registry.h"
#include "core/tensor/tensor.h"
#include "traind/v1/network.pb.h"
#include "traind/v1/preset.pb.h"

namespace traind::core {

class Preset {
 public:
  virtual ~Preset() = default;
  // Violations of an input that does not fit and that no layer would report; `errors` is the scope of its config.
  virtual void Check(const Shape& /*input*/, const FieldErrors& /*errors*/) const {}
  // In an order in which each comes after what it reads; the last is the output. Without `input`, the shape of one
  // example, what depends on it is a guess: the network has a violation then.
  virtual std::vector<v1::Layer> Layers(const std::optional<Shape>& input) const = 0;
};

}  // namespace traind::core
