// The parts of an activation that need no plan: derivative, saturation, padding, config. Values and gradients through
// real plans are checked in tests/conformance.
#include "core/kinds/activation.h"

#include <omp.h>

#include <cmath>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "core/base/bfloat16.h"
#include "gtest/gtest.h"
#include "tests/support/text_proto.h"

namespace traind::core {
namespace {

using Type = dnnl::memory::data_type;

std::unique_ptr<Activation> Make(const std::string& text) {
  auto config = FromText<v1::Activation>(text);
  FieldErrors::Root errors;
  auto activation = Registry<Activation>::Get().Create(config, errors.scope());
  EXPECT_TRUE(errors.ok()) << errors.ToStatus();
  return activation;
}

// The function as lecture10 and activation.proto define it, in double.
struct Case {
  std::string config;
  std::function<double(double)> f;
  std::vector<double> kinks;
};

double Phi(double x) { return 0.5 * std::erfc(-x / std::sqrt(2.0)); }
double Logistic(double x) { return 1 / (1 + std::exp(-x)); }
double SoftplusOf(double x) { return std::max(x, 0.0) + std::log1p(std::exp(-std::abs(x))); }

std::vector<Case> Cases() {
  constexpr double kLambda = 1.0507009873554804934193349852946, kAlpha = 1.6732632423543772848170429916717;
  return {
      {"sigmoid {}", Logistic, {}},
      {"tanh {}", [](double x) { return std::tanh(x); }, {}},
      {"relu {}", [](double x) { return std::max(0.0, x); }, {0}},
      {"leaky_relu {}", [](double x) { return std::max(0.1 * x, x); }, {0}},
      {"leaky_relu { negative_slope: 0.02 }", [](double x) { return std::max(0.02 * x, x); }, {0}},
      {"elu {}", [](double x) { return x > 0 ? x : std::expm1(x); }, {}},
      {"elu { alpha: 0.5 }", [](double x) { return x > 0 ? x : 0.5 * std::expm1(x); }, {0}},
      {"selu {}", [](double x) { return kLambda * (x > 0 ? x : kAlpha * std::expm1(x)); }, {0}},
      {"gelu {}", [](double x) { return x * Phi(x); }, {}},
      {"gelu { form: FORM_TANH }",
       [](double x) { return 0.5 * x * (1 + std::tanh(std::sqrt(2 / M_PI) * (x + 0.044715 * x * x * x))); },
       {}},
      {"gelu { form: FORM_SIGMOID }", [](double x) { return x * Logistic(1.702 * x); }, {}},
      {"softplus {}", SoftplusOf, {}},
      {"swish {}", [](double x) { return x * Logistic(x); }, {}},
      {"swish { beta: 2 }", [](double x) { return x * Logistic(2 * x); }, {}},
      {"hardswish {}", [](double x) { return x * std::min(std::max(x + 3, 0.0), 6.0) / 6; }, {-3, 3}},
      {"hardsigmoid {}", [](double x) { return std::min(std::max(x + 3, 0.0), 6.0) / 6; }, {-3, 3}},
      {"silu {}", [](double x) { return x / (1 + std::exp(-x)); }, {}},
      {"mish {}", [](double x) { return x * std::tanh(SoftplusOf(x)); }, {}},
  };
}

double Slope(const std::function<double(double)>& f, double x) {
  constexpr double kStep = 1e-6;
  return (f(x + kStep) - f(x - kStep)) / (2 * kStep);
}

bool NearKink(const Case& c, double x) {
  for (double kink : c.kinks) {
    if (std::abs(x - kink) < 1e-4) return true;
  }
  return false;
}

// One row of n values.
Layout Row(int64_t n, Type type = Type::f32) {
  return {.type = type, .batch = 1, .channels = n, .spatial = 1, .width = n, .blocks = 1};
}

TEST(ActivationTest, DerivativeIsTheSlopeOfTheFunction) {
  std::vector<float> x;
  for (int i = 0; i <= 4000; ++i) x.push_back(static_cast<float>(-20 + 0.01 * i));
  const auto n = static_cast<int64_t>(x.size());
  for (const Case& c : Cases()) {
    SCOPED_TRACE(c.config);
    const auto activation = Make(c.config);
    ASSERT_TRUE(activation->derivative_source().has_value());
    std::vector<float> source = x, ones(x.size(), 2.0f), dx(x.size());
    if (*activation->derivative_source() == Activation::Source::kOutput) {
      for (float& v : source) v = static_cast<float>(c.f(v));
    }
    activation->Backward(Row(n), source.data(), ones.data(), dx.data());
    activation->Backward(Row(n), source.data(), ones.data(), ones.data());  // In place.
    EXPECT_EQ(dx, ones);
    for (int64_t i = 0; i < n; ++i) {
      if (NearKink(c, x[i])) continue;
      ASSERT_NEAR(dx[i], 2 * Slope(c.f, x[i]), 2 * 2e-6) << "x = " << x[i];
    }
  }
}

TEST(ActivationTest, ExtremeInputsHaveTheirLimitsAsDerivatives) {
  const std::vector<float> x = {-3e38f, -1e20f, -1e4f, -100, 100, 1e4f, 1e20f, 3e38f};
  for (const Case& c : Cases()) {
    const auto activation = Make(c.config);
    std::vector<float> source = x, dx(8, 1.0f);
    if (*activation->derivative_source() == Activation::Source::kOutput) {
      for (float& v : source) v = static_cast<float>(c.f(v));
    }
    activation->Backward(Row(8), source.data(), dx.data(), dx.data());
    for (size_t i = 0; i < x.size(); ++i) {
      const double limit = x[i] > 0 ? c.f(200) - c.f(199) : c.f(-199) - c.f(-200);
      EXPECT_NEAR(dx[i], limit, 1e-6) << c.config << " at " << x[i];
    }
  }
}

TEST(ActivationTest, TheDerivativeOfReluAtZeroIsZero) {
  std::vector<float> y = {0, 1e-30f}, dx = {1, 1};
  Make("relu {}")->Backward(Row(2), y.data(), dx.data(), dx.data());
  EXPECT_EQ(dx, (std::vector<float>{0, 1}));
}

// A blocked layout with 19 of 32 channels, once in float32 and once in bfloat16.
struct Blocked {
  Layout layout = {.type = Type::f32, .batch = 3, .channels = 19, .spatial = 35, .width = 16, .blocks = 2};

