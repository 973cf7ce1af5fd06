#include "server/events/replay.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>
#include <map>

#include "server/store/sqlite_job_store.h"

namespace traind::server {
namespace {

using ::testing::HasSubstr;

v1::Event Train(uint64_t step, double loss, double speed = 0) {
  v1::Event event;
  event.set_step(step);
  event.mutable_train()->set_loss(loss);
  event.mutable_timing()->set_examples_per_second(speed);
  return event;
}

// A log that stores what Sequence lets through.
class Replay : public ::testing::Test {
 protected:
  std::vector<v1::Event> Send(const std::vector<v1::Event>& events) {
    const auto find = [this](v1::EventKind kind, uint64_t step) -> absl::StatusOr<std::optional<v1::Event>> {
      const auto found = stored_.find({kind, step});
      if (found == stored_.end()) return std::nullopt;
      return found->second;
    };
    auto result = Sequence(events, absl::FromUnixSeconds(1000), find, position_);
    EXPECT_TRUE(result.ok()) << result.status();
    for (const v1::Event& event : *result) stored_[{KindOf(event), event.step()}] = event;
    return *std::move(result);
  }

  LogPosition position_;
  std::map<std::pair<v1::EventKind, uint64_t>, v1::Event> stored_;
};

TEST_F(Replay, NumbersEventsWithoutGapsFromOne) {
  auto first = Send({Train(10, 0.5), Train(20, 0.4)});
  ASSERT_EQ(first.size(), 2u);
  EXPECT_EQ(first[0].sequence(), 1);
  EXPECT_EQ(first[1].sequence(), 2);
  EXPECT_EQ(first[1].time().seconds(), 1000);
  auto second = Send({Train(10, 0.5), Train(30, 0.3)});
  ASSERT_EQ(second.size(), 1u);
  EXPECT_EQ(second[0].sequence(), 3);
}

TEST_F(Replay, DropsEqualEventsWhateverTheirTiming) {
  Send({Train(10, 0.5, 100)});
  EXPECT_TRUE(Send({Train(10, 0.5, 999)}).empty());
  EXPECT_EQ(position_.last_sequence, 1);
}

TEST_F(Replay, DropsARepetitionInTheSameBatch) { EXPECT_EQ(Send({Train(10, 0.5), Train(10, 0.5)}).size(), 1u); }

TEST_F(Replay, ComparesWhatIsLeftOfAThinnedReport) {
  v1::Event report;
  report.set_step(10);
  for (const char* name : {"a", "b"}) {
    v1::LayerStatistics& layer = *report.mutable_statistics()->add_layers();
    layer.set_layer(name);
    layer.set_mean(0.5);
  }
  report.mutable_statistics()->add_parameters()->set_name("a.weight");
  Send({report, Train(20, 0.4)});
  v1::StatisticsReport& stored = *stored_[{v1::EVENT_KIND_STATISTICS, 10}].mutable_statistics();
  stored.set_thinned(true);
  stored.mutable_layers()->RemoveLast();
  stored.clear_parameters();
  EXPECT_TRUE(Send({report}).empty());
  report.mutable_statistics()->mutable_layers(1)->set_mean(0.25);
  EXPECT_TRUE(Send({report}).empty()) << "nothing is left to compare with";
  report.mutable_statistics()->mutable_layers(0)->set_mean(0.25);
  EXPECT_EQ(Send({report}).size(), 1u) << "a difference in what is left";
}

// Of a job that a version before 0.3 began.
TEST_F(Replay, AnEvaluationThatDidNotCompareTheModesIsNoDifference) {
  v1::Event evaluation;
  evaluation.set_step(10);
  evaluation.mutable_evaluation()->set_loss(0.5);
  v1::Event compared = evaluation;
  compared.mutable_evaluation()->set_minibatch_train_mode_loss(0.4);
  compared.mutable_evaluation()->set_minibatch_test_mode_loss(0.6);
  Send({evaluation});
  EXPECT_TRUE(Send({compared}).empty());
  stored_[{v1::EVENT_KIND_EVALUATION, 10}] = compared;
  EXPECT_TRUE(Send({compared}).empty());
  compared.mutable_evaluation()->set_minibatch_test_mode_loss(0.7);
  EXPECT_EQ(Send({compared}).size(), 1u) << "where both have compared them";
}

TEST_F(Replay, WhatVersionsBefore03DidNotMeasureIsNoDifference) {
  v1::Event evaluation, report;
  evaluation.set_step(10);
  evaluation.mutable_evaluation()->set_loss(0.5);
  report.set_step(10);
  for (const char* name : {"a.weight", "a.scale"}) report.mutable_statistics()->add_parameters()->set_name(name);
  Send({evaluation, report});
  v1::Event measured = evaluation, with_factor = report;
  measured.mutable_evaluation()->mutable_classification()->add_top_k_accuracy(0.5);
  measured.mutable_evaluation()->mutable_regression()->set_mean_absolute_error(0.5);
  with_factor.mutable_statistics()->mutable_parameters(1)->set_learning_rate_factor(0.25);
  EXPECT_TRUE(Send({measured, with_factor}).empty());
  stored_[{v1::EVENT_KIND_EVALUATION, 10}] = measured;
  stored_[{v1::EVENT_KIND_STATISTICS, 10}] = with_factor;
  EXPECT_TRUE(Send({measured, with_factor}).empty());
  measured.mutable_evaluation()->mutable_classification()->set_top_k_accuracy(0, 0.25);
  with_factor.mutable_statistics()->mutable_parameters(1)->set_learning_rate_factor(0.5);
  EXPECT_EQ(Send({measured, with_factor}).size(), 2u) << "where both have them";
}

TEST_F(Replay, ReportsADifferenceOnce) {
  Send({Train(10, 0.5), Train(20, 0.4)});
  auto report = Send({Train(10, 0.5), Train(20, 0.4000001)});
  ASSERT_EQ(report.size(), 1u);
  EXPECT_EQ(report[0].log().level(), v1::LogLine::LEVEL_ERROR);
  EXPECT_THAT(report[0].log().text(), HasSubstr("TRAIN"));
  EXPECT_THAT(report[0].log().text(), HasSubstr("step 20"));
  EXPECT_EQ(report[0].step(), 20u);
  EXPECT_TRUE(Send({Train(20, 0.4000001)}).empty());
}

TEST_F(Replay, ComparesBitsSoThatNaNEqualsItselfAndMinusZeroIsNotZero) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  Send({Train(10, nan), Train(20, -0.0)});
  EXPECT_TRUE(Send({Train(10, nan)}).empty());
  EXPECT_EQ(Send({Train(20, 0.0)}).size(), 1u);
}

TEST_F(Replay, DropsThePreprocessingOfAStartThatIsRepeated) {
  v1::Event event;
  event.mutable_preprocessing()->mutable_after()->set_variance_max(1);
  EXPECT_EQ(Send({event}).size(), 1u);
  EXPECT_TRUE(Send({event}).empty());
  event.mutable_preprocessing()->mutable_after()->set_variance_max(2);
  const auto report = Send({event});
  ASSERT_EQ(report.size(), 1u);
  EXPECT_THAT(report[0].log().text(), HasSubstr("PREPROCESSING"));
}

TEST_F(Replay, KeepsKindsApart) {
  Send({Train(20, 0.4)});
  v1::Event evaluation;
  evaluation.set_step(10);
  evaluation.mutable_evaluation()->set_loss(0.1);
  EXPECT_EQ(Send({evaluation}).size(), 1u);
}

TEST_F(Replay, ReportsAnEventThatWasNotThereBefore) {
  Send({Train(20, 0.4)});
  auto report = Send({Train(10, 0.5)});
  ASSERT_EQ(report.size(), 1u);
  EXPECT_THAT(report[0].log().text(), HasSubstr("was not there before"));
}

TEST_F(Replay, TakesCheckpointsAtNewStepsAndIgnoresTheirSize) {
  const auto checkpoint = [](uint64_t step, int64_t size) {
    v1::Event event;
    event.set_step(step);
    event.mutable_checkpoint()->set_size_bytes(size);
    return event;
  };
  Send({checkpoint(100, 5000)});
  EXPECT_TRUE(Send({checkpoint(100, 5001)}).empty());
  auto earlier = Send({checkpoint(50, 5000)});
  ASSERT_EQ(earlier.size(), 1u);
  EXPECT_TRUE(earlier[0].has_checkpoint());
  EXPECT_EQ(Send({checkpoint(110, 1)}).size(), 1u) << "the highest step is still 100";
  v1::Event evaluated_since = checkpoint(110, 1);
  evaluated_since.mutable_checkpoint()->set_best(true);
  EXPECT_TRUE(Send({evaluated_since}).empty());
}

TEST_F(Replay, TakesTheEvaluationOfAJobThatIsToldToFinishWhereACrashHasPutIt) {
  const auto evaluation = [](uint64_t step, double loss) {
    v1::Event event;
    event.set_step(step);
    event.mutable_evaluation()->set_loss(loss);
    return event;
  };
  Send({evaluation(100, 0.5)});
  const auto earlier = Send({evaluation(60, 0.7)});
  ASSERT_EQ(earlier.size(), 1u);
  EXPECT_TRUE(earlier[0].has_evaluation());
  EXPECT_TRUE(Send({evaluation(60, 0.7)}).empty());
  const auto report = Send({evaluation(60, 0.8)});
  ASSERT_EQ(report.size(), 1u);
  EXPECT_THAT(report[0].log().text(), HasSubstr("differs"));
}

v1::Event TestOf(uint64_t step, double loss, uint64_t weights_step = 0) {
  v1::Event event;
  event.set_step(step);
  event.mutable_test()->set_loss(loss);
  if (weights_step > 0) event.mutable_test()->set_weights_step(weights_step);
  return event;
}

TEST_F(Replay, TakesTheTestInTheEndOnceWhereverThatIs) {
  EXPECT_EQ(Send({Train(20, 0.5), TestOf(20, 0.3)}).size(), 2u);
  EXPECT_TRUE(Send({TestOf(20, 0.3)}).empty()) << "the crash came before the job's last state";
  EXPECT_EQ(Send({TestOf(17, 0.4)}).size(), 1u) << "told to finish, and killed: now it ends earlier";
  const auto different = Send({TestOf(20, 0.25)});
  ASSERT_EQ(different.size(), 1u);
  EXPECT_THAT(different[0].log().text(), HasSubstr("the TEST event of step 20 differs"));
}

TEST_F(Replay, OneStepIsTestedWithItsOwnWeightsAndWithThoseOfTheBest) {
  EXPECT_EQ(Send({TestOf(20, 0.3), TestOf(20, 0.25, 10)}).size(), 2u);
  EXPECT_TRUE(Send({TestOf(20, 0.25, 10)}).empty());
}

TEST_F(Replay, RunningMeansThatAnOlderWorkerDidNotSayAreNoDifference) {
  Send({Train(10, 0.5)});
  v1::Event now = Train(10, 0.5);
  now.mutable_train()->set_mean_loss(0.75);
  now.mutable_train()->set_mean_accuracy(0.5);
  now.mutable_train()->set_mean_steps(10);
  EXPECT_TRUE(Send({now}).empty());
  now.set_step(20);
  Send({now});
  now.mutable_train()->set_mean_loss(0.5);
  EXPECT_EQ(Send({now}).size(), 1u) << "now it is one";
}

TEST_F(Replay, StoresEveryLogLine) {
  v1::Event log;
  log.mutable_log()->set_text("resumed");
  EXPECT_EQ(Send({log, log}).size(), 2u);
  EXPECT_EQ(Send({log}).size(), 1u);
}

TEST_F(Replay, HandsTheStoresErrorOn) {
  Send({Train(10, 0.5)});
  const auto broken = [](v1::EventKind, uint64_t) -> absl::StatusOr<std::optional<v1::Event>> {
    return absl::UnavailableError("disk");
  };
  EXPECT_TRUE(absl::IsUnavailable(Sequence({Train(10, 0.5)}, absl::Now(), broken, position_).status()));
}

}  // namespace
}  // namespace traind::server
