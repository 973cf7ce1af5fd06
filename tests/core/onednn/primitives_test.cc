// Every wrapper against loops in double precision, on whatever version of oneDNN the test is built with.
#include "core/onednn/primitives.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <unordered_map>
#include <utility>
#include <vector>

#include "core/onednn/desc.h"
#include "gtest/gtest.h"

namespace traind::core::onednn {
namespace {

using Values = std::vector<float>;

// Numbers in [-1, 1) that differ from place to place and from seed to seed.
Values Numbers(int64_t n, uint32_t seed) {
  Values values(n);
  uint32_t state = seed * 2654435761u + 1;
  for (float& value : values) {
    state = state * 1664525u + 1013904223u;
    value = static_cast<float>(state >> 8) * 0x1p-23f - 1.0f;
  }
  return values;
}

int64_t Count(const Dims& dims) {
  int64_t n = 1;
  for (int64_t d : dims) n *= d;
  return n;
}

dnnl::stream& Stream() {
  static dnnl::stream stream(Engine());
  return stream;
}

void Execute(const dnnl::primitive_desc_base& desc, const std::unordered_map<int, dnnl::memory>& arguments) {
  const auto primitive = MakePrimitive(desc);
  ASSERT_TRUE(primitive.ok()) << primitive.status();
  primitive->execute(Stream(), arguments);
  Stream().wait();
}

dnnl::memory Empty(const Desc& desc) {
  dnnl::memory memory(desc, Engine());
  if (desc.get_size() > 0) std::memset(memory.get_data_handle(), 0xff, desc.get_size());  // NaN where nobody writes.
  return memory;
}

dnnl::memory Move(const dnnl::memory& from, const Desc& to) {
  const auto reorder = Reorder(from.get_desc(), to);
  EXPECT_TRUE(reorder.ok()) << reorder.status();
  dnnl::memory result = Empty(to);
  Execute(
      reorder->desc,
      {{DNNL_ARG_FROM, from}, {DNNL_ARG_TO, result}, {DNNL_ARG_SCRATCHPAD, Empty(reorder->desc.scratchpad_desc())}});
  return result;
}

// Row-major numbers in the layout wanted, and back.
dnnl::memory Put(const Values& values, const Desc& desc) {
  dnnl::memory plain = Empty(Plain(DimsOf(desc), Type::f32));
  std::copy(values.begin(), values.end(), static_cast<float*>(plain.get_data_handle()));
  return Move(plain, desc);
}

Values Get(const dnnl::memory& memory) {
  const Dims dims = DimsOf(memory.get_desc());
  const dnnl::memory plain = Move(memory, Plain(dims, Type::f32));
  const float* data = static_cast<const float*>(plain.get_data_handle());
  return Values(data, data + Count(dims));
}

void ExpectNear(const Values& actual, const std::vector<double>& expected, double tolerance) {
  ASSERT_EQ(actual.size(), expected.size());
  for (size_t i = 0; i < actual.size(); ++i) {
    ASSERT_NEAR(actual[i], expected[i], tolerance * (1 + std::abs(expected[i]))) << "at " << i;
  }
}

struct ConvolutionCase {
  int64_t batch, in, out, size, kernel, stride, dilation, groups, begin, end;
  bool winograd = false;
};

class ConvolutionTest : public testing::TestWithParam<ConvolutionCase> {
 protected:
  int64_t Output() const {
    const auto& p = GetParam();
    return (p.size + p.begin + p.end - (p.kernel - 1) * p.dilation - 1) / p.stride + 1;
  }

