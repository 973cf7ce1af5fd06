// Jobs from submission to their end, undisturbed: events, watching, cancelling, scheduling.
#include <algorithm>
#include <cstdio>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/integration/fixture.h"

namespace traind::integration {
namespace {

using ::testing::HasSubstr;

// Far more steps than a test waits for.
constexpr uint64_t kEndless = 100'000'000;

class JobsTest : public IntegrationTest {
 protected:
  void SetUp() override {
    StartServer();
    ImportPoints();
  }

  v1::JobSpec EndlessJob() {
    v1::JobSpec spec = PointsJob(kEndless);
    spec.set_metrics_every_steps(2000);
    spec.mutable_evaluation()->set_every_steps(0);
    spec.mutable_statistics()->set_every_steps(0);
    spec.mutable_checkpoint()->set_every_steps(0);
    return spec;
  }
  grpc::Status Cancel(const std::string& name, v1::Job* job) {
    v1::CancelJobRequest request;
    request.set_name(name);
    return training_->CancelJob(NewContext().get(), request, job);
  }
  grpc::Status Delete(const std::string& name) {
    v1::DeleteJobRequest request;
    request.set_name(name);
    google::protobuf::Empty nothing;
    return training_->DeleteJob(NewContext().get(), request, &nothing);
  }
  void AwaitSteps(const std::string& name) {
    AwaitJob(name,
             [](const v1::Job& job) { return job.state() == v1::JOB_STATE_RUNNING && job.progress().step() > 0; });
  }
  std::vector<v1::Event> Events(const v1::WatchJobRequest& request) {
    const auto context = NewContext();
    const auto stream = training_->WatchJob(context.get(), request);
    std::vector<v1::Event> events;
    for (v1::WatchJobResponse response; stream->Read(&response);) {
      events.insert(events.end(), response.events().begin(), response.events().end());
    }
    const grpc::Status status = stream->Finish();
    EXPECT_TRUE(status.ok()) << status.error_message();
    return events;
  }
};

TEST_F(JobsTest, SubmitAndWatchToTheEnd) {
  v1::JobSpec spec = PointsJob(400);
  spec.set_metrics_every_steps(10);
  const v1::Job submitted = Submit(spec, "first");
  EXPECT_EQ(submitted.name(), "jobs/first");
  EXPECT_EQ(submitted.progress().total_steps(), 400u);
  Watcher watcher(server_.get(), submitted.name());
  const std::vector<v1::Event>& events = watcher.Finish();
  ASSERT_GE(events.size(), 3u);
  EXPECT_EQ(events[0].state().state(), v1::JOB_STATE_QUEUED);
  EXPECT_EQ(events[1].state().state(), v1::JOB_STATE_RUNNING);
  EXPECT_EQ(events.back().state().state(), v1::JOB_STATE_SUCCEEDED);

  std::vector<uint64_t> steps_with_metrics;
  double accuracy = 0;
  double first_loss = 0;
  double last_loss = 0;
  for (const v1::Event& event : events) {
    EXPECT_TRUE(event.has_time());
    if (event.has_train()) {
      if (steps_with_metrics.empty()) first_loss = event.train().loss();
      last_loss = event.train().loss();
      steps_with_metrics.push_back(event.step());
      EXPECT_DOUBLE_EQ(event.epoch(), static_cast<double>(event.step()) / (kTrainExamples / 32));
      EXPECT_EQ(event.timing().data_wait_ms() > 0, event.step() > 1);
      EXPECT_LE(event.timing().data_wait_ms(), event.timing().step_ms());
    }
    if (event.has_evaluation()) {
      EXPECT_EQ(event.evaluation().examples(), kTestExamples);
      accuracy = event.evaluation().accuracy();
    }
    if (event.has_statistics()) {
      ASSERT_EQ(event.statistics().layers_size(), 2);
      EXPECT_EQ(event.statistics().layers(0).layer(), "hidden");
      EXPECT_EQ(event.statistics().layers(0).count(), 32 * 16);
    }
  }
  EXPECT_GE(steps_with_metrics.size(), 40u);
  const auto first_step = std::find_if(events.begin(), events.end(), [](const v1::Event& e) { return e.has_train(); });
  ASSERT_NE(first_step, events.end());
  // Not a limit here, because a test must not depend on how busy the machine is.
  std::printf("from submission to the first step: %.0f ms\n",
              absl::ToDoubleMilliseconds(TimeOf(first_step->time()) - TimeOf(events[0].time())));
  EXPECT_TRUE(std::is_sorted(steps_with_metrics.begin(), steps_with_metrics.end()));
  EXPECT_LT(last_loss, first_loss / 2);
  EXPECT_GT(accuracy, 0.9);

  const v1::Job job = Get(submitted.name());
  EXPECT_EQ(job.state(), v1::JOB_STATE_SUCCEEDED);
  EXPECT_EQ(job.progress().step(), 400u);
  EXPECT_EQ(job.progress().checkpoint_step(), 400u);
  EXPECT_EQ(job.last_sequence(), static_cast<int64_t>(events.size()));
  EXPECT_EQ(job.attempts(), 1u);
  EXPECT_EQ(job.restarts(), 0u);
}

TEST_F(JobsTest, WatchGoesOnAfterANumberAndFilters) {
  const v1::Job job = Submit(PointsJob(50));
  Watcher watcher(server_.get(), job.name());
  const std::vector<v1::Event> all = watcher.Finish();
  v1::WatchJobRequest request;
  request.set_name(job.name());
  for (size_t after = 0; after <= all.size(); ++after) {
    request.set_after_sequence(static_cast<int64_t>(after));
    const std::vector<v1::Event> rest = Events(request);
    ASSERT_EQ(rest.size(), all.size() - after);
    for (size_t i = 0; i < rest.size(); ++i) {
      EXPECT_EQ(rest[i].SerializeAsString(), all[after + i].SerializeAsString());
    }
  }
  request.set_after_sequence(0);
  request.add_kinds(v1::EVENT_KIND_EVALUATION);
  int evaluations = 0;
  for (const v1::Event& event : Events(request)) {
    EXPECT_TRUE(event.has_state() || event.has_evaluation());
    evaluations += event.has_evaluation();
  }
  EXPECT_GE(evaluations, 1);

  request.set_after_sequence(static_cast<int64_t>(all.size()) + 1);
  const auto context = NewContext();
  const auto stream = training_->WatchJob(context.get(), request);
  v1::WatchJobResponse response;
  EXPECT_FALSE(stream->Read(&response));
  EXPECT_EQ(stream->Finish().error_code(), grpc::StatusCode::OUT_OF_RANGE);
}

TEST_F(JobsTest, ALossThatIsNoLongerFiniteFailsTheJob) {
  v1::JobSpec spec = PointsJob(1000);
  spec.mutable_network()->mutable_layers(0)->mutable_activation()->mutable_identity();
  spec.mutable_loss()->mutable_mean_squared_error();
  spec.mutable_optimizer()->set_learning_rate(1e6);
  const v1::Job submitted = Submit(spec);
  Watcher watcher(server_.get(), submitted.name());
  const v1::Event last = watcher.Finish().back();
  EXPECT_EQ(last.state().state(), v1::JOB_STATE_FAILED);
  const v1::Job job = Get(submitted.name());
  EXPECT_EQ(job.error().code(), grpc::StatusCode::ABORTED) << job.error().message();
  EXPECT_THAT(job.error().message(), HasSubstr("step"));
  EXPECT_EQ(job.restarts(), 0u) << "trying again would fail again";
  v1::Job cancelled;
  EXPECT_EQ(Cancel(submitted.name(), &cancelled).error_code(), grpc::StatusCode::FAILED_PRECONDITION);
}

TEST_F(JobsTest, CancelInEveryState) {
  v1::JobSpec spec = EndlessJob();
  spec.set_threads(2);  // All there are: the next job waits.
  const std::string running = Submit(spec).name();
  AwaitSteps(running);
  const std::string queued = Submit(PointsJob(10)).name();
  EXPECT_EQ(Get(queued).state(), v1::JOB_STATE_QUEUED);
  v1::Job job;
  ASSERT_TRUE(Cancel(queued, &job).ok());
  EXPECT_EQ(job.state(), v1::JOB_STATE_CANCELLED);
  ASSERT_TRUE(Cancel(queued, &job).ok()) << "idempotent";
  EXPECT_EQ(Delete(running).error_code(), grpc::StatusCode::FAILED_PRECONDITION);

  Watcher watcher(server_.get(), running);
  ASSERT_TRUE(Cancel(running, &job).ok());
  EXPECT_EQ(job.state(), v1::JOB_STATE_CANCELLING);
  ASSERT_TRUE(Cancel(running, &job).ok()) << "idempotent";
  EXPECT_EQ(watcher.Finish().back().state().state(), v1::JOB_STATE_CANCELLED);
  job = Get(running);
  EXPECT_EQ(job.state(), v1::JOB_STATE_CANCELLED);
  EXPECT_GT(job.progress().checkpoint_step(), 0u) << "it leaves a checkpoint";
  EXPECT_EQ(job.progress().checkpoint_step(), job.progress().step());
  EXPECT_FALSE(Download(running + "/checkpoints/latest").empty());

  const std::string done = Submit(PointsJob(10)).name();
  Watcher(server_.get(), done).Finish();
  EXPECT_EQ(Cancel(done, &job).error_code(), grpc::StatusCode::FAILED_PRECONDITION);
  EXPECT_EQ(Cancel("jobs/nobody", &job).error_code(), grpc::StatusCode::NOT_FOUND);

  for (const std::string& name : {running, queued, done}) {
    EXPECT_TRUE(Delete(name).ok()) << name;
    EXPECT_EQ(Delete(name).error_code(), grpc::StatusCode::NOT_FOUND) << name;
  }
  EXPECT_TRUE(server_->Workers().empty());
}

TEST_F(JobsTest, TwoJobsRunAtOnceAndDoNotDisturbEachOther) {
  const std::string alone = Submit(PointsJob(300)).name();
  Watcher alone_watcher(server_.get(), alone);
  alone_watcher.Finish();
  const std::string endless = Submit(EndlessJob()).name();
  AwaitSteps(endless);
  const std::string beside = Submit(PointsJob(300)).name();
  Watcher beside_watcher(server_.get(), beside);
  EXPECT_EQ(beside_watcher.Finish().back().state().state(), v1::JOB_STATE_SUCCEEDED);
  EXPECT_EQ(Get(endless).state(), v1::JOB_STATE_RUNNING);
  ExpectSame(Computed(beside_watcher.Finish()), Computed(alone_watcher.Finish()));
  EXPECT_TRUE(Download(beside + "/checkpoints/latest") == Download(alone + "/checkpoints/latest"));
  v1::Job job;
  EXPECT_TRUE(Cancel(endless, &job).ok());
  Watcher(server_.get(), endless).Finish();
}

TEST_F(JobsTest, HigherPriorityRunsFirstAndEqualsInOrderOfArrival) {
  v1::JobSpec blocker = EndlessJob();
  blocker.set_threads(2);
  const std::string blocking = Submit(blocker).name();
  AwaitSteps(blocking);
  struct Waiting {
    std::string name;
    int32_t priority;
  };
  std::vector<Waiting> expected;
  for (int32_t priority : {0, 5, 0, 5, -1}) {
    v1::JobSpec spec = PointsJob(20);
    spec.set_threads(2);
    spec.set_priority(priority);
    expected.push_back({Submit(spec).name(), priority});
  }
  std::stable_sort(expected.begin(), expected.end(),
                   [](const Waiting& a, const Waiting& b) { return a.priority > b.priority; });
  v1::Job job;
  ASSERT_TRUE(Cancel(blocking, &job).ok());
  absl::Time previous_end = absl::InfinitePast();
  for (const Waiting& waiting : expected) {
    Watcher(server_.get(), waiting.name).Finish();
    job = Get(waiting.name);
    EXPECT_GE(TimeOf(job.start_time()), previous_end) << waiting.name << " did not wait for its turn";
    previous_end = TimeOf(job.end_time());
  }
}

// Watchers of every kind see the same: from the beginning or late, quick or asleep until the end.
TEST_F(JobsTest, TwoHundredWatchersOnOneJob) {
  constexpr int kWatchers = 200;
  v1::JobSpec spec = PointsJob(2000);
  spec.set_metrics_every_steps(5);
  const std::string name = Submit(spec).name();
  v1::WatchJobRequest request;
  request.set_name(name);
  const auto sleeper_context = NewContext();
  const auto sleeper = training_->WatchJob(sleeper_context.get(), request);
  std::vector<std::vector<v1::Event>> seen(kWatchers);
  {
    std::vector<std::thread> threads;
    for (int i = 0; i < kWatchers; ++i)
      threads.emplace_back([&, i] { seen[static_cast<size_t>(i)] = Events(request); });
    for (std::thread& thread : threads) thread.join();
  }
  std::vector<v1::Event> slept;
  for (v1::WatchJobResponse response; sleeper->Read(&response);) {
    slept.insert(slept.end(), response.events().begin(), response.events().end());
  }
  EXPECT_TRUE(sleeper->Finish().ok());
  ASSERT_GT(slept.size(), 400u);
  EXPECT_EQ(slept.back().state().state(), v1::JOB_STATE_SUCCEEDED);
  for (size_t i = 0; i < slept.size(); ++i) ASSERT_EQ(slept[i].sequence(), static_cast<int64_t>(i) + 1);
  for (const std::vector<v1::Event>& events : seen) {
    ASSERT_EQ(events.size(), slept.size());
    for (size_t i = 0; i < events.size(); ++i) {
      ASSERT_EQ(events[i].SerializeAsString(), slept[i].SerializeAsString());
    }
  }
}

}  // namespace
}  // namespace traind::integration
