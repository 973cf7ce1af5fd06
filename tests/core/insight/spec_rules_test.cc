// What the spec alone shows, and that CreateJob warns of the same in the same words.
#include "gmock/gmock.h"
#include "tests/support/insight_log.h"

namespace traind::core {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

// The ids of what the spec alone shows, and that each of them is among the warnings.
std::vector<std::string> Found(const std::string& spec) {
  InsightLog log(spec);
  log.Data(log.Profile());
  std::vector<std::string> ids;
  for (const v1::Event& event : log.events) {
    if (!event.has_finding()) continue;
    ids.push_back(event.finding().id());
    if (!event.finding().warned()) continue;
    EXPECT_THAT(log.warnings, testing::Contains(WarningText(event.finding())));
  }
  return ids;
}

// With its spec and its data looked at.
InsightLog InsightLogOf(const std::string& spec) {
  InsightLog log(spec);
  log.Data(log.Profile());
  return log;
}

std::string Job(const std::string& layers, const std::string& more = "batch_size: 100") {
  return "network { " + layers + " } data { dataset: 'images' preprocessing { standardize {} } } epochs: 1 " + more;
}

constexpr char kOut[] = "layers { name: 'out' dense { units: 10 } } ";

TEST(SpecRules, OfAHealthyJobNothingIsSaid) { EXPECT_THAT(Found(kHealthyJob), IsEmpty()); }

TEST(SpecRules, WeightsThatStartEqual) {
  EXPECT_THAT(Found(Job(std::string("layers { name: 'a' dense { units: 5 weight_init { zeros {} } } activation { "
                                    "tanh {} } } ") +
                        kOut)),
              ElementsAre("no_symmetry_breaking/a"));
}

TEST(SpecRules, XavierUnderRelu) {
  EXPECT_THAT(Found(Job(std::string("layers { name: 'a' dense { units: 5 weight_init { xavier {} } } activation { "
                                    "relu {} } } ") +
                        kOut)),
              ElementsAre("xavier_under_relu/a"));
  EXPECT_THAT(Found(Job(std::string("layers { name: 'a' dense { units: 5 weight_init { xavier {} } } activation { "
                                    "tanh {} } } ") +
                        kOut)),
              IsEmpty());
}

TEST(SpecRules, OutputsThatAreNoLogits) {
  EXPECT_THAT(Found(Job(std::string(kOut) + "layers { name: 'p' softmax {} }")),
              ElementsAre("softmax_before_cross_entropy/p"));
  EXPECT_THAT(Found(Job("layers { name: 'out' dense { units: 10 } activation { sigmoid {} } }")),
              ElementsAre("softmax_before_cross_entropy/out"));
  EXPECT_THAT(Found(Job("layers { name: 'out' dense { units: 10 } activation { relu {} } }")),
              ElementsAre("softmax_before_cross_entropy/out"));
}

TEST(SpecRules, MoreOutputsThanClasses) {
  EXPECT_THAT(Found(Job("layers { name: 'out' dense { units: 12 } }")), ElementsAre("outputs_and_classes/out"));
}

constexpr char kRelu[] = "layers { name: 'r' dense { units: 50 } activation { relu {} } } ";

TEST(SpecRules, TwoLinearLayers) {
  EXPECT_THAT(Found(Job(std::string(kRelu) + "layers { name: 'a' dense { units: 1000 } } " + kOut)),
              ElementsAre("two_linear_layers/out"));
}

// The finding of this id of a job's spec; empty: there is none.
v1::Finding Of(const std::string& id, const std::string& spec) { return InsightLogOf(spec).Find(id); }

TEST(SpecRules, ANetworkThatIsLinearAsAWholeIsSaidOnce) {
  const std::string spec =
      Job("layers { name: 'c' conv2d { out_channels: 8 kernel: 3 bias: false } } layers { name: 'n' batch_norm {} } "
          "layers { name: 'p' avg_pool { kernel: 2 } } layers { name: 'a' dense { units: 1000 } } "
          "layers { name: 'd' dropout {} } " +
          std::string(kOut));
  EXPECT_THAT(Found(spec), ElementsAre("no_activation"));
  const v1::Network mended = Of("no_activation", spec).fix().patch().network();
  EXPECT_TRUE(mended.layers(1).activation().has_relu()) << "behind the normalization";
  EXPECT_TRUE(mended.layers(3).activation().has_relu());
  EXPECT_FALSE(mended.layers(0).has_activation() || mended.layers(5).has_activation());
  for (const char* more :
       {"layers { name: 'd' depthwise_conv2d { kernel: 3 bias: false } } ",
        "layers { name: 't' conv_transpose2d { out_channels: 4 kernel: 3 bias: false } } ",
        "layers { name: 's' to_sequence {} } layers { name: 'c1' conv1d { out_channels: 4 kernel: 3 } } "}) {
    EXPECT_THAT(Found(Job(std::string(more) + kOut)), ::testing::Contains("no_activation")) << more;
  }
  EXPECT_THAT(Found(Job(kOut)), IsEmpty()) << "one layer is meant to be linear";
  const std::string pool = "layers { name: 'c' conv2d { out_channels: 8 kernel: 3 } } ";
  EXPECT_THAT(Found(Job(pool + "layers { name: 'p' max_pool { kernel: 2 } } " + kOut)), IsEmpty());
  EXPECT_THAT(Found("network { layers { name: 'code' dense { units: 32 } } layers { name: 'o' dense { units: 784 } } } "
                    "data { dataset: 'images' targets: TARGET_SOURCE_INPUT preprocessing { standardize {} } }"),
              IsEmpty())
      << "a narrow code is meant";
}

TEST(SpecRules, RatesThatTheOptimizerIsNotUsedWith) {
  const auto rate = [](const std::string& optimizer) {
    return Job(kOut, "batch_size: 100 optimizer { " + optimizer + " }");
  };
  EXPECT_THAT(Found(rate("sgd {} learning_rate: 3")), ElementsAre("learning_rate_habit"));
  EXPECT_THAT(Found(rate("sgd {} learning_rate: 1")), IsEmpty());
  EXPECT_THAT(Found(rate("sgd {} learning_rate: 0.00005")), ElementsAre("learning_rate_habit"));
  EXPECT_THAT(Found(rate("rmsprop {}")), IsEmpty()) << "its default";
  const v1::Finding finding = Of("learning_rate_habit", rate("adam {} learning_rate: 0.1"));
  EXPECT_EQ(finding.evidence().relation(), v1::Evidence::RELATION_ABOVE);
  EXPECT_EQ(finding.evidence().threshold(), 0.01);
  EXPECT_DOUBLE_EQ(finding.fix().patch().optimizer().learning_rate(), 0.001);
  EXPECT_THAT(finding.fix().mask().paths(), ElementsAre("optimizer.learning_rate"));
  EXPECT_THAT(
      Found(rate("adam {} learning_rate: 0.1") + " insight { thresholds { learning_rate_habit { tolerance: 10 } } }"),
      IsEmpty());
  // A layer that learns at a rate of its own.
  const std::string scalar =
      "layers { name: 's' scalar_affine { learning_rate_factor: 100 } } layers { name: 'out' dense { units: 10 } } ";
  EXPECT_THAT(Found(Job(scalar, "batch_size: 100 optimizer { sgd {} learning_rate: 0.1 }")),
              ElementsAre("learning_rate_habit/s"));
}

TEST(SpecRules, SchedulesThatOutlastTheJob) {
  const auto schedule = [](const std::string& text) {
    return Job(kOut, "batch_size: 100 optimizer { learning_rate: 0.1 schedule { " + text + " } }");
  };
  const v1::Finding finding = Of("schedule_too_long", schedule("warmup_steps: 900"));
  EXPECT_THAT(finding.cause(), testing::HasSubstr("learning_rate reaches 66 % of 0.1"));
  EXPECT_EQ(finding.fix().patch().optimizer().schedule().warmup_steps(), 60u);
  EXPECT_THAT(Found(schedule("warmup_steps: 301")), ElementsAre("schedule_too_long"));
  EXPECT_THAT(Found(schedule("warmup_steps: 300")), IsEmpty());
  EXPECT_THAT(Found(schedule("cosine {} warmup_steps: 60")), IsEmpty());
  EXPECT_THAT(Found(schedule("step { every_steps: 599 }")), IsEmpty());
  EXPECT_THAT(Found(schedule("step { every_steps: 600 }")), ElementsAre("schedule_too_long"));
  EXPECT_EQ(Of("schedule_too_long", schedule("step { every_steps: 590 } warmup_steps: 30"))
                .fix()
                .patch()
                .optimizer()
                .schedule()
                .step()
                .every_steps(),
            190u);
}

// What a fix makes must be a job that is accepted.
TEST(SpecRules, BiasesThatAreNamedStayInTheNetwork) {
  const auto fix = [](const std::string& more) {
    return Of("bias_before_batch_norm/c",
              Job("layers { name: 'c' conv2d { out_channels: 8 kernel: 3 } } layers { name: 'n' batch_norm {} } " +
                      std::string(kOut),
                  "batch_size: 100 " + more))
        .fix();
  };
  EXPECT_TRUE(fix("parameter_rules { parameters: 'c.*' learning_rate_multiplier: 2 }").has_mask());
  EXPECT_TRUE(fix("initial_weights { model: 'models/m' allow_missing: true }").has_mask());
  for (const std::string more : {"parameter_rules { parameters: 'c.bias' learning_rate_multiplier: 2 }",
                                 "initial_weights { model: 'models/m' }"}) {
    EXPECT_FALSE(fix(more).has_mask()) << more;
    EXPECT_NE(fix(more).words(), "") << more;
  }
}

TEST(SpecRules, BiasesThatABatchNormalizationTakesAway) {
  const std::string norm = "layers { name: 'n' batch_norm {} activation { relu {} } } ";
  const std::string spec = Job("layers { name: 'c' conv2d { out_channels: 8 kernel: 3 } } " + norm +
                               "layers { name: 'a' dense { units: 50 } } "
                               "layers { name: 'm' batch_norm {} activation { relu {} } } " +
                               kOut);
  EXPECT_THAT(Found(spec), ElementsAre("bias_before_batch_norm/c"));
  const v1::Finding finding = Of("bias_before_batch_norm/c", spec);
  EXPECT_EQ(finding.severity(), v1::Finding::SEVERITY_INFO);
  const v1::Network& mended = finding.fix().patch().network();
  EXPECT_TRUE(mended.layers(0).conv2d().has_bias() && !mended.layers(0).conv2d().bias());
  EXPECT_TRUE(mended.layers(2).dense().has_bias() && !mended.layers(2).dense().bias());
  EXPECT_FALSE(mended.layers(4).dense().has_bias());
  EXPECT_THAT(Found(Job("layers { name: 'c' conv2d { out_channels: 8 kernel: 3 bias: false } } " + norm + kOut)),
              IsEmpty());
  EXPECT_THAT(
      Found(Job("layers { name: 'c' conv2d { out_channels: 8 kernel: 3 } activation { tanh {} } } " + norm + kOut)),
      IsEmpty());
  EXPECT_THAT(Found(Job("layers { name: 'c' conv2d { out_channels: 8 kernel: 3 } } "
                        "layers { name: 'n' layer_norm {} activation { relu {} } } " +
                        std::string(kOut))),
              IsEmpty())
      << "it takes the mean of all channels";
  const std::string frozen = " parameter_rules { frozen: true parameters: ";
  EXPECT_THAT(Found(spec + frozen + "'n.*' }"), ElementsAre("bias_before_batch_norm/a")) << "it takes no mean away";
  EXPECT_THAT(Found(spec + frozen + "'c.bias' }"), ElementsAre("bias_before_batch_norm/a")) << "it never learned";
  // Read by another layer, too, the bias counts.
  EXPECT_THAT(Found(Job("layers { name: 'c' conv2d { out_channels: 8 kernel: 3 } } " + norm +
                        "layers { name: 's' add {} inputs: ['n', 'c'] activation { relu {} } } " + kOut)),
              IsEmpty());
}

std::string Preprocessed(const std::string& steps, const std::string& dataset = "images") {
  return std::string("network { ") + kOut + "} data { dataset: '" + dataset + "' " + steps +
         " } epochs: 1 batch_size: 100";
}

TEST(SpecRules, PreprocessingThatIsDoneTwice) {
  const std::string channel = "preprocessing { standardize { grouping: GROUPING_PER_CHANNEL } } ";
  const std::string scale = "preprocessing { scale {} } ";
  const std::string mean = "preprocessing { zero_mean {} } ";
  EXPECT_THAT(Found(Preprocessed(channel + channel)), ElementsAre("preprocessing_twice"));
  EXPECT_THAT(Found(Preprocessed(scale + scale + mean)), ElementsAre("preprocessing_twice"));
  EXPECT_THAT(Found(Preprocessed(scale + channel)), IsEmpty());
  EXPECT_THAT(Found(Preprocessed(channel + mean)), IsEmpty()) << "the mean image is more than the channel's mean";
  EXPECT_THAT(Found(Preprocessed(mean + "preprocessing { whiten {} }")), IsEmpty()) << "the way of the lecture";
  const v1::Finding finding = Of("preprocessing_twice", Preprocessed(scale + channel + scale + channel));
  EXPECT_EQ(finding.severity(), v1::Finding::SEVERITY_INFO);
  ASSERT_EQ(finding.fix().patch().data().preprocessing_size(), 3);
  EXPECT_TRUE(finding.fix().patch().data().preprocessing(2).has_standardize());
  // Per channel and then per feature: the first one goes.
  const v1::Finding first =
      Of("preprocessing_twice",
         Preprocessed(channel + "preprocessing { standardize { grouping: GROUPING_PER_FEATURE } }"));
  ASSERT_EQ(first.fix().patch().data().preprocessing_size(), 1);
  EXPECT_EQ(first.fix().patch().data().preprocessing(0).standardize().grouping(), v1::GROUPING_PER_FEATURE);
}

TEST(SpecRules, PixelsThatAreNormalizedByThemselves) {
  const std::string feature = "preprocessing { standardize { grouping: GROUPING_PER_FEATURE } } ";
  EXPECT_THAT(Found(Preprocessed(feature)), ElementsAre("per_feature_on_images"));
  const v1::Finding finding = Of("per_feature_on_images", Preprocessed(feature));
  EXPECT_EQ(finding.fix().patch().data().preprocessing(0).standardize().grouping(), v1::GROUPING_PER_CHANNEL);
  EXPECT_THAT(Found(Preprocessed("preprocessing { standardize {} }")), IsEmpty());
  EXPECT_THAT(Found(Preprocessed("preprocessing { standardize { grouping: GROUPING_PER_FEATURE epsilon: 1 } }")),
              IsEmpty())
      << "bytes that hardly vary stay quiet";
  EXPECT_THAT(Found(Preprocessed("preprocessing { pca { components: 20 } } " + feature)), IsEmpty()) << "no images";
  EXPECT_THAT(Found("network { layers { name: 'out' dense { units: 3 } } } data { dataset: 'flowers' " + feature + "}"),
              IsEmpty());
}

TEST(SpecRules, AugmentationAfterWhichADigitMayBeAnother) {
  const auto of = [](const std::string& dataset, const std::string& augmentation) {
    InsightLog log(Preprocessed("preprocessing { standardize {} } " + augmentation),
                   [&](v1::Job& job) { job.set_dataset("datasets/" + dataset); });
    log.Data(log.Profile());
    return log.Find("augmentation_changes_label");
  };
  const std::string flip = "augmentation { horizontal_flip {} } ",
                    turn = "augmentation { rotate { max_degrees: 90 } } ";
  const v1::Finding finding = of("mnist", flip + turn + "augmentation { pad_and_crop {} }");
  EXPECT_EQ(finding.severity(), v1::Finding::SEVERITY_INFO);
  EXPECT_THAT(finding.cause(), testing::HasSubstr("horizontal_flip and rotate by up to 90 degrees"));
  ASSERT_EQ(finding.fix().patch().data().augmentation_size(), 2);
  EXPECT_EQ(finding.fix().patch().data().augmentation(0).rotate().max_degrees(), 45);
  for (const char* name : {"my-digits", "svhn", "emnist-letters", "kmnist_10", "usps"}) {
    EXPECT_FALSE(of(name, flip).rule().empty()) << name;
  }
  for (const char* name : {"fashion-mnist", "fmnist", "mnist-fashion", "pathmnist", "cifar10"}) {
    EXPECT_TRUE(of(name, flip).rule().empty()) << name;
  }
  const v1::Finding drawn =
      of("mnist", "augmentation { one_of { choices { vertical_flip {} } choices { rotate { max_degrees: 90 } } } }");
  EXPECT_THAT(drawn.cause(), testing::HasSubstr("vertical_flip and rotate by up to 90 degrees"));
  const v1::OneOf& mended = drawn.fix().patch().data().augmentation(0).one_of();
  EXPECT_TRUE(mended.choices(0).has_probability() && mended.choices(0).probability() == 0) << "drawn, without effect";
  EXPECT_EQ(mended.choices(1).rotate().max_degrees(), 45);
  EXPECT_TRUE(of("mnist",
                 "augmentation { one_of { choices { vertical_flip {} } choices { color_jitter { brightness: "
                 "0.1 } } weights: [0, 1] } }")
                  .rule()
                  .empty());
  EXPECT_TRUE(of("mnist", "augmentation { rotate { max_degrees: 45 } }").rule().empty());
  EXPECT_TRUE(of("mnist", "augmentation { horizontal_flip {} probability: 0 }").rule().empty());
}

TEST(SpecRules, WeightDecayOnNorms) {
  const auto decay = [](const std::string& regularizers) {
    return Job(
        "layers { name: 'a' dense { units: 50 bias: false } } layers { name: 'n' batch_norm {} activation { relu "
        "{} } } " +
        std::string(kOut) + regularizers);
  };
  const std::string all =
      "regularizers { l2 { strength: 0.001 } groups: [PARAMETER_GROUP_WEIGHTS, "
      "PARAMETER_GROUP_BIASES, PARAMETER_GROUP_NORMALIZATION] } ";
  EXPECT_THAT(Found(decay(all)), ElementsAre("decay_of_norms/n"));
  const v1::Finding finding = Of("decay_of_norms/n", decay(all));
  EXPECT_EQ(finding.severity(), v1::Finding::SEVERITY_INFO);
  EXPECT_EQ(finding.evidence().value(), 0.002);
  EXPECT_THAT(finding.cause(), testing::HasSubstr("2 layers")) << "and the bias of the last one";
  EXPECT_THAT(finding.fix().patch().network().regularizers(0).groups(), ElementsAre(v1::PARAMETER_GROUP_WEIGHTS));
  const std::string biases = "regularizers { l2 { strength: 0.001 } groups: PARAMETER_GROUP_BIASES } ";
  EXPECT_THAT(Of("decay_of_norms/out", decay(biases)).fix().patch().network().regularizers(), IsEmpty());
  EXPECT_THAT(Found(decay("regularizers { l2 { strength: 0.001 } } ")), IsEmpty()) << "of weights alone";
  EXPECT_THAT(Found(decay("regularizers { l2 { strength: 0.0004 } groups: PARAMETER_GROUP_BIASES } ")), IsEmpty());
  EXPECT_THAT(Found(decay("regularizers { l1 { strength: 0.1 } groups: PARAMETER_GROUP_BIASES } ")), IsEmpty());
}

TEST(SpecRules, BatchNormOverFewExamples) {
  const std::string layers =
      std::string(
          "layers { name: 'a' dense { units: 50 bias: false } } layers { name: 'n' batch_norm {} "
          "activation { relu {} } } ") +
      kOut;
  EXPECT_THAT(Found(Job(layers, "batch_size: 4")), ElementsAre("batch_norm_small_batch/n"));
  EXPECT_THAT(Found(Job(layers, "batch_size: 8")), IsEmpty());
}

TEST(SpecRules, DropoutOfMoreThanHalfOrBeforeANormalization) {
  const std::string before = "layers { name: 'a' dense { units: 50 } activation { relu {} } } ";
  EXPECT_THAT(Found(Job(before + "layers { name: 'd' dropout { rate: 0.9 } } " + kOut)),
              ElementsAre("dropout_place/d"));
  EXPECT_THAT(Found(Job(before + "layers { name: 'd' dropout {} } layers { name: 'n' batch_norm {} } " + kOut)),
              ElementsAre("dropout_place/d"));
  EXPECT_THAT(Found(Job(before + "layers { name: 'd' dropout {} } " + kOut)), IsEmpty());
  EXPECT_THAT(Found(Job(before +
                        "layers { name: 'b' block { residual { layers { name: 'd' dropout { rate: 0.8 } } "
                        "layers { name: 'e' dense { units: 50 } activation { relu {} } } } } } " +
                        kOut)),
              ElementsAre("dropout_place/b.d"))
      << "inside of a block";
}

TEST(SpecRules, BytesThatAreAllPositive) {
  EXPECT_THAT(Found(std::string("network { ") + kOut + "} data { dataset: 'images' } epochs: 1 batch_size: 100"),
              ElementsAre("data_not_centered"));
}

TEST(SpecRules, WhatIsSkippedIsNotWarnedOf) {
  const InsightLog log(std::string("network { ") + kOut +
                       "} data { dataset: 'images' } epochs: 1 "
                       "insight { skip: 'data_not_centered' }");
  EXPECT_THAT(log.warnings, IsEmpty());
}

}  // namespace
}  // namespace traind::core
