// The primitives of a training step, described the same way on oneDNN 2.x and 3.x: each function takes descriptors (Any
// where the layout is the primitive's choice) and returns what the primitive settled on. All have a scratchpad of the
// caller's and strict float arithmetic, so that results depend on the input alone. Code is generated only when the
// primitive itself is made.
//
// Errors: UNIMPLEMENTED where no kernel fits, else as Guard() says. Ownership: results are values. Thread-safe.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "absl/status/statusor.h"
#include "core/onednn/onednn.h"

namespace traind::core::onednn {

// What a primitive will be: desc.src_desc(), .weights_desc(), .workspace_desc(), .scratchpad_desc(), ...
template <class Kind>
struct Op {
  typename Kind::primitive_desc desc;
  // The same in the same layouts without what is fused into it, for those who look at what that hides.
  std::optional<typename Kind::primitive_desc> plain = std::nullopt;
};

// The primitive of any of them, or UNIMPLEMENTED and so on as Guard() says.
absl::StatusOr<dnnl::primitive> MakePrimitive(const dnnl::primitive_desc_base& desc);
dnnl::primitive::kind KindOf(const dnnl::primitive_desc_base& desc);

// An elementwise function applied to the result inside the primitive.
struct PostOp {
  dnnl::algorithm algorithm;
  float alpha = 0;
  float beta = 0;
};

// --- Convolution (cross-correlation). In the backward functions src is diff_src, dst is diff_dst, and so on.
struct ConvolutionOptions {
  bool winograd = false;  // Only 2.x, float32, 3x3, stride 1: UNIMPLEMENTED elsewhere.
  Desc src;               // [n, ic, h, w]
  Desc weights;           // [oc, ic, kh, kw], or [groups, oc / groups, ic / groups, kh, kw]
  Desc bias;              // [oc], or empty for none.
  Desc dst;               // [n, oc, oh, ow]
  Dims stride;
  Dims dilation;       // Distance between taps: 1 is a dense kernel.
  Dims padding_begin;  // Above and to the left ...
  Dims padding_end;    // ... below and to the right.
  std::optional<PostOp> post_op = std::nullopt;
};
using ConvolutionForward = Op<dnnl::convolution_forward>;
using ConvolutionBackwardData = Op<dnnl::convolution_backward_data>;
using ConvolutionBackwardWeights = Op<dnnl::convolution_backward_weights>;
absl::StatusOr<ConvolutionForward> Convolution(const ConvolutionOptions& options);
absl::StatusOr<ConvolutionBackwardData> ConvolutionGradientOfData(const ConvolutionOptions& options,
                                                                  const ConvolutionForward& forward);
absl::StatusOr<ConvolutionBackwardWeights> ConvolutionGradientOfWeights(const ConvolutionOptions& options,
                                                                        const ConvolutionForward& forward);

// --- Inner product: dst[n, o] = sum over the rest of src[n, ...] * weights[o, ...], + bias[o].
struct InnerProductOptions {
  Desc src;      // [n, f] or [n, c, h, w]
  Desc weights;  // [o, f] or [o, c, h, w]
  Desc bias;     // [o], or empty for none.
  Desc dst;      // [n, o]
  std::optional<PostOp> post_op = std::nullopt;
};
using InnerProductForward = Op<dnnl::inner_product_forward>;
using InnerProductBackwardData = Op<dnnl::inner_product_backward_data>;
using InnerProductBackwardWeights = Op<dnnl::inner_product_backward_weights>;
absl::StatusOr<InnerProductForward> InnerProduct(const InnerProductOptions& options);
absl::StatusOr<InnerProductBackwardData> InnerProductGradientOfData(const InnerProductOptions& options,
                                                                    const InnerProductForward& forward);
absl::StatusOr<InnerProductBackwardWeights> InnerProductGradientOfWeights(const InnerProductOptions& options,
                                                                          const InnerProductForward& forward);

// --- Batch normalization of the channels, axis 1 of [n, c, h, w] or [n, c]. Mean and variance are float32 [c].
struct BatchNormalizationOptions {
  Desc data;  // Of src and dst; a concrete layout.
  float epsilon = 1e-5f;
  bool training = true;  // Mean and variance are outputs (the biased variance), and relu gets a workspace.
  bool relu = false;     // Apply max(0, x) to the result.
  bool given = false;    // In training mean and variance are inputs all the same.
};
using BatchNormalizationForward = Op<dnnl::batch_normalization_forward>;
using BatchNormalizationBackward = Op<dnnl::batch_normalization_backward>;
absl::StatusOr<BatchNormalizationForward> BatchNormalization(const BatchNormalizationOptions& options);
// Of training. diff_src and diff_dst have the layout of `options.data`.
absl::StatusOr<BatchNormalizationBackward> BatchNormalizationGradient(const BatchNormalizationOptions& options,
                                                                      const BatchNormalizationForward& forward);
// Where true, scale and shift are one float32 tensor [2, c] under kArgScaleShift (on 2.6 the kernels run only so);
// else two of [c] under DNNL_ARG_SCALE and DNNL_ARG_SHIFT. The same holds for their gradients.
#if DNNL_VERSION_MAJOR < 3
inline constexpr bool kScaleShiftJoined = true;
inline constexpr int kArgScaleShift = DNNL_ARG_SCALE_SHIFT;
inline constexpr int kArgDiffScaleShift = DNNL_ARG_DIFF_SCALE_SHIFT;
#else
inline constexpr bool kScaleShiftJoined = false;
inline constexpr int kArgScaleShift = DNNL_ARG_SCALE;
inline constexpr int kArgDiffScaleShift = DNNL_ARG_DIFF_SCALE;
#endif

// --- Pooling.
struct PoolingOptions {
  enum class Kind { kMax, kMean, kMeanWithPadding };  // The last one counts padding in the divisor.
  Kind kind = Kind::kMax;
  bool training = true;  // Max: a workspace says where the largest value was.
  Desc src;              // [n, c, h, w]
  Desc dst;              // [n, c, oh, ow]
  Dims kernel;
  Dims stride;
  Dims padding_begin;
  Dims padding_end;
};
using PoolingForward = Op<dnnl::pooling_forward>;
using PoolingBackward = Op<dnnl::pooling_backward>;
absl::StatusOr<PoolingForward> Pooling(const PoolingOptions& options);
absl::StatusOr<PoolingBackward> PoolingGradient(const PoolingOptions& options, const PoolingForward& forward);

// --- Softmax over axis 1; `data` is the descriptor of src and dst. Its backward reads dst.
using SoftmaxForward = Op<dnnl::softmax_forward>;
using SoftmaxBackward = Op<dnnl::softmax_backward>;
absl::StatusOr<SoftmaxForward> Softmax(const Desc& data, bool training);
absl::StatusOr<SoftmaxBackward> SoftmaxGradient(const Desc& data, const SoftmaxForward& forward);

// --- Matrix products, one for each of `b`: dst[b] = src[b] weights[b], of [b, m, k], [b, k, n] and [b, m, n]. A
// transposed matrix is one by its strides.
using MatrixProduct = Op<dnnl::matmul>;
absl::StatusOr<MatrixProduct> MatMul(const Desc& src, const Desc& weights, const Desc& dst);

// --- Local response normalization across channels; `data` is the descriptor of src and dst. Its backward reads src.
struct LocalResponseOptions {
  Desc data;  // [n, c, h, w]; a concrete layout.
  bool training = true;
  int64_t size = 5;  // dst = src / (k + alpha / size * sum of src^2 over `size` channels) ^ beta
  float alpha = 1e-4f;
  float beta = 0.75f;
  float k = 1;
};
using LocalResponseForward = Op<dnnl::lrn_forward>;
using LocalResponseBackward = Op<dnnl::lrn_backward>;
absl::StatusOr<LocalResponseForward> LocalResponse(const LocalResponseOptions& options);
absl::StatusOr<LocalResponseBackward> LocalResponseGradient(const LocalResponseOptions& options,
                                                            const LocalResponseForward& forward);

// --- Moving and adding. Inputs are DNNL_ARG_MULTIPLE_SRC + i.
absl::StatusOr<Op<dnnl::reorder>> Reorder(const Desc& from, const Desc& to);
absl::StatusOr<Op<dnnl::sum>> Sum(const Desc& dst, const std::vector<Desc>& srcs);

}  // namespace traind::core::onednn
