// PCA and whitening against an eigensolver of another kind: cyclic Jacobi, in long double, written here.
#include "core/data/preprocessing/principal_axes.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <omp.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "core/base/random.h"
#include "core/data/preprocessing/preprocessor.h"
#include "tests/core/data/split_builder.h"
#include "tests/support/text_proto.h"

namespace traind::core {
namespace {

using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

using Rows = std::vector<std::vector<long double>>;

struct Spectrum {
  std::vector<long double> values;  // The largest first.
  Rows vectors;                     // Row i belongs to values[i].
};

// Rotates one pair of axes after the other until nothing is left beside the diagonal.
Spectrum Jacobi(Rows a) {
  const size_t n = a.size();
  Rows v(n, std::vector<long double>(n, 0));
  for (size_t i = 0; i < n; ++i) v[i][i] = 1;
  for (int sweep = 0; sweep < 40; ++sweep) {
    for (size_t p = 0; p < n; ++p) {
      for (size_t q = p + 1; q < n; ++q) {
        if (a[p][q] == 0) continue;
        const long double angle = atan2l(2 * a[p][q], a[q][q] - a[p][p]) / 2;
        const long double c = cosl(angle), s = sinl(angle);
        for (size_t k = 0; k < n; ++k) {
          const long double kp = a[k][p], kq = a[k][q];
          a[k][p] = c * kp - s * kq;
          a[k][q] = s * kp + c * kq;
        }
        for (size_t k = 0; k < n; ++k) {
          const long double pk = a[p][k], qk = a[q][k];
          a[p][k] = c * pk - s * qk;
          a[q][k] = s * pk + c * qk;
          const long double vp = v[p][k], vq = v[q][k];
          v[p][k] = c * vp - s * vq;
          v[q][k] = s * vp + c * vq;
        }
      }
    }
  }
  std::vector<size_t> order(n);
  for (size_t i = 0; i < n; ++i) order[i] = i;
  std::sort(order.begin(), order.end(), [&](size_t i, size_t j) { return a[i][i] > a[j][j]; });
  Spectrum result;
  for (const size_t i : order) {
    result.values.push_back(a[i][i]);
    const auto largest = std::max_element(v[i].begin(), v[i].end(), [](auto x, auto y) { return fabsl(x) < fabsl(y); });
    if (*largest < 0) {
      for (auto& x : v[i]) x = -x;
    }
    result.vectors.push_back(v[i]);
  }
  return result;
}

Rows CovarianceOf(const std::vector<float>& examples, size_t count) {
  const size_t n = examples.size() / count;
  std::vector<long double> mean(n, 0);
  for (size_t i = 0; i < examples.size(); ++i) mean[i % n] += static_cast<long double>(examples[i]) / count;
  Rows covariance(n, std::vector<long double>(n, 0));
  for (size_t e = 0; e < count; ++e) {
    for (size_t i = 0; i < n; ++i) {
      for (size_t j = 0; j < n; ++j) {
        covariance[i][j] += (examples[e * n + i] - mean[i]) * (examples[e * n + j] - mean[j]) / count;
      }
    }
  }
  return covariance;
}

class PrincipalAxesTest : public ::testing::Test {
 protected:
  // Correlated features of very different size, far from zero.
  std::vector<float> Examples(int64_t count, int64_t n) {
    const RandomStream random(5, Purpose::kProbeInput, 0);
    std::vector<float> examples;
    for (int64_t e = 0; e < count; ++e) {
      std::vector<float> z;
      for (int64_t i = 0; i < n; ++i) {
        const auto bits = random.Block(0, static_cast<uint32_t>(e), static_cast<uint32_t>(i));
        z.push_back(ToNormal(bits[0], bits[1])[0]);
      }
      for (int64_t i = 0; i < n; ++i) {
        float x = 10.0f * static_cast<float>(i);
        for (int64_t j = 0; j <= i; ++j) x += z[j] * static_cast<float>(j + 1) / static_cast<float>(i - j + 1);
        examples.push_back(x);
      }
    }
    return examples;
  }
  Split MakeSplit(const Shape& shape, const std::vector<float>& examples) {
    return builder_.Make<float>(shape, examples, SplitBuilder::Labels(std::vector<int32_t>(shape[0], 0)));
  }
  Preprocessor Create(const std::string& text, const Shape& shape) {
    Preprocessor::Config config;
    *config.Add() = FromText<v1::Preprocessing>(text);
    FieldErrors::Root root;
    Preprocessor preprocessor = Preprocessor::Create(&config, &shape, root.scope("data"));
    EXPECT_TRUE(root.ok()) << root.ToStatus();
    return preprocessor;
  }
  Preprocessor Fitted(const std::string& text, const Split& split) {
    Preprocessor preprocessor = Create(text, split.example_shape());
    EXPECT_TRUE(preprocessor.Fit(AsStored(split)).ok());
    return preprocessor;
  }
  static std::vector<float> ApplyAll(const Preprocessor& preprocessor, const Split& split) {
    const int64_t n = preprocessor.output_elements();
    // A guard behind the last example: nothing may be written there.
    std::vector<float> all(static_cast<size_t>(split.size() * n + 1), -77.0f);
    for (int64_t i = 0; i < split.size(); ++i)
      preprocessor.Apply(split.element_type(), split.example(i), all.data() + i * n);
    EXPECT_EQ(all.back(), -77.0f);
    all.pop_back();
    return all;
  }
  SplitBuilder builder_;
};

TEST_F(PrincipalAxesTest, PcaRotatesToTheEigenvectorsOfTheCovariance) {
  constexpr int kCount = 300, kFeatures = 9;
  const std::vector<float> examples = Examples(kCount, kFeatures);
  const Split split = MakeSplit({kCount, kFeatures}, examples);
  const Spectrum expected = Jacobi(CovarianceOf(examples, kCount));
  for (const int k : {kFeatures, 4, 1}) {
    const Preprocessor pca = Fitted("pca { components: " + std::to_string(k) + " }", split);
    EXPECT_THAT(pca.output_shape(), ElementsAre(k));
    const std::vector<Tensor> parameters = pca.parameters();
    ASSERT_EQ(parameters.size(), 3u);
    for (int i = 0; i < k; ++i) {
      const auto variance = static_cast<double>(expected.values[i]);
      EXPECT_NEAR(parameters[2].values[i], variance, 1e-6 * variance);
      for (int j = 0; j < kFeatures; ++j) {
        EXPECT_NEAR(parameters[1].values[i * kFeatures + j], static_cast<double>(expected.vectors[i][j]), 1e-6);
      }
    }
    const Rows after = CovarianceOf(ApplyAll(pca, split), kCount);
    for (int i = 0; i < k; ++i) {
      for (int j = 0; j < k; ++j) {
        EXPECT_NEAR(static_cast<double>(after[i][j]), i == j ? static_cast<double>(expected.values[i]) : 0.0, 1e-3)
            << i << ", " << j;
      }
    }
  }
}

TEST_F(PrincipalAxesTest, AShareOfTheVarianceKeepsTheFewestComponentsThatHoldIt) {
  constexpr int kCount = 200, kFeatures = 7;
  const std::vector<float> examples = Examples(kCount, kFeatures);
  const Split split = MakeSplit({kCount, kFeatures}, examples);
  const Spectrum expected = Jacobi(CovarianceOf(examples, kCount));
  long double total = 0;
  for (const auto value : expected.values) total += value;
  for (const double share : {0.3, 0.8, 0.95, 1.0}) {
    int kept = 0;
    for (long double sum = 0; kept < kFeatures && sum < static_cast<long double>(share) * total; ++kept) {
      sum += expected.values[kept];
    }
    const Preprocessor pca = Fitted("pca { variance_share: " + std::to_string(share) + " }", split);
    EXPECT_THAT(pca.output_shape(), ElementsAre(kFeatures));
    const std::vector<float> result = ApplyAll(pca, split);
    const std::vector<float> all = ApplyAll(Fitted("pca {}", split), split);
    for (size_t i = 0; i < result.size(); ++i) {
      EXPECT_EQ(result[i], static_cast<int>(i % kFeatures) < kept ? all[i] : 0.0f) << share << " element " << i;
    }
  }
}

TEST_F(PrincipalAxesTest, WhiteningLeavesTheIdentityAsCovariance) {
  constexpr int kCount = 400, kFeatures = 12;
  const std::vector<float> examples = Examples(kCount, kFeatures);
  const Split split = MakeSplit({kCount, 3, 2, 2}, examples);
  for (const std::string form : {"FORM_PCA", "FORM_ZCA"}) {
    const Preprocessor whiten = Fitted("whiten { epsilon: 1e-9 form: " + form + " }", split);
    EXPECT_EQ(whiten.output_shape(), form == "FORM_PCA" ? Shape{kFeatures} : (Shape{3, 2, 2}));
    const Rows after = CovarianceOf(ApplyAll(whiten, split), kCount);
    for (int i = 0; i < kFeatures; ++i) {
      for (int j = 0; j < kFeatures; ++j) {
        EXPECT_NEAR(static_cast<double>(after[i][j]), i == j ? 1.0 : 0.0, 2e-4) << form << " " << i << ", " << j;
      }
    }
  }
}

// The matrices by their formulas, from the other solver's eigenvectors; with the default epsilon, too.
TEST_F(PrincipalAxesTest, WhiteningMatchesItsFormulaAndZcaIsSymmetric) {
  constexpr int kCount = 150, kFeatures = 8;
  const std::vector<float> examples = Examples(kCount, kFeatures);
  const Split split = MakeSplit({kCount, kFeatures}, examples);
  const Spectrum eigen = Jacobi(CovarianceOf(examples, kCount));
  long double mean = 0;
  for (const auto value : eigen.values) mean += value / kFeatures;
  for (const bool given : {true, false}) {
    const long double epsilon = given ? 0.5L : mean / 100;
    const std::string option = given ? "epsilon: 0.5" : "";
    const std::vector<float> zca = Fitted("whiten { " + option + " }", split).parameters()[1].values;
    const std::vector<float> pca = Fitted("whiten { form: FORM_PCA " + option + " }", split).parameters()[1].values;
    for (int i = 0; i < kFeatures; ++i) {
      for (int j = 0; j < kFeatures; ++j) {
        long double rotated = 0;
        for (int k = 0; k < kFeatures; ++k) {
          rotated += eigen.vectors[k][i] * eigen.vectors[k][j] / sqrtl(eigen.values[k] + epsilon);
        }
        EXPECT_NEAR(zca[i * kFeatures + j], static_cast<double>(rotated), 1e-6);
        EXPECT_EQ(zca[i * kFeatures + j], zca[j * kFeatures + i]);
        const long double scaled = eigen.vectors[i][j] / sqrtl(eigen.values[i] + epsilon);
        EXPECT_NEAR(pca[i * kFeatures + j], static_cast<double>(scaled), 1e-6);
      }
    }
  }
}

TEST_F(PrincipalAxesTest, ConstantFeaturesAndFewExamplesAreNoTrouble) {
  // Six features of two examples, two of them constant: one axis with a variance, five without.
  const Split split = MakeSplit({2, 6}, {1, 2, 5, 5, 3, 9, 3, 0, 5, 5, 4, 9});
  for (const char* text : {"pca {}", "pca { variance_share: 1 }", "whiten { form: FORM_PCA }", "whiten {}"}) {
    const Preprocessor preprocessor = Fitted(text, split);
    for (const float value : ApplyAll(preprocessor, split)) EXPECT_TRUE(std::isfinite(value)) << text;
  }
  const std::vector<float> rotated = ApplyAll(Fitted("pca {}", split), split);
  EXPECT_NEAR(std::abs(rotated[0]), 1.5f, 1e-5f);  // Half the distance of the two: sqrt(4 + 4 + 1) / 2.
  for (size_t i = 1; i < 6; ++i) EXPECT_NEAR(rotated[i], 0.0f, 1e-5f);

  const Split constant = MakeSplit({3, 2}, {7, -1, 7, -1, 7, -1});
  for (const char* text : {"pca {}", "pca { variance_share: 0.5 }", "whiten { form: FORM_PCA }", "whiten {}"}) {
    EXPECT_THAT(ApplyAll(Fitted(text, constant), constant), Each(0.0f)) << text;
  }
}

TEST_F(PrincipalAxesTest, TheNumberOfThreadsDoesNotMatterAndReloadedIsTheSame) {
  constexpr int kCount = 100, kFeatures = 40;
  const Split split = MakeSplit({kCount, kFeatures}, Examples(kCount, kFeatures));
  const int threads = omp_get_max_threads();
  for (const char* text : {"pca { components: 11 }", "whiten {}"}) {
    omp_set_num_threads(1);
    const Preprocessor one = Fitted(text, split);
    omp_set_num_threads(3);
    const Preprocessor three = Fitted(text, split);
    omp_set_num_threads(threads);
    ASSERT_EQ(one.parameters().size(), three.parameters().size());
    for (size_t i = 0; i < one.parameters().size(); ++i) {
      EXPECT_EQ(one.parameters()[i].values, three.parameters()[i].values) << text;
    }
    Preprocessor loaded = Create(text, {kFeatures});
    ASSERT_TRUE(loaded.Load(one.parameters()).ok());
    EXPECT_EQ(ApplyAll(loaded, split), ApplyAll(one, split));
  }
}

TEST_F(PrincipalAxesTest, RefusesExamplesThatAreTooLargeOrNotFinite) {
  Preprocessor::Config config;
  config.Add()->mutable_pca();
  FieldErrors::Root root;
  const Shape shape = {3, 37, 37};  // 4107 numbers.
  Preprocessor::Create(&config, &shape, root.scope("data"));
  EXPECT_THAT(std::string(root.ToStatus().message()),
              HasSubstr("data.preprocessing[0].pca: takes examples of at most 4096"));

  Preprocessor::Config overflow;
  overflow.Add()->mutable_scale()->set_factor(1e30);
  overflow.Add()->mutable_whiten();
  FieldErrors::Root none;
  const Shape two = {2};
  Preprocessor preprocessor = Preprocessor::Create(&overflow, &two, none.scope());
  const Split large = MakeSplit({2, 2}, {1e30f, 0, 1, 1});
  EXPECT_THAT(std::string(preprocessor.Fit(AsStored(large)).message()),
              HasSubstr("preprocessing.1.mean is not finite"));
}

TEST_F(PrincipalAxesTest, TheReportShowsTheCovarianceBeforeAndAfter) {
  constexpr int kCount = 500, kFeatures = 20;
  const std::vector<float> examples = Examples(kCount, kFeatures);
  const Split split = MakeSplit({kCount, kFeatures}, examples);
  const v1::PreprocessingReport report =
      Fitted("whiten { form: FORM_PCA epsilon: 1e-9 }", split).Report(AsStored(split));
  const Rows covariance = CovarianceOf(examples, kCount);
  double largest = 0, smallest = 1e9, correlation = 0;
  for (int i = 0; i < kFeatures; ++i) {
    largest = std::max(largest, static_cast<double>(covariance[i][i]));
    smallest = std::min(smallest, static_cast<double>(covariance[i][i]));
    for (int j = 0; j < i; ++j) {
      correlation += static_cast<double>(fabsl(covariance[i][j]) / sqrtl(covariance[i][i] * covariance[j][j]));
    }
  }
  EXPECT_EQ(report.before().features(), kFeatures);
  EXPECT_NEAR(report.before().variance_max(), largest, 1e-9 * largest);
  EXPECT_NEAR(report.before().variance_min(), smallest, 1e-9 * smallest);
  EXPECT_NEAR(report.before().mean_absolute_correlation(), correlation / (kFeatures * (kFeatures - 1) / 2), 1e-9);
  ASSERT_EQ(report.before().covariance_size(), 16 * 16);
  // Of 20 features, number i * 20 / 16.
  EXPECT_NEAR(report.before().covariance(3 * 16 + 15), static_cast<double>(covariance[3][18]), 1e-9 * largest);
  EXPECT_NEAR(report.after().variance_min(), 1, 2e-4);
  EXPECT_NEAR(report.after().variance_max(), 1, 2e-4);
  EXPECT_NEAR(report.after().mean_min(), 0, 1e-4);
  EXPECT_LT(report.after().mean_absolute_correlation(), 1e-4);
}

}  // namespace
}  // namespace traind::core
