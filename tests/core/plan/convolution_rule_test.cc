#include "core/plan/convolution_rule.h"

#include "core/onednn/primitives.h"
#include "gtest/gtest.h"

namespace traind::core {
namespace {

const ConvolutionTarget kDebian12{.instruction_set = "avx512_core_bf16",
                                  .version = {.major = 2, .minor = 6, .patch = 3}};

struct Batched {
  ConvolutionShape shape;
  int64_t batch;
};

Batched Square(int64_t in, int64_t out, int64_t size, int64_t batch) {
  return {.shape = {.in_channels = in,
                    .out_channels = out,
                    .window = {.kernel = {3, 3}},
                    .placed = {.padding_begin = {1, 1}, .padding_end = {1, 1}, .output = {size, size}}},
          .batch = batch};
}

v1::ConvolutionAlgorithm Choose(const Batched& of,
                                v1::ConvolutionAlgorithm requested = v1::CONVOLUTION_ALGORITHM_AUTO) {
  return ChooseConvolution(of.shape, of.batch, v1::PRECISION_F32, requested, kDebian12);
}

TEST(ConvolutionRule, FollowsTheMeasurements) {
  EXPECT_EQ(Choose(Square(1, 32, 28, 128)), v1::CONVOLUTION_ALGORITHM_DIRECT);     // The stem of cnn28,
  EXPECT_EQ(Choose(Square(32, 32, 28, 128)), v1::CONVOLUTION_ALGORITHM_WINOGRAD);  // and the rest of it.
  EXPECT_EQ(Choose(Square(32, 64, 14, 128)), v1::CONVOLUTION_ALGORITHM_WINOGRAD);
  EXPECT_EQ(Choose(Square(64, 64, 14, 128)), v1::CONVOLUTION_ALGORITHM_WINOGRAD);
  EXPECT_EQ(Choose(Square(3, 64, 32, 64)), v1::CONVOLUTION_ALGORITHM_DIRECT);  // resnet18_cifar.
  EXPECT_EQ(Choose(Square(64, 64, 32, 64)), v1::CONVOLUTION_ALGORITHM_WINOGRAD);
  EXPECT_EQ(Choose(Square(512, 512, 4, 64)), v1::CONVOLUTION_ALGORITHM_WINOGRAD);
  EXPECT_EQ(Choose(Square(16, 16, 32, 128)), v1::CONVOLUTION_ALGORITHM_DIRECT);
  EXPECT_EQ(Choose(Square(32, 32, 4, 16)), v1::CONVOLUTION_ALGORITHM_DIRECT);  // 16 tiles.
  EXPECT_EQ(Choose(Square(64, 64, 4, 16)), v1::CONVOLUTION_ALGORITHM_WINOGRAD);
  EXPECT_EQ(Choose(Square(64, 64, 5, 16)), v1::CONVOLUTION_ALGORITHM_DIRECT);  // Four tiles for 25 outputs.
}

TEST(ConvolutionRule, UnspecifiedIsAuto) {
  EXPECT_EQ(Choose(Square(64, 64, 32, 64), v1::CONVOLUTION_ALGORITHM_UNSPECIFIED), v1::CONVOLUTION_ALGORITHM_WINOGRAD);
  EXPECT_EQ(Choose(Square(3, 64, 32, 64), v1::CONVOLUTION_ALGORITHM_UNSPECIFIED), v1::CONVOLUTION_ALGORITHM_DIRECT);
}

TEST(ConvolutionRule, CanBeForced) {
  EXPECT_EQ(Choose(Square(64, 64, 32, 64), v1::CONVOLUTION_ALGORITHM_DIRECT), v1::CONVOLUTION_ALGORITHM_DIRECT);
  EXPECT_EQ(Choose(Square(16, 16, 5, 1), v1::CONVOLUTION_ALGORITHM_WINOGRAD), v1::CONVOLUTION_ALGORITHM_WINOGRAD);
}

TEST(ConvolutionRule, ForcesWinogradOnlyWhereThereAreKernels) {
  const auto forced = [](auto change) {
    Batched of = Square(64, 64, 32, 64);
    change(of.shape);
    return Choose(of, v1::CONVOLUTION_ALGORITHM_WINOGRAD);
  };
  EXPECT_EQ(forced([](auto&) {}), v1::CONVOLUTION_ALGORITHM_WINOGRAD);
  EXPECT_EQ(forced([](auto& s) { s.window.kernel[1] = 5; }), v1::CONVOLUTION_ALGORITHM_DIRECT);
  EXPECT_EQ(forced([](auto& s) { s.window.kernel[0] = 1; }), v1::CONVOLUTION_ALGORITHM_DIRECT);
  EXPECT_EQ(forced([](auto& s) { s.window.stride[0] = 2; }), v1::CONVOLUTION_ALGORITHM_DIRECT);
  EXPECT_EQ(forced([](auto& s) { s.window.stride[1] = 2; }), v1::CONVOLUTION_ALGORITHM_DIRECT);
  EXPECT_EQ(forced([](auto& s) { s.window.dilation[0] = 2; }), v1::CONVOLUTION_ALGORITHM_DIRECT);
  EXPECT_EQ(forced([](auto& s) { s.window.dilation[1] = 2; }), v1::CONVOLUTION_ALGORITHM_DIRECT);
  EXPECT_EQ(forced([](auto& s) { s.groups = 2; }), v1::CONVOLUTION_ALGORITHM_DIRECT);
  for (const int axis : {0, 1}) {
    EXPECT_EQ(forced([axis](auto& s) { s.placed.padding_begin[axis] = 2; }), v1::CONVOLUTION_ALGORITHM_DIRECT);
    EXPECT_EQ(forced([axis](auto& s) { s.placed.padding_end[axis] = 2; }), v1::CONVOLUTION_ALGORITHM_DIRECT);
  }
  const auto& [shape, batch] = Square(64, 64, 32, 64);
  EXPECT_EQ(ChooseConvolution(shape, batch, v1::PRECISION_BF16, v1::CONVOLUTION_ALGORITHM_WINOGRAD, kDebian12),
            v1::CONVOLUTION_ALGORITHM_DIRECT);
  ConvolutionTarget target = kDebian12;
  target.instruction_set = "avx2";
  EXPECT_EQ(ChooseConvolution(shape, batch, v1::PRECISION_F32, v1::CONVOLUTION_ALGORITHM_WINOGRAD, target),
            v1::CONVOLUTION_ALGORITHM_DIRECT);
  target = kDebian12;
  target.version = {.major = 3, .minor = 7, .patch = 0};
  EXPECT_EQ(ChooseConvolution(shape, batch, v1::PRECISION_F32, v1::CONVOLUTION_ALGORITHM_WINOGRAD, target),
            v1::CONVOLUTION_ALGORITHM_DIRECT);
}

// What the rule says about this machine, oneDNN agrees with.
TEST(ConvolutionRule, KernelsExistWhereItSaysSo) {
  if (ChooseConvolution(Square(64, 64, 8, 4).shape, 4, v1::PRECISION_F32, v1::CONVOLUTION_ALGORITHM_WINOGRAD) !=
      v1::CONVOLUTION_ALGORITHM_WINOGRAD) {
    GTEST_SKIP() << "no Winograd kernels here";
  }
  using onednn::Type;
  for (const int64_t channels : {16, 17, 64}) {
    for (const int64_t padding : {0, 1}) {
      const onednn::ConvolutionOptions options{
          .winograd = true,
          .src = onednn::Any({4, channels, 8, 8}, Type::f32),
          .weights = onednn::Any({channels, channels, 3, 3}, Type::f32),
          .bias = onednn::Desc(),
          .dst = onednn::Any({4, channels, 6 + 2 * padding, 6 + 2 * padding}, Type::f32),
          .stride = {1, 1},
          .dilation = {1, 1},
          .padding_begin = {padding, padding},
          .padding_end = {padding, padding}};
      const auto forward = onednn::Convolution(options);
      EXPECT_TRUE(forward.ok()) << channels << " channels, padding " << padding << ": " << forward.status();
    }
  }
}

}  // namespace
}  // namespace traind::core
