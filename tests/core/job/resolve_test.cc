// Defaults, warnings and costs of what is accepted; what is refused is in corpus_test.cc.
#include "core/job/resolve.h"

#include <string>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/datasets.h"
#include "tests/support/text_proto.h"

namespace traind::core {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

ResolvedJob Resolve(const std::string& text) {
  const auto spec = FromText<v1::JobSpec>(text);
  FieldErrors::Root errors;
  const auto dataset = FindTestDataset(spec.data().dataset());
  ResolvedJob job = *ResolveJob(spec, dataset ? &*dataset : nullptr, 4, errors.scope());
  EXPECT_TRUE(errors.ok()) << errors.ToStatus();
  return job;
}

constexpr char kCentred[] = "preprocessing { standardize {} }";

TEST(ResolveJob, FillsInEveryDefault) {
  const ResolvedJob job =
      Resolve("network { layers { name: 'logits' dense { units: 10 } } } data { dataset: 'images' }");
  const v1::JobSpec& spec = job.spec;
  EXPECT_EQ(spec.data().dataset(), "datasets/images");
  EXPECT_EQ(spec.data().train_split(), "train");
  EXPECT_EQ(spec.data().evaluation_split(), "test");
  EXPECT_THAT(spec.network().input_shape(), ElementsAre(1, 28, 28));
  EXPECT_TRUE(spec.network().layers(0).dense().weight_init().has_kaiming());
  EXPECT_TRUE(spec.loss().has_softmax_cross_entropy());
  EXPECT_EQ(spec.optimizer().sgd().momentum(), 0.9);
  EXPECT_EQ(spec.optimizer().learning_rate(), 0.01);
  EXPECT_EQ(spec.batch_size(), 128u);
  EXPECT_EQ(spec.sampling(), v1::SAMPLING_SHUFFLED);
  EXPECT_EQ(spec.epochs(), 10u);
  EXPECT_EQ(spec.last_batch(), v1::LAST_BATCH_KEEP);
  EXPECT_EQ(spec.evaluation().every_steps(), 469u);  // An epoch, whose last minibatch has 96 examples.
  EXPECT_EQ(spec.data().targets(), v1::TARGET_SOURCE_DATASET);
  EXPECT_EQ(spec.statistics().every_steps(), 234u);  // Twenty times in 4690 steps.
  EXPECT_EQ(spec.statistics().histogram_bins(), 64u);
  EXPECT_EQ(spec.statistics().dead_window(), 5u);
  EXPECT_EQ(spec.checkpoint().every().seconds(), 30);
  EXPECT_EQ(spec.checkpoint().keep_last(), 3u);
  EXPECT_EQ(spec.checkpoint().time_share(), 0.05);
  EXPECT_EQ(spec.threads(), 4u);
  EXPECT_EQ(spec.data().prefetch_threads(), 1u);
  EXPECT_EQ(spec.precision(), v1::PRECISION_F32);
  EXPECT_EQ(spec.convolution_algorithm(), v1::CONVOLUTION_ALGORITHM_AUTO);
  EXPECT_EQ(spec.metrics_every_steps(), 46u);
}

TEST(ResolveJob, PrefetchThreadsFollowTheThreadsAndTakeMemory) {
  v1::JobSpec spec =
      FromText<v1::JobSpec>("network { layers { name: 'logits' dense { units: 10 } } } data { dataset: 'images' }");
  const auto dataset = FindTestDataset("images");
  ASSERT_TRUE(dataset);
  FieldErrors::Root errors;
  const ResolvedJob many = *ResolveJob(spec, &*dataset, 64, errors.scope());
  EXPECT_EQ(many.spec.data().prefetch_threads(), 8u);
  spec.mutable_data()->set_prefetch_threads(3);
  const ResolvedJob three = *ResolveJob(spec, &*dataset, 64, errors.scope());
  ASSERT_TRUE(errors.ok()) << errors.ToStatus();
  EXPECT_EQ(three.spec.data().prefetch_threads(), 3u);
  // Of each five threads more, training and evaluation have ten minibatches of images and labels more each.
  EXPECT_EQ(many.memory_bound_bytes - three.memory_bound_bytes, 2 * 10 * 128 * (4 * 28 * 28 + 4));
}

TEST(ResolveJob, KeepsWhatWasSaidAndIsIdempotent) {
  const ResolvedJob once = Resolve(
      "network { layers { name: 'price' dense { units: 1 weight_init { normal { std: 0.05 } } } } }"
      "data { dataset: 'datasets/prices' evaluation_split: 'none' max_train_examples: 64 } optimizer { adamw {} }"
      "batch_size: 32 steps: 0 evaluation { every_steps: 0 } checkpoint { every {} } threads: 1 sampling: "
      "SAMPLING_SEQUENTIAL");
  EXPECT_TRUE(once.spec.loss().has_mean_squared_error());
  EXPECT_EQ(once.spec.data().evaluation_split(), "none");
  EXPECT_EQ(once.spec.batch_size(), 32u);
  EXPECT_TRUE(once.spec.has_steps());
  EXPECT_EQ(once.spec.evaluation().every_steps(), 0u);
  EXPECT_EQ(once.spec.checkpoint().every().seconds(), 0);
  EXPECT_EQ(once.spec.optimizer().weight_decay(), 0.01);
  EXPECT_EQ(Resolve(once.spec.DebugString()).spec.DebugString(), once.spec.DebugString());
}

TEST(ResolveJob, TakesSmallerBatchesWhereTheDatasetHasNoMore) {
  const ResolvedJob job =
      Resolve("network { layers { name: 'logits' dense { units: 10 } } } data { dataset: 'colour' }");
  EXPECT_EQ(job.spec.batch_size(), 8u);
}

TEST(ResolveJob, EvaluatesTheSplitThatIsMeantForIt) {
  const auto split = [](const std::vector<const char*>& splits, const std::string& data, std::string* warning) {
    v1::Dataset dataset = *FindTestDataset("flowers");
    dataset.clear_splits();
    for (const char* name : splits) {
      dataset.add_splits()->set_name(name);
      dataset.mutable_splits()->rbegin()->set_num_examples(100);
    }
    FieldErrors::Root errors;
    const auto spec = FromText<v1::JobSpec>(
        "network { layers { name: 'o' dense { units: 3 } } } data { dataset: "
        "'flowers' " +
        data + "}");
    const ResolvedJob job = *ResolveJob(spec, &dataset, 4, errors.scope());
    EXPECT_TRUE(errors.ok()) << errors.ToStatus();
    for (const std::string& one : job.warnings) {
      if (one.find("nothing is evaluated") != std::string::npos) *warning = one;
    }
    return job.spec.data().evaluation_split();
  };
  std::string warning;
  EXPECT_EQ(split({"train", "dev", "val", "test"}, "", &warning), "val") << "the test split is for the end";
  EXPECT_EQ(split({"train", "dev", "test"}, "", &warning), "dev");
  EXPECT_EQ(split({"train", "test"}, "", &warning), "test");
  EXPECT_EQ(split({"train", "dev", "val"}, "", &warning), "val");
  EXPECT_EQ(split({"train", "dev", "validation", "valid"}, "", &warning), "valid");
  EXPECT_EQ(split({"train", "dev"}, "", &warning), "dev");
  EXPECT_EQ(split({"train", "test", "validation"}, "train_split: 'test' ", &warning), "validation");
  EXPECT_EQ(split({"train"}, "evaluation_split: 'none' ", &warning), "none");
  EXPECT_EQ(warning, "") << "who says so means it";
  EXPECT_EQ(split({"train", "extra"}, "", &warning), "none");
  EXPECT_THAT(warning,
              HasSubstr("say validation_fraction: 0.1 to hold a tenth of it out, or evaluation_split: \"none\""));
}

TEST(ResolveJob, RefusesASoftmaxOverOneNumber) {
  const auto problems = [](const std::string& loss) {
    const auto dataset = FindTestDataset("prices");
    FieldErrors::Root errors;
    ResolveJob(
        FromText<v1::JobSpec>("network { layers { name: 'o' dense { units: 1 } } } data { dataset: 'prices' } " + loss),
        &*dataset, 4, errors.scope())
        .IgnoreError();
    return std::string(errors.ToStatus().message());
  };
  EXPECT_THAT(problems("loss { softmax_cross_entropy {} }"), HasSubstr("loss: is a softmax over one output"));
  EXPECT_THAT(problems("loss { softmax_cross_entropy {} }"), HasSubstr("use mean_squared_error"));
  EXPECT_EQ(problems("loss { mean_squared_error {} }"), "");
  EXPECT_EQ(problems(""), "");
}

// By hand: of 2048 examples 128 are a sixteenth; of 1000 an epoch has 8 minibatches of 128, with the last one kept.
TEST(ResolveJob, BatchesSuitTheNumberOfExamples) {
  for (const auto& [examples, batch] : std::vector<std::pair<int64_t, uint32_t>>{
           {60000, 128}, {2048, 128}, {1000, 128}, {896, 64}, {331, 32}, {150, 16}, {100, 8}, {20, 8}, {5, 5}}) {
    v1::Dataset dataset = *FindTestDataset("flowers");
    dataset.mutable_splits(0)->set_num_examples(examples);
    FieldErrors::Root errors;
    auto spec =
        FromText<v1::JobSpec>("network { layers { name: 'a' dense { units: 3 } } } data { dataset: 'flowers' }");
    EXPECT_EQ(ResolveJob(spec, &dataset, 1, errors.scope())->spec.batch_size(), batch) << examples;
    spec.set_last_batch(v1::LAST_BATCH_DROP);
    if (examples == 1000) {
      EXPECT_EQ(ResolveJob(spec, &dataset, 1, errors.scope())->spec.batch_size(), 64u);
    }
    EXPECT_TRUE(errors.ok()) << errors.ToStatus();
  }
}

// The plan of the smaller minibatch lives in the memory of the other.
TEST(ResolveJob, ASmallerLastMinibatchTakesHardlyMoreMemory) {
  const std::string job =
      "network { layers { name: 'c' conv2d { out_channels: 32 kernel: 3 } activation { relu {} } }"
      " layers { name: 'logits' dense { units: 10 } } } data { dataset: 'images' } threads: 1 batch_size: ";
  const ResolvedJob divides = Resolve(job + "120"), leaves = Resolve(job + "121");
  const auto bytes = [](const ResolvedJob& j) { return j.description.training_memory_bytes(); };
  EXPECT_GE(bytes(leaves), bytes(divides));
  EXPECT_LT(bytes(leaves), bytes(divides) + bytes(divides) / 20);
}

TEST(ResolveJob, AnAutoencoderHasItsInputAsTargets) {
  const ResolvedJob job = Resolve(
      "network { layers { name: 'code' dense { units: 32 } } layers { name: 'out' dense { units: 784 } } }"
      "data { dataset: 'images' targets: TARGET_SOURCE_INPUT preprocessing { zero_mean {} } }");
  EXPECT_TRUE(job.spec.loss().has_mean_squared_error());
  EXPECT_THAT(job.warnings, IsEmpty());
}

TEST(ResolveJob, EarlyStoppingLooksAtTheLossUnlessToldOtherwise) {
  const std::string job = std::string("network { layers { name: 'logits' dense { units: 10 } } } epochs: 5 ") +
                          "data { dataset: 'images' validation_fraction: 0.1 " + kCentred + " } ";
  const ResolvedJob stops = Resolve(job + "early_stopping { patience: 4 } max_duration { nanos: 1 }");
  EXPECT_EQ(stops.spec.early_stopping().metric(), v1::EarlyStopping::METRIC_EVALUATION_LOSS);
  EXPECT_THAT(stops.warnings, IsEmpty());
  EXPECT_THAT(Resolve(job + "early_stopping { patience: 5 }").warnings,
              ElementsAre("early_stopping never acts: its patience is 5 evaluations, and the whole job has 5"));
  EXPECT_THAT(Resolve(job + "early_stopping { patience: 5 restore_best: true }").warnings, IsEmpty());
  EXPECT_THAT(Resolve(job + "early_stopping { patience: 5 } evaluation { every_steps: 300 }").warnings, IsEmpty());
}

TEST(ResolveJob, WarnsOfWhatTheLectureWarnsOf) {
  const std::string data = std::string("data { dataset: 'images' ") + kCentred + " }";
  EXPECT_THAT(Resolve("network { layers { name: 'logits' dense { units: 10 } } }" + data).warnings, IsEmpty());
  EXPECT_THAT(
      Resolve("network { layers { name: 'a' dense { units: 20 weight_init { zeros {} } } activation { tanh {} } }"
              "layers { name: 'logits' dense { units: 10 weight_init { zeros {} } } } }" +
              data)
          .warnings,
      ElementsAre(HasSubstr("layer \"a\": all its weights start equal")));
  EXPECT_THAT(Resolve("network { layers { name: 'a' dense { units: 20 weight_init { xavier {} } } }"
                      "layers { name: 'b' activation { relu {} } } layers { name: 'logits' dense { units: 10 } } }" +
                      data)
                  .warnings,
              ElementsAre(HasSubstr("layer \"a\": xavier under relu")));
  EXPECT_THAT(
      Resolve("network { layers { name: 'a' dense { units: 10 } } layers { name: 'p' softmax {} } }" + data).warnings,
      ElementsAre(HasSubstr("layer \"p\": softmax_cross_entropy has a softmax of its own")));
  EXPECT_THAT(Resolve("network { layers { name: 'a' dense { units: 10 } activation { relu {} } } }" + data).warnings,
              ElementsAre(HasSubstr("relu on the logits")));
  EXPECT_THAT(
      Resolve("network { layers { name: 'a' dense { units: 10 } } layers { name: 'd' dropout {} } }" + data).warnings,
      ElementsAre(HasSubstr("layer \"d\": dropout is the network's output")));
  EXPECT_THAT(Resolve("network { layers { name: 'n' batch_norm {} } layers { name: 'a' dense { units: 10 } } }"
                      "batch_size: 1 " +
                      data)
                  .warnings,
              ElementsAre(HasSubstr("minibatch of one example")));
  EXPECT_THAT(Resolve("network { layers { name: 'a' dense { units: 10 } } }"
                      "data { dataset: 'images' evaluation_split: 'train' preprocessing { scale {} } }")
                  .warnings,
              ElementsAre(HasSubstr("not zero-mean"), HasSubstr("training split")));
}

// Each allowed, and hardly ever meant.
TEST(ResolveJob, WarnsOfWhatActsOnNothingOrOtherwiseThanElsewhere) {
  const std::string data = std::string("data { dataset: 'images' ") + kCentred + " } ";
  const auto warnings = [&](const std::string& layers, const std::string& more) {
    return Resolve("network { " + layers + " } " + data + more).warnings;
  };
  const std::string logits = "layers { name: 'logits' dense { units: 10 } }";
  EXPECT_THAT(warnings(logits, "steps: 100 optimizer { schedule { warmup_steps: 100 } }"),
              ElementsAre(HasSubstr("warmup_steps are 100, and the job has 100 steps: learning_rate reaches 100 %")));
  EXPECT_THAT(warnings(logits, "steps: 100 optimizer { schedule { warmup_steps: 400 } }"),
              ElementsAre(HasSubstr("learning_rate reaches 25 % of 0.01")));
  EXPECT_THAT(warnings(logits, "steps: 100 optimizer { schedule { warmup_steps: 99 } }"),
              ElementsAre(HasSubstr("the learning rate is still rising in most of them")));
  EXPECT_THAT(warnings(logits, "steps: 100 optimizer { schedule { warmup_steps: 50 } }"), IsEmpty());
  EXPECT_THAT(warnings(logits, "steps: 0 optimizer { schedule { warmup_steps: 9 } }"), IsEmpty());
  EXPECT_THAT(warnings("layers { name: 'logits' dense { units: 12 } }", ""),
              ElementsAre(HasSubstr("12 outputs for the 10 classes of datasets/images: the last 2")));
  EXPECT_THAT(warnings(logits, "optimizer { sgd {} weight_decay: 1e-4 }"),
              ElementsAre(HasSubstr("PyTorch's sgd and Caffe call weight_decay is coupled_weight_decay")));
  EXPECT_THAT(warnings(logits, "optimizer { adamw {} }"), IsEmpty());
  EXPECT_THAT(warnings(logits, "optimizer { sgd {} coupled_weight_decay: 1e-4 }"), IsEmpty());

  const std::string l2 = "l2 { strength: 0.1 }";
  EXPECT_THAT(warnings(logits + "regularizers { " + l2 + " groups: PARAMETER_GROUP_NORMALIZATION }", ""),
              ElementsAre("network.regularizers[0] acts on nothing: no layer has trained parameters of the group "
                          "NORMALIZATION"));
  EXPECT_THAT(warnings(logits + "regularizers { " + l2 + " groups: PARAMETER_GROUP_BIASES }", ""), IsEmpty());
  EXPECT_THAT(
      warnings("layers { name: 'n' batch_norm {} regularizers { " + l2 + " } }" + logits, ""),
      ElementsAre("network.layers[0].regularizers[0] acts on nothing: layer \"n\" has no trained parameters of the "
                  "group WEIGHTS"));
  EXPECT_THAT(
      warnings("layers { name: 'r' block { residual { channels: 4 } } regularizers { " + l2 +
                   " groups: PARAMETER_GROUP_WEIGHTS groups: PARAMETER_GROUP_BIASES } }"
                   "layers { name: 'p' global_avg_pool {} }" +
                   logits,
               ""),
      ElementsAre("network.layers[0].regularizers[0] acts on nothing: block \"r\" has no trained parameters of the "
                  "group BIASES"));
  const std::string norm = "layers { name: 'n' batch_norm {} }" + logits;
  EXPECT_THAT(warnings(norm, "batch_size: 59998"), IsEmpty());
  EXPECT_THAT(warnings(norm, "batch_size: 59999"),
              ElementsAre(HasSubstr("one example, over which layer \"n\" normalizes: say last_batch: DROP")));
  EXPECT_THAT(warnings(norm, "batch_size: 59999 last_batch: LAST_BATCH_DROP"), IsEmpty());
  EXPECT_THAT(warnings(logits, "batch_size: 59999"), IsEmpty());
}

TEST(DescribeNetwork, ListsShapesParametersAndFlops) {
  const auto request = FromText<v1::DescribeNetworkRequest>(
      "network { input_shape: [1, 28, 28]"
      " layers { name: 'conv' conv2d { out_channels: 32 kernel: 3 padding { mode: MODE_SAME } } activation { relu {} } "
      "}"
      " layers { name: 'pool' max_pool { kernel: 2 } } layers { name: 'logits' dense { units: 10 } } }");
  FieldErrors::Root errors;
  const v1::NetworkDescription d = *DescribeNetwork(request, errors.scope());
  ASSERT_TRUE(errors.ok()) << errors.ToStatus();
  ASSERT_EQ(d.layers_size(), 3);
  EXPECT_EQ(d.layers(0).kind(), "conv2d");
  EXPECT_EQ(d.layers(0).activation(), "relu");
  EXPECT_THAT(d.layers(0).inputs(), ElementsAre("input"));
  EXPECT_THAT(d.layers(0).output_shape(), ElementsAre(32, 28, 28));
  EXPECT_EQ(d.layers(0).num_parameters(), 32 * 9 + 32);
  EXPECT_EQ(d.layers(0).parameters(0).name(), "conv.weight");
  EXPECT_EQ(d.layers(0).activation_bytes(), 4 * 32 * 28 * 28);
  EXPECT_EQ(d.layers(0).algorithm(), v1::CONVOLUTION_ALGORITHM_DIRECT);  // One input channel: Winograd does not pay.
  EXPECT_GE(d.layers(0).forward_flops(), 2 * 9 * 32 * 28 * 28);
  EXPECT_THAT(d.layers(2).output_shape(), ElementsAre(10));
  EXPECT_EQ(d.parameters(), 32 * 9 + 32 + 32 * 14 * 14 * 10 + 10);
  EXPECT_GT(d.training_memory_bytes(), d.inference_memory_bytes());
  EXPECT_TRUE(d.expanded().layers(0).conv2d().has_groups());
}

TEST(DescribeNetwork, MemoryGrowsWithBatchAndOptimizerAndNeverWrapsAround) {
  const auto bytes = [](const std::string& text) {
    FieldErrors::Root errors;
    const auto d = *DescribeNetwork(FromText<v1::DescribeNetworkRequest>(text), errors.scope());
    EXPECT_TRUE(errors.ok()) << errors.ToStatus();
    return d.training_memory_bytes();
  };
  const std::string network = "network { input_shape: 1000 layers { name: 'a' dense { units: 1000 } } }";
  const int64_t sgd = bytes(network + "optimizer { sgd { momentum: 0.9 } }");
  EXPECT_GT(bytes(network + "optimizer { adam {} }"), sgd + 4 * 1000 * 1000);
  EXPECT_GT(bytes(network + "batch_size: 1128"), sgd + 4 * 4 * 1000 * 1000);
  std::string huge = "network { input_shape: [1, 32768, 32768]";
  for (int i = 0; i < 200; ++i) huge += " layers { name: 'n" + std::to_string(i) + "' batch_norm {} }";
  EXPECT_GT(bytes(huge + " } batch_size: 65536"), int64_t{1} << 50);
}

// Asks `stop` how often it is asked, then ends at each of these times; `resolve` takes a StopCheck.
template <class Resolve>
void EndsAtEveryAsk(const Resolve& resolve, int layers) {
  int asked = 0;
  ASSERT_TRUE(resolve([&] {
                ++asked;
                return absl::OkStatus();
              }).ok());
  EXPECT_GE(asked, 3 * layers) << "forward and backward in training, and forward in inference";
  for (int most = 0; most < asked; ++most) {
    int left = most;
    const absl::Status status =
        resolve([&] { return left-- > 0 ? absl::OkStatus() : absl::CancelledError("the caller has gone"); }).status();
    ASSERT_EQ(status, absl::CancelledError("the caller has gone")) << "after " << most << " asks";
  }
}

constexpr char kThreeLayers[] =
    "layers { name: 'a' dense { units: 5 } activation { tanh {} } } layers { name: 'n' batch_norm {} } "
    "layers { name: 'o' dense { units: 10 } }";

TEST(DescribeNetwork, EndsWhenNobodyWaits) {
  const auto request =
      FromText<v1::DescribeNetworkRequest>(std::string("network { input_shape: 4 ") + kThreeLayers + "}");
  EndsAtEveryAsk(
      [&](const StopCheck& stop) {
        FieldErrors::Root errors;
        auto description = DescribeNetwork(request, errors.scope(), stop);
        EXPECT_TRUE(errors.ok()) << errors.ToStatus();
        return description;
      },
      3);
}

TEST(ResolveJob, EndsWhenNobodyWaits) {
  const auto spec = FromText<v1::JobSpec>(std::string("network { ") + kThreeLayers + "} data { dataset: 'images' }");
  const auto dataset = FindTestDataset("images");
  EndsAtEveryAsk(
      [&](const StopCheck& stop) {
        FieldErrors::Root errors;
        auto job = ResolveJob(spec, &*dataset, 4, errors.scope(), stop);
        EXPECT_TRUE(errors.ok()) << errors.ToStatus();
        return job;
      },
      3);
}

TEST(ResolveJob, ReservesNothingForAnEvaluationThatIsNone) {
  const std::string network =
      "network { layers { name: 'a' dense { units: 500 } } layers { name: 'o' dense { units: 10 } } } ";
  const auto plans = [&](const std::string& data) {
    return Resolve(network + "data { dataset: 'images' " + data + "}").description.training_memory_bytes();
  };
  EXPECT_LT(plans("evaluation_split: 'none'"), plans(""));
}

TEST(ResolveProbe, FillsInDefaults) {
  FieldErrors::Root errors;
  const auto probe = ResolveProbe(
      FromText<v1::ProbeNetworkRequest>("network { input_shape: 4 layers { name: 'a' dense { units: 4 } } }"), nullptr,
      errors.scope());
  EXPECT_TRUE(errors.ok()) << errors.ToStatus();
  EXPECT_TRUE(probe.has_normal());
  EXPECT_EQ(probe.batch_size(), 16u);
  EXPECT_EQ(probe.histogram_bins(), 64u);
  EXPECT_EQ(probe.precision(), v1::PRECISION_F32);
}

TEST(ResolveProbe, ReportsEveryViolation) {
  FieldErrors::Root errors;
  ResolveProbe(FromText<v1::ProbeNetworkRequest>("network { layers { name: 'a' dense {} } } batch_size: 0 "
                                                 "histogram_bins: 1000 precision: 9"),
               nullptr, errors.scope());
  std::vector<std::string> paths;
  for (const auto& violation : errors.violations().field_violations()) paths.push_back(violation.field());
  EXPECT_THAT(paths, testing::UnorderedElementsAre("precision", "batch_size", "histogram_bins", "network.input_shape",
                                                   "network.layers[0].dense.units"));
}

}  // namespace
}  // namespace traind::core
