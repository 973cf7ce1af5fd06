#include "core/kinds/loss.h"

#include <omp.h>

#include <cmath>
#include <functional>
#include <limits>
#include <memory>
#include <random>
#include <string>
#include <tuple>
#include <vector>

#include "gtest/gtest.h"
#include "tests/support/text_proto.h"

namespace traind::core {
namespace {

std::unique_ptr<Loss> Make(const std::string& text) {
  auto config = FromText<v1::Loss>(text);
  FieldErrors::Root errors;
  auto loss = Registry<Loss>::Get().Create(config, errors.scope());
  EXPECT_TRUE(errors.ok()) << errors.ToStatus();
  return loss;
}

// A minibatch with class labels and with rows of floats.
struct Batch {
  int64_t n;
  int64_t outputs;
  std::vector<float> x;
  std::vector<int32_t> labels;
  std::vector<float> rows;

  Batch(int64_t examples, int64_t classes, float scale, uint32_t seed = 1) : n(examples), outputs(classes) {
    std::mt19937 random(seed);
    std::normal_distribution<float> normal(0, scale);
    for (int64_t i = 0; i < n * outputs; ++i) {
      x.push_back(normal(random));
      rows.push_back(std::abs(normal(random)) / scale);
    }
    for (int64_t i = 0; i < n; ++i) labels.push_back(static_cast<int32_t>(random() % outputs));
  }
  Targets label_targets() const { return {.labels = labels.data()}; }
  Targets row_targets() const { return {.values = rows.data()}; }
};

// The definitions of loss.proto in double, for one example with the target t.
using Reference = std::function<double(const std::vector<double>& x, const std::vector<double>& t, int label)>;

Reference CrossEntropy(double smoothing) {
  return [smoothing](const std::vector<double>& x, const std::vector<double>& t, int) {
    double largest = -INFINITY, sum = 0, loss = 0;
    for (double v : x) largest = std::max(largest, v);
    for (double v : x) sum += std::exp(v - largest);
    for (size_t c = 0; c < x.size(); ++c) {
      const double target = (1 - smoothing) * t[c] + smoothing / static_cast<double>(x.size());
      loss -= target * (x[c] - largest - std::log(sum));
    }
    return loss;
  };
}

double SquaredError(const std::vector<double>& x, const std::vector<double>& t, int) {
  double sum = 0;
  for (size_t c = 0; c < x.size(); ++c) sum += (x[c] - t[c]) * (x[c] - t[c]);
  return sum / static_cast<double>(x.size());
}

Reference Hinge(double margin) {
  return [margin](const std::vector<double>& x, const std::vector<double>&, int label) {
    double sum = 0;
    for (int c = 0; c < static_cast<int>(x.size()); ++c) {
      if (c != label) sum += std::max(0.0, x[c] - x[label] + margin);
    }
    return sum;
  };
}

std::vector<double> SoftmaxOf(const std::vector<double>& x) {
  std::vector<double> p;
  double sum = 0;
  for (double v : x) p.push_back(std::exp(v));
  for (double v : p) sum += v;
  for (double& v : p) v /= sum;
  return p;
}

// The weight of class c is c + 1/2; of ten of them.
std::string TenWeights() { return "class_weights { weights: [0.5, 1.5, 2.5, 3.5, 4.5, 5.5, 6.5, 7.5, 8.5, 9.5] }"; }

Reference WeightedCrossEntropy(double smoothing) {
  return [smoothing](const std::vector<double>& x, const std::vector<double>& t, int) {
    const std::vector<double> p = SoftmaxOf(x);
    double loss = 0;
    for (size_t c = 0; c < x.size(); ++c) {
      const double target = (1 - smoothing) * t[c] + smoothing / static_cast<double>(x.size());
      loss -= (static_cast<double>(c) + 0.5) * target * std::log(p[c]);
    }
    return loss;
  };
}

Reference FocalOf(double gamma, bool weighted) {
  return [gamma, weighted](const std::vector<double>& x, const std::vector<double>& t, int) {
    const std::vector<double> p = SoftmaxOf(x);
    double loss = 0;
    for (size_t c = 0; c < x.size(); ++c) {
      const double weight = weighted ? static_cast<double>(c) + 0.5 : 1;
      if (t[c] != 0) loss -= weight * t[c] * std::pow(1 - p[c], gamma) * std::log(p[c]);
    }
    return loss;
  };
}

Reference BinaryCrossEntropy(double gamma, double positive) {
  return [gamma, positive](const std::vector<double>& x, const std::vector<double>& t, int label) {
    double loss = 0;
    for (size_t c = 0; c < x.size(); ++c) {
      const double p = 1 / (1 + std::exp(-x[c]));
      const double target = x.size() == 1 && label >= 0 ? label : t[c];
      loss -= positive * target * std::pow(1 - p, gamma) * std::log(p);
      loss -= (1 - target) * std::pow(p, gamma) * std::log(1 - p);
    }
    return loss / static_cast<double>(x.size());
  };
}

// The mean over the outputs of a function of output and target.
Reference MeanOf(const std::function<double(double x, double t)>& term) {
  return [term](const std::vector<double>& x, const std::vector<double>& t, int) {
    double sum = 0;
    for (size_t c = 0; c < x.size(); ++c) sum += term(x[c], t[c]);
    return sum / static_cast<double>(x.size());
  };
}

double HuberTerm(double x, double t) {
  return std::abs(x - t) <= 0.7 ? 0.5 * (x - t) * (x - t) : 0.7 * (std::abs(x - t) - 0.35);
}

// Compares value and gradient with the reference; the gradient by central differences of the reference.
void Check(const std::string& text, const Reference& reference, const Batch& batch, bool use_labels) {
  SCOPED_TRACE(text + (use_labels ? ", labels" : ", rows"));
  const auto loss = Make(text);
  std::vector<float> gradient(batch.x.size(), NAN);
  const Targets targets = use_labels ? batch.label_targets() : batch.row_targets();
  const double value = loss->Compute(batch.x.data(), targets, batch.n, batch.outputs, gradient.data());
  EXPECT_EQ(loss->Compute(batch.x.data(), targets, batch.n, batch.outputs, nullptr), value);

  double expected = 0;
  for (int64_t i = 0; i < batch.n; ++i) {
    std::vector<double> x(batch.x.begin() + i * batch.outputs, batch.x.begin() + (i + 1) * batch.outputs);
    std::vector<double> t(batch.rows.begin() + i * batch.outputs, batch.rows.begin() + (i + 1) * batch.outputs);
    if (use_labels) {
      t.assign(batch.outputs, 0);
      if (batch.labels[i] < batch.outputs) t[batch.labels[i]] = 1;  // Else one output for two classes.
    }
    expected += reference(x, t, batch.labels[i]);
    for (int64_t c = 0; c < batch.outputs; ++c) {
      constexpr double kStep = 1e-5;
      const double at = x[c];
      x[c] = at + kStep;
      const double up = reference(x, t, batch.labels[i]);
      x[c] = at - kStep;
      const double down = reference(x, t, batch.labels[i]);
      x[c] = at;
      const double slope = (up - down) / (2 * kStep) / static_cast<double>(batch.n);
      ASSERT_NEAR(gradient[i * batch.outputs + c], slope, 1e-6 * (1 + std::abs(slope))) << "example " << i << ", " << c;
    }
  }
  EXPECT_NEAR(value, expected, 1e-6 * (1 + std::abs(expected)));
}

TEST(LossTest, AgreesWithTheDefinitionAndItsDifferences) {
  for (const Batch& batch : {Batch(5, 10, 1), Batch(3, 1, 1), Batch(37, 100, 3), Batch(2, 1000, 1)}) {
    for (bool use_labels : {true, false}) {
      Check("softmax_cross_entropy {}", CrossEntropy(0), batch, use_labels);
      Check("softmax_cross_entropy { label_smoothing: 0.1 }", CrossEntropy(0.1), batch, use_labels);
      Check("mean_squared_error {}", SquaredError, batch, use_labels);
    }
    Check("multiclass_hinge {}", Hinge(1), batch, true);
    Check("multiclass_hinge { margin: 0.3 }", Hinge(0.3), batch, true);
    Check("mean_absolute_error {}", MeanOf([](double x, double t) { return std::abs(x - t); }), batch, false);
    Check("huber { delta: 0.7 }", MeanOf(HuberTerm), batch, false);
    Check("poisson_nll {}", MeanOf([](double x, double t) { return std::exp(x) - t * x; }), batch, false);
    for (const auto& [text, gamma, positive] :
         {std::tuple("binary_cross_entropy {}", 0.0, 1.0),
          std::tuple("binary_cross_entropy { gamma: 1.5 positive_weights: 3 }", 1.5, 3.0)}) {
      Check(
          text, [&](const auto& x, const auto& t, int) { return BinaryCrossEntropy(gamma, positive)(x, t, -1); }, batch,
          false);
    }
    if (batch.outputs > 1) Check("binary_cross_entropy {}", BinaryCrossEntropy(0, 1), batch, true);
    for (bool use_labels : {true, false}) {
      Check("focal {}", FocalOf(2, false), batch, use_labels);
      Check("focal { gamma: 0 }", CrossEntropy(0), batch, use_labels);
      Check("focal { gamma: 0.5 }", FocalOf(0.5, false), batch, use_labels);
    }
  }
}

TEST(LossTest, WeighsByClass) {
  const Batch batch(7, 10, 1);
  for (bool use_labels : {true, false}) {
    Check("softmax_cross_entropy { " + TenWeights() + " }", WeightedCrossEntropy(0), batch, use_labels);
    Check("softmax_cross_entropy { label_smoothing: 0.2 " + TenWeights() + " }", WeightedCrossEntropy(0.2), batch,
          use_labels);
    Check("focal { gamma: 1.3 " + TenWeights() + " }", FocalOf(1.3, true), batch, use_labels);
  }
  const auto loss = Make("softmax_cross_entropy { label_smoothing: 0.2 " + TenWeights() + " }");
  const double plain = Make("softmax_cross_entropy { " + TenWeights() + " }")
                           ->Compute(batch.x.data(), batch.label_targets(), batch.n, batch.outputs, nullptr);
  EXPECT_EQ(loss->Evaluate(batch.x.data(), batch.label_targets(), batch.n, batch.outputs), plain);
}

TEST(LossTest, OneOutputTellsTwoClassesApart) {
  Batch batch(37, 1, 2);
  for (size_t i = 0; i < batch.labels.size(); ++i) batch.labels[i] = static_cast<int32_t>(i % 3 == 0 ? 1 : 0);
  Check("binary_cross_entropy {}", BinaryCrossEntropy(0, 1), batch, true);
  Check("binary_cross_entropy { gamma: 2 positive_weights: 0.5 }", BinaryCrossEntropy(2, 0.5), batch, true);
}

TEST(LossTest, EachOutputHasItsOwnPositiveWeight) {
  const Batch batch(3, 2, 1);
  const auto both = Make("binary_cross_entropy { positive_weights: [3, 0.5] }");
  double expected = 0;
  for (int64_t k = 0; k < 6; ++k) {
    const double p = 1 / (1 + std::exp(-double{batch.x[k]})), t{batch.rows[k]};
    expected -= ((k % 2 == 0 ? 3 : 0.5) * t * std::log(p) + (1 - t) * std::log(1 - p)) / 2;
  }
  EXPECT_NEAR(both->Compute(batch.x.data(), batch.row_targets(), 3, 2, nullptr), expected, 1e-6);
}

// Where float64 itself would overflow or cancel, the numbers are those of the limit.
TEST(LossTest, ExtremeLogitsAreExact) {
  const std::vector<float> x = {1e4f, -1e4f, 1e4f, -1e4f}, t = {0, 1, 1, 0};
  std::vector<float> gradient(4);
  const Targets targets{.values = t.data()};
  EXPECT_DOUBLE_EQ(Make("binary_cross_entropy {}")->Compute(x.data(), targets, 1, 4, gradient.data()), 5e3);
  EXPECT_EQ(gradient, (std::vector<float>{0.25f, -0.25f, 0, 0}));
  EXPECT_DOUBLE_EQ(Make("binary_cross_entropy { gamma: 2 }")->Compute(x.data(), targets, 1, 4, gradient.data()), 5e3);
  EXPECT_EQ(gradient, (std::vector<float>{0.25f, -0.25f, 0, 0}));
  const std::vector<int32_t> labels = {0, 1};
  const auto focal = Make("focal { gamma: 0.5 }");
  EXPECT_DOUBLE_EQ(focal->Compute(x.data(), {.labels = labels.data()}, 2, 2, gradient.data()), 2e4);
  EXPECT_EQ(gradient, (std::vector<float>{0, 0, 0.5f, -0.5f}));
}

TEST(LossTest, EvaluationLeavesLabelSmoothingOut) {
  const Batch batch(37, 10, 2);
  const auto plain = Make("softmax_cross_entropy {}"), smooth = Make("softmax_cross_entropy { label_smoothing: 0.1 }");
  for (const Targets& targets : {batch.label_targets(), batch.row_targets()}) {
    const double expected = plain->Compute(batch.x.data(), targets, batch.n, batch.outputs, nullptr);
    EXPECT_EQ(smooth->Evaluate(batch.x.data(), targets, batch.n, batch.outputs), expected);
    EXPECT_EQ(plain->Evaluate(batch.x.data(), targets, batch.n, batch.outputs), expected);
    EXPECT_NE(smooth->Compute(batch.x.data(), targets, batch.n, batch.outputs, nullptr), expected);
  }
}

TEST(LossTest, SoftmaxIsStableForHugeLogits) {
  const auto loss = Make("softmax_cross_entropy {}");
  const std::vector<float> x = {1e4f, -1e4f, 0, -1e4f, 1e4f, 0};
  const std::vector<int32_t> labels = {0, 0};
  std::vector<float> gradient(6);
  EXPECT_DOUBLE_EQ(loss->Compute(x.data(), {.labels = labels.data()}, 2, 3, gradient.data()), 2e4);
  EXPECT_EQ(gradient, (std::vector<float>{0, 0, 0, -0.5f, 0.5f, 0}));
}

TEST(LossTest, NonFiniteOutputsReachTheLoss) {
  const std::vector<int32_t> labels = {1};
  const std::vector<float> rows = {0, 1, 0};
  for (float bad : {std::nanf(""), std::numeric_limits<float>::infinity()}) {
    const std::vector<float> x = {0, 1, bad};
    for (const std::string text : {"softmax_cross_entropy {}", "mean_squared_error {}", "multiclass_hinge {}"}) {
      EXPECT_FALSE(std::isfinite(Make(text)->Compute(x.data(), {.labels = labels.data()}, 1, 3, nullptr))) << text;
    }
    for (const std::string text :
         {"softmax_cross_entropy {}", "focal {}", "binary_cross_entropy {}", "binary_cross_entropy { gamma: 2 }",
          "mean_absolute_error {}", "huber {}", "poisson_nll {}"}) {
      EXPECT_FALSE(std::isfinite(Make(text)->Compute(x.data(), {.values = rows.data()}, 1, 3, nullptr))) << text;
    }
    EXPECT_FALSE(std::isfinite(Make("focal {}")->Compute(x.data(), {.labels = labels.data()}, 1, 3, nullptr)));
  }
}

TEST(LossTest, DoesNotDependOnTheNumberOfThreads) {
  const Batch batch(3000, 10, 2);
  const int threads = omp_get_max_threads();
  for (const std::string text : {"softmax_cross_entropy {}", "mean_squared_error {}", "multiclass_hinge {}"}) {
    std::vector<double> values;
    std::vector<std::vector<float>> gradients;
    for (int n : {1, 2, 3}) {
      omp_set_num_threads(n);
      gradients.emplace_back(batch.x.size());
      values.push_back(
          Make(text)->Compute(batch.x.data(), batch.label_targets(), batch.n, batch.outputs, gradients.back().data()));
    }
    EXPECT_EQ(values[0], values[1]) << text;
    EXPECT_EQ(values[0], values[2]) << text;
    EXPECT_EQ(gradients[0], gradients[1]) << text;
    EXPECT_EQ(gradients[0], gradients[2]) << text;
  }
  omp_set_num_threads(threads);
}

TEST(LossTest, SaysWhichTargetsItTakes) {
  EXPECT_TRUE(Make("softmax_cross_entropy {}")->takes_values());
  EXPECT_TRUE(Make("mean_squared_error {}")->takes_labels());
  EXPECT_TRUE(Make("multiclass_hinge {}")->takes_labels());
  EXPECT_FALSE(Make("multiclass_hinge {}")->takes_values());
  EXPECT_TRUE(Make("binary_cross_entropy {}")->takes_labels());
  EXPECT_TRUE(Make("focal {}")->takes_values());
  for (const std::string text : {"mean_absolute_error {}", "huber {}", "poisson_nll {}"}) {
    EXPECT_FALSE(Make(text)->takes_labels()) << text;
  }
  EXPECT_EQ(Make("binary_cross_entropy {}")->target_range().most, 1);
  EXPECT_EQ(Make("poisson_nll {}")->target_range().least, 0);
  EXPECT_FALSE(Make("huber {}")->target_range().bounded());
}

TEST(LossTest, NamesTheFieldWhoseSizeIsWrong) {
  const auto complaint = [](const std::string& text, int64_t outputs, int64_t classes) {
    FieldErrors::Root errors;
    Make(text)->CheckSizes(outputs, classes, errors.scope());
    return errors.ok() ? "" : errors.violations().field_violations(0).field();
  };
  const std::string weights = "class_weights { weights: [1, 2, 3] }";
  for (const std::string loss : {"softmax_cross_entropy", "focal"}) {
    EXPECT_EQ(complaint(loss + " { " + weights + " }", 3, 3), "");
    EXPECT_EQ(complaint(loss + " { " + weights + " }", 4, 3), "");  // An output that is no class.
    EXPECT_EQ(complaint(loss + " { " + weights + " }", 3, 0), "");
    EXPECT_EQ(complaint(loss + " { " + weights + " }", 4, 4), "class_weights.weights");
    EXPECT_EQ(complaint(loss + " { class_weights { balanced: true } }", 3, 3), "");
    EXPECT_EQ(complaint(loss + " { class_weights { balanced: true } }", 3, 0), "class_weights.balanced");
  }
  EXPECT_EQ(complaint("binary_cross_entropy { positive_weights: 2 }", 5, 0), "");
  EXPECT_EQ(complaint("binary_cross_entropy { positive_weights: [2, 3] }", 2, 0), "");
  EXPECT_EQ(complaint("binary_cross_entropy { positive_weights: [2, 3] }", 3, 0), "positive_weights");
}

TEST(LossTest, NamesTheFieldThatIsWrong) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"softmax_cross_entropy { label_smoothing: 1 }", "softmax_cross_entropy.label_smoothing"},
      {"softmax_cross_entropy { label_smoothing: -0.1 }", "softmax_cross_entropy.label_smoothing"},
      {"softmax_cross_entropy { label_smoothing: nan }", "softmax_cross_entropy.label_smoothing"},
      {"multiclass_hinge { margin: 0 }", "multiclass_hinge.margin"},
      {"multiclass_hinge { margin: inf }", "multiclass_hinge.margin"},
      {"huber { delta: 0 }", "huber.delta"},
      {"focal { gamma: -1 }", "focal.gamma"},
      {"focal { gamma: nan }", "focal.gamma"},
      {"focal { class_weights { weights: [1, -1] } }", "focal.class_weights.weights[1]"},
      {"focal { class_weights { weights: [0, 0] } }", "focal.class_weights.weights"},
      {"focal { class_weights { weights: [1, 2] balanced: true } }", "focal.class_weights.balanced"},
      {"softmax_cross_entropy { class_weights { weights: nan } }", "softmax_cross_entropy.class_weights.weights[0]"},
      {"binary_cross_entropy { gamma: 11 }", "binary_cross_entropy.gamma"},
      {"binary_cross_entropy { positive_weights: [1, 0] }", "binary_cross_entropy.positive_weights[1]"},
      {"", ""},
  };
  for (const auto& [text, field] : cases) {
    auto config = FromText<v1::Loss>(text);
    FieldErrors::Root errors;
    Registry<Loss>::Get().Create(config, errors.scope());
    ASSERT_FALSE(errors.ok()) << text;
    EXPECT_EQ(errors.violations().field_violations(0).field(), field) << text;
  }
}

