#include "core/job/early_stopping.h"

#include <cmath>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace traind::core {
namespace {

v1::JobSpec Config(v1::EarlyStopping::Metric metric, uint32_t patience, double min_delta = 0) {
  v1::JobSpec spec;
  v1::EarlyStopping& config = *spec.mutable_early_stopping();
  config.set_metric(metric);
  config.set_patience(patience);
  config.set_min_delta(min_delta);
  return spec;
}

TEST(EarlyStopping, EndsAfterSoManyEvaluationsWithoutAnImprovement) {
  const v1::JobSpec config = Config(v1::EarlyStopping::METRIC_EVALUATION_LOSS, 2);
  v1::EarlyStoppingState state = NewEarlyStoppingState();
  const double losses[] = {0.5, 0.6, 0.25, 0.25, 0.3};
  for (int i = 0; i < 5; ++i) {
    EXPECT_FALSE(HasEnded(config.early_stopping(), state)) << i;
    NoteEvaluation(config, 10 * (i + 1), losses[i], state);
  }
  EXPECT_TRUE(HasEnded(config.early_stopping(), state));
  EXPECT_EQ(state.best_step(), 30u);
  EXPECT_EQ(EndReason(config, state),
            "early stopping: evaluation_loss was best after step 30 (0.25), not in the 2 evaluations since");
}

TEST(EarlyStopping, AnImprovementIsAtLeastMinDelta) {
  const v1::JobSpec loss = Config(v1::EarlyStopping::METRIC_TRAIN_LOSS, 1, 0.25);
  EXPECT_FALSE(Improves(loss, 0.875, 1));
  EXPECT_TRUE(Improves(loss, 0.75, 1));
  EXPECT_FALSE(Improves(Config(v1::EarlyStopping::METRIC_TRAIN_LOSS, 1), 1, 1)) << "no improvement is none";
  const v1::JobSpec accuracy = Config(v1::EarlyStopping::METRIC_EVALUATION_ACCURACY, 1, 0.25);
  EXPECT_FALSE(Improves(accuracy, 0.625, 0.5));
  EXPECT_TRUE(Improves(accuracy, 0.75, 0.5));
  EXPECT_FALSE(Improves(accuracy, 0.25, 0.5));
}

TEST(EarlyStopping, BestGoesByTheMetricOfTheCheckpoints) {
  v1::JobSpec spec = Config(v1::EarlyStopping::METRIC_BEST, 1, 0.25);
  spec.mutable_checkpoint()->set_best_metric("macro_f1");
  EXPECT_TRUE(Improves(spec, 0.75, 0.5)) << "more is better";
  EXPECT_FALSE(Improves(spec, 0.25, 0.5));
  spec.mutable_checkpoint()->set_best_metric("calibration_error");
  EXPECT_TRUE(Improves(spec, 0.25, 0.5)) << "less is better";
  EXPECT_FALSE(Improves(spec, 0.75, 0.5));
  v1::EarlyStoppingState state = NewEarlyStoppingState();
  NoteEvaluation(spec, 10, 0.25, state);
  NoteEvaluation(spec, 20, 0.5, state);
  EXPECT_EQ(
      EndReason(spec, state),
      "early stopping: evaluation_calibration_error was best after step 10 (0.25), not in the 1 evaluation since");
}

TEST(EarlyStopping, ANaNIsNeverBetter) {
  const v1::JobSpec config = Config(v1::EarlyStopping::METRIC_EVALUATION_LOSS, 3);
  v1::EarlyStoppingState state = NewEarlyStoppingState();
  NoteEvaluation(config, 1, NAN, state);
  EXPECT_TRUE(std::isnan(state.best()));
  NoteEvaluation(config, 2, 1e300, state);
  EXPECT_EQ(state.best_step(), 2u);
  NoteEvaluation(config, 3, NAN, state);
  EXPECT_EQ(state.best(), 1e300);
  EXPECT_EQ(state.waited(), 1u);
  v1::EarlyStoppingState never = NewEarlyStoppingState();
  for (int i = 1; i <= 3; ++i) NoteEvaluation(config, i, NAN, never);
  EXPECT_TRUE(HasEnded(config.early_stopping(), never));
  EXPECT_EQ(EndReason(config, never), "early stopping: evaluation_loss was not a finite number in 3 evaluations");
}

TEST(EarlyStopping, NothingEndsAJobWithoutIt) { EXPECT_FALSE(HasEnded({}, {})); }

TEST(EarlyStopping, AnEvaluationBeginsTheMeanOfTheTrainLossAnew) {
  v1::EarlyStoppingState state = NewEarlyStoppingState();
  state.set_train_loss_sum(3);
  state.set_train_loss_steps(4);
  NoteEvaluation(Config(v1::EarlyStopping::METRIC_TRAIN_LOSS, 1), 4, 0.75, state);
  EXPECT_EQ(state.train_loss_sum(), 0);
  EXPECT_EQ(state.train_loss_steps(), 0u);
}

}  // namespace
}  // namespace traind::core
