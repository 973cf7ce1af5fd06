// Every number of LayerStatistics against a plain reference in double, over all layouts, both types and awkward values.
#include "core/stats/layer_observer.h"

#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace traind::core {
namespace {

using dnnl::memory;
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr float kInf = std::numeric_limits<float>::infinity();

// A relu whose derivative comes from the output: small at and below zero.
class FakeRelu : public Activation {
 public:
  LayerShape Infer(absl::Span<const Shape>, const FieldErrors&) const override { return {}; }
  absl::StatusOr<BackwardPlan> Plan(Planner&) const override { return BackwardPlan(); }
  bool can_die() const override { return true; }
  std::optional<Source> derivative_source() const override { return Source::kOutput; }
  int64_t CountSaturated(const Layout& layout, const void*) const override { return layout.elements() / 4; }
};

struct Case {
  std::string name;
  int64_t batch, channels, spatial, width;
  memory::data_type type;
};

Layout MakeLayout(const Case& c) {
  return {.type = c.type,
          .batch = c.batch,
          .channels = c.channels,
          .spatial = c.spatial,
          .width = c.width,
          .blocks = (c.channels + c.width - 1) / c.width};
}

uint16_t ToBf16(float x) { return static_cast<uint16_t>(std::bit_cast<uint32_t>(x) >> 16); }
float Truncated(float x) { return std::bit_cast<float>(std::bit_cast<uint32_t>(x) & 0xFFFF0000u); }

// The tensor value[n][c][s] in the memory of `layout`. Padding holds a value that would be noticed.
std::vector<char> Store(const Layout& layout, const std::vector<float>& values) {
  const bool bf16 = layout.type == memory::data_type::bf16;
  std::vector<char> bytes(layout.stored_elements() * (bf16 ? 2 : 4));
  for (int64_t i = 0; i < layout.stored_elements(); ++i) {
    const int64_t lane = i % layout.width, s = i / layout.width % layout.spatial;
    const int64_t block = i / layout.width / layout.spatial % layout.blocks, n = i / layout.example_stride();
    const int64_t c = block * layout.width + lane;
    const float x = c < layout.channels ? values[(n * layout.channels + c) * layout.spatial + s] : -1e9f;
    if (bf16) {
      const uint16_t half = ToBf16(x);
      std::memcpy(bytes.data() + i * 2, &half, 2);
    } else {
      std::memcpy(bytes.data() + i * 4, &x, 4);
    }
  }
  return bytes;
}

struct Reference {
  int64_t finite = 0, zeros = 0, nan = 0, inf = 0;
  double mean = 0, std = 0;
  float min = 0, max = 0;
  std::vector<int64_t> counts;
};

Reference Compute(const std::vector<float>& values, int bins) {
  Reference r{.counts = std::vector<int64_t>(bins)};
  bool first = true;
  for (float x : values) {
    r.nan += std::isnan(x);
    r.inf += std::isinf(x);
    if (!std::isfinite(x)) continue;
    ++r.finite;
    r.zeros += x == 0;
    r.mean += x;
    r.min = first ? x : std::min(r.min, x);
    r.max = first ? x : std::max(r.max, x);
    first = false;
  }
  if (r.finite == 0) return r;
  r.mean /= static_cast<double>(r.finite);
  for (float x : values) {
    if (!std::isfinite(x)) continue;
    r.std += (x - r.mean) * (x - r.mean);
    const double range = double{r.max} - r.min;
    ++r.counts[range > 0 ? std::min(bins - 1, static_cast<int>((double{x} - r.min) * bins / range)) : 0];
  }
  r.std = std::sqrt(r.std / static_cast<double>(r.finite));
  return r;
}

v1::LayerStatistics ObserveOnce(const Layout& layout, const std::vector<float>& values, int bins = 64) {
  LayerObserver observer(layout, {.bins = bins});
  observer.Observe(Store(layout, values).data(), nullptr, layout);
  v1::LayerStatistics statistics;
  observer.Report(&statistics);
  return statistics;
}

void ExpectEqual(const v1::LayerStatistics& s, const Layout& layout, const Reference& r) {
  EXPECT_EQ(s.count(), layout.elements());
  EXPECT_EQ(s.units(), layout.channels);
  EXPECT_NEAR(s.mean(), r.mean, 1e-7 * (std::abs(r.mean) + r.std));
  EXPECT_NEAR(s.std(), r.std, 1e-6 * r.std + 1e-12 * std::abs(r.mean));
  EXPECT_EQ(s.min(), r.min);
  EXPECT_EQ(s.max(), r.max);
  EXPECT_EQ(s.nan_count(), r.nan);
  EXPECT_EQ(s.inf_count(), r.inf);
  if (r.finite > 0) {
    EXPECT_FLOAT_EQ(s.zero_fraction(), static_cast<double>(r.zeros) / static_cast<double>(r.finite));
  }
  EXPECT_EQ(s.histogram().low(), r.min);
  EXPECT_EQ(s.histogram().high(), r.max);
  EXPECT_THAT(s.histogram().counts(), testing::ElementsAreArray(r.counts));
}

class LayerObserverTest : public testing::TestWithParam<Case> {
 protected:
  std::vector<float> Random(float offset, float scale, double zeros, double odd) {
    const Layout layout = MakeLayout(GetParam());
    std::mt19937 random(7);
    std::normal_distribution<float> normal;
    std::uniform_real_distribution<double> uniform;
    std::vector<float> values(layout.elements());
    for (float& x : values) {
      x = offset + scale * normal(random);
      if (uniform(random) < zeros) x = uniform(random) < 0.5 ? 0.0f : -0.0f;
      if (uniform(random) < odd) x = uniform(random) < 0.5 ? kNan : (uniform(random) < 0.5 ? kInf : -kInf);
      if (layout.type == memory::data_type::bf16) x = Truncated(x);
    }
    return values;
  }
};

TEST_P(LayerObserverTest, AgreesWithTheReference) {
  const Layout layout = MakeLayout(GetParam());
  const std::vector<float> values = Random(0.3f, 2.0f, 0.4, 0);
  for (int bins : {64, 100, 256}) ExpectEqual(ObserveOnce(layout, values, bins), layout, Compute(values, bins));
}

TEST_P(LayerObserverTest, CountsNonFiniteValuesAndLeavesThemOut) {
  const Layout layout = MakeLayout(GetParam());
  const std::vector<float> values = Random(-1.0f, 0.5f, 0.1, 0.05);
  ExpectEqual(ObserveOnce(layout, values), layout, Compute(values, 64));
}

TEST_P(LayerObserverTest, KeepsTheDeviationOfValuesFarFromZero) {
  const Layout layout = MakeLayout(GetParam());
  const std::vector<float> values = Random(1e5f, layout.type == memory::data_type::bf16 ? 1e3f : 1.0f, 0, 0);
  ExpectEqual(ObserveOnce(layout, values), layout, Compute(values, 64));
}

TEST_P(LayerObserverTest, TakesTheWholeRangeOfFloats) {
  const Layout layout = MakeLayout(GetParam());
  std::vector<float> values = Random(0, 1e38f, 0, 0);
  for (float& x : values) x = std::isfinite(x) ? x : 0;
  values.front() = Truncated(std::numeric_limits<float>::max());
  values.back() = Truncated(std::numeric_limits<float>::lowest());
  ExpectEqual(ObserveOnce(layout, values), layout, Compute(values, 64));
}

TEST_P(LayerObserverTest, ConstantValuesAreInTheFirstBin) {
  const Layout layout = MakeLayout(GetParam());
  for (float constant : {0.0f, -3.5f, 1e30f}) {
    const std::vector<float> values(layout.elements(),
                                    layout.type == memory::data_type::bf16 ? Truncated(constant) : constant);
    const v1::LayerStatistics s = ObserveOnce(layout, values);
    EXPECT_EQ(s.mean(), values[0]);
    EXPECT_EQ(s.std(), 0);
    EXPECT_EQ(s.zero_fraction(), constant == 0 ? 1 : 0);
    EXPECT_EQ(s.histogram().counts(0), layout.elements());
  }
}

TEST_P(LayerObserverTest, NothingFiniteLeavesZerosAndAnEmptyHistogram) {
  const Layout layout = MakeLayout(GetParam());
  std::vector<float> values(layout.elements(), kNan);
  values.back() = -kInf;
  const v1::LayerStatistics s = ObserveOnce(layout, values);
  EXPECT_EQ(s.nan_count(), layout.elements() - 1);
  EXPECT_EQ(s.inf_count(), 1);
  EXPECT_EQ(s.mean(), 0);
  EXPECT_EQ(s.std(), 0);
  EXPECT_EQ(s.max(), 0);
  EXPECT_THAT(s.histogram().counts(), testing::Each(0));
  EXPECT_EQ(s.histogram().counts_size(), 64);
}

TEST_P(LayerObserverTest, RepeatsToTheBit) {
  const Layout layout = MakeLayout(GetParam());
  const std::vector<float> values = Random(0.1f, 1.0f, 0.5, 0.01);
  const std::vector<char> data = Store(layout, values);
  LayerObserver observer(layout, {});
  v1::LayerStatistics first, second;
  observer.Observe(data.data(), nullptr, layout);
  observer.Report(&first);
  observer.Observe(Store(layout, std::vector<float>(values.size(), 5.0f)).data(), nullptr, layout);
  observer.Observe(data.data(), nullptr, layout);
  observer.Report(&second);
  EXPECT_EQ(first.SerializeAsString(), second.SerializeAsString());
}

TEST_P(LayerObserverTest, UnitsDieAfterTheWindowAndComeBackToLife) {
  const Layout layout = MakeLayout(GetParam());
  const FakeRelu relu;
  LayerObserver observer(layout, {.dead_window = 3, .activation = &relu});
  ASSERT_EQ(static_cast<int64_t>(observer.silent_steps().size()), layout.channels);
  // Every third channel is silent; one other value is not zero in each of the rest, at a place that differs.
  std::vector<float> values(layout.elements(), -0.0f);
  int64_t silent = 0;
  for (int64_t c = 0; c < layout.channels; ++c) {
    if (c % 3 == 0) {
      ++silent;
    } else {
      values[(c % layout.batch * layout.channels + c) * layout.spatial + c % layout.spatial] = c % 2 ? 1e-20f : kNan;
    }
  }
  const std::vector<char> data = Store(layout, values);
  v1::LayerStatistics s;
  for (int step = 1; step <= 4; ++step) {
    observer.Observe(data.data(), data.data(), layout);
    observer.Report(&s);
    EXPECT_EQ(s.dead_units(), step >= 3 ? silent : 0) << step;
    for (int64_t c = 0; c < layout.channels; ++c) EXPECT_EQ(observer.silent_steps()[c], c % 3 == 0 ? step : 0) << c;
  }
  EXPECT_FLOAT_EQ(s.saturated_fraction(), static_cast<double>(layout.elements() / 4) / layout.elements());
  std::fill(values.begin(), values.end(), 1.0f);
  observer.Observe(Store(layout, values).data(), nullptr, layout);
  v1::LayerStatistics alive;
  observer.Report(&alive);
  EXPECT_EQ(alive.dead_units(), 0);
  EXPECT_FALSE(alive.has_saturated_fraction());
}

TEST_P(LayerObserverTest, ReportsNoDeadUnitsWhereNothingCanDie) {
  const Layout layout = MakeLayout(GetParam());
  const v1::LayerStatistics s = ObserveOnce(layout, std::vector<float>(layout.elements(), 0.0f));
  EXPECT_FALSE(s.has_dead_units());
  EXPECT_FALSE(s.has_saturated_fraction());
}

std::vector<Case> Cases() {
  std::vector<Case> cases;
  for (auto type : {memory::data_type::f32, memory::data_type::bf16}) {
    const std::string suffix = type == memory::data_type::f32 ? "F32" : "Bf16";
    cases.push_back({"Plain" + suffix, 5, 7, 29 * 31, 1, type});
    cases.push_back({"PlainSmallImages" + suffix, 64, 33, 9, 1, type});
    cases.push_back({"ChannelsLast" + suffix, 4, 19, 23 * 17, 19, type});
    cases.push_back({"Blocked16" + suffix, 6, 48, 28 * 28, 16, type});
    cases.push_back({"Blocked16Padded" + suffix, 6, 37, 13 * 13, 16, type});
    cases.push_back({"Blocked8PaddedOneBlock" + suffix, 40, 3, 32 * 32, 8, type});
    cases.push_back({"BlockedVectors" + suffix, 50, 70, 1, 16, type});
    cases.push_back({"Features" + suffix, 128, 512, 1, 512, type});
    cases.push_back({"WideFeatures" + suffix, 9, 5003, 1, 5003, type});
    cases.push_back({"FewFeatures" + suffix, 128, 10, 1, 10, type});
    cases.push_back({"OneUnit" + suffix, 3, 1, 1, 1, type});
  }
  return cases;
}
INSTANTIATE_TEST_SUITE_P(Layouts, LayerObserverTest, testing::ValuesIn(Cases()),
                         [](const auto& param) { return param.param.name; });

TEST(LayerObserver, CountsEveryBinEdgeOnTheUpperSide) {
  // 65 values 0, 1, ..., 64 in 64 bins: one each, and the last bin also holds its upper end.
  const Layout layout{.batch = 1, .channels = 65, .width = 65, .blocks = 1};
  std::vector<float> values(65);
  for (int i = 0; i < 65; ++i) values[i] = static_cast<float>(i);
  const v1::LayerStatistics s = ObserveOnce(layout, values);
  for (int i = 0; i < 63; ++i) EXPECT_EQ(s.histogram().counts(i), 1) << i;
  EXPECT_EQ(s.histogram().counts(63), 2);
}

TEST(LayerObserver, ContinuesFromTheSilentStepsOfACheckpoint) {
  const Layout layout{.batch = 2, .channels = 2, .width = 2, .blocks = 1};
  const FakeRelu relu;
  LayerObserver observer(layout, {.dead_window = 5, .activation = &relu});
  observer.silent_steps()[0] = 4;
  observer.silent_steps()[1] = 9;
  const std::vector<float> values = {0, 0, 0, 1};
  observer.Observe(Store(layout, values).data(), nullptr, layout);
  v1::LayerStatistics s;
  observer.Report(&s);
  EXPECT_EQ(s.dead_units(), 1);
  EXPECT_THAT(observer.silent_steps(), testing::ElementsAre(5, 0));
}

}  // namespace
}  // namespace traind::core
