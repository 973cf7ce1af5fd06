#include "core/onnx/export.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <set>

#include "absl/strings/str_cat.h"
#include "core/graph/graph.h"
#include "core/onnx/forms.h"
#include "tests/support/temporary_folder.h"
#include "tests/support/text_proto.h"

namespace traind::core::onnx {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

// A network of [1, 4, 4], and weights for it, each tensor filled with 1, 2, 3, ...
class OnnxExportTest : public ::testing::Test {
 protected:
  void Use(const std::string& layers) {
    spec_ = FromText<v1::JobSpec>("network { input_shape: [1, 4, 4] " + layers + " }");
    FieldErrors::Root errors;
    const auto graph = Graph::Build(*spec_.mutable_network(), errors.scope());
    ASSERT_TRUE(errors.ok()) << errors.ToStatus();
    std::vector<Tensor> tensors;
    for (const Node& node : graph->nodes()) {
      for (const ParameterSpec& parameter : node.parameters) {
        std::vector<float> values(static_cast<size_t>(Elements(parameter.shape)));
        for (size_t i = 0; i < values.size(); ++i) values[i] = static_cast<float>(i + 1);
        tensors.push_back({node.name + "." + parameter.name, parameter.shape, std::move(values)});
      }
    }
    ASSERT_TRUE(WriteSafetensors(weights(), SourcesOf(tensors)).ok());
  }

  absl::StatusOr<internal::OnnxModel> Export(size_t at_a_time = 100) {
    auto file = File::Make({.spec = spec_,
                            .stored = {1, 4, 4},
                            .weights_path = weights(),
                            .preprocessing_path = "",
                            .class_names = {"a", "\"b\""},
                            .metadata = {{"traind.model", "models/a"}}});
    if (!file.ok()) return file.status();
    std::string bytes;
    for (std::string part = file->Next(at_a_time); !part.empty(); part = file->Next(at_a_time)) bytes += part;
    EXPECT_EQ(static_cast<int64_t>(bytes.size()), file->size());
    internal::OnnxModel model;
    EXPECT_TRUE(model.ParseFromString(bytes));
    return model;
  }

  std::string weights() const { return folder_.path() + "/w"; }

  TemporaryFolder folder_;
  v1::JobSpec spec_;
};

TEST_F(OnnxExportTest, WeightsStandInTheFileAsTheyAre) {
  Use("layers { name: 'fc' dense { units: 2 } activation { relu {} } }");
  for (const size_t at_a_time : {1, 7, 100'000}) {
    const auto model = Export(at_a_time);
    ASSERT_TRUE(model.ok()) << model.status();
    std::set<std::string> names;
    for (const internal::OnnxTensor& tensor : model->graph().initializer()) {
      names.insert(tensor.name());
      if (tensor.name() != "fc.weight") continue;
      EXPECT_THAT(tensor.dims(), ElementsAre(2, 16));
      ASSERT_EQ(tensor.raw_data().size(), 128U);
      float last = 0;
      std::memcpy(&last, tensor.raw_data().data() + 124, 4);
      EXPECT_EQ(last, 32);
    }
    EXPECT_EQ(names, (std::set<std::string>{"fc.weight", "fc.bias"}));
  }
}

TEST_F(OnnxExportTest, SaysWhatItIs) {
  Use("layers { name: 'fc' dense { units: 2 } }");
  const auto model = Export();
  ASSERT_TRUE(model.ok()) << model.status();
  EXPECT_EQ(model->ir_version(), 8);
  ASSERT_EQ(model->opset_import_size(), 1);
  EXPECT_EQ(model->opset_import(0).version(), 17);
  EXPECT_EQ(model->metadata_props(0).key(), "class_names");
  EXPECT_EQ(model->metadata_props(0).value(), R"(["a","\"b\""])");
  EXPECT_EQ(model->graph().input(0).type().tensor_type().shape().dim(0).dim_param(), "batch");
  EXPECT_EQ(model->graph().input(0).type().tensor_type().shape().dim(3).dim_value(), 4);
  EXPECT_EQ(model->graph().output(0).type().tensor_type().shape().dim(1).dim_value(), 2);
}

// Every name that a node reads is there before it, and no two things have one name.
TEST_F(OnnxExportTest, NodesReadWhatIsThere) {
  Use("layers { name: 'c' conv2d { out_channels: 6 kernel: 3 padding { mode: MODE_SAME } } activation { prelu {} } } "
      "layers { name: 'c.weight' inputs: 'c' group_norm { groups: 3 } activation { gelu {} } } "
      "layers { name: 'sum' inputs: ['c', 'c.weight'] add {} } "
      "layers { name: 'pool' avg_pool { kernel: 3 stride: 2 padding { amount: 1 } } } "
      "layers { name: 'fc' dense { units: 2 } activation { maxout {} } }");
  const auto model = Export();
  ASSERT_TRUE(model.ok()) << model.status();
  std::set<std::string> names = {"input"};
  for (const internal::OnnxTensor& tensor : model->graph().initializer()) {
    EXPECT_TRUE(names.insert(tensor.name()).second) << tensor.name();
  }
  for (const internal::OnnxNode& node : model->graph().node()) {
    for (const std::string& input : node.input())
      EXPECT_EQ(names.count(input), 1U) << node.name() << " reads " << input;
    for (const std::string& output : node.output()) EXPECT_TRUE(names.insert(output).second) << output;
  }
  EXPECT_EQ(names.count("output"), 1U);
}

TEST_F(OnnxExportTest, OtherWeightsAreRefused) {
  Use("layers { name: 'fc' dense { units: 2 } }");
  spec_ = FromText<v1::JobSpec>("network { input_shape: [1, 4, 4] layers { name: 'fc' dense { units: 3 } } }");
  const auto model = Export();
  EXPECT_TRUE(absl::IsInvalidArgument(model.status()));
  EXPECT_THAT(model.status().message(), HasSubstr("fc.weight"));
}

TEST_F(OnnxExportTest, PreprocessingWithoutItsTensorsIsDataLoss) {
  Use("layers { name: 'fc' dense { units: 2 } }");
  spec_.mutable_data()->add_preprocessing()->mutable_standardize();
  EXPECT_TRUE(absl::IsDataLoss(Export().status())) << Export().status();
}

// A new kind of layer or activation gets a form, or its refusal is looked at here.
TEST(OnnxForms, EveryKindHasOne) {
  const auto* layers = v1::Layer::descriptor()->FindOneofByName("kind");
  for (int i = 0; i < layers->field_count(); ++i) {
    const std::string name(layers->field(i)->name());
    EXPECT_EQ(FindLayerForm(name) != nullptr, name != "extension") << name;
  }
  const auto* activations = v1::Activation::descriptor()->FindOneofByName("kind");
  for (int i = 0; i < activations->field_count(); ++i) {
    const std::string name(activations->field(i)->name());
    EXPECT_EQ(FindActivationForm(name) != nullptr, name != "extension") << name;
  }
}

}  // namespace
}  // namespace traind::core::onnx
