#include "core/base/math.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "core/base/vectorize.h"
#include "gtest/gtest.h"

namespace traind::core {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();
const float kNan = std::nanf("");

// The functions are tested as they are used: inside a vectorized loop.
template <class Function>
TRAIND_VECTORIZED void Apply(Function f, const float* x, float* y, int64_t n) {
  for (int64_t i = 0; i < n; ++i) y[i] = f(x[i]);
}

std::vector<float> Grid(double low, double high, int n = 200003) {
  std::vector<float> x;
  for (int i = 0; i < n; ++i) x.push_back(static_cast<float>(low + (high - low) * i / (n - 1)));
  for (float tiny = 1e-30f; tiny < 1; tiny *= 3.7f) {
    if (tiny >= low && tiny <= high) x.push_back(tiny);
    if (-tiny >= low && -tiny <= high) x.push_back(-tiny);
  }
  return x;
}

// Distance in units of the last place of the exact result, which is taken as a float of normal size.
double Ulps(float got, double want) {
  if (static_cast<float>(want) == got) return 0;
  const double size = std::max(std::abs(want), static_cast<double>(std::numeric_limits<float>::min()));
  return std::abs(got - want) / std::exp2(std::floor(std::log2(size)) - 23);
}

template <class Function>
double WorstUlps(Function f, double (*exact)(double), const std::vector<float>& x) {
  std::vector<float> y(x.size());
  Apply(f, x.data(), y.data(), static_cast<int64_t>(x.size()));
  double worst = 0;
  for (size_t i = 0; i < x.size(); ++i) {
    const double ulps = Ulps(y[i], exact(x[i]));
    if (!(ulps <= worst)) worst = ulps;
  }
  return worst;
}

struct ExpF {
  TRAIND_INLINE float operator()(float x) const { return Exp(x); }
};
struct Expm1F {
  TRAIND_INLINE float operator()(float x) const { return Expm1(x); }
};
struct LogF {
  TRAIND_INLINE float operator()(float x) const { return Log(x); }
};
struct Log1pF {
  TRAIND_INLINE float operator()(float x) const { return Log1p(x); }
};
struct SigmoidF {
  TRAIND_INLINE float operator()(float x) const { return Sigmoid(x); }
};
struct TanhF {
  TRAIND_INLINE float operator()(float x) const { return Tanh(x); }
};
struct SoftplusF {
  TRAIND_INLINE float operator()(float x) const { return Softplus(x); }
};
struct ErfF {
  TRAIND_INLINE float operator()(float x) const { return Erf(x); }
};
struct NormalCdfF {
  TRAIND_INLINE float operator()(float x) const { return NormalCdf(x); }
};
struct SinF {
  TRAIND_INLINE float operator()(float t) const { return SinCosTurns(t).sin; }
};
struct CosF {
  TRAIND_INLINE float operator()(float t) const { return SinCosTurns(t).cos; }
};

double ExactSigmoid(double x) { return 1 / (1 + std::exp(-x)); }
double ExactSoftplus(double x) { return std::max(x, 0.0) + std::log1p(std::exp(-std::abs(x))); }

TEST(MathTest, ErrorsAreWithinWhatTheHeaderStates) {
  EXPECT_LE(WorstUlps(ExpF(), std::exp, Grid(-87.3, 88.7)), 2);
  EXPECT_LE(WorstUlps(Expm1F(), std::expm1, Grid(-100, 88.7)), 3);
  EXPECT_LE(WorstUlps(Expm1F(), std::expm1, Grid(-1, 1)), 3);
  EXPECT_LE(WorstUlps(LogF(), std::log, Grid(1e-30, 3)), 2);
  EXPECT_LE(WorstUlps(LogF(), std::log, Grid(1e-3, 1e30)), 2);
  EXPECT_LE(WorstUlps(Log1pF(), std::log1p, Grid(0, 1)), 2);
  EXPECT_LE(WorstUlps(SigmoidF(), ExactSigmoid, Grid(-87, 100)), 4);
  EXPECT_LE(WorstUlps(TanhF(), std::tanh, Grid(-12, 12)), 4);
  EXPECT_LE(WorstUlps(TanhF(), std::tanh, Grid(-0.5, 0.5)), 4);
  EXPECT_LE(WorstUlps(SoftplusF(), ExactSoftplus, Grid(-87, 100)), 4);
  EXPECT_LE(WorstUlps(ErfF(), std::erf, Grid(-6, 6)), 3);
}

TEST(MathTest, BoundedFunctionsHaveSmallAbsoluteError) {
  const std::vector<float> x = Grid(-9, 9), t = Grid(0, 1);
  std::vector<float> cdf(x.size()), sine(t.size()), cosine(t.size());
  Apply(NormalCdfF(), x.data(), cdf.data(), static_cast<int64_t>(x.size()));
  Apply(SinF(), t.data(), sine.data(), static_cast<int64_t>(t.size()));
  Apply(CosF(), t.data(), cosine.data(), static_cast<int64_t>(t.size()));
  for (size_t i = 0; i < x.size(); ++i) ASSERT_NEAR(cdf[i], 0.5 * std::erfc(-x[i] / std::sqrt(2.0)), 1e-7) << x[i];
  for (size_t i = 0; i < t.size(); ++i) {
    ASSERT_NEAR(sine[i], std::sin(2 * M_PI * t[i]), 2e-7) << t[i];
    ASSERT_NEAR(cosine[i], std::cos(2 * M_PI * t[i]), 2e-7) << t[i];
  }
}

TEST(MathTest, ExtremesAndNan) {
  EXPECT_EQ(Exp(89), kInfinity);
  EXPECT_EQ(Exp(kInfinity), kInfinity);
  EXPECT_EQ(Exp(-kInfinity), 0);
  EXPECT_NEAR(Exp(-100) / std::exp(-100.0), 1, 0.02);  // A denormal.
  EXPECT_EQ(Expm1(-kInfinity), -1);
  EXPECT_EQ(Expm1(kInfinity), kInfinity);
  EXPECT_EQ(Expm1(0), 0);
  EXPECT_EQ(Sigmoid(-kInfinity), 0);
  EXPECT_EQ(Sigmoid(kInfinity), 1);
  EXPECT_EQ(Tanh(-kInfinity), -1);
  EXPECT_EQ(Tanh(kInfinity), 1);
  EXPECT_EQ(Softplus(kInfinity), kInfinity);
  EXPECT_EQ(Softplus(1e30f), 1e30f);
  EXPECT_EQ(Softplus(-kInfinity), 0);
  EXPECT_EQ(Erf(-kInfinity), -1);
  EXPECT_EQ(Erf(5), 1);
  for (float y : {Exp(kNan), Expm1(kNan), Sigmoid(kNan), Tanh(kNan), Softplus(kNan), Erf(kNan), NormalCdf(kNan)}) {
    EXPECT_TRUE(std::isnan(y));
  }
}

}  // namespace
}  // namespace traind::core
