// What lsuv and data_dependent promise, looked at through networks that end at the layer in question: their inference
// plans share nothing with the measurements inside.
#include <algorithm>
#include <cmath>
#include <limits>
#include <memory>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "core/data_initialization/data_initializer.h"
#include "core/data_initialization/network_under_data.h"
#include "core/onednn/onednn.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/planned_network.h"

namespace traind::core {
namespace {

using testing::HasSubstr;

constexpr int64_t kBatch = 24;

// Three convolutions and four dense layers, with activation %.
constexpr char kDeep[] = R"(
    input_shape: [2, 10, 10]
    layers { name: "c1" conv2d { out_channels: 6 kernel: 3 padding { mode: MODE_SAME } } activation { % {} } }
    layers { name: "c2" conv2d { out_channels: 16 kernel: 3 bias: false weight_init { normal { std: 0.05 } } }
             activation { % {} } }
    layers { name: "pool" max_pool { kernel: 2 } }
    layers { name: "c3" conv2d { out_channels: 10 kernel: 3 } activation { % {} } }
    layers { name: "d1" dense { units: 40 } activation { % {} } }
    layers { name: "d2" dense { units: 40 bias_init { constant { value: 0.5 } } } activation { % {} } }
    layers { name: "d3" dense { units: 30 weight_init { xavier { gain: 3 } } } activation { % {} } }
    layers { name: "d4" dense { units: 5 } })";

std::string Deep(const std::string& activation) { return absl::StrReplaceAll(kDeep, {{"%", activation}}); }

struct Network : PlannedNetwork {
  Network(const v1::Network& config, bool training, v1::Precision precision = v1::PRECISION_F32)
      : PlannedNetwork(config, {.batch = kBatch, .training = training, .precision = precision}, "",
                       {.trainable = training, .seed = 3}) {}
  explicit Network(const std::string& text, v1::Precision precision = v1::PRECISION_F32)
      : Network(FromText<v1::Network>(text), /*training=*/true, precision) {}