TEST(CountCorrectTest, TheFirstOfEqualsCountsAndNanNever) {
  const float nan = std::nanf("");
  const auto correct = [](std::vector<float> x, int32_t label) {
    return CountCorrect(OutputMeaning::kLogits, x.data(), &label, 1, static_cast<int64_t>(x.size()));
  };
  EXPECT_EQ(correct({0, 2, 1}, 1), 1);
  EXPECT_EQ(correct({0, 2, 1}, 2), 0);
  EXPECT_EQ(correct({2, 2, 1}, 0), 1);
  EXPECT_EQ(correct({2, 2, 1}, 1), 0);
  EXPECT_EQ(correct({nan, 2, 1}, 1), 0);
  EXPECT_EQ(correct({nan, 2, 1}, 0), 0);
  EXPECT_EQ(correct({0, 2, nan}, 1), 0);
  const std::vector<float> x = {1, 0, 0, 1, 0, 1};
  const std::vector<int32_t> labels = {0, 1, 0};
  EXPECT_EQ(CountCorrect(OutputMeaning::kScores, x.data(), labels.data(), 3, 2), 2);
}

TEST(CountCorrectTest, OneOutputOfLogOddsIsRightByItsSign) {
  const std::vector<float> x = {-1, 1, 1, 0, std::nanf("")};
  const std::vector<int32_t> labels = {0, 1, 0, 0, 0};
  EXPECT_EQ(CountCorrect(OutputMeaning::kLogOdds, x.data(), labels.data(), 5, 1), 3);
}

}  // namespace
}  // namespace traind::core
