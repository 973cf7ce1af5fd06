// ProbeNetwork with an initialization from data: what it shows is the network that a job would start from.
#include <string>

#include "absl/strings/str_cat.h"
#include "core/job/resolve.h"
#include "core/train/train.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/text_proto.h"

namespace traind::core {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::Not;

// Five layers without activations and with weights that are far too small, on 64 examples of N(0, 1).
absl::StatusOr<v1::ProbeNetworkResponse> ProbeDeep(const std::string& more) {
  std::string layers;
  for (int i = 1; i <= 5; ++i) {
    absl::StrAppend(&layers, "layers { name: 'l", i, "' dense { units: 40 weight_init { normal { std: 0.01 } } } } ");
  }
  auto request = FromText<v1::ProbeNetworkRequest>(
      absl::StrCat("network { input_shape: 40 ", layers, "} batch_size: 64 seed: 3 ", more));
  FieldErrors::Root errors;
  request = ResolveProbe(request, nullptr, errors.scope());
  EXPECT_TRUE(errors.ok()) << errors.ToStatus();
  return Probe(request, "", 2);
}

TEST(ProbeTest, ShowsTheNetworkAfterItsInitializationFromData) {
  const auto plain = ProbeDeep("");
  ASSERT_TRUE(plain.ok()) << plain.status();
  EXPECT_LT(plain->statistics().layers(4).std(), 1e-4);
  for (const std::string kind : {"lsuv {}", "data_dependent {}", "data_dependent { balance_rates: true }"}) {
    SCOPED_TRACE(kind);
    const auto probe = ProbeDeep(absl::StrCat("data_initialization { ", kind, " }"));
    ASSERT_TRUE(probe.ok()) << probe.status();
    ASSERT_EQ(probe->statistics().layers_size(), 5);
    // Balancing the rates gives scale from one layer to another; the last one keeps its variance.
    for (int i = kind.find("balance") == std::string::npos ? 0 : 4; i < 5; ++i) {
      EXPECT_NEAR(probe->statistics().layers(i).std(), 1, 0.02) << "layer " << i;
    }
    EXPECT_NEAR(probe->statistics().layers(4).mean(), 0, 0.3);
  }
}

// Slides 48 to 53: what the statistics show is said, too, before any step.
TEST(ProbeTest, WarnsOfWhatItsStatisticsShow) {
  const auto plain = ProbeDeep("");
  ASSERT_TRUE(plain.ok()) << plain.status();
  EXPECT_THAT(plain->warnings(), Contains(HasSubstr("at the beginning the outputs shrink from layer to layer")));
  const auto mended = ProbeDeep("data_initialization { lsuv {} }");
  ASSERT_TRUE(mended.ok()) << mended.status();
  EXPECT_THAT(mended->warnings(), Not(Contains(HasSubstr("at the beginning"))));
}

TEST(ProbeTest, WarnsOfSaturation) {
  auto request = FromText<v1::ProbeNetworkRequest>(
      "network { input_shape: 100 layers { name: 'l' dense { units: 100 weight_init { normal { std: 1 } } } activation "
      "{ tanh {} } } } batch_size: 64 seed: 3");
  FieldErrors::Root errors;
  request = ResolveProbe(request, nullptr, errors.scope());
  const auto probe = Probe(request, "", 2);
  ASSERT_TRUE(probe.ok()) << probe.status();
  EXPECT_THAT(probe->warnings(), Contains(HasSubstr("layer \"l\": its tanh is saturated")));
}

// Slide 27: a relu's bias that starts slightly positive leaves fewer zeros, by the share of N(0, 1) between -bias and
// 0.
TEST(ProbeTest, ASlightlyPositiveBiasLeavesFewerZeros) {
  const auto zeros = [](const std::string& bias) {
    auto request = FromText<v1::ProbeNetworkRequest>(
        absl::StrCat("network { input_shape: 400 layers { name: 'l' dense { units: 400 weight_init { normal { std: "
                     "0.05 } } bias_init { ",
                     bias, " } } activation { relu {} } } } batch_size: 256 seed: 3"));
    FieldErrors::Root errors;
    request = ResolveProbe(request, nullptr, errors.scope());
    EXPECT_TRUE(errors.ok()) << errors.ToStatus();
    const auto probe = Probe(request, "", 2);
    EXPECT_TRUE(probe.ok()) << probe.status();
    return probe->statistics().layers(0).zero_fraction();
  };
  // The pre-activations are N(bias, 400 * 0.05^2 = 1).
  EXPECT_NEAR(zeros("zeros {}"), 0.5, 0.01);
  EXPECT_NEAR(zeros("constant { value: 0.1 }"), 0.4602, 0.01);  // Phi(-0.1)
  EXPECT_NEAR(zeros("constant { value: 1 }"), 0.1587, 0.01);
}

}  // namespace
}  // namespace traind::core
