// Classes that are never the answer.
#include "gmock/gmock.h"
#include "tests/support/insight_log.h"

namespace traind::core {
namespace {

void Answer(InsightLog& log, int64_t threes) {
  log.Data(log.Profile());
  for (uint64_t step = 100; step <= 500; step += 100) {
    log.Run(step, InsightLog::Falls, log.Report());
    log.Evaluation(step, 1, {1000, 1000, 1000, threes, 1000, 1000, 1000, 1000, 1000, 1000});
  }
}

TEST(ClassNeverPredicted, IsSaidWithItsNumber) {
  InsightLog log;
  Answer(log, 0);
  EXPECT_EQ(log.Find("class_never_predicted/test").cause(), "class 3 is never the answer");
}

TEST(ClassNeverPredicted, IsSaidWithItsNameWhereTheDatasetHasNames) {
  InsightLog log(kHealthyJob, [](v1::Job& job) {
    for (const char* name : {"ant", "bee", "cow", "dog", "elk", "fox", "gnu", "hen", "ibis", "jay"}) {
      job.mutable_trained_on()->add_class_names(name);
    }
  });
  Answer(log, 0);
  EXPECT_EQ(log.Find("class_never_predicted/test").cause(), "class \"dog\" is never the answer");
}

// Early on a class may still come: of 600 steps the first half is passed over.
TEST(ClassNeverPredicted, IsNotSaidInTheBeginning) {
  InsightLog log;
  log.Data(log.Profile());
  for (uint64_t step = 50; step <= 290; step += 40) {
    log.Run(step, InsightLog::Falls, log.Report());
    log.Evaluation(step, 1, {0, 1000, 1000, 1000, 1000, 1000, 1000, 1000, 1000, 1000});
  }
  EXPECT_FALSE(log.IsOpen("class_never_predicted/test"));
}

// A fifth better each time, and then no more.
TEST(ClassNeverPredicted, IsSaidWhenTheEvaluationNoLongerGetsBetter) {
  InsightLog log;
  log.Data(log.Profile());
  const std::vector<int64_t> answers = {0, 1000, 1000, 1000, 1000, 1000, 1000, 1000, 1000, 1000};
  double loss = 2;
  for (uint64_t step = 300; step <= 420; step += 20) {
    log.Run(step, InsightLog::Falls, log.Report());
    log.Evaluation(step, loss *= 0.8, answers);
  }
  EXPECT_FALSE(log.IsOpen("class_never_predicted/test"));
  for (uint64_t step = 440; step <= 520; step += 20) {
    log.Run(step, InsightLog::Falls, log.Report());
    log.Evaluation(step, loss *= 0.99, answers);
  }
  EXPECT_TRUE(log.IsOpen("class_never_predicted/test"));
}

TEST(ClassNeverPredicted, OneAnswerIsEnough) {
  InsightLog log;
  Answer(log, 1);
  EXPECT_FALSE(log.IsOpen("class_never_predicted/test"));
}

}  // namespace
}  // namespace traind::core