  bool valid(int64_t i) const {
    const int64_t block = i / (layout.spatial * layout.width) % layout.blocks;
    return i % layout.width < layout.block_width(block);
  }
};

TEST(ActivationTest, PaddingIsNeitherReadNorCounted) {
  for (const Case& c : Cases()) {
    SCOPED_TRACE(c.config);
    const auto activation = Make(c.config);
    Blocked blocked;
    const int64_t n = blocked.layout.stored_elements();
    std::vector<float> source(n), dy(n, 1.0f), dx(n, NAN);
    int64_t expected = 0;
    for (int64_t i = 0; i < n; ++i) {
      const double x = -9 + 18 * static_cast<double>(i * 7919 % n) / static_cast<double>(n);
      const bool of_output = *activation->derivative_source() == Activation::Source::kOutput;
      source[i] = blocked.valid(i) ? static_cast<float>(of_output ? c.f(x) : x) : std::nanf("");
      const double slope = Slope(c.f, x);
      if (blocked.valid(i) && !NearKink(c, x)) expected += std::abs(slope) < 0.01 ? 1 : 0;
    }
    const int threads = omp_get_max_threads();
    for (int count : {1, 2, 3}) {
      omp_set_num_threads(count);
      EXPECT_NEAR(static_cast<double>(activation->CountSaturated(blocked.layout, source.data())),
                  static_cast<double>(expected), 2);
      activation->Backward(blocked.layout, source.data(), dy.data(), dx.data());
      for (int64_t i = 0; i < n; ++i) {
        if (blocked.valid(i)) {
          ASSERT_TRUE(std::isfinite(dx[i])) << i;
        } else {
          ASSERT_EQ(dx[i], 0) << i;
        }
      }
    }
    omp_set_num_threads(threads);
  }
}

TEST(ActivationTest, Bfloat16IsTheRoundedFloat32) {
  for (const Case& c : Cases()) {
    SCOPED_TRACE(c.config);
    const auto activation = Make(c.config);
    constexpr int64_t kN = 1001;
    std::vector<Bfloat16> v16(kN), dy16(kN), dx16(kN);
    std::vector<float> v(kN), dy(kN), dx(kN);
    for (int64_t i = 0; i < kN; ++i) {
      v16[i] = FromFloat<Bfloat16>(static_cast<float>(std::sin(static_cast<double>(i)) * 0.9));
      dy16[i] = FromFloat<Bfloat16>(static_cast<float>(std::cos(static_cast<double>(i))));
      v[i] = ToFloat(v16[i]);
      dy[i] = ToFloat(dy16[i]);
    }
    activation->Backward(Row(kN), v.data(), dy.data(), dx.data());
    activation->Backward(Row(kN, Type::bf16), v16.data(), dy16.data(), dx16.data());
    for (int64_t i = 0; i < kN; ++i) ASSERT_EQ(dx16[i].bits, FromFloat<Bfloat16>(dx[i]).bits) << i;
    EXPECT_EQ(activation->CountSaturated(Row(kN, Type::bf16), v16.data()),
              activation->CountSaturated(Row(kN), v.data()));
  }
}

TEST(ActivationTest, FusesOnlyWhereTheOutputIsEnough) {
  int fused = 0;
  for (const Case& c : Cases()) {
    const auto activation = Make(c.config);
    if (!activation->post_op()) continue;
    ++fused;
    EXPECT_EQ(*activation->derivative_source(), Activation::Source::kOutput) << c.config;
  }
  EXPECT_EQ(fused, 7);
  EXPECT_TRUE(Make("relu {}")->is_relu());
  EXPECT_TRUE(Make("relu {}")->can_die());
  EXPECT_FALSE(Make("leaky_relu {}")->is_relu());
  EXPECT_FALSE(Make("leaky_relu {}")->can_die());
}

TEST(ActivationTest, LearnedParametersAreTrainedAndNotPenalized) {
  FieldErrors::Root errors;
  const Shape input = {6, 4, 4};
  const LayerShape prelu = Make("prelu {}")->Infer({input}, errors.scope());
  ASSERT_EQ(prelu.parameters.size(), 1u);
  EXPECT_EQ(prelu.parameters[0].name, "slope");
  EXPECT_EQ(prelu.parameters[0].shape, (Shape{6}));
  EXPECT_EQ(prelu.parameters[0].initializer.constant().value(), 0.25);
  EXPECT_TRUE(prelu.parameters[0].trained);
  EXPECT_FALSE(prelu.parameters[0].penalized);
  EXPECT_EQ(prelu.output, input);
  const LayerShape swish = Make("swish { learned: true beta: 1.5 }")->Infer({input}, errors.scope());
  ASSERT_EQ(swish.parameters.size(), 1u);
  EXPECT_EQ(swish.parameters[0].name, "beta");
  EXPECT_EQ(swish.parameters[0].shape, (Shape{1}));
  EXPECT_EQ(swish.parameters[0].initializer.constant().value(), 1.5);
  EXPECT_TRUE(Make("swish {}")->Infer({input}, errors.scope()).parameters.empty());
  EXPECT_TRUE(errors.ok());
}

TEST(ActivationTest, MaxoutDividesTheChannels) {
  FieldErrors::Root errors;
  const Shape image = {6, 4, 4}, odd = {5};
  EXPECT_EQ(Make("maxout { pieces: 3 }")->Infer({image}, errors.scope()).output, (Shape{2, 4, 4}));
  EXPECT_EQ(Make("maxout {}")->pieces(), 2);
  EXPECT_TRUE(errors.ok());
  Make("maxout {}")->Infer({odd}, errors.scope("maxout"));
  ASSERT_FALSE(errors.ok());
  EXPECT_EQ(errors.violations().field_violations(0).field(), "maxout.pieces");
}

TEST(ActivationTest, NamesTheFieldThatIsWrong) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"", ""},
      {"leaky_relu { negative_slope: 1 }", "leaky_relu.negative_slope"},
      {"leaky_relu { negative_slope: -0.1 }", "leaky_relu.negative_slope"},
      {"leaky_relu { negative_slope: nan }", "leaky_relu.negative_slope"},
      {"prelu { initial_slope: 1.5 }", "prelu.initial_slope"},
      {"prelu { initial_slope: -inf }", "prelu.initial_slope"},
      {"maxout { pieces: 1 }", "maxout.pieces"},
      {"maxout { pieces: 0 }", "maxout.pieces"},
      {"elu { alpha: 0 }", "elu.alpha"},
      {"elu { alpha: inf }", "elu.alpha"},
      {"gelu { form: 7 }", "gelu.form"},
      {"swish { beta: nan }", "swish.beta"},
  };
  for (const auto& [text, field] : cases) {
    auto config = FromText<v1::Activation>(text);
    FieldErrors::Root errors;
    Registry<Activation>::Get().Create(config, errors.scope());
    ASSERT_EQ(errors.violations().field_violations_size(), 1) << text;
    EXPECT_EQ(errors.violations().field_violations(0).field(), field) << text;
  }
}

TEST(ActivationTest, WritesDefaultsBack) {
  const auto resolved = [](const std::string& text) {
    auto config = FromText<v1::Activation>(text);
    FieldErrors::Root errors;
    Registry<Activation>::Get().Create(config, errors.scope());
    return config;
  };
  EXPECT_EQ(resolved("leaky_relu {}").leaky_relu().negative_slope(), 0.1);
  EXPECT_EQ(resolved("prelu {}").prelu().initial_slope(), 0.25);
  EXPECT_EQ(resolved("maxout {}").maxout().pieces(), 2u);
  EXPECT_EQ(resolved("elu {}").elu().alpha(), 1);
  EXPECT_EQ(resolved("gelu {}").gelu().form(), v1::Gelu::FORM_ERF);
  EXPECT_EQ(resolved("swish {}").swish().beta(), 1);
}

}  // namespace
}  // namespace traind::core
