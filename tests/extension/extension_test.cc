// A layer, an activation and a loss that nobody knows (planted.cc), through everything that a component goes through:
// the catalogue, describe, the memory bound, warnings, a job, its resume, its statistics, and evaluation.

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <string>
#include <vector>

#include "core/catalogue/components.h"
#include "core/job/job_warnings.h"
#include "core/plan/memory_bound.h"
#include "core/train/train.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/extension/planted.pb.h"
#include "tests/support/text_proto.h"
#include "tests/support/train_run.h"

namespace traind::core {
namespace {

using testing::Contains;
using testing::HasSubstr;

constexpr char kSpec[] =
    "network { layers { name: 'c' conv2d { out_channels: 6 kernel: 3 } activation { extension { "
    "[type.googleapis.com/planted.Witch] { scale: 1.5 } } } } layers { name: 'noisy' extension { "
    "[type.googleapis.com/planted.NoisyScale] { noise: 0.25 } } } layers { name: 'w' activation { extension { "
    "[type.googleapis.com/planted.Witch] {} } } } layers { name: 'o' dense { units: 1 } } } "
    "data { dataset: 'numbers' } loss { extension { [type.googleapis.com/planted.LogCosh] {} } } batch_size: 4 "
    "steps: 6 seed: 3 metrics_every_steps: 1 statistics { every_steps: 2 } checkpoint { every { seconds: 0 } } "
    "optimizer { adam {} learning_rate: 0.01 }";

class Extension : public testing::Test {
 protected:
  static v1::JobSpec Spec(const std::string& text = kSpec) {
    auto spec = FromText<v1::JobSpec>(text);
    return spec;
  }
  ResolvedJob Resolve(const v1::JobSpec& spec) {
    FieldErrors::Root errors;
    ResolvedJob job = *ResolveJob(spec, &dataset_, 2, errors.scope());
    EXPECT_TRUE(errors.ok()) << errors.ToStatus();
    return job;
  }

