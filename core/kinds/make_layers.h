// Layers as blocks and presets write them down, each in one line. Pure.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/base/errors.h"
#include "traind/v1/network.pb.h"

namespace traind::core {

// A layer without a kind yet.
v1::Layer Named(std::string name);

// A square convolution, padded so that stride 1 keeps the size.
struct ConvOptions {
  uint32_t channels = 1;
  uint32_t kernel = 3;
  uint32_t stride = 1;
  bool bias = false;
};
v1::Layer MakeConv(std::string name, const ConvOptions& options);
v1::Layer MakeDense(std::string name, uint32_t units, bool bias = true);
v1::Layer MakeBatchNorm(std::string name);
v1::Layer MakeMaxPool(std::string name, uint32_t kernel, uint32_t stride, uint32_t padding = 0);
v1::Layer MakeAvgPool(std::string name, uint32_t kernel);
v1::Layer MakeGlobalAvgPool(std::string name);
v1::Layer MakeDropout(std::string name, double rate);
v1::Layer MakeConcat(std::string name, const std::vector<std::string>& inputs);
v1::Layer MakeLocalResponseNorm(std::string name);
// y = weight x + bias, with one or both of them.
v1::Layer MakeScalarAffine(std::string name, bool weight, bool bias);

// The same layer with an activation, or reading other layers than the one before.
v1::Layer With(v1::Layer layer, const v1::Activation& activation);
v1::Layer Reading(v1::Layer layer, const std::vector<std::string>& inputs);

// Appends the layer with the activation or, where `norm` is a name, the layer, batch norm of that name, and the
// activation behind that.
void AddActivated(v1::Layer layer, std::string norm, const v1::Activation& activation, std::vector<v1::Layer>& layers);

// Puts relu where the user chose no activation, and checks what is there.
void ResolveActivation(v1::Activation& activation, const FieldErrors& errors);

}  // namespace traind::core
