// What every registered layer and activation says of itself (LayerTraits), held to what it does. A trait that promises
// something is tested where it is claimed; what a layer reads beside its own example, and when it draws at random, is
// tested of all.
#include <algorithm>
#include <cmath>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "core/base/kind.h"
#include "gtest/gtest.h"
#include "tests/conformance/examples.h"
#include "tests/support/layer_run.h"
#include "tests/support/text_proto.h"

namespace traind::core {
namespace {

constexpr int64_t kBatch = 4, kChannels = 6, kPixels = 64;

struct Kind {
  std::string name;
  std::string config;  // "dense { units: 6 }", or "activation { relu { } }".
};

void PrintTo(const Kind& kind, std::ostream* out) { *out << kind.name; }

// A network of this layer alone, or behind to_sequence, which moves nothing.
std::string Network(const Kind& kind, const std::string& more = "") {
  const std::string inputs = ReadsTwo(kind.name) ? "inputs: ['input', 'input'] " : "";
  std::string config = kind.config;
  config.insert(config.rfind('}'), more);
  return absl::StrCat(ReadsTokens(kind.name) ? "input_shape: [384] " : "input_shape: [6, 8, 8] ",
                      ReadsSequence(kind.name) ? "layers { name: 'sequence' to_sequence {} } " : "",
                      "layers { name: 'it' ", inputs, config, " }");
}

LayerTraits TraitsOf(const Kind& kind) {
  auto network = FromText<v1::Network>(Network(kind));
  FieldErrors::Root errors;
  const auto graph = Graph::Build(network, errors.scope());
  EXPECT_TRUE(errors.ok()) << errors.ToStatus() << ": what a kind requires, Example() must give";
  if (graph == nullptr) return {};
  const Node& node = graph->nodes().back();
  return node.layer ? node.layer->traits() : node.activation->traits();
}

std::vector<Kind> Kinds() {
  std::vector<Kind> kinds;
  const auto* layers = v1::Layer::descriptor()->FindOneofByName("kind");
  for (int i = 0; i < layers->field_count(); ++i) {
    if (IsExtension(*layers->field(i))) continue;
    const std::string name(layers->field(i)->name());
    kinds.push_back({name, absl::StrCat(name, " { ", Example("layer/" + name), " }")});
  }
  const auto* activations = v1::Activation::descriptor()->FindOneofByName("kind");
  for (int i = 0; i < activations->field_count(); ++i) {
    if (IsExtension(*activations->field(i))) continue;
    const std::string name(activations->field(i)->name());
    kinds.push_back({name, absl::StrCat("activation { ", name, " { ", Example("activation/" + name), " } }")});
  }
  return kinds;
}

class Traits : public testing::TestWithParam<Kind> {
 protected:
  static LayerRun Run(bool training = true, const std::string& more = "") {
    LayerRun run(Network(GetParam(), more), kBatch, v1::PRECISION_F32, training);
    for (float& value : run.examples()) {
      if (ReadsTokens(GetParam().name)) value = std::fabs(std::round(4 * value));  // Of 4 + 2 + 1 at most.
    }
    return run;
  }

