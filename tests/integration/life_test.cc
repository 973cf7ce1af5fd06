// The life of a job with real workers: paused, resumed, stopped, extended and forked, it computes the same bits as one
// that nobody touched.
#include <signal.h>

#include <random>
#include <string>
#include <vector>

#include "absl/time/clock.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/integration/fixture.h"

namespace traind::integration {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

constexpr uint64_t kStepsPerEpoch = 8;
constexpr uint64_t kEpochs = 180;
constexpr uint64_t kSteps = kEpochs * kStepsPerEpoch;

bool IsTerminal(v1::JobState state) {
  return state == v1::JOB_STATE_SUCCEEDED || state == v1::JOB_STATE_FAILED || state == v1::JOB_STATE_CANCELLED;
}

class LifeTest : public IntegrationTest {
 protected:
  // At a constant rate, with dropout, momentum and batch norm to carry over. All checkpoints are kept.
  static v1::JobSpec Job(uint64_t epochs) {
    v1::JobSpec spec = PointsJob(1);
    spec.set_epochs(static_cast<uint32_t>(epochs));
    spec.mutable_evaluation()->clear_every_steps();
    spec.mutable_checkpoint()->set_every_steps(60);
    spec.mutable_checkpoint()->set_keep_last(1000);
    v1::Network network;
    *network.add_layers() = spec.network().layers(0);
    v1::Layer& norm = *network.add_layers();
    norm.set_name("norm");
    norm.mutable_batch_norm();
    v1::Layer& dropout = *network.add_layers();
    dropout.set_name("dropout");
    dropout.mutable_dropout()->set_rate(0.2);
    *network.add_layers() = spec.network().layers(1);
    *spec.mutable_network() = network;
    return spec;
  }

  v1::Job Await(const std::string& name, v1::JobState state) {
    AwaitJob(name, [state](const v1::Job& job) { return job.state() == state; });
    return Get(name);
  }
  void AwaitStep(const std::string& name, uint64_t step) {
    AwaitJob(name, [step](const v1::Job& job) { return job.progress().step() >= step || IsTerminal(job.state()); });
  }
  // The job's last weights, once it has SUCCEEDED.
  std::string WeightsOf(const std::string& name) {
    Await(name, v1::JOB_STATE_SUCCEEDED);
    return Download(name + "/checkpoints/latest");
  }

  std::mt19937 random_{std::random_device()()};
};

TEST_F(LifeTest, HoweverItWasTrainedTheWeightsAreTheSame) {
  StartServer();
  ImportPoints();
  const std::string whole = Submit(Job(kEpochs), "whole").name();
  const std::string weights = WeightsOf(whole);

  const std::string extended = Submit(Job(kEpochs * 4 / 6), "extended").name();
  EXPECT_NE(WeightsOf(extended), weights);
  EXPECT_EQ(Extend(extended, kSteps).progress().total_steps(), kSteps);
  EXPECT_TRUE(WeightsOf(extended) == weights) << "extended";

  const std::string forked = Fork(whole + "/checkpoints/600", "forked").name();
  EXPECT_TRUE(WeightsOf(forked) == weights) << "forked";
  EXPECT_EQ(Get(forked).forked_from(), "jobs/whole/checkpoints/600");

  const std::string paused = Submit(Job(kEpochs), "paused").name();
  Watcher watcher(server_.get(), paused);
  int pauses = 0;
  for (uint64_t step = 0; step < kSteps; step += 200) {
    AwaitStep(paused, step + random_() % 200);
    v1::PauseJobRequest request;
    request.set_name(paused);
    v1::Job job;
    if (!training_->PauseJob(NewContext().get(), request, &job).ok()) break;  // It has ended.
    AwaitJob(paused, [](const v1::Job& now) { return now.state() != v1::JOB_STATE_PAUSING; });
    if (Get(paused).state() != v1::JOB_STATE_PAUSED) break;
    ++pauses;
    EXPECT_TRUE(server_->Workers().empty()) << "a paused job has no worker";
    Steer(&Training::ResumeJob, paused);
  }
  EXPECT_TRUE(WeightsOf(paused) == weights) << "paused " << pauses << " times";
  EXPECT_GE(pauses, 2);
  EXPECT_EQ(watcher.Finish().back().state().state(), v1::JOB_STATE_SUCCEEDED);
  for (const v1::Event& event : watcher.Finish()) {
    EXPECT_NE(event.log().level(), v1::LogLine::LEVEL_ERROR) << event.log().text();
  }
}

TEST_F(LifeTest, AStoppedJobEndsWellAndMayBeExtended) {
  StartServer();
  ImportPoints();
  const std::string weights = WeightsOf(Submit(Job(kEpochs), "whole").name());
  const std::string stopped = Submit(Job(kEpochs), "stopped").name();
  AwaitStep(stopped, 100);
  EXPECT_EQ(Steer(&Training::StopJob, stopped).state(), v1::JOB_STATE_STOPPING);
  const v1::Job job = Await(stopped, v1::JOB_STATE_SUCCEEDED);
  EXPECT_THAT(job.state_reason(), StartsWith("stopped by a client"));
  EXPECT_LT(job.progress().step(), kSteps);
  EXPECT_EQ(job.progress().checkpoint_step(), job.progress().step());
  Watcher watcher(server_.get(), stopped);
  bool evaluated = false;
  for (const v1::Event& event : watcher.Finish()) {
    evaluated |= event.has_evaluation() && event.step() == job.progress().step();
  }
  EXPECT_TRUE(evaluated) << "at its last step";
  Extend(stopped, kSteps);
  EXPECT_TRUE(WeightsOf(stopped) == weights);
}

TEST_F(LifeTest, CancelledAndFailedJobsGoOnFromTheirCheckpoint) {
  StartServer({"--max-restarts", "0"});
  ImportPoints();
  const std::string weights = WeightsOf(Submit(Job(kEpochs), "whole").name());
  const std::string cancelled = Submit(Job(kEpochs), "cancelled").name();
  AwaitStep(cancelled, 100);
  Steer(&Training::CancelJob, cancelled);
  EXPECT_GE(Await(cancelled, v1::JOB_STATE_CANCELLED).progress().checkpoint_step(), 100u);
  Steer(&Training::ResumeJob, cancelled);
  EXPECT_TRUE(WeightsOf(cancelled) == weights) << "cancelled";

  const std::string failed = Submit(Job(kEpochs), "failed").name();
  AwaitStep(failed, 100);
  for (pid_t worker : server_->Workers()) kill(worker, SIGKILL);
  EXPECT_THAT(Await(failed, v1::JOB_STATE_FAILED).error().message(), HasSubstr("SIGKILL"));
  EXPECT_FALSE(Steer(&Training::ResumeJob, failed).has_error());
  EXPECT_TRUE(WeightsOf(failed) == weights) << "failed";
}

TEST_F(LifeTest, AJobEndsWellWhenItsTimeIsOver) {
  StartServer();
  ImportPoints();
  v1::JobSpec spec = Job(1'000'000);
  spec.mutable_max_duration()->set_nanos(300'000'000);
  const v1::Job job = Await(Submit(spec, "limited").name(), v1::JOB_STATE_SUCCEEDED);
  EXPECT_THAT(job.state_reason(), StartsWith("max_duration of 300ms is over"));
  EXPECT_GT(job.progress().checkpoint_step(), 0u);
  EXPECT_GE(job.trained().seconds() * 1'000'000'000 + job.trained().nanos(), 300'000'000);
}

}  // namespace
}  // namespace traind::integration
