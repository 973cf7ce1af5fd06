// Orthonormal rows or columns, uniform over all such matrices, the same for any number of threads.
#include <omp.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "core/kinds/initializer.h"
#include "gtest/gtest.h"
#include "tests/support/text_proto.h"

namespace traind::core {
namespace {

std::vector<float> Fill(const std::string& text, const Shape& shape, uint64_t seed = 7) {
  auto config = FromText<v1::Initializer>(text);
  FieldErrors::Root errors;
  const auto initializer = Registry<Initializer>::Get().Create(config, errors.scope());
  EXPECT_TRUE(errors.ok()) << errors.ToStatus();
  std::vector<float> values(Elements(shape), NAN);
  initializer->Fill(shape, {}, RandomStream(seed, Purpose::kInitialize, StreamOf("fc.weight")), absl::MakeSpan(values));
  return values;
}

// The largest difference of an inner product of two rows (or columns, when there are fewer) from that of orthogonal
// vectors with squared norm `squares`.
double WorstProduct(const std::vector<float>& w, int64_t units, int64_t inputs, double squares) {
  const bool rows = units <= inputs;
  const int64_t n = std::min(units, inputs), length = std::max(units, inputs);
  const auto at = [&](int64_t vector, int64_t i) -> double {
    return rows ? w[vector * inputs + i] : w[i * inputs + vector];
  };
  double worst = 0;
  for (int64_t a = 0; a < n; ++a) {
    for (int64_t b = 0; b <= a; ++b) {
      double product = 0;
      for (int64_t i = 0; i < length; ++i) product += at(a, i) * at(b, i);
      worst = std::max(worst, std::abs(product - (a == b ? squares : 0)));
    }
  }
  return worst;
}

TEST(OrthogonalTest, RowsOrColumnsAreOrthonormal) {
  const std::vector<Shape> shapes = {{64, 200},      {200, 64},       {96, 96}, {1, 10}, {10, 1},   {1, 1},
                                     {48, 16, 3, 3}, {192, 16, 3, 3}, {5},      {2, 2},  {300, 520}};
  for (const Shape& shape : shapes) {
    const std::vector<float> w = Fill("orthogonal {}", shape);
    const int64_t inputs = Elements(shape) / shape[0];
    EXPECT_LT(WorstProduct(w, shape[0], inputs, 1), 1e-5) << ToString(shape);
  }
  EXPECT_LT(WorstProduct(Fill("orthogonal { gain: 3 }", {40, 70}), 40, 70, 9), 9e-5);
}

// Of a uniform matrix every element has mean 0 and variance 1 / n; a QR decomposition without the correction of its
// signs would leave the diagonal with one sign. The determinant is 1 or -1, each half of the time.
TEST(OrthogonalTest, IsUniform) {
  constexpr int kSeeds = 2000;
  constexpr int64_t kN = 3;
  std::vector<double> sum(kN * kN), squares(kN * kN);
  int positive = 0;
  for (int seed = 0; seed < kSeeds; ++seed) {
    const std::vector<float> w = Fill("orthogonal {}", {kN, kN}, seed);
    for (int64_t i = 0; i < kN * kN; ++i) {
      sum[i] += w[i];
      squares[i] += static_cast<double>(w[i]) * w[i];
    }
    const double determinant = static_cast<double>(w[0]) * (w[4] * w[8] - w[5] * w[7]) -
                               static_cast<double>(w[1]) * (w[3] * w[8] - w[5] * w[6]) +
                               static_cast<double>(w[2]) * (w[3] * w[7] - w[4] * w[6]);
    positive += determinant > 0 ? 1 : 0;
  }
  // Five standard errors: elements have variance 1/3, their squares 4/45.
  for (int64_t i = 0; i < kN * kN; ++i) {
    EXPECT_NEAR(sum[i] / kSeeds, 0, 5 * std::sqrt(1.0 / 3 / kSeeds)) << i;
    EXPECT_NEAR(squares[i] / kSeeds, 1.0 / 3, 5 * std::sqrt(4.0 / 45 / kSeeds)) << i;
  }
  EXPECT_NEAR(static_cast<double>(positive) / kSeeds, 0.5, 5 * std::sqrt(0.25 / kSeeds));
}

TEST(OrthogonalTest, DoesNotDependOnTheNumberOfThreads) {
  const int threads = omp_get_max_threads();
  omp_set_num_threads(1);
  const std::vector<float> one = Fill("orthogonal {}", {300, 700});
  omp_set_num_threads(3);
  const std::vector<float> three = Fill("orthogonal {}", {300, 700});
  omp_set_num_threads(threads);
  EXPECT_EQ(one, three);
  EXPECT_NE(one, Fill("orthogonal {}", {300, 700}, 8));
}

TEST(OrthogonalTest, NamesAWrongGain) {
  for (const char* text : {"orthogonal { gain: 0 }", "orthogonal { gain: -1 }", "orthogonal { gain: nan }",
                           "orthogonal { gain: 1e300 }"}) {
    auto config = FromText<v1::Initializer>(text);
    FieldErrors::Root errors;
    Registry<Initializer>::Get().Create(config, errors.scope());
    ASSERT_EQ(errors.violations().field_violations_size(), 1) << text;
    EXPECT_EQ(errors.violations().field_violations(0).field(), "orthogonal.gain");
  }
}

}  // namespace
}  // namespace traind::core
