// What the initializations of residual blocks promise, on a deep net (slides 65-66): the variance of x + F(x) does not
// grow from block to block, while it does without them.
#include <cmath>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "core/base/random.h"
#include "tests/support/planned_network.h"

namespace traind::core {
namespace {

constexpr int kBlocks = 24;
constexpr int64_t kBatch = 4;

// The mean square of each block's output at initialization, in training mode, beginning with the first.
std::vector<double> MeanSquares(const std::string& block) {
  std::string text = "input_shape: [16, 6, 6] layers { name: 'stem' conv2d { out_channels: 16 kernel: 1 } } ";
  for (int i = 0; i < kBlocks; ++i) absl::StrAppend(&text, "layers { name: 'b", i, "' block { ", block, " } } ");
  const PlannedNetwork network(FromText<v1::Network>(text), {.batch = kBatch, .training = true, .observe = true}, "",
                               {.trainable = false, .seed = 1});
  const RandomStream random(3, Purpose::kProbeInput, 0);
  std::vector<float> examples(kBatch * 16 * 36);
  for (size_t i = 0; i < examples.size(); ++i) {
    const auto words = random.Block(0, 0, static_cast<uint32_t>(i));
    examples[i] = ToNormal(words[0], words[1])[0];
  }
  EXPECT_TRUE(network.plan->Run({.examples = examples.data(), .count = kBatch, .observe = true}).ok());
  v1::StatisticsReport report;
  network.plan->Report(&report);
  std::vector<double> squares;
  for (int i = 0; i < kBlocks; ++i) {
    for (const auto& layer : report.layers()) {
      if (layer.layer() == absl::StrCat("b", i))
        squares.push_back(layer.mean() * layer.mean() + layer.std() * layer.std());
    }
  }
  EXPECT_EQ(squares.size(), kBlocks);
  return squares;
}

TEST(ResidualInitialization, KeepsTheVariance) {
  for (const char* block :
       {"residual { channels: 16 initialization: INITIALIZATION_ZERO_LAST }",
        "residual { channels: 16 initialization: INITIALIZATION_ZERO_LAST order: ORDER_PRE_ACTIVATION }",
        "residual { body: BODY_BOTTLENECK channels: 4 initialization: INITIALIZATION_ZERO_LAST }",
        "residual { channels: 16 initialization: INITIALIZATION_FIXUP }",
        "residual { body: BODY_BOTTLENECK channels: 4 initialization: INITIALIZATION_FIXUP }",
        "residual { initialization: INITIALIZATION_ZERO_LAST layers { name: 'c1' conv2d { out_channels: 16 kernel: "
        "3 padding { amount: 1 } } activation { relu {} } } layers { name: 'c2' conv2d { "
        "out_channels: 16 kernel: 3 padding { amount: 1 } } } }"}) {
    SCOPED_TRACE(block);
    const std::vector<double> squares = MeanSquares(block);
    EXPECT_GT(squares.front(), 0.1);
    for (double square : squares) EXPECT_NEAR(square, squares.front(), 1e-3 * squares.front());
  }
}

// Slide 65: Var(F(x) + x) > Var(x), block by block.
TEST(ResidualInitialization, WithoutItTheVarianceGrows) {
  for (const char* block : {"residual { channels: 16 }", "residual { channels: 16 order: ORDER_PRE_ACTIVATION }"}) {
    SCOPED_TRACE(block);
    const std::vector<double> squares = MeanSquares(block);
    EXPECT_GT(squares.back(), 4 * squares.front());
  }
}

}  // namespace
}  // namespace traind::core
