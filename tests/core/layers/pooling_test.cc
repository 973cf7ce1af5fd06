// Pooling with ceil_mode against PyTorch's, on the shapes of record_ceil_pools.py: outputs, and gradients through a
// scale and an offset of each channel in front of it.
#include <gtest/gtest.h>

#include <cmath>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "core/checkpoint/safetensors.h"
#include "tests/paths.h"
#include "tests/support/layer_run.h"
#include "tests/support/train_run.h"

namespace traind::core {
namespace {

// "<layer> { ... } input_shape: [...]" of a record's name.
std::string NetworkOf(absl::string_view recorded) {
  const size_t shape = recorded.find(" input_shape");
  return absl::StrCat(recorded.substr(shape, recorded.find(']', shape) + 1 - shape),
                      " layers { name: 'scale' conv2d { out_channels: 2 kernel: 1 groups: 2 } } layers { name: 'pool' ",
                      recorded.substr(0, shape), " }");
}

double SumOfProducts(const float* a, const float* b, int64_t n) {
  double sum = 0;
  for (int64_t i = 0; i < n; ++i) sum += double{a[i]} * (b == nullptr ? 1.0 : double{b[i]});
  return sum;
}

TEST(CeilModeTest, FollowsPyTorch) {
  const auto record = Safetensors::Open(SourcePath("tests/core/layers/ceil_pools.safetensors"));
  ASSERT_TRUE(record.ok()) << record.status();
  int cases = 0;
  for (const auto& entry : record->entries()) {
    absl::string_view name = entry.name;
    if (!absl::ConsumeSuffix(&name, " output")) continue;
    const Tensor output = *record->Load(entry.name), gradient = *record->Load(absl::StrCat(name, " gradient"));
    const int64_t plane = static_cast<int64_t>(gradient.values.size()) / 2;
    for (const v1::Precision precision : Precisions()) {
      SCOPED_TRACE(absl::StrCat(name, " precision ", precision));
      const float tolerance = precision == v1::PRECISION_F32 ? 1e-5f : 2e-2f;
      const auto loss = [] {
        v1::Loss config;
        config.mutable_mean_squared_error();
        FieldErrors::Root errors;
        return Registry<Loss>::Get().Create(config, errors.scope());
      }();
      LayerRun run(NetworkOf(name), {.batch = 1, .training = true, .precision = precision, .loss = loss.get()});
      for (size_t i = 0; i < run.examples().size(); ++i) run.examples()[i] = Number(static_cast<int>(i));
      run.Set("scale.weight", {1, 1});
      run.Set("scale.bias", {0, 0});
      const std::vector<float> result = run.Output();
      ASSERT_EQ(result.size(), output.values.size());
      for (size_t i = 0; i < result.size(); ++i) ASSERT_NEAR(result[i], output.values[i], tolerance) << i;
      // The loss here is 2 / outputs times the recorded one.
      const double share = 2.0 / static_cast<double>(result.size());
      for (int64_t c = 0; c < 2; ++c) {
        const float* g = gradient.values.data() + c * plane;
        const float* x = run.examples().data() + c * plane;
        EXPECT_NEAR(run.Gradient("scale.weight")[c], share * SumOfProducts(g, x, plane), 2 * tolerance);
        EXPECT_NEAR(run.Gradient("scale.bias")[c], share * SumOfProducts(g, nullptr, plane), 2 * tolerance);
      }
    }
    ++cases;
  }
  EXPECT_EQ(cases, 120);
}

}  // namespace
}  // namespace traind::core
