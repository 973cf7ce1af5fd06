// Presets and blocks of sequences: the parameter counts of the published networks, and what they expand into.
#include <string>

#include "gmock/gmock.h"
#include "tests/core/blocks/expand.h"

namespace traind::core {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

int64_t Count(const std::string& network) {
  const Built built = Build(network);
  EXPECT_NE(built.graph, nullptr) << built.errors;
  return built.graph == nullptr ? -1 : built.graph->num_parameters();
}

TEST(VitTiny, HasTheParametersOfTimm) {
  // timm's vit_tiny_patch16_224: 5,717,416, as its model card says (5.7 M); without the head 5,524,416.
  EXPECT_EQ(Count("input_shape: [3, 224, 224] preset { vit_tiny { classes: 1000 } }"), 5'717'416);
  // vit_small_patch16_224, 22,050,664, and vit_base_patch16_224, 86,567,656, by their sizes.
  EXPECT_EQ(Count("input_shape: [3, 224, 224] preset { vit_tiny { classes: 1000 width: 384 heads: 6 } }"), 22'050'664);
  EXPECT_EQ(Count("input_shape: [3, 224, 224] preset { vit_tiny { classes: 1000 width: 768 heads: 12 } }"), 86'567'656);
  // Without a class token: its vector and its position.
  EXPECT_EQ(Count("input_shape: [3, 224, 224] preset { vit_tiny { classes: 1000 mean_pooling: true } }"),
            5'717'416 - 2 * 192);
}

TEST(VitTiny, TakesSmallerPatchesOfSmallImages) {
  const Built built = Build("input_shape: [1, 28, 28] preset { vit_tiny { classes: 10 } }");
  ASSERT_NE(built.graph, nullptr) << built.errors;
  EXPECT_THAT(built.Find("sequence")->output, ElementsAre(192, 49));
  EXPECT_THAT(built.Find("positions")->output, ElementsAre(192, 50));
  EXPECT_THAT(built.Find("pool")->output, ElementsAre(192));
  const Built wrong = Build("input_shape: [1, 30, 28] preset { vit_tiny { classes: 10 } }");
  EXPECT_THAT(wrong.errors, HasSubstr("network.preset.vit_tiny.patch"));
  EXPECT_THAT(wrong.errors, HasSubstr("4, the default, does not"));
  EXPECT_THAT(Build("input_shape: [1, 32, 32] preset { vit_tiny { classes: 10 heads: 5 } }").errors,
              HasSubstr("network.preset.vit_tiny.heads"));
  EXPECT_THAT(Build("input_shape: [784] preset { vit_tiny { classes: 10 } }").errors, HasSubstr("patches"));
}

TEST(VitTiny, DropsMoreOfLaterEncoders) {
  const Built built =
      Build("input_shape: [3, 32, 32] preset { vit_tiny { classes: 5 depth: 3 final_survival: 0.8 dropout: 0.1 } }");
  ASSERT_NE(built.graph, nullptr) << built.errors;
  EXPECT_EQ(built.Find("encoder1.depth1"), nullptr);
  for (const v1::Layer& layer : built.network.layers()) {
    const double survival = layer.stochastic_depth().survival();
    if (layer.name() == "encoder2.depth2") {
      EXPECT_NEAR(survival, 0.9, 1e-12);
    } else if (layer.name() == "encoder3.depth1") {
      EXPECT_NEAR(survival, 0.8, 1e-12);
    }
  }
  EXPECT_NE(built.Find("encoder2.depth2"), nullptr);
  EXPECT_NE(built.Find("encoder3.depth1"), nullptr);
}

TEST(TextCnn, IsThatOfThePaper) {
  // Kim 2014 with 300 features and 100 channels of each length: the vectors, 3 convolutions, 300 x 2 + 2.
  EXPECT_EQ(Count("input_shape: [56] preset { text_cnn { classes: 2 vocabulary: 18765 } }"),
            18765 * 300 + (3 + 4 + 5) * 300 * 100 + 300 + 602);
  const Built built =
      Build("input_shape: [10] preset { text_cnn { classes: 2 vocabulary: 9 kernels: 4 dropout: 0 features: 8 } }");
  ASSERT_NE(built.graph, nullptr) << built.errors;
  EXPECT_THAT(built.Names(), ElementsAre("embedding", "conv4", "pool4", "logits"));
  EXPECT_THAT(Build("input_shape: [4] preset { text_cnn { classes: 2 vocabulary: 9 } }").errors,
              HasSubstr("more than the sequence [300, 4] has"));
  EXPECT_THAT(Build("input_shape: [9] preset { text_cnn { classes: 2 vocabulary: 9 kernels: [3, 3] } }").errors,
              HasSubstr("names a length twice"));
  EXPECT_THAT(Build("input_shape: [1, 9, 9] preset { text_cnn { classes: 2 vocabulary: 9 } }").errors,
              HasSubstr("needs token ids"));
}

std::string OnImage(const std::string& block) {
  return "input_shape: [32, 8, 8] layers { name: 'b' block { " + block + " } } " +
         "layers { name: 'pool' global_avg_pool {} }";
}

TEST(SqueezeExcitation, WeighsTheChannels) {
  const Built built = Build(OnImage("squeeze_excitation {}"));
  ASSERT_NE(built.graph, nullptr) << built.errors;
  EXPECT_THAT(built.Names(), ElementsAre("b.pool", "b.squeeze", "b.excite", "b", "pool"));
  EXPECT_THAT(built.Reads("b"), ElementsAre("input", "b.excite"));
  EXPECT_EQ(built.Find("b.squeeze")->activation_kind, "relu");
  EXPECT_EQ(built.Find("b.excite")->activation_kind, "sigmoid");
  // torchvision's SqueezeExcitation(32, 2).
  EXPECT_EQ(built.graph->num_parameters(), 32 * 2 + 2 + 2 * 32 + 32);
  EXPECT_EQ(Build(OnImage("squeeze_excitation { reduction: 64 }")).Find("b.squeeze")->output, Shape{1});
  EXPECT_EQ(Build(OnImage("squeeze_excitation { squeeze_channels: 5 }")).Find("b.squeeze")->output, Shape{5});
  EXPECT_THAT(Build(OnImage("squeeze_excitation { squeeze_channels: 5 reduction: 2 }")).errors,
              HasSubstr("squeeze_excitation.reduction: contradicts"));
}

TEST(TransformerEncoder, HasTheParametersOfPyTorch) {
  const std::string network =
      "input_shape: [48, 4, 4] layers { name: 's' to_sequence {} } layers { name: 'e' block { transformer_encoder { "
      "heads: 3 mlp_width: 100 } } } layers { name: 'pool' global_avg_pool {} }";
  // torch.nn.TransformerEncoderLayer(48, 3, 100): 19,348.
  EXPECT_EQ(Count(network), 19'348);
  const Built built = Build(network);
  EXPECT_THAT(built.Names(), ElementsAre("s", "e.norm1", "e.attention", "e.attended", "e.norm2", "e.expand",
                                         "e.project", "e", "pool"));
  EXPECT_THAT(built.Reads("e.attended"), ElementsAre("e.attention", "s"));
  EXPECT_THAT(built.Reads("e"), ElementsAre("e.project", "e.attended"));
}

}  // namespace
}  // namespace traind::core
