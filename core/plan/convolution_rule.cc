#include "core/plan/convolution_rule.h"

#include <algorithm>
#include <array>

namespace traind::core {
namespace {

// From how many channels (the fewer of input and output) and how many 4x4 output tiles of the batch on Winograd is
// faster: the sum of forward, backward data and backward weights, with the reorders between them. Measured with
// tests/bench/convolution on an AMD EPYC with AVX-512, oneDNN 2.6.3, float32, one thread, 3 to 512 channels, images of
// 4 to 56 pixels, batches of 16 and 128. Direct time / Winograd time by channels, over images of 7 pixels and more:
//   3: 0.4 to 1.0    16: 0.6 to 1.8    32: 1.1 to 2.5    64: 1.4 to 4.0    128: 1.5 to 2.8    256, 512: 1.5 to 3.3
// With 16 tiles only (images of 4 pixels, batch 16):  32: 0.9    64: 1.1    128: 1.2    512: 1.3.
struct Row {
  int64_t channels;
  int64_t tiles;
};
constexpr Row kWinogradFaster[] = {{32, 64}, {64, 16}};

// A tile that hangs over the image's edge computes outputs for nothing. Measured up to this share (7 and 14 pixels).
constexpr double kMaxComputed = 1.35;

constexpr int64_t kTile = 4;

// What the kernels can do at all.
bool HasWinograd(const ConvolutionShape& shape, v1::Precision precision, const ConvolutionTarget& target) {
  const bool built = target.version < onednn::Version{.major = 3, .minor = 1, .patch = 0} &&
                     target.instruction_set.starts_with("avx512_core");
  constexpr std::array<int64_t, 2> kOnes = {1, 1}, kThrees = {3, 3};
  const Window& window = shape.window;
  const auto& begin = shape.placed.padding_begin;
  const auto& end = shape.placed.padding_end;
  return built && precision != v1::PRECISION_BF16 && shape.groups == 1 && window.kernel == kThrees &&
         window.stride == kOnes && window.dilation == kOnes && std::max({begin[0], begin[1], end[0], end[1]}) <= 1;
}

bool WinogradIsFaster(const ConvolutionShape& shape, int64_t batch) {
  const auto& [height, width] = shape.placed.output;
  const int64_t rows = (height + kTile - 1) / kTile;
  const int64_t columns = (width + kTile - 1) / kTile;
  const double outputs = static_cast<double>(height) * static_cast<double>(width);
  if (static_cast<double>(rows * columns * kTile * kTile) > kMaxComputed * outputs) return false;
  const int64_t channels = std::min(shape.in_channels, shape.out_channels);
  return std::any_of(std::begin(kWinogradFaster), std::end(kWinogradFaster),
                     [&](const Row& row) { return channels >= row.channels && batch * rows * columns >= row.tiles; });
}

}  // namespace

v1::ConvolutionAlgorithm ChooseConvolution(const ConvolutionShape& shape, int64_t batch, v1::Precision precision,
                                           v1::ConvolutionAlgorithm requested, const ConvolutionTarget& target) {
  if (requested == v1::CONVOLUTION_ALGORITHM_DIRECT || !HasWinograd(shape, precision, target))
    return v1::CONVOLUTION_ALGORITHM_DIRECT;
  return requested == v1::CONVOLUTION_ALGORITHM_WINOGRAD || WinogradIsFaster(shape, batch)
             ? v1::CONVOLUTION_ALGORITHM_WINOGRAD
             : v1::CONVOLUTION_ALGORITHM_DIRECT;
}

}  // namespace traind::core