  // Calls visit(index of src, of weights, of dst) for every product of the convolution.
  template <class Visit>
  void ForEachProduct(const Visit& visit) const {
    const auto& p = GetParam();
    const int64_t size_out = Output(), in_each = p.in / p.groups, out_each = p.out / p.groups;
    for (int64_t n = 0; n < p.batch; ++n)
      for (int64_t o = 0; o < p.out; ++o)
        for (int64_t y = 0; y < size_out; ++y)
          for (int64_t x = 0; x < size_out; ++x)
            for (int64_t i = 0; i < in_each; ++i)
              for (int64_t ky = 0; ky < p.kernel; ++ky)
                for (int64_t kx = 0; kx < p.kernel; ++kx) {
                  const int64_t sy = y * p.stride - p.begin + ky * p.dilation;
                  const int64_t sx = x * p.stride - p.begin + kx * p.dilation;
                  if (sy < 0 || sx < 0 || sy >= p.size || sx >= p.size) continue;
                  const int64_t channel = o / out_each * in_each + i;
                  visit(((n * p.in + channel) * p.size + sy) * p.size + sx,
                        ((o * in_each + i) * p.kernel + ky) * p.kernel + kx,
                        ((n * p.out + o) * size_out + y) * size_out + x);
                }
  }
};

TEST_P(ConvolutionTest, MatchesLoopsInAllDirections) {
  const auto& p = GetParam();
  const Dims weight_dims = p.groups == 1 ? Dims{p.out, p.in, p.kernel, p.kernel}
                                         : Dims{p.groups, p.out / p.groups, p.in / p.groups, p.kernel, p.kernel};
  const int64_t size_out = Output();
  const ConvolutionOptions options{.winograd = p.winograd,
                                   .src = Any({p.batch, p.in, p.size, p.size}, Type::f32),
                                   .weights = Any(weight_dims, Type::f32),
                                   .bias = Plain({p.out}, Type::f32),
                                   .dst = Any({p.batch, p.out, size_out, size_out}, Type::f32),
                                   .stride = {p.stride, p.stride},
                                   .dilation = {p.dilation, p.dilation},
                                   .padding_begin = {p.begin, p.begin},
                                   .padding_end = {p.end, p.end}};
  const auto forward = Convolution(options);
  if (p.winograd && absl::IsUnimplemented(forward.status())) GTEST_SKIP() << forward.status();
  ASSERT_TRUE(forward.ok()) << forward.status();
  const double tolerance = p.winograd ? 1e-4 : 1e-5;

  const Values src = Numbers(Count(DimsOf(options.src)), 1);
  const Values weights = Numbers(Count(weight_dims), 2);
  const Values bias = Numbers(p.out, 3);
  const Values diff_dst = Numbers(Count(DimsOf(options.dst)), 4);
  std::vector<double> dst(diff_dst.size()), diff_src(src.size()), diff_weights(weights.size()), diff_bias(p.out);
  for (size_t i = 0; i < dst.size(); ++i) {
    const int64_t channel = static_cast<int64_t>(i) / (size_out * size_out) % p.out;
    dst[i] = bias[channel];
    diff_bias[channel] += diff_dst[i];
  }
  ForEachProduct([&](int64_t s, int64_t w, int64_t d) {
    dst[d] += static_cast<double>(src[s]) * weights[w];
    diff_src[s] += static_cast<double>(diff_dst[d]) * weights[w];
    diff_weights[w] += static_cast<double>(diff_dst[d]) * src[s];
  });

  const dnnl::memory result = Empty(forward->desc.dst_desc());
  Execute(forward->desc, {{DNNL_ARG_SRC, Put(src, forward->desc.src_desc())},
                          {DNNL_ARG_WEIGHTS, Put(weights, forward->desc.weights_desc())},
                          {DNNL_ARG_BIAS, Put(bias, forward->desc.bias_desc())},
                          {DNNL_ARG_DST, result},
                          {DNNL_ARG_SCRATCHPAD, Empty(forward->desc.scratchpad_desc())}});
  ExpectNear(Get(result), dst, tolerance);

  const auto data = ConvolutionGradientOfData(options, *forward);
  ASSERT_TRUE(data.ok()) << data.status();
  const dnnl::memory to_src = Empty(data->desc.diff_src_desc());
  Execute(data->desc, {{DNNL_ARG_DIFF_DST, Put(diff_dst, data->desc.diff_dst_desc())},
                       {DNNL_ARG_WEIGHTS, Put(weights, data->desc.weights_desc())},
                       {DNNL_ARG_DIFF_SRC, to_src},
                       {DNNL_ARG_SCRATCHPAD, Empty(data->desc.scratchpad_desc())}});
  ExpectNear(Get(to_src), diff_src, tolerance);

  const auto gradient = ConvolutionGradientOfWeights(options, *forward);
  ASSERT_TRUE(gradient.ok()) << gradient.status();
  const dnnl::memory to_weights = Empty(gradient->desc.diff_weights_desc());
  const dnnl::memory to_bias = Empty(gradient->desc.diff_bias_desc());
  Execute(gradient->desc, {{DNNL_ARG_SRC, Put(src, gradient->desc.src_desc())},
                           {DNNL_ARG_DIFF_DST, Put(diff_dst, gradient->desc.diff_dst_desc())},
                           {DNNL_ARG_DIFF_WEIGHTS, to_weights},
                           {DNNL_ARG_DIFF_BIAS, to_bias},
                           {DNNL_ARG_SCRATCHPAD, Empty(gradient->desc.scratchpad_desc())}});
  ExpectNear(Get(to_weights), diff_weights, tolerance);
  ExpectNear(Get(to_bias), diff_bias, tolerance);
}

INSTANTIATE_TEST_SUITE_P(
    Shapes, ConvolutionTest,
    testing::Values(ConvolutionCase{2, 3, 5, 6, 3, 1, 1, 1, 1, 1}, ConvolutionCase{2, 16, 32, 7, 3, 2, 1, 1, 0, 1},
                    ConvolutionCase{1, 17, 3, 9, 3, 1, 2, 1, 2, 2}, ConvolutionCase{2, 8, 12, 5, 3, 1, 1, 4, 1, 1},
                    ConvolutionCase{3, 16, 16, 4, 1, 1, 1, 1, 0, 0}, ConvolutionCase{1, 6, 6, 8, 5, 3, 1, 6, 2, 2},
                    ConvolutionCase{2, 32, 32, 8, 3, 1, 1, 1, 1, 1, true}));

TEST(ConvolutionPostOp, AppliesTheActivation) {
  ConvolutionOptions options{.src = Any({1, 16, 4, 4}, Type::f32),
                             .weights = Any({16, 16, 1, 1}, Type::f32),
                             .bias = Desc(),
                             .dst = Any({1, 16, 4, 4}, Type::f32),
                             .stride = {1, 1},
                             .dilation = {1, 1},
                             .padding_begin = {0, 0},
                             .padding_end = {0, 0}};
  options.post_op = PostOp{.algorithm = dnnl::algorithm::eltwise_relu, .alpha = 0.25f};
  const auto forward = Convolution(options);
  ASSERT_TRUE(forward.ok()) << forward.status();
  const Values src = Numbers(256, 1), weights = Numbers(256, 2);
  const dnnl::memory result = Empty(forward->desc.dst_desc());
  Execute(forward->desc, {{DNNL_ARG_SRC, Put(src, forward->desc.src_desc())},
                          {DNNL_ARG_WEIGHTS, Put(weights, forward->desc.weights_desc())},
                          {DNNL_ARG_DST, result},
                          {DNNL_ARG_SCRATCHPAD, Empty(forward->desc.scratchpad_desc())}});
  std::vector<double> expected(256);
  for (int o = 0; o < 16; ++o)
    for (int s = 0; s < 16; ++s) {
      double sum = 0;
      for (int i = 0; i < 16; ++i) sum += static_cast<double>(src[i * 16 + s]) * weights[o * 16 + i];
      expected[o * 16 + s] = sum > 0 ? sum : 0.25 * sum;
    }
  ExpectNear(Get(result), expected, 1e-5);
}

TEST(ConvolutionErrors, AreStatuses) {
  const auto made = Convolution({.src = Any({1, 4, 4, 4}, Type::f32),
                                 .weights = Any({4, 3, 3, 3}, Type::f32),  // Expects 3 channels.
                                 .bias = Desc(),
                                 .dst = Any({1, 4, 2, 2}, Type::f32),
                                 .stride = {1, 1},
                                 .dilation = {1, 1},
                                 .padding_begin = {0, 0},
                                 .padding_end = {0, 0}});
  EXPECT_FALSE(made.ok());
}

TEST(InnerProductTest, MatchesLoopsInAllDirections) {
  constexpr int64_t kBatch = 5, kIn = 37, kOut = 19;
  const InnerProductOptions options{.src = Plain({kBatch, kIn}, Type::f32),
                                    .weights = Any({kOut, kIn}, Type::f32),
                                    .bias = Plain({kOut}, Type::f32),
                                    .dst = Plain({kBatch, kOut}, Type::f32)};
  const Values src = Numbers(kBatch * kIn, 1), weights = Numbers(kOut * kIn, 2), bias = Numbers(kOut, 3);
  const Values diff_dst = Numbers(kBatch * kOut, 4);
  std::vector<double> dst(kBatch * kOut), diff_src(src.size()), diff_weights(weights.size()), diff_bias(kOut);
  for (int64_t n = 0; n < kBatch; ++n)
    for (int64_t o = 0; o < kOut; ++o) {
      const int64_t d = n * kOut + o;
      dst[d] = bias[o];
      diff_bias[o] += diff_dst[d];
      for (int64_t i = 0; i < kIn; ++i) {
        dst[d] += static_cast<double>(src[n * kIn + i]) * weights[o * kIn + i];
        diff_src[n * kIn + i] += static_cast<double>(diff_dst[d]) * weights[o * kIn + i];
        diff_weights[o * kIn + i] += static_cast<double>(diff_dst[d]) * src[n * kIn + i];
      }
    }

  const auto forward = InnerProduct(options);
  ASSERT_TRUE(forward.ok()) << forward.status();
  const dnnl::memory result = Empty(forward->desc.dst_desc());
  Execute(forward->desc, {{DNNL_ARG_SRC, Put(src, forward->desc.src_desc())},
                          {DNNL_ARG_WEIGHTS, Put(weights, forward->desc.weights_desc())},
                          {DNNL_ARG_BIAS, Put(bias, forward->desc.bias_desc())},
                          {DNNL_ARG_DST, result},
                          {DNNL_ARG_SCRATCHPAD, Empty(forward->desc.scratchpad_desc())}});
  ExpectNear(Get(result), dst, 1e-5);

  const auto data = InnerProductGradientOfData(options, *forward);
  ASSERT_TRUE(data.ok()) << data.status();
  const dnnl::memory to_src = Empty(data->desc.diff_src_desc());
  Execute(data->desc, {{DNNL_ARG_DIFF_DST, Put(diff_dst, data->desc.diff_dst_desc())},
                       {DNNL_ARG_WEIGHTS, Put(weights, data->desc.weights_desc())},
                       {DNNL_ARG_DIFF_SRC, to_src},
                       {DNNL_ARG_SCRATCHPAD, Empty(data->desc.scratchpad_desc())}});
  ExpectNear(Get(to_src), diff_src, 1e-5);

  const auto gradient = InnerProductGradientOfWeights(options, *forward);
  ASSERT_TRUE(gradient.ok()) << gradient.status();
  const dnnl::memory to_weights = Empty(gradient->desc.diff_weights_desc());
  const dnnl::memory to_bias = Empty(gradient->desc.diff_bias_desc());
  Execute(gradient->desc, {{DNNL_ARG_SRC, Put(src, gradient->desc.src_desc())},
                           {DNNL_ARG_DIFF_DST, Put(diff_dst, gradient->desc.diff_dst_desc())},
                           {DNNL_ARG_DIFF_WEIGHTS, to_weights},
                           {DNNL_ARG_DIFF_BIAS, to_bias},
                           {DNNL_ARG_SCRATCHPAD, Empty(gradient->desc.scratchpad_desc())}});
  ExpectNear(Get(to_weights), diff_weights, 1e-5);
  ExpectNear(Get(to_bias), diff_bias, 1e-5);
}

// Scale and shift the way this version takes them.
void AddScaleShift(const Values& scale, const Values& shift, std::unordered_map<int, dnnl::memory>& arguments) {
  const int64_t channels = static_cast<int64_t>(scale.size());
  if constexpr (kScaleShiftJoined) {
    Values joined = scale;
    joined.insert(joined.end(), shift.begin(), shift.end());
    arguments[kArgScaleShift] = Put(joined, Plain({2, channels}, Type::f32));
  } else {
    arguments[kArgScaleShift] = Put(scale, Plain({channels}, Type::f32));
    arguments[DNNL_ARG_SHIFT] = Put(shift, Plain({channels}, Type::f32));
  }
}

class BatchNormalizationTest : public testing::TestWithParam<bool> {};

TEST_P(BatchNormalizationTest, MatchesLoopsForwardAndBackward) {
  constexpr int64_t kBatch = 3, kChannels = 16, kSize = 4, kSpatial = kSize * kSize, kCount = kBatch * kSpatial;
  const bool relu = GetParam();
  const Dims dims{kBatch, kChannels, kSize, kSize};
  const BatchNormalizationOptions options{
      .data = Desc(dims, Type::f32, dnnl::memory::format_tag::nChw16c), .epsilon = 1e-3f, .relu = relu};
  const Values src = Numbers(kCount * kChannels, 1), diff_dst = Numbers(kCount * kChannels, 2);
  const Values scale = Numbers(kChannels, 3), shift = Numbers(kChannels, 4);

  std::vector<double> mean(kChannels), variance(kChannels), dst(src.size()), diff_src(src.size());
  std::vector<double> diff_scale(kChannels), diff_shift(kChannels);
  const auto for_each = [&](int64_t c, const auto& visit) {
    for (int64_t n = 0; n < kBatch; ++n)
      for (int64_t s = 0; s < kSpatial; ++s) visit((n * kChannels + c) * kSpatial + s);
  };
  for (int64_t c = 0; c < kChannels; ++c) {
    for_each(c, [&](int64_t i) { mean[c] += src[i] / static_cast<double>(kCount); });
    for_each(c, [&](int64_t i) { variance[c] += (src[i] - mean[c]) * (src[i] - mean[c]) / kCount; });
    const double inverse = 1 / std::sqrt(variance[c] + 1e-3);
    const auto normalized = [&](int64_t i) { return (src[i] - mean[c]) * inverse; };
    const auto gradient = [&](int64_t i) { return relu && dst[i] <= 0 ? 0.0 : static_cast<double>(diff_dst[i]); };
    for_each(c, [&](int64_t i) {
      dst[i] = normalized(i) * scale[c] + shift[c];
      if (relu) dst[i] = std::max(dst[i], 0.0);
      diff_scale[c] += gradient(i) * normalized(i);
      diff_shift[c] += gradient(i);
    });
    for_each(c, [&](int64_t i) {
      diff_src[i] =
          scale[c] * inverse * (gradient(i) - diff_shift[c] / kCount - normalized(i) * diff_scale[c] / kCount);
    });
  }

  const auto forward = BatchNormalization(options);
  ASSERT_TRUE(forward.ok()) << forward.status();
  const dnnl::memory source = Put(src, options.data), result = Empty(options.data);
  const dnnl::memory found_mean = Empty(Plain({kChannels}, Type::f32));
  const dnnl::memory found_variance = Empty(Plain({kChannels}, Type::f32));
  const dnnl::memory workspace = Empty(forward->desc.workspace_desc());
  std::unordered_map<int, dnnl::memory> arguments = {
      {DNNL_ARG_SRC, source},          {DNNL_ARG_DST, result},
      {DNNL_ARG_MEAN, found_mean},     {DNNL_ARG_VARIANCE, found_variance},
      {DNNL_ARG_WORKSPACE, workspace}, {DNNL_ARG_SCRATCHPAD, Empty(forward->desc.scratchpad_desc())}};
  AddScaleShift(scale, shift, arguments);
  Execute(forward->desc, arguments);
  ExpectNear(Get(result), dst, 1e-5);
  ExpectNear(Get(found_mean), mean, 1e-5);
  ExpectNear(Get(found_variance), variance, 1e-5);

  const auto backward = BatchNormalizationGradient(options, *forward);
  ASSERT_TRUE(backward.ok()) << backward.status();
  const dnnl::memory to_src = Empty(options.data);
  arguments.erase(DNNL_ARG_DST);
  arguments.erase(DNNL_ARG_SHIFT);  // The backward pass has no use for it, and 3.x takes only what it uses.
  arguments[DNNL_ARG_DIFF_DST] = Put(diff_dst, options.data);
  arguments[DNNL_ARG_DIFF_SRC] = to_src;
  arguments[DNNL_ARG_SCRATCHPAD] = Empty(backward->desc.scratchpad_desc());
  const dnnl::memory to_scale =
      Empty(kScaleShiftJoined ? Plain({2, kChannels}, Type::f32) : Plain({kChannels}, Type::f32));
  const dnnl::memory to_shift = Empty(Plain({kChannels}, Type::f32));
  arguments[kArgDiffScaleShift] = to_scale;
  if (!kScaleShiftJoined) arguments[DNNL_ARG_DIFF_SHIFT] = to_shift;
  Execute(backward->desc, arguments);
  ExpectNear(Get(to_src), diff_src, 1e-4);
  if (kScaleShiftJoined) {
    diff_scale.insert(diff_scale.end(), diff_shift.begin(), diff_shift.end());
  } else {
    ExpectNear(Get(to_shift), diff_shift, 1e-4);
  }
  ExpectNear(Get(to_scale), diff_scale, 1e-4);
}

INSTANTIATE_TEST_SUITE_P(WithAndWithoutRelu, BatchNormalizationTest, testing::Bool());

TEST(BatchNormalizationTest, InferenceTakesTheStatisticsGiven) {
  const BatchNormalizationOptions options{
      .data = Plain({2, 3, 2, 2}, Type::f32), .epsilon = 0.5f, .training = false, .relu = true};
  const auto forward = BatchNormalization(options);
  ASSERT_TRUE(forward.ok()) << forward.status();
  const Values src = Numbers(24, 1), mean = {0.5f, -0.5f, 0}, variance = {1, 2, 3}, scale = {1, 2, -1};
  const Values shift = {0, 1, 0.25f};
  const dnnl::memory result = Empty(options.data);
  std::unordered_map<int, dnnl::memory> arguments = {{DNNL_ARG_SRC, Put(src, options.data)},
                                                     {DNNL_ARG_DST, result},
                                                     {DNNL_ARG_MEAN, Put(mean, Plain({3}, Type::f32))},
                                                     {DNNL_ARG_VARIANCE, Put(variance, Plain({3}, Type::f32))},
                                                     {DNNL_ARG_SCRATCHPAD, Empty(forward->desc.scratchpad_desc())}};
  AddScaleShift(scale, shift, arguments);
  Execute(forward->desc, arguments);
  std::vector<double> expected(24);
  for (int i = 0; i < 24; ++i) {
    const int c = i / 4 % 3;
    expected[i] = std::max(0.0, (src[i] - mean[c]) / std::sqrt(variance[c] + 0.5) * scale[c] + shift[c]);
  }
  ExpectNear(Get(result), expected, 1e-5);
}

class PoolingTest : public testing::TestWithParam<PoolingOptions::Kind> {};

TEST_P(PoolingTest, MatchesLoopsForwardAndBackward) {
  constexpr int64_t kPlanes = 2 * 5, kSize = 7, kKernel = 3, kStride = 2, kBegin = 0, kEnd = 1, kOut = 3;
  const auto kind = GetParam();
  PoolingOptions options{.kind = kind,
                         .src = Plain({2, 5, kSize, kSize}, Type::f32),
                         .dst = Any({2, 5, kOut, kOut}, Type::f32),
                         .kernel = {kKernel, kKernel},
                         .stride = {kStride, kStride},
                         .padding_begin = {kBegin, kBegin},
                         .padding_end = {kEnd, kEnd}};
  const Values src = Numbers(kPlanes * kSize * kSize, 1), diff_dst = Numbers(kPlanes * kOut * kOut, 2);
  std::vector<double> dst(diff_dst.size()), diff_src(src.size());
  for (int64_t plane = 0; plane < kPlanes; ++plane)
    for (int64_t y = 0; y < kOut; ++y)
      for (int64_t x = 0; x < kOut; ++x) {
        std::vector<int64_t> inside;
        for (int64_t k = 0; k < kKernel * kKernel; ++k) {
          const int64_t sy = y * kStride - kBegin + k / kKernel, sx = x * kStride - kBegin + k % kKernel;
          if (sy >= 0 && sx >= 0 && sy < kSize && sx < kSize) inside.push_back((plane * kSize + sy) * kSize + sx);
        }
        const int64_t d = (plane * kOut + y) * kOut + x;
        if (kind == PoolingOptions::Kind::kMax) {
          const int64_t best =
              *std::max_element(inside.begin(), inside.end(), [&](int64_t a, int64_t b) { return src[a] < src[b]; });
          dst[d] = src[best];
          diff_src[best] += diff_dst[d];
          continue;
        }
        const double divisor = kind == PoolingOptions::Kind::kMean ? static_cast<double>(inside.size())
                                                                   : static_cast<double>(kKernel * kKernel);
        for (int64_t i : inside) {
          dst[d] += src[i] / divisor;
          diff_src[i] += diff_dst[d] / divisor;
        }
      }

  const auto forward = Pooling(options);
  ASSERT_TRUE(forward.ok()) << forward.status();
  options.dst = forward->desc.dst_desc();
  const dnnl::memory result = Empty(options.dst), workspace = Empty(forward->desc.workspace_desc());
  Execute(forward->desc, {{DNNL_ARG_SRC, Put(src, options.src)},
                          {DNNL_ARG_DST, result},
                          {DNNL_ARG_WORKSPACE, workspace},
                          {DNNL_ARG_SCRATCHPAD, Empty(forward->desc.scratchpad_desc())}});
  ExpectNear(Get(result), dst, 1e-6);

  const auto backward = PoolingGradient(options, *forward);
  ASSERT_TRUE(backward.ok()) << backward.status();
  const dnnl::memory to_src = Empty(options.src);
  Execute(backward->desc, {{DNNL_ARG_DIFF_DST, Put(diff_dst, options.dst)},
                           {DNNL_ARG_WORKSPACE, workspace},
                           {DNNL_ARG_DIFF_SRC, to_src},
                           {DNNL_ARG_SCRATCHPAD, Empty(backward->desc.scratchpad_desc())}});
  ExpectNear(Get(to_src), diff_src, 1e-6);
}

INSTANTIATE_TEST_SUITE_P(Kinds, PoolingTest,
                         testing::Values(PoolingOptions::Kind::kMax, PoolingOptions::Kind::kMean,
                                         PoolingOptions::Kind::kMeanWithPadding));

TEST(SoftmaxTest, MatchesLoopsForwardAndBackward) {
  constexpr int64_t kBatch = 3, kClasses = 11;
  const Desc desc = Plain({kBatch, kClasses}, Type::f32);
  const Values src = Numbers(kBatch * kClasses, 1), diff_dst = Numbers(kBatch * kClasses, 2);
  std::vector<double> dst(src.size()), diff_src(src.size());
  for (int64_t n = 0; n < kBatch; ++n) {
    double sum = 0, dot = 0;
    for (int64_t c = 0; c < kClasses; ++c) sum += std::exp(src[n * kClasses + c]);
    for (int64_t c = 0; c < kClasses; ++c) {
      const int64_t i = n * kClasses + c;
      dst[i] = std::exp(src[i]) / sum;
      dot += dst[i] * diff_dst[i];
    }
    for (int64_t i = n * kClasses; i < (n + 1) * kClasses; ++i) diff_src[i] = dst[i] * (diff_dst[i] - dot);
  }
  const auto forward = Softmax(desc, /*training=*/true);
  ASSERT_TRUE(forward.ok()) << forward.status();
  const dnnl::memory result = Empty(desc);
  Execute(forward->desc, {{DNNL_ARG_SRC, Put(src, desc)},
                          {DNNL_ARG_DST, result},
                          {DNNL_ARG_SCRATCHPAD, Empty(forward->desc.scratchpad_desc())}});
  ExpectNear(Get(result), dst, 1e-6);
  const auto backward = SoftmaxGradient(desc, *forward);
  ASSERT_TRUE(backward.ok()) << backward.status();
  const dnnl::memory to_src = Empty(desc);
  Execute(backward->desc, {{DNNL_ARG_DST, result},
                           {DNNL_ARG_DIFF_DST, Put(diff_dst, desc)},
                           {DNNL_ARG_DIFF_SRC, to_src},
                           {DNNL_ARG_SCRATCHPAD, Empty(backward->desc.scratchpad_desc())}});
  ExpectNear(Get(to_src), diff_src, 1e-6);
}

TEST(SumTest, AddsEveryInput) {
  const Desc desc = Plain({2, 9}, Type::f32);
  const auto sum = Sum(desc, {desc, desc, desc});
  ASSERT_TRUE(sum.ok()) << sum.status();
  const Values a = Numbers(18, 1), b = Numbers(18, 2), c = Numbers(18, 3);
  const dnnl::memory result = Empty(desc);
  Execute(sum->desc, {{DNNL_ARG_MULTIPLE_SRC, Put(a, desc)},
                      {DNNL_ARG_MULTIPLE_SRC + 1, Put(b, desc)},
                      {DNNL_ARG_MULTIPLE_SRC + 2, Put(c, desc)},
                      {DNNL_ARG_DST, result},
                      {DNNL_ARG_SCRATCHPAD, Empty(sum->desc.scratchpad_desc())}});
  std::vector<double> expected(18);
  for (int i = 0; i < 18; ++i) expected[i] = static_cast<double>(a[i]) + b[i] + c[i];
  ExpectNear(Get(result), expected, 1e-6);
}

}  // namespace
}  // namespace traind::core::onednn
