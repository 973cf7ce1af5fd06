// The default cadence beside step times that were measured (docs/benchmarks.md).
#include "core/job/cadence.h"

#include <map>
#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/bench/networks.h"
#include "tests/support/text_proto.h"

namespace traind::core {
namespace {

using testing::AllOf;
using testing::Ge;
using testing::Le;

std::unique_ptr<Graph> Build(const std::string& network) {
  auto config = FromText<v1::Network>(network);
  FieldErrors::Root errors;
  auto graph = Graph::Build(config, errors.scope());
  EXPECT_TRUE(errors.ok()) << errors.ToStatus();
  return graph;
}

std::string Dense(int count, int units) {
  std::string layers;
  for (int i = 0; i < count; ++i) {
    absl::StrAppend(&layers, "layers { name: 'fc", i, "' dense { units: ", units, " } activation { relu {} } } ");
  }
  return absl::StrCat(layers, "layers { name: 'out' dense { units: 10 } } ");
}

v1::JobSpec Resolved(const std::string& network, uint32_t batch, uint64_t total_steps, const std::string& spec = "",
                     int threads = 2) {
  auto job = FromText<v1::JobSpec>(absl::StrCat("threads: ", threads, " batch_size: ", batch, " ", spec));
  ResolveCadence(*Build(network), total_steps, job);
  return job;
}

constexpr uint64_t kEndless = 1'000'000'000;

TEST(Cadence, AboutOneReportASecondByTheMeasuredStep) {
  const struct {
    const char* name;
    std::string network;
    uint32_t batch;
    double measured_ms;
    int threads;
  } cases[] = {
      {"one hidden layer of 32", "input_shape: 784 " + Dense(1, 32), 16, 0.081, 2},
      {"20 small layers", "input_shape: 20 " + Dense(19, 16), 32, 0.28, 2},
      {"20 small layers", "input_shape: 20 " + Dense(19, 16), 32, 0.092, 1},
      {"mlp_small", "input_shape: 784 " + Dense(2, 512), 128, 2.31, 2},
  };
  for (const auto& one : cases) {
    const v1::JobSpec spec = Resolved(one.network, one.batch, kEndless, "", one.threads);
    EXPECT_THAT(spec.statistics().every_steps() * one.measured_ms / 1e3, AllOf(Ge(1 / 3.0), Le(3.0))) << one.name;
    EXPECT_THAT(spec.metrics_every_steps() * one.measured_ms / 1e3, AllOf(Ge(0.25 / 3), Le(0.25 * 3))) << one.name;
  }
}

TEST(Cadence, EstimatesMeasuredSteps) {
  const std::map<std::string, double> measured_ms = {
      {"mlp_small", 2.31},     {"mlp_6x4096", 788.7},       {"cnn28", 52.2},         {"resnet18_cifar", 564.4},
      {"vgg16_cifar", 307.5},  {"densenet40_cifar", 848.9}, {"resnet20_narrow", 88}, {"mobile_cifar", 53},
      {"conv1d_series", 11.6}, {"vit_small", 95},  // Beside other work; made smaller by the factor of cnn28.
      {"text_cnn", 15.4}};
  for (const bench::ReferenceNetwork& one : bench::ReferenceNetworks()) {
    const double measured = measured_ms.at(one.name);
    const double ratio = EstimateStepSeconds(*Build(one.network), one.batch, 2) * 1e3 / measured;
    EXPECT_THAT(ratio, AllOf(Ge(1 / 3.0), Le(3.0))) << one.name;
    const v1::JobSpec spec = Resolved(one.network, static_cast<uint32_t>(one.batch), kEndless);
    if (measured > 100) {
      EXPECT_EQ(spec.statistics().every_steps(), 10u) << one.name;
    }
  }
}

TEST(Cadence, AShortJobIsSeenNonetheless) {
  const std::string network = "input_shape: 784 " + Dense(1, 32);
  const v1::JobSpec spec = Resolved(network, 16, 4000);
  EXPECT_EQ(spec.statistics().every_steps(), 200u);  // Twenty.
  EXPECT_EQ(spec.metrics_every_steps(), 40u);        // A hundred.
  const v1::JobSpec shortest = Resolved(network, 16, 0);
  EXPECT_EQ(shortest.statistics().every_steps(), 10u);
  EXPECT_EQ(shortest.metrics_every_steps(), 10u);
}

TEST(Cadence, WhatWasSaidStays) {
  const v1::JobSpec spec = Resolved("input_shape: 784 " + Dense(1, 32), 16, kEndless,
                                    "statistics { every_steps: 0 } metrics_every_steps: 3");
  EXPECT_EQ(spec.statistics().every_steps(), 0u);
  EXPECT_EQ(spec.metrics_every_steps(), 3u);
}

}  // namespace
}  // namespace traind::core
