#include "core/kinds/make_layers.h"

#include <utility>

#include "core/kinds/activation.h"

namespace traind::core {

v1::Layer Named(std::string name) {
  v1::Layer layer;
  layer.set_name(std::move(name));
  return layer;
}

v1::Layer MakeConv(std::string name, const ConvOptions& options) {
  v1::Layer layer = Named(std::move(name));
  v1::Conv2d& conv = *layer.mutable_conv2d();
  conv.set_out_channels(options.channels);
  conv.add_kernel(options.kernel);
  conv.add_stride(options.stride);
  if (options.kernel > 1) conv.mutable_padding()->add_amount(options.kernel / 2);
  conv.set_bias(options.bias);
  return layer;
}

v1::Layer MakeDense(std::string name, uint32_t units, bool bias) {
  v1::Layer layer = Named(std::move(name));
  layer.mutable_dense()->set_units(units);
  layer.mutable_dense()->set_bias(bias);
  return layer;
}

v1::Layer MakeBatchNorm(std::string name) {
  v1::Layer layer = Named(std::move(name));
  layer.mutable_batch_norm();
  return layer;
}

v1::Layer MakeMaxPool(std::string name, uint32_t kernel, uint32_t stride, uint32_t padding) {
  v1::Layer layer = Named(std::move(name));
  v1::MaxPool& pool = *layer.mutable_max_pool();
  pool.add_kernel(kernel);
  pool.add_stride(stride);
  if (padding > 0) pool.mutable_padding()->add_amount(padding);
  return layer;
}

v1::Layer MakeAvgPool(std::string name, uint32_t kernel) {
  v1::Layer layer = Named(std::move(name));
  layer.mutable_avg_pool()->add_kernel(kernel);
  return layer;
}

v1::Layer MakeGlobalAvgPool(std::string name) {
  v1::Layer layer = Named(std::move(name));
  layer.mutable_global_avg_pool();
  return layer;
}

v1::Layer MakeDropout(std::string name, double rate) {
  v1::Layer layer = Named(std::move(name));
  layer.mutable_dropout()->set_rate(rate);
  return layer;
}

v1::Layer MakeConcat(std::string name, const std::vector<std::string>& inputs) {
  v1::Layer layer = Named(std::move(name));
  layer.mutable_concat();
  return Reading(std::move(layer), inputs);
}

v1::Layer MakeLocalResponseNorm(std::string name) {
  v1::Layer layer = Named(std::move(name));
  layer.mutable_local_response_norm();
  return layer;
}

v1::Layer MakeScalarAffine(std::string name, bool weight, bool bias) {
  v1::Layer layer = Named(std::move(name));
  layer.mutable_scalar_affine()->set_weight(weight);
  layer.mutable_scalar_affine()->set_bias(bias);
  return layer;
}

v1::Layer With(v1::Layer layer, const v1::Activation& activation) {
  *layer.mutable_activation() = activation;
  return layer;
}

v1::Layer Reading(v1::Layer layer, const std::vector<std::string>& inputs) {
  layer.mutable_inputs()->Assign(inputs.begin(), inputs.end());
  return layer;
}

void AddActivated(v1::Layer layer, std::string norm, const v1::Activation& activation, std::vector<v1::Layer>& layers) {
  layers.push_back(std::move(layer));
  if (!norm.empty()) layers.push_back(MakeBatchNorm(std::move(norm)));
  *layers.back().mutable_activation() = activation;
}

void ResolveActivation(v1::Activation& activation, const FieldErrors& errors) {
  if (activation.kind_case() == v1::Activation::KIND_NOT_SET) activation.mutable_relu();
  Registry<Activation>::Get().Create(activation, errors);
}

}  // namespace traind::core
