// Networks that begin with layers of a trained one.
#include "core/job/network_from.h"

#include <map>
#include <string>
#include <vector>

#include "core/graph/graph.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/bytes.h"
#include "tests/support/temporary_folder.h"
#include "tests/support/text_proto.h"

namespace traind::core {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Pair;

std::multimap<std::string, std::string> ListOf(const FieldErrors::Root& errors) {
  std::multimap<std::string, std::string> list;
  for (const auto& violation : errors.violations().field_violations()) {
    list.emplace(violation.field(), violation.description());
  }
  return list;
}

// As a job resolves it; "side" branches off and is read by the last layer alone.
v1::Network Trained() {
  auto network = FromText<v1::Network>(R"(
      input_shape: [ 3, 8, 8 ]
      layers { name: "conv1" conv2d { out_channels: 4 kernel: 3 padding { amount: 1 } } activation { relu {} } }
      layers { name: "side" conv2d { out_channels: 2 kernel: 3 padding { amount: 1 } } }
      layers { name: "block" inputs: "conv1" block { residual { channels: 4 } } }
      layers { name: "pool" max_pool { kernel: 2 } }
      layers { name: "small" inputs: "side" max_pool { kernel: 2 } }
      layers { name: "joined" inputs: "pool" inputs: "small" concat {} }
      layers { name: "fc8" dense { units: 10 } })");
  FieldErrors::Root errors;
  EXPECT_NE(Graph::Build(network, errors.scope()), nullptr) << errors.ToStatus();
  return network;
}

v1::Network Taking(const std::string& text) { return FromText<v1::Network>(text); }

TEST(NetworkFrom, TakesWhatTheLastLayerReads) {
  FieldErrors::Root errors;
  v1::Network network = Taking("from { model: 'jobs/a' until: 'pool' } layers { name: 'fc8' dense { units: 3 } }");
  const auto taken = TakeLayers(Trained(), network, errors.scope("network"));
  EXPECT_TRUE(errors.ok()) << errors.ToStatus();
  EXPECT_THAT(taken, ElementsAre("conv1", "block.conv1", "block.norm1", "block.conv2", "block.norm2", "block", "pool"));
  EXPECT_FALSE(network.has_from());
  EXPECT_THAT(network.input_shape(), ElementsAre(3, 8, 8));
  const auto graph = Graph::Build(network, errors.scope());
  ASSERT_NE(graph, nullptr) << errors.ToStatus();
  EXPECT_EQ(graph->output().name, "fc8");
  EXPECT_EQ(graph->output().input_shapes[0], (Shape{4, 4, 4}));
}

TEST(NetworkFrom, TakesAllByDefaultAndBranchesWithTheirInputs) {
  FieldErrors::Root errors;
  v1::Network whole = Taking("from { model: 'jobs/a' }");
  TakeLayers(Trained(), whole, errors.scope());
  EXPECT_EQ(whole.layers_size(), Trained().layers_size());
  v1::Network small = Taking("from { model: 'jobs/a' until: 'small' } layers { name: 'new' dense { units: 3 } }");
  EXPECT_THAT(TakeLayers(Trained(), small, errors.scope()), ElementsAre("conv1", "side", "small"));
  v1::Network read = Taking(
      "from { model: 'jobs/a' until: 'pool' } layers { name: 'a' inputs: 'conv1' max_pool { kernel: 2 } } "
      "layers { name: 'sum' inputs: 'pool' inputs: 'a' add {} } layers { name: 'out' dense { units: 3 } }");
  TakeLayers(Trained(), read, errors.scope());
  EXPECT_NE(Graph::Build(read, errors.scope()), nullptr) << errors.ToStatus();
}

TEST(NetworkFrom, SaysWhatIsWrongWhereItWasWritten) {
  FieldErrors::Root errors;
  v1::Network unknown = Taking("from { model: 'jobs/a' until: 'pol' }");
  EXPECT_THAT(TakeLayers(Trained(), unknown, errors.scope("network")), IsEmpty());
  v1::Network twice = Taking("from { model: 'jobs/a' until: 'pool' } layers { name: 'conv1' dense { units: 3 } }");
  TakeLayers(Trained(), twice, errors.scope("network"));
  EXPECT_THAT(ListOf(errors), Contains(Pair("network.from.until", HasSubstr("the nearest names are pool"))));
  EXPECT_THAT(ListOf(errors), Contains(Pair("network.layers[0].name", HasSubstr("comes with `from`"))));

  v1::Network wrong = Taking(
      "from { model: 'jobs/a' until: 'pool' } input_shape: [ 3, 1, 1 ] layers { name: 'fc' dense { units: 0 } }");
  FieldErrors::Root found, written;
  const auto taken = TakeLayers(Trained(), wrong, found.scope("network"));
  Graph::Build(wrong, found.scope("network"));
  AddAsWritten(found.violations(), "network", taken.size(), written.scope());
  EXPECT_THAT(ListOf(written), Contains(Pair("network.layers[0].dense.units", testing::_)));
  EXPECT_THAT(ListOf(written), Contains(Pair("network.from", HasSubstr("network.layers[6]"))));
}

TEST(NetworkFrom, ItsOwnLayersBeginAsUsual) {
  const TemporaryFolder folder;
  const std::string path = folder / "model.safetensors";
  const std::vector<Tensor> tensors = {{"conv1.weight", {1}, {1}}, {"fc8.weight", {1}, {1}}};
  ASSERT_TRUE(WriteSafetensors(path, SourcesOf(tensors)).ok());
  const auto model = Safetensors::Open(path);
  ASSERT_TRUE(model.ok()) << model.status();
  const auto description = FromText<v1::NetworkDescription>(
      "layers { name: 'conv1' parameters { name: 'conv1.weight' } } layers { name: 'pool' } "
      "layers { name: 'new' parameters { name: 'new.weight' } } layers { name: 'fc8' parameters { name: 'fc8.weight' } "
      "}");
  FieldErrors::Root errors;
  v1::InitialWeights weights;
  StartOwnLayers(description, std::vector<std::string>{"conv1", "pool"}, *model, weights, errors.scope("network"));
  EXPECT_TRUE(errors.ok()) << errors.ToStatus();
  ASSERT_EQ(weights.rules_size(), 1);
  EXPECT_EQ(weights.rules(0).to(), "fc8.*");
  EXPECT_TRUE(weights.rules(0).skip());
  StartOwnLayers(description, std::vector<std::string>{"new"}, *model, weights, errors.scope("network"));
  EXPECT_THAT(ListOf(errors), Contains(Pair("network.from.model", HasSubstr("lacks the tensor new.weight"))));
}

TEST(NetworkFrom, TakenLayersBelowTheNameOfAnOwnOneKeepTheirWeights) {
  const TemporaryFolder folder;
  const std::string path = folder / "model.safetensors";
  const std::vector<Tensor> tensors = {{"block.conv1.weight", {1}, {1}}, {"block.weight", {1}, {1}}};
  ASSERT_TRUE(WriteSafetensors(path, SourcesOf(tensors)).ok());
  const auto model = Safetensors::Open(path);
  ASSERT_TRUE(model.ok()) << model.status();
  const auto description = FromText<v1::NetworkDescription>(
      "layers { name: 'block.conv1' parameters { name: 'block.conv1.weight' } } "
      "layers { name: 'block' parameters { name: 'block.weight' } }");
  FieldErrors::Root errors;
  v1::InitialWeights weights;
  StartOwnLayers(description, std::vector<std::string>{"block.conv1"}, *model, weights, errors.scope("network"));
  ASSERT_EQ(weights.rules_size(), 1);
  EXPECT_EQ(weights.rules(0).to(), "block.weight");
}

}  // namespace
}  // namespace traind::core
