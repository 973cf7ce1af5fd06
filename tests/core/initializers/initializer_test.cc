#include "core/kinds/initializer.h"

#include <omp.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "tests/support/text_proto.h"

namespace traind::core {
namespace {

constexpr int64_t kN = 1 << 20;
constexpr Initializer::Fans kFans = {.in = 200, .out = 800};

std::unique_ptr<Initializer> Make(const std::string& text) {
  auto config = FromText<v1::Initializer>(text);
  FieldErrors::Root errors;
  auto initializer = Registry<Initializer>::Get().Create(config, errors.scope());
  EXPECT_TRUE(errors.ok()) << errors.ToStatus();
  return initializer;
}

std::vector<float> Fill(const std::string& text, int64_t n = kN, uint64_t seed = 7) {
  std::vector<float> values(n, NAN);
  Make(text)->Fill({n}, kFans, RandomStream(seed, Purpose::kInitialize, StreamOf("fc.weight")), absl::MakeSpan(values));
  return values;
}

// Kolmogorov and Smirnov's largest distance between the sample's distribution and the one given.
template <class Cdf>
double Distance(std::vector<float> values, const Cdf& cdf) {
  std::sort(values.begin(), values.end());
  const double n = static_cast<double>(values.size());
  double worst = 0;
  for (size_t i = 0; i < values.size(); ++i) {
    const double p = cdf(static_cast<double>(values[i]));
    worst = std::max({worst, std::abs(p - static_cast<double>(i) / n), std::abs(p - static_cast<double>(i + 1) / n)});
  }
  return worst;
}

// The distance that a right sample exceeds once in a million.
double Allowed(int64_t n) { return 2.7 / std::sqrt(static_cast<double>(n)); }

void ExpectNormal(const std::string& text, double mean, double std) {
  const auto cdf = [=](double x) { return 0.5 * std::erfc((mean - x) / (std * std::sqrt(2.0))); };
  EXPECT_LT(Distance(Fill(text), cdf), Allowed(kN)) << text;
}

void ExpectUniform(const std::string& text, double low, double high) {
  const std::vector<float> values = Fill(text);
  const auto cdf = [=](double x) { return std::clamp((x - low) / (high - low), 0.0, 1.0); };
  EXPECT_LT(Distance(values, cdf), Allowed(kN)) << text;
  EXPECT_GE(*std::min_element(values.begin(), values.end()), static_cast<float>(low)) << text;
  EXPECT_LE(*std::max_element(values.begin(), values.end()), static_cast<float>(high)) << text;
}

TEST(InitializerTest, EveryRuleHasItsDistribution) {
  ExpectNormal("normal {}", 0, 0.01);
  ExpectNormal("normal { mean: 3 std: 0.5 }", 3, 0.5);
  ExpectUniform("uniform {}", -0.05, 0.05);
  ExpectUniform("uniform { low: 1 high: 1.5 }", 1, 1.5);
  ExpectNormal("xavier {}", 0, 1 / std::sqrt(200.0));
  ExpectNormal("xavier { fan: FAN_OUT gain: 3 }", 0, 3 / std::sqrt(800.0));
  ExpectUniform("xavier { fan: FAN_AVERAGE distribution: DISTRIBUTION_UNIFORM }", -std::sqrt(3 / 500.0),
                std::sqrt(3 / 500.0));
  ExpectNormal("kaiming {}", 0, std::sqrt(2 / 200.0));
  ExpectNormal("kaiming { fan: FAN_OUT negative_slope: 1 }", 0, 1 / std::sqrt(800.0));
  ExpectUniform("kaiming { distribution: DISTRIBUTION_UNIFORM }", -std::sqrt(6 / 200.0), std::sqrt(6 / 200.0));
}

TEST(InitializerTest, NormalsHaveTheMomentsAndTailsOfNormals) {
  const std::vector<float> values = Fill("normal { std: 1 }");
  double sum = 0, squares = 0, cubes = 0, fourths = 0, neighbours = 0;
  int64_t beyond = 0;
  for (size_t i = 0; i < values.size(); ++i) {
    const double x = values[i];
    sum += x;
    squares += x * x;
    cubes += x * x * x;
    fourths += x * x * x * x;
    beyond += std::abs(x) > 4 ? 1 : 0;
    if (i > 0) neighbours += x * values[i - 1];
  }
  const double n = static_cast<double>(kN);
  EXPECT_NEAR(sum / n, 0, 5 / std::sqrt(n));
  EXPECT_NEAR(squares / n, 1, 5 * std::sqrt(2 / n));
  EXPECT_NEAR(cubes / n, 0, 5 * std::sqrt(15 / n));
  EXPECT_NEAR(fourths / n, 3, 5 * std::sqrt(96 / n));
  EXPECT_NEAR(neighbours / n, 0, 5 / std::sqrt(n));
  EXPECT_NEAR(static_cast<double>(beyond), 66.4, 5 * std::sqrt(66.4));  // P(|x| > 4) = 6.33e-5
}

TEST(InitializerTest, ConstantsAreConstant) {
  for (float x : Fill("zeros {}", 1000)) ASSERT_EQ(x, 0);
  for (float x : Fill("constant { value: 0.01 }", 1000)) ASSERT_EQ(x, 0.01f);
}

TEST(InitializerTest, AValueDependsOnItsIndexAlone) {
  for (const std::string text : {"normal { std: 1 }", "uniform {}"}) {
    const std::vector<float> all = Fill(text, 100003);
    const int threads = omp_get_max_threads();
    for (int n : {1, 2, 3}) {
      omp_set_num_threads(n);
      EXPECT_EQ(Fill(text, 100003), all) << text << " with " << n << " threads";
    }
    omp_set_num_threads(threads);
    for (int64_t n : {1, 2, 5, 1023, 1025, 99999}) {
      EXPECT_EQ(Fill(text, n), std::vector<float>(all.begin(), all.begin() + n)) << text << " of " << n;
    }
    EXPECT_NE(Fill(text, 1000, 8), std::vector<float>(all.begin(), all.begin() + 1000)) << "another seed";
  }
}

// Block(0, 0, i / 4) gives value i: what the checkpoint contract rests on.
TEST(InitializerTest, NormalsAreThoseOfTheScalarDefinition) {
  const std::vector<float> values = Fill("normal { std: 1 }", 5000);
  const RandomStream random(7, Purpose::kInitialize, StreamOf("fc.weight"));
  for (uint32_t i = 0; i < 5000; ++i) {
    const auto block = random.Block(0, 0, i / 4);
    const auto pair = ToNormal(block[i % 4 / 2 * 2], block[i % 4 / 2 * 2 + 1]);
    ASSERT_NEAR(values[i], pair[i % 2], 2e-6) << i;
  }
}

TEST(InitializerTest, KnowsWhatBreaksSymmetry) {
  EXPECT_FALSE(Make("zeros {}")->breaks_symmetry());
  EXPECT_FALSE(Make("constant { value: 1 }")->breaks_symmetry());
  EXPECT_FALSE(Make("normal { std: 0 }")->breaks_symmetry());
  EXPECT_TRUE(Make("normal {}")->breaks_symmetry());
  EXPECT_TRUE(Make("kaiming {}")->breaks_symmetry());
}

TEST(InitializerTest, KnowsWhatLetsTheVarianceShrinkUnderRelu) {
  EXPECT_FALSE(Make("xavier {}")->suits_relu());
  EXPECT_TRUE(Make("kaiming {}")->suits_relu());
}

TEST(InitializerTest, WritesDefaultsBack) {
  v1::Initializer config;
  config.mutable_xavier();
  FieldErrors::Root errors;
  Registry<Initializer>::Get().Create(config, errors.scope());
  EXPECT_EQ(config.xavier().fan(), v1::FAN_IN);
  EXPECT_EQ(config.xavier().distribution(), v1::DISTRIBUTION_NORMAL);
  EXPECT_EQ(config.xavier().gain(), 1);
}

TEST(InitializerTest, NamesTheFieldThatIsWrong) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"constant { value: nan }", "constant.value"},
      {"constant { value: 1e300 }", "constant.value"},
      {"normal { std: -1 }", "normal.std"},
      {"normal { std: inf }", "normal.std"},
      {"normal { mean: nan }", "normal.mean"},
      {"uniform { low: 1 high: 1 }", "uniform.high"},
      {"uniform { low: 1 }", "uniform.high"},
      {"uniform { low: nan }", "uniform.low"},
      {"uniform { low: -3e38 high: 3e38 }", "uniform.high"},
      {"xavier { gain: 0 }", "xavier.gain"},
      {"xavier { fan: 9 }", "xavier.fan"},
      {"xavier { distribution: 9 }", "xavier.distribution"},
      {"kaiming { negative_slope: inf }", "kaiming.negative_slope"},
      {"kaiming { fan: 9 }", "kaiming.fan"},
      {"", ""},
  };
  for (const auto& [text, field] : cases) {
    auto config = FromText<v1::Initializer>(text);
    FieldErrors::Root errors;
    Registry<Initializer>::Get().Create(config, errors.scope());
    ASSERT_FALSE(errors.ok()) << text;
    EXPECT_EQ(errors.violations().field_violations(0).field(), field) << text;
  }
}

}  // namespace
}  // namespace traind::core
