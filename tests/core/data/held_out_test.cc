// What is held out, by what such a part must be: of every example exactly one side has it, every class has its share.
#include "core/data/held_out.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <set>
#include <vector>

#include "core/data/input_pipeline.h"
#include "gtest/gtest.h"
#include "tests/core/data/split_builder.h"
#include "tests/support/text_proto.h"

namespace traind::core {
namespace {

// Classes of very different sizes, mixed: 997 examples of class 0, 301 of 1, 53 of 2, 7 of 3, one of 4.
std::vector<int32_t> Mixed() {
  std::vector<int32_t> labels;
  const int counts[] = {997, 301, 53, 7, 1};
  for (int32_t c = 0; c < 5; ++c) labels.insert(labels.end(), static_cast<size_t>(counts[c]), c);
  for (size_t i = 0; i < labels.size(); ++i) std::swap(labels[i], labels[i * 7919 % labels.size()]);
  return labels;
}

std::map<int32_t, int> CountOf(const std::vector<uint32_t>& places, const std::vector<int32_t>& labels) {
  std::map<int32_t, int> counts;
  for (const uint32_t place : places) ++counts[labels.at(place)];
  return counts;
}

v1::DataSpec Data(const std::string& text) { return FromText<v1::DataSpec>(text); }

TEST(HeldOut, AFractionGivesEachClassItsShareToWithinOneExample) {
  const std::vector<int32_t> labels = Mixed();
  const auto n = static_cast<int64_t>(labels.size());
  const std::map<int32_t, int> all = CountOf(AllBut({}, n), labels);
  for (const double fraction : {0.003, 0.1, 0.25, 0.5, 0.9}) {
    v1::DataSpec data;
    data.set_validation_fraction(fraction);
    const std::vector<uint32_t> held_out = HeldOutPlaces(data, n, labels);
    EXPECT_EQ(static_cast<int64_t>(held_out.size()), std::lround(fraction * static_cast<double>(n)));
    EXPECT_TRUE(std::is_sorted(held_out.begin(), held_out.end()));
    const auto counts = CountOf(held_out, labels);
    for (const auto& [label, count] : all) {
      const int has = counts.contains(label) ? counts.at(label) : 0;
      const double share = static_cast<double>(count * held_out.size()) / static_cast<double>(n);
      EXPECT_LT(std::abs(has - share), 1) << "class " << label << ", fraction " << fraction;
    }
  }
}

TEST(HeldOut, BothSidesTogetherAreAllOfItOnce) {
  const std::vector<int32_t> labels = Mixed();
  const auto n = static_cast<int64_t>(labels.size());
  const std::vector<uint32_t> held_out = HeldOutPlaces(Data("validation_fraction: 0.3"), n, labels);
  std::vector<uint32_t> both = AllBut(held_out, n);
  both.insert(both.end(), held_out.begin(), held_out.end());
  EXPECT_EQ(std::set<uint32_t>(both.begin(), both.end()).size(), labels.size());
  EXPECT_EQ(both.size(), labels.size());
  EXPECT_LT(*std::max_element(both.begin(), both.end()), labels.size());
}

TEST(HeldOut, FoldsAreDisjointAndCompleteAndEquallyLarge) {
  const std::vector<int32_t> labels = Mixed();
  const auto n = static_cast<int64_t>(labels.size());
  for (const uint32_t count : {2u, 5u, 10u, 1000u}) {
    std::set<uint32_t> seen;
    std::map<int32_t, std::pair<int, int>> range;  // Of a class: the fewest and the most that a fold has.
    std::pair<size_t, size_t> sizes = {labels.size(), 0};
    for (uint32_t index = 0; index < count; ++index) {
      v1::DataSpec data;
      data.mutable_folds()->set_count(count);
      data.mutable_folds()->set_index(index);
      const std::vector<uint32_t> fold = HeldOutPlaces(data, n, labels);
      EXPECT_EQ(static_cast<int64_t>(fold.size()), HeldOutCount(data, n));
      for (const uint32_t place : fold) EXPECT_TRUE(seen.insert(place).second) << place << " is in two folds";
      sizes = {std::min(sizes.first, fold.size()), std::max(sizes.second, fold.size())};
      const auto counts = CountOf(fold, labels);
      for (int32_t c = 0; c < 5; ++c) {
        const int has = counts.contains(c) ? counts.at(c) : 0;
        auto& [fewest, most] = range.try_emplace(c, has, has).first->second;
        fewest = std::min(fewest, has);
        most = std::max(most, has);
      }
    }
    EXPECT_EQ(seen.size(), labels.size()) << count;
    EXPECT_LE(sizes.second - sizes.first, 1u) << count;
    for (const auto& [label, bounds] : range) EXPECT_LE(bounds.second - bounds.first, 1) << label << " of " << count;
  }
}

TEST(HeldOut, TheSeedChoosesAndNothingElse) {
  const std::vector<int32_t> labels = Mixed();
  const auto n = static_cast<int64_t>(labels.size());
  const auto places = [&](const char* text) { return HeldOutPlaces(Data(text), n, labels); };
  EXPECT_EQ(places("validation_fraction: 0.1"), places("validation_fraction: 0.1 max_train_examples: 9 dataset: 'x'"));
  EXPECT_NE(places("validation_fraction: 0.1"), places("validation_fraction: 0.1 validation_seed: 1"));
  EXPECT_EQ(places("folds { count: 3 index: 1 seed: 5 }"), places("folds { count: 3 index: 1 seed: 5 }"));
  EXPECT_NE(places("folds { count: 3 index: 1 seed: 5 }"), places("folds { count: 3 index: 1 seed: 6 }"));
}

// Without labels every example has the same chance: of 2000 seeds a tenth takes each of 40, to within five standard
// deviations of the binomial distribution, sqrt(2000 * 0.1 * 0.9) = 13.4.
TEST(HeldOut, EveryExampleIsTakenAlike) {
  std::vector<int> taken(40);
  for (uint64_t seed = 0; seed < 2000; ++seed) {
    v1::DataSpec data;
    data.set_validation_fraction(0.1);
    data.set_validation_seed(seed);
    for (const uint32_t place : HeldOutPlaces(data, 40, {})) ++taken[place];
  }
  for (const int times : taken) EXPECT_NEAR(times, 200, 67);
}

TEST(HeldOut, TheCountIsTheFractionRounded) {
  EXPECT_EQ(HeldOutCount(Data("validation_fraction: 0.1"), 60000), 6000);
  EXPECT_EQ(HeldOutCount(Data("validation_fraction: 0.1"), 14), 1);
  EXPECT_EQ(HeldOutCount(Data("validation_fraction: 0.1"), 4), 0);
  EXPECT_EQ(HeldOutCount(Data("folds { count: 3 index: 0 }"), 10), 4);
  EXPECT_EQ(HeldOutCount(Data("folds { count: 3 index: 1 }"), 10), 3);
  EXPECT_EQ(HeldOutCount(Data("folds { count: 3 index: 2 }"), 10), 3);
}

TEST(HeldOut, JobsAreComparedByWhatTheyHoldOut) {
  const auto same = [](const char* a, const char* b) { return HoldsOutTheSame(Data(a), Data(b)); };
  EXPECT_TRUE(same("validation_seed: 3", "")) << "nothing is held out";
  EXPECT_TRUE(same("validation_fraction: 0.1", "validation_fraction: 0.1 max_train_examples: 8"));
  EXPECT_FALSE(same("validation_fraction: 0.1", ""));
  EXPECT_FALSE(same("validation_fraction: 0.1", "validation_fraction: 0.1 validation_seed: 1"));
  EXPECT_FALSE(same("folds { count: 5 index: 0 }", "folds { count: 5 index: 1 }"));
  EXPECT_TRUE(HasSeenHeldOut(Data("folds { count: 5 index: 0 }"), Data("folds { count: 5 index: 1 }")));
  EXPECT_TRUE(HasSeenHeldOut(Data("validation_fraction: 0.1"), Data("")));
  EXPECT_FALSE(HasSeenHeldOut(Data(""), Data("validation_fraction: 0.1")));
  EXPECT_FALSE(HasSeenHeldOut(Data("validation_fraction: 0.1"), Data("train_split: 'other'")));
}

// Example i is the number i, and its label is i % 3.
class HeldOutSplitTest : public testing::Test {
 protected:
  HeldOutSplitTest() {
    std::vector<float> examples(30);
    std::vector<int32_t> labels(30);
    for (int i = 0; i < 30; ++i) {
      examples[i] = static_cast<float>(i);
      labels[i] = i % 3;
    }
    builder_.Make({30, 1}, examples, SplitBuilder::Labels(labels));
  }
  static std::set<float> Numbers(const Split& split) {
    std::set<float> numbers;
    for (int64_t i = 0; i < split.size(); ++i) {
      const float number = *static_cast<const float*>(split.example(i));
      EXPECT_EQ(split.labels()[static_cast<size_t>(i)], static_cast<int32_t>(number) % 3) << "the label goes with it";
      EXPECT_EQ(*static_cast<const float*>(AsStored(split).at(i)), number);
      numbers.insert(number);
    }
    EXPECT_EQ(static_cast<int64_t>(numbers.size()), split.size());
    return numbers;
  }

