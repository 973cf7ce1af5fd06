// A network that waits for minibatches.
#include "gmock/gmock.h"
#include "tests/support/insight_log.h"

namespace traind::core {
namespace {

void Wait(InsightLog& log, double step_ms, double wait_ms) {
  for (uint64_t step = 10; step <= 600; step += 10) {
    log.Train(step, InsightLog::Falls(step), [&](v1::Event& event) {
      event.mutable_timing()->set_step_ms(step_ms);
      event.mutable_timing()->set_data_wait_ms(wait_ms);
    });
  }
}

TEST(WaitingForData, IsSaidWithMoreThreads) {
  InsightLog log;
  Wait(log, 10, 4);
  EXPECT_EQ(log.Find("waiting_for_data").severity(), v1::Finding::SEVERITY_INFO);
  EXPECT_EQ(log.Find("waiting_for_data").fix().patch().data().prefetch_threads(), 2u);
}

TEST(WaitingForData, AShortOneIsNone) {
  InsightLog a, b;
  Wait(a, 10, 1);
  Wait(b, 0.5, 0.4);
  EXPECT_FALSE(a.IsOpen("waiting_for_data"));
  EXPECT_FALSE(b.IsOpen("waiting_for_data")) << "not worth a word";
}

}  // namespace
}  // namespace traind::core
