// layer_norm, group_norm and local_response_norm in real plans against their definitions, written down once more in
// double; and what they do at the ends of float's range.
#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <numeric>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "tests/support/layer_run.h"

namespace traind::core {
namespace {

constexpr int64_t kBatch = 5;

// A 1x1 convolution brings the image into the layout that the kernels like for so many channels.
std::string Conv(int channels) {
  return absl::StrCat("layers { name: 'c' conv2d { out_channels: ", channels, " kernel: 1 } } ");
}

// y of values that are normalized together, before scale and shift.
void Normalize(const std::vector<float*>& values, double epsilon) {
  double mean = 0, variance = 0;
  for (const float* v : values) mean += *v;
  mean /= static_cast<double>(values.size());
  for (const float* v : values) variance += (*v - mean) * (*v - mean);
  variance /= static_cast<double>(values.size());
  for (float* v : values) *v = static_cast<float>((*v - mean) / std::sqrt(variance + epsilon));
}

// The weight and bias that the tests give to value or channel i.
float WeightOf(int64_t i) { return 1.0f + 0.01f * static_cast<float>(i % 50); }
float BiasOf(int64_t i) { return 0.02f * static_cast<float>(i % 30) - 0.3f; }

void SetScales(LayerRun& run) {
  for (const char* name : {"n.weight", "n.bias"}) {
    std::vector<float> values = run.Get(name);
    for (size_t i = 0; i < values.size(); ++i) {
      const auto index = static_cast<int64_t>(i);
      values[i] = name[2] == 'w' ? WeightOf(index) : BiasOf(index);
    }
    run.Set(name, values);
  }
}

void ExpectNear(const std::vector<float>& actual, const std::vector<float>& expected, double tolerance) {
  ASSERT_EQ(actual.size(), expected.size());
  for (size_t i = 0; i < actual.size(); ++i) {
    ASSERT_NEAR(actual[i], expected[i], tolerance * (1 + std::abs(expected[i]))) << "value " << i;
  }
}

struct Net {
  std::string before;  // With the input's shape.
  int64_t channels;
  int64_t spatial;
};

std::vector<Net> Nets() {
  return {{"input_shape: [3, 5, 7] " + Conv(16), 16, 35},
          {"input_shape: [3, 5, 7] " + Conv(17), 17, 35},
          {"input_shape: [3, 5, 7] " + Conv(96), 96, 35},
          {"input_shape: [3, 5, 7] " + Conv(6), 6, 35},
          {"input_shape: [6, 5, 7] ", 6, 35},
          {"input_shape: [1, 1, 40] ", 1, 40},
          {"input_shape: 48 ", 48, 1}};
}

TEST(LayerNorm, IsItsDefinitionInEveryLayout) {
  for (const Net& net : Nets()) {
    for (const v1::Precision precision : Precisions()) {
      SCOPED_TRACE(absl::StrCat(net.before, precision));
      LayerRun run(net.before + "layers { name: 'n' layer_norm { epsilon: 0.01 } }", kBatch, precision);
      SetScales(run);
      std::vector<float> expected = net.before.find("layers") == std::string::npos
                                        ? run.examples()
                                        : LayerRun(net.before, kBatch, precision).Output();
      const int64_t each = net.channels * net.spatial;
      for (int64_t n = 0; n < kBatch; ++n) {
        std::vector<float*> values;
        for (int64_t i = 0; i < each; ++i) values.push_back(&expected[n * each + i]);
        Normalize(values, 0.01);
        for (int64_t i = 0; i < each; ++i) *values[i] = *values[i] * WeightOf(i) + BiasOf(i);
      }
      ExpectNear(run.Output(), expected, precision == v1::PRECISION_F32 ? 2e-5 : 0.03);
    }
  }
}

TEST(GroupNorm, IsItsDefinitionInEveryLayout) {
  for (const Net& net : Nets()) {
    for (int64_t groups = 1; groups <= net.channels; ++groups) {
      if (net.channels % groups != 0 || (net.spatial == 1 && groups == net.channels)) continue;
      for (const v1::Precision precision : Precisions()) {
        SCOPED_TRACE(absl::StrCat(net.before, precision, " groups ", groups));
        LayerRun run(absl::StrCat(net.before, "layers { name: 'n' group_norm { epsilon: 0.01 groups: ", groups, " } }"),
                     kBatch, precision);
        SetScales(run);
        std::vector<float> expected = net.before.find("layers") == std::string::npos
                                          ? run.examples()
                                          : LayerRun(net.before, kBatch, precision).Output();
        const int64_t each = net.channels / groups * net.spatial;
        for (int64_t g = 0; g < kBatch * groups; ++g) {
          std::vector<float*> values;
          for (int64_t i = 0; i < each; ++i) values.push_back(&expected[g * each + i]);
          Normalize(values, 0.01);
          for (int64_t i = 0; i < each; ++i) {
            const int64_t channel = g % groups * (net.channels / groups) + i / net.spatial;
            *values[i] = *values[i] * WeightOf(channel) + BiasOf(channel);
          }
        }
        ExpectNear(run.Output(), expected, precision == v1::PRECISION_F32 ? 2e-5 : 0.03);
      }
    }
  }
}

// Both normalizations, on layouts of every form, with inputs that leave little room.
TEST(Normalization, KeepsItsAccuracyAtTheEndsOfTheRange) {
  for (const std::string layer : {"layer_norm {}", "group_norm { groups: 2 }"}) {
    for (const std::string shape : {"input_shape: [4, 6, 6] ", "input_shape: 64 "}) {
      SCOPED_TRACE(layer + shape);
      const auto outputs = [&](const std::function<float(int64_t)>& x) {
        LayerRun run(shape + "layers { name: 'n' " + layer + " }", kBatch, v1::PRECISION_F32);
        for (size_t i = 0; i < run.examples().size(); ++i) run.examples()[i] = x(static_cast<int64_t>(i));
        return run.Output();
      };
      // Nothing varies: the bias, exactly.
      for (const float constant : {0.0f, 0.1f, -3e8f, 1e30f}) {
        for (const float y : outputs([&](int64_t) { return constant; })) ASSERT_EQ(y, 0) << constant;
      }
      // A huge scale and a mean that dwarfs the deviation leave values of unit variance.
      for (const float y : outputs([](int64_t i) { return i % 2 == 0 ? 1e30f : -1e30f; })) {
        ASSERT_NEAR(std::abs(y), 1, 1e-5);
      }
      for (const float y : outputs([](int64_t i) { return i % 2 == 0 ? 100000.0f : 100001.0f; })) {
        ASSERT_NEAR(std::abs(y), 1, 1e-4);
      }
      // What is not a number stays in its example, and shows.
      for (const float bad : {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}) {
        const std::vector<float> y = outputs([&](int64_t i) { return i == 1 ? bad : static_cast<float>(i % 7); });
        const size_t each = y.size() / kBatch;
        EXPECT_TRUE(
            std::any_of(y.begin(), y.begin() + static_cast<int64_t>(each), [](float v) { return !std::isfinite(v); }));
        EXPECT_TRUE(
            std::all_of(y.begin() + static_cast<int64_t>(each), y.end(), [](float v) { return std::isfinite(v); }));
      }
    }
  }
}

TEST(LocalResponseNorm, IsItsDefinitionInEveryLayout) {
  struct Options {
    int64_t size;
    double alpha, beta, k;
  };
  for (const Net& net : Nets()) {
    if (net.spatial == 1) continue;
    for (const Options o : {Options{5, 1e-4, 0.75, 1}, Options{5, 2, 0.75, 2}, Options{3, 0.5, 0.5, 1},
                            Options{7, 1, 1, 0.1}, Options{1, 1, 0.75, 1}}) {
      for (const v1::Precision precision : Precisions()) {
        SCOPED_TRACE(absl::StrCat(net.before, precision, " size ", o.size));
        LayerRun run(absl::StrCat(net.before, "layers { name: 'n' local_response_norm { size: ", o.size,
                                  " alpha: ", o.alpha, " beta: ", o.beta, " k: ", o.k, " } }"),
                     kBatch, precision);
        const std::vector<float> x = net.before.find("layers") == std::string::npos
                                         ? run.examples()
                                         : LayerRun(net.before, kBatch, precision).Output();
        std::vector<float> expected(x.size());
        for (int64_t n = 0; n < kBatch; ++n) {
          for (int64_t c = 0; c < net.channels; ++c) {
            for (int64_t s = 0; s < net.spatial; ++s) {
              double sum = 0;
              for (int64_t d = -(o.size / 2); d <= o.size / 2; ++d) {
                if (c + d < 0 || c + d >= net.channels) continue;
                const double v = x[(n * net.channels + c + d) * net.spatial + s];
                sum += v * v;
              }
              const int64_t i = (n * net.channels + c) * net.spatial + s;
              expected[i] =
                  static_cast<float>(x[i] / std::pow(o.k + o.alpha / static_cast<double>(o.size) * sum, o.beta));
            }
          }
        }
        ExpectNear(run.Output(), expected, precision == v1::PRECISION_F32 ? 2e-5 : 0.03);
      }
    }
  }
}

TEST(LocalResponseNorm, LargeValuesDoNotMakeNan) {
  LayerRun run("input_shape: [16, 4, 4] layers { name: 'n' local_response_norm {} }", kBatch, v1::PRECISION_F32);
  std::fill(run.examples().begin(), run.examples().end(), 1e8f);
  for (const float y : run.Output()) ASSERT_GT(y, 0);
  // The kernels take the cube of the sum, which is then beyond float: nothing is left of the value.
  std::fill(run.examples().begin(), run.examples().end(), 1e30f);
  for (const float y : run.Output()) ASSERT_EQ(y, 0);
}

}  // namespace
}  // namespace traind::core