  const LayerTraits traits_ = TraitsOf(GetParam());
};

// A bias moves all three outputs alike.
TEST_P(Traits, LinearIfTheMiddleOfTwoInputsGivesTheMiddleOfTheOutputs) {
  if (ReadsTokens(GetParam().name)) {
    EXPECT_FALSE(traits_.linear);  // Ids have no middle.
    return;
  }
  LayerRun run = Run(/*training=*/false);
  const std::vector<float> one = run.examples();
  const std::vector<float> of_one = run.Output();
  const std::vector<float> other(one.rbegin(), one.rend());
  for (size_t i = 0; i < one.size(); ++i) run.examples()[i] = -20 * other[i];
  const std::vector<float> of_other = run.Output();
  for (size_t i = 0; i < one.size(); ++i) run.examples()[i] = (one[i] - 20 * other[i]) / 2;
  const std::vector<float> of_middle = run.Output();
  double largest = 0, difference = 0;
  for (size_t i = 0; i < of_one.size(); ++i) {
    largest = std::max({largest, std::abs(double{of_one[i]}), std::abs(double{of_other[i]})});
    difference = std::max(difference, std::abs((double{of_one[i]} + of_other[i]) / 2 - of_middle[i]));
  }
  EXPECT_EQ(difference < 1e-5 * largest, traits_.linear) << difference << " of " << largest;
}

// A power of two, so that nothing is rounded; biases start at zero.
TEST_P(Traits, HomogeneousMapsTwiceTheInputToTwiceTheOutput) {
  if (!traits_.homogeneous) return;
  LayerRun run = Run();
  std::vector<float> expected = run.Output();
  for (float& value : expected) value *= 2;
  for (float& value : run.examples()) value *= 2;
  EXPECT_EQ(run.Output(), expected);
}

TEST_P(Traits, PassesZerosAndMore) {
  if (!traits_.passes_zeros) return;
  LayerRun run = Run();
  const std::vector<float> zeros(run.Output().size());
  EXPECT_NE(run.Output(), zeros);
  run.examples().assign(run.examples().size(), 0.0f);
  EXPECT_EQ(run.Output(), zeros);
}

TEST_P(Traits, ChannelwiseKeepsChangesInTheirChannel) {
  if (!traits_.channelwise) return;
  LayerRun run = Run();
  const std::vector<float> before = run.Output();
  ASSERT_EQ(before.size(), run.examples().size());
  for (int64_t n = 0; n < kBatch; ++n) run.examples()[n * kChannels * kPixels + 5] += 1;
  const std::vector<float> after = run.Output();
  EXPECT_NE(after, before);
  for (size_t i = 0; i < after.size(); ++i) {
    if (i / kPixels % kChannels == 0) continue;
    EXPECT_EQ(after[i], before[i]) << i;
  }
}

TEST_P(Traits, SumsInputsGivesTwiceWhatItReadsTwice) {
  if (!traits_.sums_inputs) return;
  LayerRun run = Run();
  std::vector<float> expected = run.examples();
  for (float& value : expected) value *= 2;
  EXPECT_EQ(run.Output(), expected);
}

TEST_P(Traits, NormalizesOverBatchIfOneExampleChangesAnother) {
  LayerRun run = Run();
  const std::vector<float> before = run.Output();
  for (int64_t i = 0; i < kChannels * kPixels; ++i) run.examples()[i] += static_cast<float>(i % 3);
  const std::vector<float> after = run.Output();
  const size_t each = before.size() / kBatch;
  const bool others = !std::equal(before.begin() + each, before.end(), after.begin() + each);
  EXPECT_EQ(others, traits_.normalizes_over_batch);
}

TEST_P(Traits, ProbabilitiesSumToOneOverTheChannels) {
  if (!traits_.makes_probabilities) return;
  const std::vector<float> output = Run().Output();
  for (int64_t n = 0; n < kBatch; ++n) {
    for (int64_t s = 0; s < kPixels; ++s) {
      float sum = 0;
      for (int64_t c = 0; c < kChannels; ++c) {
        const float probability = output[(n * kChannels + c) * kPixels + s];
        EXPECT_GE(probability, 0);
        sum += probability;
      }
      EXPECT_NEAR(sum, 1, 1e-5);
    }
  }
}

TEST_P(Traits, DropsValuesLeavesSomeOfAnExample) {
  if (!traits_.drops_values) return;
  LayerRun run = Run();
  run.examples().assign(run.examples().size(), 1.0f);
  const std::vector<float> output = run.Output();
  for (size_t n = 0; n < kBatch; ++n) {
    const auto first = output.begin() + n * kChannels * kPixels;
    const auto dropped = std::count(first, first + kChannels * kPixels, 0.0f);
    EXPECT_GT(dropped, 0);
    EXPECT_LT(dropped, kChannels * kPixels);
  }
}

TEST_P(Traits, WeightThatStartsAtZeroMakesTheOutputZero) {
  if (traits_.weight_initializer.empty()) return;
  const std::string zeros = absl::StrCat(" ", std::string(traits_.weight_initializer), " { zeros {} } ");
  for (float value : Run(/*training=*/true, zeros).Output()) EXPECT_EQ(value, 0);
}

TEST_P(Traits, PurposeIsStatedIfItDraws) {
  for (const bool training : {true, false}) {
    LayerRun run = Run(training);
    const std::vector<float> first = run.Output(0);
    bool differs = false;  // What passes as a whole may be the same twice.
    for (uint64_t step = 1; step < 20; ++step) differs |= run.Output(step) != first;
    EXPECT_EQ(differs, traits_.purpose && (training || traits_.random_in_inference)) << training;
  }
}

INSTANTIATE_TEST_SUITE_P(Kinds, Traits, testing::ValuesIn(Kinds()), testing::PrintToStringParamName());

TEST(Purposes, AreOfOneComponentEach) {
  std::map<uint32_t, std::string> owners = {{Purpose::kInitialize.number(), "initialization"},
                                            {Purpose::kShuffle.number(), "the order of examples"},
                                            {Purpose::kProbeInput.number(), "a probe's input"},
                                            {Purpose::kAugment.number(), "augmentation"},
                                            {Purpose::kDataInitialization.number(), "data initialization"}};
  EXPECT_EQ(owners.size(), 5);
  for (const Kind& kind : Kinds()) {
    const auto purpose = TraitsOf(kind).purpose;
    if (!purpose) continue;
    const auto [owner, own] = owners.emplace(purpose->number(), kind.name);
    EXPECT_TRUE(own) << kind.name << " draws the numbers of " << owner->second;
  }
  EXPECT_GE(owners.size(), 9);
}

}  // namespace
}  // namespace traind::core
