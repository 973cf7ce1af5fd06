// Whole jobs over every registered layer, activation, block and preset (but for two large ones), at both precisions:
// the resolved config resolves to itself, a job that is stopped and goes on has the same bits as one that is not, the
// statistics hold together, and no input brings the plan down. A new kind without required fields is covered by itself;
// one with required fields needs its line in Example(), and the test says so.
#include <cmath>
#include <limits>
#include <map>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "google/protobuf/text_format.h"
#include "gtest/gtest.h"
#include "tests/support/layer_run.h"
#include "tests/support/train_run.h"

namespace traind::core {
namespace {

struct KindCase {
  std::string name;
  std::string network;  // Reads images of [3, 8, 8], gives 5 values.
};

void PrintTo(const KindCase& kind, std::ostream* out) { *out << kind.name; }

// The required fields of a kind.
std::string Example(const std::string& kind) {
  static const std::map<std::string, std::string> examples = {
      {"layer/dense", "units: 6"},
      {"layer/conv2d", "out_channels: 6 kernel: 3"},
      {"layer/max_pool", "kernel: 2"},
      {"layer/avg_pool", "kernel: 2"},
      {"layer/drop_connect", "units: 6 per_example: true"},
      {"layer/group_norm", "groups: 3"},
      {"layer/stochastic_depth", "survival: 0.6 per_example: true"},
      {"block/residual", "channels: 5 survival: 0.7"},
      {"block/dense_block", "layers: 2 growth: 4 dropout: 0.2"},
      {"block/branches",
       "branches { layers { name: 'a' conv2d { out_channels: 5 kernel: 1 } } } "
       "branches { layers { name: 'b' max_pool { kernel: 3 stride: 1 padding { mode: SAME } } } }"},
      {"preset/mlp", "classes: 5 width: 16 batch_norm: true dropout: 0.2"},
      {"preset/lenet", "classes: 5"},
      {"preset/alexnet", "classes: 5 width: 6 dense_width: 8 local_response_norm: true"},
      {"preset/googlenet", "classes: 5 width: 8"},
      {"preset/vgg16", "classes: 5 width: 2 dense_width: 8"},
      {"preset/resnet", "classes: 5 depth: 20 width: 4 fixup: true dropout: 0.1"},
      {"preset/wide_resnet", "classes: 5 depth: 10 widen: 1 dropout: 0.1 fixup: true"},
      {"preset/densenet", "classes: 5 depth: 10 growth: 4 bottleneck: true"},
  };
  const auto found = examples.find(kind);
  return found == examples.end() ? "" : found->second;
}

constexpr char kBefore[] = "layers { name: 'before' conv2d { out_channels: 6 kernel: 3 padding { mode: SAME } } } ";
constexpr char kAfter[] = "layers { name: 'after' dense { units: 5 } } ";

// `wrap` makes the whole network of the text "<kind> { <example> }".
template <class Holder, class Wrap>
void AddKinds(const std::string& category, const Wrap& wrap, std::vector<KindCase>& cases) {
  const auto* kinds = Holder::descriptor()->FindOneofByName("kind");
  for (int i = 0; i < kinds->field_count(); ++i) {
    const std::string kind = kinds->field(i)->name();
    const std::string config = absl::StrCat(kind, " { ", Example(absl::StrCat(category, "/", kind)), " }");
    cases.push_back({absl::StrCat(category, "_", kind), wrap(kind, config)});
  }
}

std::vector<KindCase> Cases() {
  std::vector<KindCase> cases;
  AddKinds<v1::Layer>(
      "layer",
      [](const std::string& kind, const std::string& config) {
        if (kind == "add" || kind == "concat") {  // Their inputs are what they are about.
          return absl::StrCat(kBefore, "layers { name: 'twin' inputs: 'before' conv2d { out_channels: 6 kernel: 1 } } ",
                              "layers { name: 'it' inputs: ['before', 'twin'] ", config, " activation { relu {} } } ",
                              kAfter);
        }
        return absl::StrCat(kBefore, "layers { name: 'it' ", config, " } ", kAfter);
      },
      cases);
  AddKinds<v1::Activation>(
      "activation",
      [](const std::string&, const std::string& config) {
        return absl::StrCat("layers { name: 'it' conv2d { out_channels: 6 kernel: 3 } activation { ", config, " } } ",
                            kAfter);
      },
      cases);
  AddKinds<v1::Block>(
      "block",
      [](const std::string&, const std::string& config) {
        return absl::StrCat(kBefore, "layers { name: 'it' block { ", config, " } } ", kAfter);
      },
      cases);
  AddKinds<v1::Preset>(
      "preset", [](const std::string&, const std::string& config) { return absl::StrCat("preset { ", config, " }"); },
      cases);
  return cases;
}

class EveryKind : public testing::TestWithParam<KindCase> {
 protected:
  // Images as large as the presets need them.
  static int side() {
    if (GetParam().name == "preset_alexnet") return 67;
    return GetParam().name.starts_with("preset") ? 32 : 8;
  }
  const TemporaryFolder folder_{TemporaryFolder::Place::kMemory};
};

TEST_P(EveryKind, ResolvesToItselfResumesWithTheSameBitsAndIsObserved) {
  const v1::Dataset dataset = ImportNumbers("images", folder_.path(), 12, {3, side(), side()}, 5);
  for (const v1::Precision precision : Precisions()) {
    SCOPED_TRACE(v1::Precision_Name(precision));
    v1::JobSpec spec;
    ASSERT_TRUE(google::protobuf::TextFormat::ParseFromString(
        absl::StrCat("network { ", GetParam().network,
                     " } data { dataset: 'images' } batch_size: 4 steps: 5 seed: 3 metrics_every_steps: 1 "
                     "statistics { every_steps: 2 } checkpoint { every { seconds: 0 } } "
                     "optimizer { adam {} learning_rate: 0.002 clip_norm: 1 }"),
        &spec));
    spec.set_precision(precision);
    const TrainRequest whole = RequestOf(absl::StrCat("whole", precision), spec, dataset, folder_.path());
    ASSERT_FALSE(HasFailure()) << "what a kind requires, Example() must give";
    const TrainRequest again = RequestOf("again", whole.spec, dataset, folder_.path());
    EXPECT_EQ(again.spec.DebugString(), whole.spec.DebugString());

    Recorder undisturbed;
    const auto result = Train(whole, undisturbed, undisturbed.stop);
    ASSERT_TRUE(result.ok()) << result.status();
    for (const v1::Event& event : undisturbed.Of(v1::Event::kStatistics)) ExpectSound(event.statistics());

    const TrainRequest broken = RequestOf(absl::StrCat("broken", precision), spec, dataset, folder_.path());
    Recorder recorder;  // Stops inside an epoch of three steps, and between two.
    TrainInParts(broken, recorder, {1, 3, 4, 0});
    EXPECT_EQ(Weights(broken, /*state=*/true), Weights(whole, /*state=*/true));
    EXPECT_EQ(recorder.Bytes(), undisturbed.Bytes());
  }
}

// Zeros, the largest numbers, NaN: nothing crashes, and at test time what is not a number stays in its example.
TEST_P(EveryKind, BearsEveryInput) {
  const std::string network = absl::StrCat("input_shape: [3, ", side(), ", ", side(), "] ", GetParam().network);
  constexpr int kBatch = 4;
  for (const v1::Precision precision : Precisions()) {
    for (const bool training : {true, false}) {
      SCOPED_TRACE(absl::StrCat(v1::Precision_Name(precision), training ? " training" : ""));
      LayerRun run(network, kBatch, precision, training);
      const size_t pixels = run.examples().size() / kBatch;
      run.examples().assign(run.examples().size(), 0.0f);
      for (float value : run.Output()) EXPECT_TRUE(std::isfinite(value));
      for (const float extreme : {1e30f, -1e30f, 3e38f, 1e-40f, std::numeric_limits<float>::infinity()}) {
        run.examples().assign(run.examples().size(), extreme);
        run.Output();
      }
      run.examples().assign(run.examples().size(), 0.5f);
      for (size_t i = 0; i < pixels; ++i) run.examples()[pixels + i] = std::nanf("");
      const std::vector<float> outputs = run.Output();
      const size_t each = outputs.size() / kBatch;
      for (size_t i = 0; i < outputs.size() && !training; ++i) {
        if (i / each != 1) {
          EXPECT_TRUE(std::isfinite(outputs[i])) << i;
        }
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Kinds, EveryKind, testing::ValuesIn(Cases()), testing::PrintToStringParamName());

}  // namespace
}  // namespace traind::core