  SplitBuilder builder_;
};

TEST_F(HeldOutSplitTest, ReadersOpenTheirSideAndThenASampleOfIt) {
  v1::DataSpec data = Data("train_split: 'train' evaluation_split: 'validation' validation_fraction: 0.3");
  const std::string dir = builder_.Folder("d0");
  const auto train = OpenTrainingSplit(dir, data), held_out = OpenEvaluationSplit(dir, data);
  ASSERT_TRUE(train.ok() && held_out.ok());
  EXPECT_EQ(train->called(), "train");
  EXPECT_EQ(held_out->called(), "validation");
  EXPECT_EQ(held_out->split_name(), "train") << "the files that it stands in";
  EXPECT_TRUE(held_out->Verify().ok());
  std::set<float> both = Numbers(*train);
  EXPECT_EQ(both.size(), 21u);
  for (const float number : Numbers(*held_out)) EXPECT_TRUE(both.insert(number).second) << number;
  EXPECT_EQ(both.size(), 30u);

  data.set_max_train_examples(6);
  data.set_max_evaluation_examples(3);
  const auto few = OpenTrainingSplit(dir, data), fewer = OpenEvaluationSplit(dir, data);
  ASSERT_TRUE(few.ok() && fewer.ok());
  const std::set<float> before = Numbers(*train), sample = Numbers(*few), part = Numbers(*fewer);
  EXPECT_EQ(sample.size(), 6u);
  EXPECT_TRUE(std::includes(before.begin(), before.end(), sample.begin(), sample.end())) << "nothing of the other side";
  const std::set<float> all_held_out = Numbers(*held_out);
  EXPECT_TRUE(std::includes(all_held_out.begin(), all_held_out.end(), part.begin(), part.end()));
  EXPECT_EQ(part.size(), 3u);
}

}  // namespace
}  // namespace traind::core