  absl::StatusOr<std::vector<std::string>> Initialize(const std::string& text,
                                                      const std::vector<std::vector<float>>& minibatches,
                                                      v1::Precision precision = v1::PRECISION_F32) {
    return InitializeFromData(FromText<v1::DataInitialization>(text), *graph, *store,
                              {.batch = kBatch, .precision = precision, .seed = 3}, minibatches, [] {});
  }
  // The outputs for all minibatches, [examples, outputs], in test mode.
  std::vector<float> Outputs(const std::vector<std::vector<float>>& minibatches) {
    EXPECT_TRUE(plan->RefreshParameters().ok());
    std::vector<float> all;
    for (const auto& minibatch : minibatches) {
      EXPECT_TRUE(plan->Run({.examples = minibatch.data(), .count = kBatch}).ok());
      all.insert(all.end(), plan->output(), plan->output() + kBatch * plan->outputs());
    }
    return all;
  }
};

// Not zero-mean, not unit variance, and different for each channel.
std::vector<std::vector<float>> Data(const Shape& shape, int minibatches) {
  std::mt19937 random(5);
  std::normal_distribution<float> normal;
  std::vector<std::vector<float>> data(minibatches);
  for (auto& minibatch : data) {
    for (int64_t i = 0; i < kBatch * Elements(shape); ++i) {
      minibatch.push_back(3.0f + 2.0f * normal(random) + static_cast<float>(i % 7));
    }
  }
  return data;
}

// The output before the activation of layer `index`, [examples][unit][position], from a network that ends there.
std::vector<float> Before(const Network& whole, int index, const std::vector<std::vector<float>>& data) {
  v1::Network part = whole.network;
  part.mutable_layers()->DeleteSubrange(index + 1, part.layers_size() - index - 1);
  part.mutable_layers(index)->clear_activation();
  Network network(part, /*training=*/false);
  for (StoredParameter& parameter : network.store->parameters()) {
    for (const StoredParameter& from : whole.store->parameters()) {
      if (from.name != parameter.name) continue;
      std::vector<float> values(Elements(from.spec->shape));
      whole.store->Get(from, from.master, absl::MakeSpan(values));
      network.store->Set(parameter, parameter.master, values);
    }
  }
  network.store->UpdateCopies();
  return network.Outputs(data);
}

struct Moments {
  double mean = 0;
  double variance = 0;
};

Moments MomentsOf(const std::vector<double>& values) {
  Moments moments;
  for (double v : values) moments.mean += v / static_cast<double>(values.size());
  for (double v : values) {
    moments.variance += (v - moments.mean) * (v - moments.mean) / static_cast<double>(values.size());
  }
  return moments;
}

bool HasWeights(const Network& network, int index) {
  return network.network.layers(index).has_dense() || network.network.layers(index).has_conv2d();
}

TEST(DataInitializationTest, LsuvGivesEachLayerUnitVariance) {
  for (const std::string activation : {"relu", "tanh"}) {
    for (int minibatches : {1, 3}) {
      Network network(Deep(activation));
      const auto data = Data(network.graph->input_shape(), minibatches);
      const auto warnings = network.Initialize("lsuv {}", data);
      ASSERT_TRUE(warnings.ok()) << warnings.status();
      EXPECT_TRUE(warnings->empty());
      for (int i = 0; i < network.network.layers_size(); ++i) {
        if (!HasWeights(network, i)) continue;
        const std::vector<float> output = Before(network, i, data);
        const Moments all = MomentsOf({output.begin(), output.end()});
        EXPECT_NEAR(all.variance, 1, 0.02) << activation << " " << network.network.layers(i).name();
      }
    }
  }
}

// Orthogonal up to the scale that the data asks for.
TEST(DataInitializationTest, LsuvKeepsRowsOrthogonal) {
  Network network(Deep("relu"));
  ASSERT_TRUE(network.Initialize("lsuv {}", Data(network.graph->input_shape(), 1)).ok());
  const std::vector<float> w = network.Get("d2.weight");  // [40, 40]
  double square = 0;
  for (int i = 0; i < 40; ++i) square += static_cast<double>(w[i]) * w[i];
  for (int a = 0; a < 40; ++a) {
    for (int b = 0; b < 40; ++b) {
      double product = 0;
      for (int i = 0; i < 40; ++i) product += static_cast<double>(w[a * 40 + i]) * w[b * 40 + i];
      EXPECT_NEAR(product / square, a == b ? 1 : 0, 1e-5);
    }
  }
}

TEST(DataInitializationTest, DataDependentNormalizesEachUnit) {
  for (const std::string activation : {"relu", "tanh"}) {
    for (int minibatches : {1, 3}) {
      Network network(Deep(activation));
      const auto data = Data(network.graph->input_shape(), minibatches);
      const auto warnings = network.Initialize("data_dependent {}", data);
      ASSERT_TRUE(warnings.ok()) << warnings.status();
      EXPECT_TRUE(warnings->empty());
      for (int i = 0; i < network.network.layers_size(); ++i) {
        if (!HasWeights(network, i)) continue;
        const bool bias = network.network.layers(i).name() != "c2";
        const std::vector<float> output = Before(network, i, data);
        const Node& node = network.graph->nodes()[i];
        const int64_t units = node.pre_activation[0], positions = Elements(node.pre_activation) / units;
        for (int64_t u = 0; u < units; ++u) {
          std::vector<double> values;
          for (int64_t k = 0; k < static_cast<int64_t>(output.size()); ++k) {
            if (k / positions % units == u) values.push_back(output[k]);
          }
          const Moments unit = MomentsOf(values);
          EXPECT_NEAR(unit.variance, 1, 0.02) << activation << " " << node.name << " unit " << u;
          EXPECT_TRUE(!bias || std::abs(unit.mean) < 0.01) << unit.mean << " in " << node.name << " unit " << u;
        }
      }
    }
  }
}

TEST(DataInitializationTest, WorksInBfloat16) {
  if (!onednn::SupportsBf16()) return;
  for (const std::string kind : {"lsuv {}", "data_dependent {}"}) {
    Network network(Deep("relu"), v1::PRECISION_BF16);
    const auto data = Data(network.graph->input_shape(), 2);
    ASSERT_TRUE(network.Initialize(kind, data, v1::PRECISION_BF16).ok());
    // Seen through float32, with the rounding of seven layers between.
    const std::vector<float> output = Before(network, network.network.layers_size() - 1, data);
    EXPECT_NEAR(MomentsOf({output.begin(), output.end()}).variance, 1, 0.1) << kind;
  }
}

// Balancing the rates changes neither the function nor, after it, any layer's rate from that of the others.
TEST(DataInitializationTest, BalancedRatesAreEqualAndTheFunctionStays) {
  Network plain(Deep("relu")), balanced(Deep("relu"));
  const auto data = Data(plain.graph->input_shape(), 4);
  ASSERT_TRUE(plain.Initialize("data_dependent {}", data).ok());
  const auto warnings = balanced.Initialize("data_dependent { balance_rates: true }", data);
  ASSERT_TRUE(warnings.ok()) << warnings.status();
  EXPECT_TRUE(warnings->empty());
  const int last = plain.network.layers_size() - 1;
  const std::vector<float> expected = Before(plain, last, data), found = Before(balanced, last, data);
  for (size_t i = 0; i < expected.size(); ++i) EXPECT_NEAR(found[i], expected[i], 2e-3 * (1 + std::abs(expected[i])));

  const auto spread = [&](Network& network, uint64_t seed) {
    auto view = NetworkUnderData::Make(*network.graph, *network.store, {.batch = kBatch, .seed = seed}, data, [] {});
    EXPECT_TRUE(view.ok()) << view.status();
    const auto norms = (*view)->GradientNorms();
    EXPECT_TRUE(norms.ok()) << norms.status();
    double low = std::numeric_limits<double>::infinity(), high = 0;
    for (size_t k = 0; k < norms->size(); ++k) {
      double squares = 0;
      for (float w : (*view)->Get(*(*view)->layers()[k].weight)) squares += static_cast<double>(w) * w;
      low = std::min(low, (*norms)[k] / std::sqrt(squares));
      high = std::max(high, (*norms)[k] / std::sqrt(squares));
    }
    return high / low;
  };
  EXPECT_GT(spread(plain, 3), 2);
  EXPECT_LT(spread(balanced, 3), 1.01);
  EXPECT_LT(spread(balanced, 4), 1.5);  // Other random directions.
}

// y = W x: the gradient of a random projection is its direction times x, so its expected squared norm is
// outputs * |x|^2.
TEST(DataInitializationTest, GradientNormsAreThoseOfTheFormula) {
  Network network("input_shape: 30 layers { name: 'd' dense { units: 200 } }");
  const auto data = Data({30}, 5);
  double squares = 0;
  for (const auto& minibatch : data) {
    for (float x : minibatch) squares += static_cast<double>(x) * x / static_cast<double>(kBatch * data.size());
  }
  auto view = NetworkUnderData::Make(*network.graph, *network.store, {.batch = kBatch, .seed = 1}, data, [] {});
  ASSERT_TRUE(view.ok());
  const auto norms = (*view)->GradientNorms();
  ASSERT_TRUE(norms.ok());
  // Sums of examples' gradients cross only by chance: a few percent.
  EXPECT_NEAR((*norms)[0] / std::sqrt(200 * squares), 1, 0.1);
}

// Zeros before, and what they feed: both layers stay, with a warning, and no NaN comes of it.
TEST(DataInitializationTest, WhatDoesNotVaryIsLeftAlone) {
  for (const std::string kind : {"lsuv", "data_dependent"}) {
    Network network(R"(
        input_shape: 6
        layers { name: "a" dense { units: 8 } activation { relu {} } }
        layers { name: "zeros" dense { units: 4 weight_init { zeros {} } } activation { relu {} } }
        layers { name: "after" dense { units: 3 } })");
    const std::vector<float> after = network.Get("after.weight");
    const auto warnings = network.Initialize(kind + " {}", Data({6}, 1));
    ASSERT_TRUE(warnings.ok()) << warnings.status();
    ASSERT_EQ(warnings->size(), 2u) << kind;
    EXPECT_THAT((*warnings)[0], HasSubstr("layer \"zeros\""));
    EXPECT_THAT((*warnings)[1], HasSubstr("layer \"after\""));
    EXPECT_EQ(network.Get("zeros.weight"), std::vector<float>(8 * 4, 0.0f));
    EXPECT_TRUE(kind == "lsuv" || network.Get("after.weight") == after);
    for (const StoredParameter& parameter : network.store->parameters()) {
      for (int64_t i = 0; i < parameter.stored_elements(); ++i) ASSERT_TRUE(std::isfinite(parameter.master[i]));
    }
  }
}

TEST(DataInitializationTest, NaNInTheDataIsAnErrorThatNamesTheLayer) {
  for (const std::string kind : {"lsuv {}", "data_dependent {}", "data_dependent { balance_rates: true }"}) {
    Network network(Deep("relu"));
    auto data = Data(network.graph->input_shape(), 2);
    data[1][17] = std::numeric_limits<float>::quiet_NaN();
    const auto warnings = network.Initialize(kind, data);
    EXPECT_EQ(warnings.status().code(), absl::StatusCode::kAborted);
    EXPECT_THAT(std::string(warnings.status().message()), HasSubstr("layer \"c1\""));
  }
}

TEST(DataInitializationTest, NormalizationsAreNotTouched) {
  Network network(R"(
      input_shape: [2, 6, 6]
      layers { name: "c" conv2d { out_channels: 4 kernel: 3 bias: false } }
      layers { name: "norm" batch_norm {} activation { relu {} } }
      layers { name: "d" dense { units: 3 } })");
  const auto data = Data({2, 6, 6}, 2);
  ASSERT_TRUE(network.Initialize("data_dependent {}", data).ok());
  EXPECT_EQ(network.Get("norm.running_mean"), std::vector<float>(4, 0.0f));
  EXPECT_EQ(network.Get("norm.running_var"), std::vector<float>(4, 1.0f));
  EXPECT_EQ(network.Get("norm.weight"), std::vector<float>(4, 1.0f));
}

TEST(DataInitializationTest, BalancingAsksForAHomogeneousChain) {
  const std::string head = "input_shape: 6 layers { name: 'a' dense { units: 6 } activation { relu {} } } ";
  const std::vector<std::pair<std::string, bool>> cases = {
      {"layers { name: 'b' dense { units: 3 } activation { leaky_relu {} } }", true},
      {"layers { name: 'b' dense { units: 3 } activation { tanh {} } }", false},
      {"layers { name: 'n' batch_norm {} } layers { name: 'b' dense { units: 3 } }", false},
      {"layers { name: 'b' inputs: ['a', 'input'] add {} }", false},
      {"layers { name: 'b' inputs: 'input' dense { units: 6 } } layers { name: 's' inputs: ['a', 'b'] add {} }", false},
  };
  for (const auto& [tail, fits] : cases) {
    v1::Network config = FromText<v1::Network>(head + tail);
    FieldErrors::Root errors;
    const auto graph = Graph::Build(config, errors.scope());
    ASSERT_TRUE(errors.ok()) << errors.ToStatus();
    v1::DataInitialization initialization;
    initialization.mutable_data_dependent()->set_balance_rates(true);
    Registry<DataInitializer>::Get().Create(initialization, errors.scope())->Check(*graph, errors.scope());
    EXPECT_EQ(errors.ok(), fits) << tail;
  }
}

// Weights [in, out, ...] and a table of vectors: their first dimension is not the units, as many as these may be.
TEST(DataInitialization, LeavesWeightsThatAreNotByUnitAndSaysSo) {
  Network images(
      "input_shape: [2, 6, 6] layers { name: 'c' conv2d { out_channels: 4 kernel: 3 } } layers { name: 't' "
      "conv_transpose2d { out_channels: 4 kernel: 3 } } layers { name: 'd' dense { units: 5 } }");
  const std::vector<float> before = images.Get("t.weight"), dense = images.Get("d.weight");
  for (const char* kind : {"lsuv {}", "data_dependent {}"}) {
    const auto warnings = images.Initialize(kind, Data({2, 6, 6}, 2));
    ASSERT_TRUE(warnings.ok()) << warnings.status();
    EXPECT_THAT(*warnings, testing::ElementsAre("layer \"t\": conv_transpose2d keeps its initial weights"));
    EXPECT_EQ(images.Get("t.weight"), before);
    EXPECT_NE(images.Get("d.weight"), dense);
  }
  Network texts(
      "input_shape: [8] layers { name: 'e' embedding { vocabulary: 6 features: 6 } } layers { name: 'd' dense { units: "
      "5 } }");
  const std::vector<float> table = texts.Get("e.weight");
  std::vector<std::vector<float>> ids(2, std::vector<float>(kBatch * 8));
  for (auto& minibatch : ids) {
    for (size_t i = 0; i < minibatch.size(); ++i) minibatch[i] = static_cast<float>(i * i % 6);
  }
  const auto warnings = texts.Initialize("data_dependent {}", ids);
  ASSERT_TRUE(warnings.ok()) << warnings.status();
  EXPECT_THAT(*warnings, testing::ElementsAre("layer \"e\": embedding keeps its initial weights"));
  EXPECT_EQ(texts.Get("e.weight"), table);
}

}  // namespace
}  // namespace traind::core