  const TemporaryFolder folder_{TemporaryFolder::Place::kMemory};
  const v1::Dataset dataset_ = ImportNumbers("numbers", folder_.path(), 12, {2, 6, 6}, /*classes=*/0);
};

TEST_F(Extension, StandsInTheCatalogue) {
  const v1::ListComponentsResponse all = ListComponents();
  const auto find = [&](const std::string& category, const std::string& name) {
    return std::find_if(all.components().begin(), all.components().end(),
                        [&](const auto& one) { return one.category() == category && one.name() == name; });
  };
  const auto layer = find("layer", "planted.NoisyScale");
  ASSERT_NE(layer, all.components().end());
  EXPECT_EQ(layer->summary(), "x * weight, with a noisy weight while training.");
  ASSERT_EQ(layer->fields_size(), 1);
  EXPECT_EQ(layer->fields(0).name(), "noise");
  EXPECT_NE(find("activation", "planted.Witch"), all.components().end());
  EXPECT_NE(find("loss", "planted.LogCosh"), all.components().end());
}

TEST_F(Extension, IsResolvedWithItsDefaultsAndDescribed) {
  const ResolvedJob job = Resolve(Spec());
  planted::Witch witch;
  ASSERT_TRUE(job.spec.network().layers(2).activation().extension().UnpackTo(&witch));
  EXPECT_EQ(witch.scale(), 2);
  ASSERT_EQ(job.description.layers_size(), 4);
  EXPECT_EQ(job.description.layers(0).activation(), "planted.Witch");
  EXPECT_EQ(job.description.layers(1).kind(), "planted.NoisyScale");
  EXPECT_EQ(job.description.layers(1).num_parameters(), 6);
  EXPECT_EQ(job.description.layers(2).kind(), "planted.Witch");
  EXPECT_GT(job.memory_bound_bytes, 0);
  // What is resolved resolves to itself.
  EXPECT_EQ(Resolve(job.spec).spec.SerializeAsString(), job.spec.SerializeAsString());
}

TEST_F(Extension, IsRefusedWithItsPlace) {
  v1::JobSpec spec = Spec();
  planted::Witch endless;
  endless.set_scale(std::numeric_limits<double>::infinity());
  spec.mutable_network()->mutable_layers(0)->mutable_activation()->mutable_extension()->PackFrom(endless);
  planted::NoisyScale wrong;
  wrong.set_noise(-1);
  spec.mutable_network()->mutable_layers(1)->mutable_extension()->PackFrom(wrong);
  spec.mutable_network()->mutable_layers(2)->mutable_activation()->mutable_extension()->set_value("\x0f");
  spec.mutable_loss()->mutable_extension()->set_type_url("type.googleapis.com/planted.Nothing");
  FieldErrors::Root errors;
  static_cast<void>(ResolveJob(spec, &dataset_, 2, errors.scope()));
  std::map<std::string, std::string> violations;
  for (const auto& one : errors.violations().field_violations()) violations[one.field()] = one.description();
  EXPECT_THAT(violations["network.layers[1].extension.noise"], HasSubstr("at least 0"));
  EXPECT_EQ(violations["network.layers[2].activation.extension"], "holds no planted.Witch");
  EXPECT_THAT(violations["network.layers[0].activation.extension.scale"], HasSubstr("must be a finite number"));
  EXPECT_EQ(violations["loss.extension"], "this program was built without \"planted.Nothing\"");
}

// The planes that it keeps for the way back are counted, though nobody was told of them.
TEST_F(Extension, IsInTheMemoryBound) {
  auto network = FromText<v1::Network>(
      "input_shape: 65536 layers { name: 'a' extension { [type.googleapis.com/planted.NoisyScale] {} } } "
      "layers { name: 'o' dense { units: 1 } }");
  FieldErrors::Root errors;
  const auto graph = Graph::Build(network, errors.scope());
  ASSERT_TRUE(errors.ok()) << errors.ToStatus();
  MemoryOptions options;
  options.plan.batch = 64;
  const auto bound = BoundMemory(*graph, options);
  ASSERT_TRUE(bound.ok()) << bound.status();
  constexpr int64_t kPlane = 4 * 64 * 65536;  // Input, output, scales, and two gradients.
  EXPECT_GE(bound->training - bound->training_overhead, 4 * kPlane);
  EXPECT_LE(bound->training - bound->training_overhead, 1.3 * 7 * kPlane);
}

TEST_F(Extension, IsWarnedOfByItsTraits) {
  // All its weights start equal, one for each channel.
  EXPECT_THAT(Resolve(Spec()).warnings, Contains(HasSubstr("\"noisy\"")));
}

// It claims a weight that can start at zero and has no field to say so: that is a violation, and no crash.
TEST_F(Extension, EndsNoResidualBranchThatStartsAtZero) {
  const v1::JobSpec spec = Spec(
      "network { layers { name: 'b' block { residual { initialization: INITIALIZATION_ZERO_LAST layers { name: 'noisy' "
      "extension { "
      "[type.googleapis.com/planted.NoisyScale] {} } } } } } layers { name: 'o' dense { units: 1 } } } "
      "data { dataset: 'numbers' } batch_size: 4 steps: 1");
  FieldErrors::Root errors;
  static_cast<void>(ResolveJob(spec, &dataset_, 2, errors.scope()));
  ASSERT_EQ(errors.violations().field_violations_size(), 1) << errors.ToStatus();
  EXPECT_EQ(errors.violations().field_violations(0).field(), "network.layers[0].block.residual.initialization");
}

TEST_F(Extension, TrainsAndResumesBitForBit) {
  const TrainRequest whole = RequestOf("whole", Spec(), dataset_, folder_.path());
  const TrainRequest parts = RequestOf("parts", Spec(), dataset_, folder_.path());
  Recorder in_one, in_parts;
  TrainInParts(whole, in_one, {0});
  TrainInParts(parts, in_parts, {2, 5, 0});
  EXPECT_EQ(Weights(whole, /*state=*/true), Weights(parts, /*state=*/true));
  EXPECT_EQ(in_one.Bytes(), in_parts.Bytes());
  EXPECT_LT(in_one.Of(v1::Event::kTrain).back().train().loss(), in_one.Of(v1::Event::kTrain).front().train().loss());

  const v1::StatisticsReport& report = in_one.Last(v1::Event::kStatistics).statistics();
  ExpectSound(report);
  ASSERT_EQ(report.layers_size(), 4);
  EXPECT_EQ(report.layers(0).activation(), "planted.Witch");
  EXPECT_TRUE(report.layers(0).has_saturated_fraction());
  EXPECT_EQ(report.layers(1).kind(), "planted.NoisyScale");

  const auto newest = LoadNewestCheckpoint(whole.checkpoint_dir);
  ASSERT_TRUE(newest.ok()) << newest.status();
  const auto evaluated = Evaluate({.spec = whole.spec,
                                   .dataset_dir = whole.dataset_dir,
                                   .weights_path = newest->files.weights_path(),
                                   .preprocessing_path = newest->files.preprocessing_path(),
                                   .threads = 2});
  ASSERT_TRUE(evaluated.ok()) << evaluated.status();
  EXPECT_DOUBLE_EQ(evaluated->loss(), in_one.Last(v1::Event::kEvaluation).evaluation().loss());
}

// By finite differences over the whole network: the planted derivatives, and the loss's.
TEST_F(Extension, HasTheGradientsOfItsNumbers) {
  v1::JobSpec spec = Spec();
  FieldErrors::Root errors;
  const ResolvedJob job = Resolve(spec);
  v1::Network network = job.spec.network();
  const auto graph = Graph::Build(network, errors.scope());
  v1::Loss config = job.spec.loss();
  const auto loss = Registry<Loss>::Get().Create(config, errors.scope());
  ASSERT_TRUE(errors.ok()) << errors.ToStatus();
  ParameterStore store(*graph, /*trainable=*/true, 0);
  const auto plan = Plan::Make(*graph, store, {.batch = 2, .training = true, .seed = 3, .loss = loss.get()});
  ASSERT_TRUE(plan.ok()) << plan.status();
  store.Initialize(3);
  std::vector<float> examples(2 * 2 * 6 * 6), targets = {0.3f, -0.7f};
  for (size_t i = 0; i < examples.size(); ++i) examples[i] = Number(static_cast<int>(i));
  const Plan::Input input{.examples = examples.data(), .targets = {.values = targets.data()}, .count = 2};
  const auto mean_loss = [&] {
    EXPECT_TRUE((*plan)->Run(input).ok());
    return (*plan)->loss_sum() / 2;
  };
  for (StoredParameter& parameter : store.parameters()) {
    mean_loss();
    const std::vector<float> gradient(parameter.gradient, parameter.gradient + parameter.stored_elements());
    const auto largest =
        std::max_element(gradient.begin(), gradient.end(), [](float a, float b) { return std::abs(a) < std::abs(b); });
    float& weight = parameter.master[largest - gradient.begin()];
    const float before = weight;
    constexpr float kStep = 1e-2f;
    weight = before + kStep;
    const double above = mean_loss();
    weight = before - kStep;
    const double below = mean_loss();
    weight = before;
    const double expected = (above - below) / (2 * double{kStep});
    EXPECT_NEAR(*largest, expected, 2e-3 * std::max(1.0, std::abs(expected))) << parameter.name;
  }
}

}  // namespace
}  // namespace traind::core
