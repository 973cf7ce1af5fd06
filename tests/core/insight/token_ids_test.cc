// Token ids are names and no numbers: nothing is said of their scale, mean, padding or distance, but still of the
// labels.
#include "gmock/gmock.h"
#include "tests/support/insight_log.h"

namespace traind::core {
namespace {

constexpr char kText[] = R"(
  network { preset { text_cnn { classes: 2 vocabulary: 1000 features: 8 channels: 4 } } }
  data { dataset: "texts" } optimizer { adam {} learning_rate: 0.001 } epochs: 10)";
// The same numbers, which a dense layer multiplies.
constexpr char kNumbers[] = R"(
  network { layers { name: "a" dense { units: 8 } activation { relu {} } } layers { name: "out" dense { units: 2 } } }
  data { dataset: "texts" } optimizer { adam {} learning_rate: 0.001 } epochs: 10)";

v1::DataProfile ProfileOf(const InsightLog& log) {
  v1::DataProfile profile = log.Profile();
  profile.clear_class_counts();
  profile.add_class_counts(3990);
  profile.add_class_counts(10);
  profile.MergeFrom(FromText<v1::DataProfile>(
      "examples: 4000 features: 24 mean: 200 std: 90 constant_features: 8 duplicated_features: 4 compared: 512 "
      "neighbour_agreement: 0.5 chance_agreement: 0.5"));
  return profile;
}

bool Speaks(const char* spec, const std::string& id) {
  InsightLog log(spec);
  log.Data(ProfileOf(log));
  return log.Find(id).state() == v1::Finding::STATE_OPEN;
}

TEST(TokenIds, AreNoNumbers) {
  for (const char* id : {"data_scale", "data_not_centered", "constant_features", "duplicated_features"}) {
    SCOPED_TRACE(id);
    EXPECT_TRUE(Speaks(kNumbers, id));
    EXPECT_FALSE(Speaks(kText, id));
  }
  EXPECT_FALSE(Speaks(kText, "shuffled_labels"));
}

TEST(TokenIds, HaveNoNeighboursThatSayOfNoise) {
  const auto speaks = [](const char* spec) {
    InsightLog log(spec);
    v1::DataProfile profile = ProfileOf(log);
    profile.MergeFrom(FromText<v1::DataProfile>(
        "evaluation { split: 'test' examples: 1000 compared: 500 neighbour_agreement: 0.9 chance_agreement: 0.5 "
        "training_agreement: 0.7 training_chance: 0.5 }"));
    log.Data(profile);
    return log.IsOpen("noisy_labels");
  };
  EXPECT_TRUE(speaks(kNumbers));
  EXPECT_FALSE(speaks(kText));
}

TEST(TokenIds, HaveLabelsAsOthers) { EXPECT_TRUE(Speaks(kText, "class_imbalance")); }

}  // namespace
}  // namespace traind::core
