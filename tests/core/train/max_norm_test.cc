// Rows of weights against a limit, by a float64 norm over the public layout. The golden case max_norm holds whole runs
// against torch.renorm.
#include "core/train/max_norm.h"

#include <cmath>
#include <string>
#include <vector>

#include "core/graph/graph.h"
#include "gtest/gtest.h"
#include "tests/support/planned_network.h"
#include "tests/support/text_proto.h"

namespace traind::core {
namespace {

// Convolutions of 5 channels, whose layout is padded, and a dense layer.
constexpr char kRowLayers[] = R"(
    input_shape: [3, 6, 6]
    layers { name: "c" conv2d { out_channels: 5 kernel: 3 } activation { relu {} }
             regularizers { max_norm { limit: 2 } } regularizers { max_norm { limit: 0.75 } } }
    layers { name: "g" conv2d { out_channels: 10 kernel: 1 groups: 5 } }
    layers { name: "a" dense { units: 7 } regularizers { l2 { strength: 1 } } }
    regularizers { max_norm { limit: 0.5 } } )";

std::vector<double> RowNorms(const std::vector<float>& values, size_t rows) {
  std::vector<double> norms(rows);
  const size_t each = values.size() / rows;
  for (size_t i = 0; i < values.size(); ++i) norms[i / each] += double{values[i]} * values[i];
  for (double& norm : norms) norm = std::sqrt(norm);
  return norms;
}

TEST(MaxNormTest, LongRowsAreScaledAndShortOnesStay) {
  PlannedNetwork network(FromText<v1::Network>(kRowLayers), {.batch = 2, .training = true}, "",
                         {.slots = 1, .seed = 3});
  ASSERT_NE(network.plan, nullptr);
  auto made = MaxNorm::Make(*network.store);
  ASSERT_TRUE(made.ok()) << made.status();
  ASSERT_NE(*made, nullptr);
  for (const auto& [name, rows, limit] :
       {std::tuple("c.weight", 5, 0.75), std::tuple("g.weight", 10, 0.5), std::tuple("a.weight", 7, 1e9)}) {
    SCOPED_TRACE(name);
    const size_t n = network.Get(name).size();
    std::vector<float> values(n);
    for (size_t i = 0; i < n; ++i) {
      const size_t row = i / (n / rows);
      values[i] = std::cos(static_cast<float>(i)) * (row % 2 == 0 ? 3.0f : 0.01f);
    }
    network.Set(name, values);
    (*made)->Apply();
    const std::vector<float> after = network.Get(name);
    const std::vector<double> norms = RowNorms(values, rows), now = RowNorms(after, rows);
    bool scaled = false;
    for (size_t row = 0; row < static_cast<size_t>(rows); ++row) {
      EXPECT_NEAR(now[row], std::min(norms[row], limit), 1e-6) << row;
      scaled |= norms[row] > limit;
    }
    EXPECT_EQ(scaled, limit < 1e9);
    for (size_t i = 0; i < n; ++i) {
      const size_t row = i / (n / rows);
      EXPECT_NEAR(after[i], values[i] * now[row] / norms[row], 1e-6) << i;
      if (norms[row] <= limit) {
        EXPECT_EQ(after[i], values[i]);
      }
    }
  }
}

TEST(MaxNormTest, ThereIsNoneWithoutAConstraint) {
  PlannedNetwork network(FromText<v1::Network>(R"(
      input_shape: [4]
      layers { name: "a" dense { units: 3 } regularizers { l2 { strength: 1 } } })"),
                         {.batch = 2, .training = true}, "", {.slots = 1, .seed = 3});
  const auto made = MaxNorm::Make(*network.store);
  ASSERT_TRUE(made.ok()) << made.status();
  EXPECT_EQ(*made, nullptr);
}

TEST(MaxNormTest, OtherGroupsThanWeightsAreRefused) {
  auto network = FromText<v1::Network>(
      "input_shape: [4] layers { name: \"a\" dense { units: 3 } } regularizers { max_norm { limit: 1 } groups: "
      "PARAMETER_GROUP_WEIGHTS groups: PARAMETER_GROUP_BIASES }");
  FieldErrors::Root errors;
  Graph::Build(network, errors.scope());
  ASSERT_EQ(errors.violations().field_violations_size(), 1);
  EXPECT_EQ(errors.violations().field_violations(0).field(), "regularizers[0].groups[1]");
}

}  // namespace
}  // namespace traind::core
