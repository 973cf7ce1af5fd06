// Fixes that change the network: what they make of it, that it is a network, and that the finding is gone with it.
#include <cmath>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "tests/support/insight_log.h"

namespace traind::core {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

constexpr char kRelu100[] = "dense { units: 100 } activation { relu {} }";

std::string JobOf(const std::string& layers, const std::string& more = "batch_size: 100") {
  return "network { " + layers + " } data { dataset: 'images' preprocessing { standardize {} } } epochs: 1 " + more;
}
std::string Named(const std::string& name, const std::string& rest) {
  return "layers { name: '" + name + "' " + rest + " } ";
}
const std::string& Out() {
  static const auto& out = *new std::string(Named("out", "dense { units: 10 }"));
  return out;
}

std::vector<std::string> NamesOf(const v1::Network& network) {
  std::vector<std::string> names;
  for (const v1::Layer& layer : network.layers()) names.push_back(layer.name());
  return names;
}

v1::Finding FindingOf(const std::string& id, const std::string& spec) {
  InsightLog log(spec);
  log.Data(log.Profile());
  return log.Find(id);
}

// What a finding makes of the job's network, in which it is no longer seen.
v1::Network Fixed(const std::string& id, const std::string& spec) {
  const v1::Finding finding = FindingOf(id, spec);
  EXPECT_THAT(finding.fix().mask().paths(), ElementsAre("network")) << id;
  auto job = FromText<v1::JobSpec>(spec);
  *job.mutable_network() = finding.fix().patch().network();
  EXPECT_EQ(FindingOf(id, job.DebugString()).rule(), "") << id;  // A network that is none fails here.
  return finding.fix().patch().network();
}

TEST(NetworkFixes, TheOutputsBecomeFree) {
  const std::string rule = "softmax_before_cross_entropy/";
  EXPECT_THAT(NamesOf(Fixed(rule + "p", JobOf(Out() + Named("p", "softmax {}")))), ElementsAre("out"));
  EXPECT_THAT(NamesOf(Fixed(rule + "p", JobOf(Out() + Named("p", "inputs: 'out' softmax {}")))), ElementsAre("out"));
  EXPECT_THAT(NamesOf(Fixed(rule + "p", JobOf(Out() + Named("p", "activation { sigmoid {} }")))), ElementsAre("out"));
  const v1::Network relu = Fixed(rule + "out", JobOf(Named("out", "dense { units: 10 } activation { relu {} }")));
  EXPECT_EQ(relu.layers(0).dense().units(), 10);
}

v1::Finding Vanishing(const std::string& spec) {
  InsightLog log(spec);
  v1::StatisticsReport report = log.Report();
  report.mutable_parameters(0)->set_gradient_std(1e-9F);
  log.Run(600, InsightLog::Stays, report);
  return log.Find("vanishing_gradient/first");
}

TEST(NetworkFixes, BatchNormsStandBeforeTheActivations) {
  const std::string spec = JobOf(Named("first", kRelu100) + Named("second", kRelu100) +
                                 Named("first_norm", "inputs: 'second' dense { units: 100 }") + Out());
  const v1::Finding finding = Vanishing(spec);
  const v1::Network network = finding.fix().patch().network();
  EXPECT_THAT(NamesOf(network),
              ElementsAre("first", "first_norm_", "second", "second_norm", "first_norm", "first_norm_norm", "out"));
  EXPECT_FALSE(network.layers(0).has_activation() || network.layers(0).dense().bias());
  EXPECT_TRUE(network.layers(1).has_batch_norm() && network.layers(1).activation().has_relu());
  EXPECT_THAT(network.layers(4).inputs(), ElementsAre("second_norm"));
  EXPECT_FALSE(network.layers(5).has_activation());
  EXPECT_EQ(network.layers(6).DebugString(), FromText<v1::Network>(Out()).layers(0).DebugString());
  auto job = FromText<v1::JobSpec>(spec);
  *job.mutable_network() = network;
  EXPECT_THAT(InsightLog(job.DebugString()).warnings, ElementsAre(HasSubstr("between \"first_norm\" and it")))
      << "as before";
}

TEST(NetworkFixes, BatchNormsStandInsideOfBlocks) {
  const v1::Network network =
      Vanishing(JobOf(Named("first", kRelu100) +
                      Named("block",
                            "block { residual { layers { name: 'a' dense { units: 100 } activation { relu {} } } "
                            "layers { name: 'b' dense { units: 100 } } } }") +
                      Out()))
          .fix()
          .patch()
          .network();
  ASSERT_EQ(network.layers_size(), 4);
  const auto& branch = network.layers(2).block().residual().layers();
  ASSERT_EQ(branch.size(), 4) << network.DebugString();
  EXPECT_EQ(branch[1].name(), "a_norm");
  EXPECT_EQ(branch[3].name(), "b_norm");
  EXPECT_TRUE(branch[1].activation().has_relu());
}

TEST(NetworkFixes, NoBatchNormOverAFewExamples) {
  const std::string network = Named("first", kRelu100) + Named("second", kRelu100) + Out();
  EXPECT_TRUE(Vanishing(JobOf(network)).fix().has_mask());
  const v1::Finding finding = Vanishing(JobOf(network, "batch_size: 4"));
  EXPECT_FALSE(finding.fix().has_mask());
  EXPECT_THAT(finding.fix().words(), HasSubstr("batch_norm"));
}

TEST(NetworkFixes, NoBatchNormWhereTheWeightsMustFit) {
  const std::string network = Named("first", kRelu100) + Named("second", kRelu100) + Out(),
                    weights = "batch_size: 100 initial_weights { model: 'models/m' ";
  EXPECT_TRUE(Vanishing(JobOf(network, weights + "allow_missing: true }")).fix().has_mask());
  EXPECT_FALSE(Vanishing(JobOf(network, weights + "}")).fix().has_mask());
  EXPECT_FALSE(
      Vanishing(
          JobOf(network, "batch_size: 100 parameter_rules { parameters: '*st.bias' learning_rate_multiplier: 2 }"))
          .fix()
          .has_mask());
}

TEST(NetworkFixes, WhereTheInitializersSuitNormsAreLeft) {
  const std::string tanh = "dense { units: 100 weight_init { xavier {} } } activation { tanh {} }";
  InsightLog log(JobOf(Named("a", tanh) + Named("b", tanh) + Named("c", tanh) + Named("d", tanh) + Out()));
  v1::StatisticsReport report = log.Report();
  for (int i = 0; i < 4; ++i)
    report.mutable_layers(i)->set_std(i == 0 ? 0.5F : 0.5F / std::pow(5.0F, static_cast<float>(i)));
  log.Run(1, InsightLog::Stays, report);
  const v1::Finding finding = log.Find("initialization_scale/b");
  EXPECT_THAT(NamesOf(finding.fix().patch().network()),
              ElementsAre("a", "a_norm", "b", "b_norm", "c", "c_norm", "d", "d_norm", "out"));
}

TEST(NetworkFixes, ALargerBatchForBatchNorm) {
  const std::string norm =
      Named("a", "dense { units: 5 bias: false }") + Named("n", "batch_norm {} activation { relu {} }");
  const v1::Finding finding = FindingOf("batch_norm_small_batch/n", JobOf(norm + Out(), "batch_size: 4"));
  EXPECT_THAT(finding.fix().mask().paths(), ElementsAre("batch_size"));
  EXPECT_EQ(finding.fix().patch().batch_size(), 32u);
}

TEST(NetworkFixes, DropoutsAreWeakenedAndMoved) {
  const std::string drop = "dropout { rate: 0.9 }", norm = "batch_norm {} activation { relu {} }";
  const v1::Network weaker = Fixed("dropout_place/d", JobOf(Named("a", kRelu100) + Named("d", drop) +
                                                            Named("b", kRelu100) + Named("e", drop) + Out()));
  EXPECT_EQ(weaker.layers(1).dropout().rate(), 0.5);
  EXPECT_EQ(weaker.layers(3).dropout().rate(), 0.5);
  const std::string a = Named("a", "dense { units: 9 bias: false }"), b = Named("b", "dense { units: 9 bias: false }");
  const v1::Network moved = Fixed("dropout_place/d", JobOf(a + Named("d", "dropout {}") + Named("n", norm) + b +
                                                           Named("e", "dropout {}") + Named("m", norm) + Out()));
  EXPECT_THAT(NamesOf(moved), ElementsAre("a", "n", "d", "b", "m", "e", "out"));
}

TEST(NetworkFixes, TheFirstOfTwoLinearLayersGetsARelu) {
  const v1::Network network =
      Fixed("two_linear_layers/out",
            JobOf(Named("r", kRelu100) + Named("a", "dense { units: 1000 } activation { identity {} }") +
                  Named("f", "dropout {}") + Out()));
  EXPECT_TRUE(network.layers(1).activation().has_relu());
  const v1::Network behind =
      Fixed("two_linear_layers/out", JobOf(Named("r", kRelu100) + Named("a", "dense { units: 1000 bias: false }") +
                                           Named("n", "batch_norm {}") + Out()));
  EXPECT_TRUE(behind.layers(2).activation().has_relu()) << "behind the normalization";
  EXPECT_FALSE(behind.layers(1).has_activation());
}

}  // namespace
}  // namespace traind::core
