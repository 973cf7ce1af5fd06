#include "core/onednn/primitives.h"

#include <string_view>
#include <utility>

namespace traind::core::onednn {
namespace {

using dnnl::prop_kind;

dnnl::primitive_attr Attributes(const std::optional<PostOp>& post_op = std::nullopt) {
  dnnl::primitive_attr attributes;
  attributes.set_scratchpad_mode(dnnl::scratchpad_mode::user);
  attributes.set_fpmath_mode(dnnl::fpmath_mode::strict);
#if DNNL_VERSION_MAJOR > 3 || (DNNL_VERSION_MAJOR == 3 && DNNL_VERSION_MINOR >= 4)
  attributes.set_deterministic(true);
#endif
  if (post_op) {
    dnnl::post_ops operations;
#if DNNL_VERSION_MAJOR < 3
    operations.append_eltwise(/*scale=*/1.0f, post_op->algorithm, post_op->alpha, post_op->beta);
#else
    operations.append_eltwise(post_op->algorithm, post_op->alpha, post_op->beta);
#endif
    attributes.set_post_ops(operations);
  }
  return attributes;
}

template <class Kind, class Describe>
absl::StatusOr<Op<Kind>> Make(std::string_view what, const Describe& describe) {
  Op<Kind> op;
  const absl::Status status = Guard(what, [&] { op.desc = describe(); });
  if (!status.ok()) return status;
  return op;
}

// The library counts the gaps between taps.
Dims Gaps(const Dims& dilation) {
  Dims gaps = dilation;
  for (auto& gap : gaps) --gap;
  return gaps;
}

dnnl::algorithm Algorithm(const ConvolutionOptions& options) {
  return options.winograd ? dnnl::algorithm::convolution_winograd : dnnl::algorithm::convolution_direct;
}

dnnl::algorithm Algorithm(const PoolingOptions& options) {
  switch (options.kind) {
    case PoolingOptions::Kind::kMean:
      return dnnl::algorithm::pooling_avg_exclude_padding;
    case PoolingOptions::Kind::kMeanWithPadding:
      return dnnl::algorithm::pooling_avg_include_padding;
    case PoolingOptions::Kind::kMax:
      break;
  }
  return dnnl::algorithm::pooling_max;
}

// Mean and variance are computed in training, unless they are given, and given in inference.
dnnl::normalization_flags Flags(const BatchNormalizationOptions& options) {
#if DNNL_VERSION_MAJOR < 3
  auto flags = dnnl::normalization_flags::use_scale_shift;
#else
  auto flags = dnnl::normalization_flags::use_scale | dnnl::normalization_flags::use_shift;
#endif
  if (!options.training || options.given) flags |= dnnl::normalization_flags::use_global_stats;
  if (options.relu) flags |= dnnl::normalization_flags::fuse_norm_relu;
  return flags;
}

prop_kind Forward(bool training) { return training ? prop_kind::forward_training : prop_kind::forward_inference; }

}  // namespace

absl::StatusOr<dnnl::primitive> MakePrimitive(const dnnl::primitive_desc_base& desc) {
  dnnl::primitive primitive;
  const absl::Status status = Guard("making a primitive", [&] { primitive = dnnl::primitive(desc.get()); });
  if (!status.ok()) return status;
  return primitive;
}

dnnl::primitive::kind KindOf(const dnnl::primitive_desc_base& desc) {
  dnnl_primitive_kind_t kind = dnnl_undefined_primitive;
  dnnl_primitive_desc_query(desc.get(), dnnl_query_primitive_kind, 0, &kind);
  return static_cast<dnnl::primitive::kind>(kind);
}

// Convolutions and inner products are always described for training: an inference plan then wants its weights in the
// layout in which training keeps them, and computes the same bits.

#if DNNL_VERSION_MAJOR < 3

absl::StatusOr<ConvolutionForward> Convolution(const ConvolutionOptions& o) {
  return Make<dnnl::convolution_forward>("convolution", [&] {
    return dnnl::convolution_forward::primitive_desc(
        {prop_kind::forward_training, Algorithm(o), o.src, o.weights, o.bias, o.dst, o.stride, Gaps(o.dilation),
         o.padding_begin, o.padding_end},
        Attributes(o.post_op), Engine());
  });
}

absl::StatusOr<ConvolutionBackwardData> ConvolutionGradientOfData(const ConvolutionOptions& o,
                                                                  const ConvolutionForward& forward) {
  return Make<dnnl::convolution_backward_data>("convolution backward data", [&] {
    return dnnl::convolution_backward_data::primitive_desc(
        {Algorithm(o), o.src, o.weights, o.dst, o.stride, Gaps(o.dilation), o.padding_begin, o.padding_end},
        Attributes(), Engine(), forward.desc);
  });
}

absl::StatusOr<ConvolutionBackwardWeights> ConvolutionGradientOfWeights(const ConvolutionOptions& o,
                                                                        const ConvolutionForward& forward) {
  return Make<dnnl::convolution_backward_weights>("convolution backward weights", [&] {
    return dnnl::convolution_backward_weights::primitive_desc(
        {Algorithm(o), o.src, o.weights, o.bias, o.dst, o.stride, Gaps(o.dilation), o.padding_begin, o.padding_end},
        Attributes(), Engine(), forward.desc);
  });
}

absl::StatusOr<InnerProductForward> InnerProduct(const InnerProductOptions& o) {
  return Make<dnnl::inner_product_forward>("inner product", [&] {
    return dnnl::inner_product_forward::primitive_desc({prop_kind::forward_training, o.src, o.weights, o.bias, o.dst},
                                                       Attributes(o.post_op), Engine());
  });
}

absl::StatusOr<InnerProductBackwardData> InnerProductGradientOfData(const InnerProductOptions& o,
                                                                    const InnerProductForward& forward) {
  return Make<dnnl::inner_product_backward_data>("inner product backward data", [&] {
    return dnnl::inner_product_backward_data::primitive_desc({o.src, o.weights, o.dst}, Attributes(), Engine(),
                                                             forward.desc);
  });
}

absl::StatusOr<InnerProductBackwardWeights> InnerProductGradientOfWeights(const InnerProductOptions& o,
                                                                          const InnerProductForward& forward) {
  return Make<dnnl::inner_product_backward_weights>("inner product backward weights", [&] {
    return dnnl::inner_product_backward_weights::primitive_desc({o.src, o.weights, o.bias, o.dst}, Attributes(),
                                                                Engine(), forward.desc);
  });
}

absl::StatusOr<BatchNormalizationForward> BatchNormalization(const BatchNormalizationOptions& o) {
  return Make<dnnl::batch_normalization_forward>("batch normalization", [&] {
    return dnnl::batch_normalization_forward::primitive_desc({Forward(o.training), o.data, o.epsilon, Flags(o)},
                                                             Attributes(), Engine());
  });
}

absl::StatusOr<BatchNormalizationBackward> BatchNormalizationGradient(const BatchNormalizationOptions& o,
                                                                      const BatchNormalizationForward& forward) {
  return Make<dnnl::batch_normalization_backward>("batch normalization backward", [&] {
    return dnnl::batch_normalization_backward::primitive_desc(
        {prop_kind::backward, o.data, o.data, o.epsilon, Flags(o)}, Attributes(), Engine(), forward.desc);
  });
}

absl::StatusOr<PoolingForward> Pooling(const PoolingOptions& o) {
  return Make<dnnl::pooling_forward>("pooling", [&] {
    return dnnl::pooling_forward::primitive_desc(
        {Forward(o.training), Algorithm(o), o.src, o.dst, o.stride, o.kernel, o.padding_begin, o.padding_end},
        Attributes(), Engine());
  });
}

absl::StatusOr<PoolingBackward> PoolingGradient(const PoolingOptions& o, const PoolingForward& forward) {
  return Make<dnnl::pooling_backward>("pooling backward", [&] {
    return dnnl::pooling_backward::primitive_desc(
        {Algorithm(o), o.src, o.dst, o.stride, o.kernel, o.padding_begin, o.padding_end}, Attributes(), Engine(),
        forward.desc);
  });
}

absl::StatusOr<SoftmaxForward> Softmax(const Desc& data, bool training) {
  return Make<dnnl::softmax_forward>("softmax", [&] {
    return dnnl::softmax_forward::primitive_desc({Forward(training), data, /*axis=*/1}, Attributes(), Engine());
  });
}

absl::StatusOr<SoftmaxBackward> SoftmaxGradient(const Desc& data, const SoftmaxForward& forward) {
  return Make<dnnl::softmax_backward>("softmax backward", [&] {
    return dnnl::softmax_backward::primitive_desc({data, data, /*axis=*/1}, Attributes(), Engine(), forward.desc);
  });
}

absl::StatusOr<MatrixProduct> MatMul(const Desc& src, const Desc& weights, const Desc& dst) {
  return Make<dnnl::matmul>("matrix product", [&] {
    return dnnl::matmul::primitive_desc({src, weights, dst}, Attributes(), Engine());
  });
}

absl::StatusOr<LocalResponseForward> LocalResponse(const LocalResponseOptions& o) {
  return Make<dnnl::lrn_forward>("local response normalization", [&] {
    return dnnl::lrn_forward::primitive_desc(
        {Forward(o.training), dnnl::algorithm::lrn_across_channels, o.data, o.size, o.alpha, o.beta, o.k}, Attributes(),
        Engine());
  });
}

absl::StatusOr<LocalResponseBackward> LocalResponseGradient(const LocalResponseOptions& o,
                                                            const LocalResponseForward& forward) {
  return Make<dnnl::lrn_backward>("local response normalization backward", [&] {
    return dnnl::lrn_backward::primitive_desc(
        {dnnl::algorithm::lrn_across_channels, o.data, o.data, o.size, o.alpha, o.beta, o.k}, Attributes(), Engine(),
        forward.desc);
  });
}

absl::StatusOr<Op<dnnl::sum>> Sum(const Desc& dst, const std::vector<Desc>& srcs) {
  return Make<dnnl::sum>("sum", [&] {
    return dnnl::sum::primitive_desc(dst, std::vector<float>(srcs.size(), 1.0f), srcs, Engine(), Attributes());
  });
}

#else

absl::StatusOr<ConvolutionForward> Convolution(const ConvolutionOptions& o) {
  return Make<dnnl::convolution_forward>("convolution", [&] {
    return dnnl::convolution_forward::primitive_desc(Engine(), prop_kind::forward_training, Algorithm(o), o.src,
                                                     o.weights, o.bias, o.dst, o.stride, Gaps(o.dilation),
                                                     o.padding_begin, o.padding_end, Attributes(o.post_op));
  });
}

absl::StatusOr<ConvolutionBackwardData> ConvolutionGradientOfData(const ConvolutionOptions& o,
                                                                  const ConvolutionForward& forward) {
  return Make<dnnl::convolution_backward_data>("convolution backward data", [&] {
    return dnnl::convolution_backward_data::primitive_desc(Engine(), Algorithm(o), o.src, o.weights, o.dst, o.stride,
                                                           Gaps(o.dilation), o.padding_begin, o.padding_end,
                                                           forward.desc, Attributes());
  });
}

absl::StatusOr<ConvolutionBackwardWeights> ConvolutionGradientOfWeights(const ConvolutionOptions& o,
                                                                        const ConvolutionForward& forward) {
  return Make<dnnl::convolution_backward_weights>("convolution backward weights", [&] {
    return dnnl::convolution_backward_weights::primitive_desc(Engine(), Algorithm(o), o.src, o.weights, o.bias, o.dst,
                                                              o.stride, Gaps(o.dilation), o.padding_begin,
                                                              o.padding_end, forward.desc, Attributes());
  });
}

absl::StatusOr<InnerProductForward> InnerProduct(const InnerProductOptions& o) {
  return Make<dnnl::inner_product_forward>("inner product", [&] {
    return dnnl::inner_product_forward::primitive_desc(Engine(), prop_kind::forward_training, o.src, o.weights, o.bias,
                                                       o.dst, Attributes(o.post_op));
  });
}

absl::StatusOr<InnerProductBackwardData> InnerProductGradientOfData(const InnerProductOptions& o,
                                                                    const InnerProductForward& forward) {
  return Make<dnnl::inner_product_backward_data>("inner product backward data", [&] {
    return dnnl::inner_product_backward_data::primitive_desc(Engine(), o.src, o.weights, o.dst, forward.desc,
                                                             Attributes());
  });
}

absl::StatusOr<InnerProductBackwardWeights> InnerProductGradientOfWeights(const InnerProductOptions& o,
                                                                          const InnerProductForward& forward) {
  return Make<dnnl::inner_product_backward_weights>("inner product backward weights", [&] {
    return dnnl::inner_product_backward_weights::primitive_desc(Engine(), o.src, o.weights, o.bias, o.dst, forward.desc,
                                                                Attributes());
  });
}

absl::StatusOr<BatchNormalizationForward> BatchNormalization(const BatchNormalizationOptions& o) {
  return Make<dnnl::batch_normalization_forward>("batch normalization", [&] {
    return dnnl::batch_normalization_forward::primitive_desc(Engine(), Forward(o.training), o.data, o.data, o.epsilon,
                                                             Flags(o), Attributes());
  });
}

absl::StatusOr<BatchNormalizationBackward> BatchNormalizationGradient(const BatchNormalizationOptions& o,
                                                                      const BatchNormalizationForward& forward) {
  return Make<dnnl::batch_normalization_backward>("batch normalization backward", [&] {
    return dnnl::batch_normalization_backward::primitive_desc(Engine(), prop_kind::backward, o.data, o.data, o.data,
                                                              o.epsilon, Flags(o), forward.desc, Attributes());
  });
}

absl::StatusOr<PoolingForward> Pooling(const PoolingOptions& o) {
  return Make<dnnl::pooling_forward>("pooling", [&] {
    return dnnl::pooling_forward::primitive_desc(Engine(), Forward(o.training), Algorithm(o), o.src, o.dst, o.stride,
                                                 o.kernel, Dims(o.kernel.size(), 0), o.padding_begin, o.padding_end,
                                                 Attributes());
  });
}

absl::StatusOr<PoolingBackward> PoolingGradient(const PoolingOptions& o, const PoolingForward& forward) {
  return Make<dnnl::pooling_backward>("pooling backward", [&] {
    return dnnl::pooling_backward::primitive_desc(Engine(), Algorithm(o), o.src, o.dst, o.stride, o.kernel,
                                                  Dims(o.kernel.size(), 0), o.padding_begin, o.padding_end,
                                                  forward.desc, Attributes());
  });
}

absl::StatusOr<SoftmaxForward> Softmax(const Desc& data, bool training) {
  return Make<dnnl::softmax_forward>("softmax", [&] {
    return dnnl::softmax_forward::primitive_desc(Engine(), Forward(training), dnnl::algorithm::softmax_accurate, data,
                                                 data, /*axis=*/1, Attributes());
  });
}

absl::StatusOr<SoftmaxBackward> SoftmaxGradient(const Desc& data, const SoftmaxForward& forward) {
  return Make<dnnl::softmax_backward>("softmax backward", [&] {
    return dnnl::softmax_backward::primitive_desc(Engine(), dnnl::algorithm::softmax_accurate, data, data, data,
                                                  /*axis=*/1, forward.desc, Attributes());
  });
}

absl::StatusOr<MatrixProduct> MatMul(const Desc& src, const Desc& weights, const Desc& dst) {
  return Make<dnnl::matmul>("matrix product",
                            [&] { return dnnl::matmul::primitive_desc(Engine(), src, weights, dst, Attributes()); });
}

absl::StatusOr<LocalResponseForward> LocalResponse(const LocalResponseOptions& o) {
  return Make<dnnl::lrn_forward>("local response normalization", [&] {
    return dnnl::lrn_forward::primitive_desc(Engine(), Forward(o.training), dnnl::algorithm::lrn_across_channels,
                                             o.data, o.data, o.size, o.alpha, o.beta, o.k, Attributes());
  });
}

absl::StatusOr<LocalResponseBackward> LocalResponseGradient(const LocalResponseOptions& o,
                                                            const LocalResponseForward& forward) {
  return Make<dnnl::lrn_backward>("local response normalization backward", [&] {
    return dnnl::lrn_backward::primitive_desc(Engine(), dnnl::algorithm::lrn_across_channels, o.data, o.data, o.data,
                                              o.size, o.alpha, o.beta, o.k, forward.desc, Attributes());
  });
}

absl::StatusOr<Op<dnnl::sum>> Sum(const Desc& dst, const std::vector<Desc>& srcs) {
  return Make<dnnl::sum>("sum", [&] {
    return dnnl::sum::primitive_desc(Engine(), dst, std::vector<float>(srcs.size(), 1.0f), srcs, Attributes());
  });
}

#endif

absl::StatusOr<Op<dnnl::reorder>> Reorder(const Desc& from, const Desc& to) {
  return Make<dnnl::reorder>("reorder",
                             [&] { return dnnl::reorder::primitive_desc(Engine(), from, Engine(), to, Attributes()); });
}

}  // namespace traind::core::onednn
