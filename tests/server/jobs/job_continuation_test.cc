// How jobs live on: over restarts of the server, extended, forked, and until their time is over.
#include <gmock/gmock.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "core/base/enum_name.h"
#include "tests/server/jobs/job_verbs_fixture.h"

namespace traind::server {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

TEST_F(JobVerbsTest, ARestartOfTheServerFindsEachStateAgain) {
  const std::map<v1::JobState, v1::JobState> expected = {
      {v1::JOB_STATE_QUEUED, v1::JOB_STATE_RUNNING},      {v1::JOB_STATE_RUNNING, v1::JOB_STATE_RUNNING},
      {v1::JOB_STATE_PAUSING, v1::JOB_STATE_PAUSED},      {v1::JOB_STATE_PAUSED, v1::JOB_STATE_PAUSED},
      {v1::JOB_STATE_STOPPING, v1::JOB_STATE_STOPPING},   {v1::JOB_STATE_CANCELLING, v1::JOB_STATE_CANCELLED},
      {v1::JOB_STATE_SUCCEEDED, v1::JOB_STATE_SUCCEEDED}, {v1::JOB_STATE_FAILED, v1::JOB_STATE_FAILED},
      {v1::JOB_STATE_CANCELLED, v1::JOB_STATE_CANCELLED},
  };
  for (const auto& [state, then] : expected) {
    SCOPED_TRACE(core::EnumName(state));
    StartWith(state);
    ASSERT_FALSE(HasFatalFailure());
    if (state == v1::JOB_STATE_QUEUED) {  // Of its blocker the restarted server knows nothing.
      ASSERT_TRUE(manager_->Cancel("blocker").ok());
    }
    const std::vector<v1::JobState> before = States("a");
    const int seen = static_cast<int>(std::count(before.begin(), before.end(), then));
    Stop();
    Start();
    AwaitState("a", then, state == then && !HasWorker(state) ? seen : seen + 1);
    EXPECT_EQ(manager_->Resume("a").ok(), then != v1::JOB_STATE_STOPPING && then != v1::JOB_STATE_SUCCEEDED);
  }
}

TEST_F(JobVerbsTest, AnExtendedJobTrainsOn) {
  StartWith(v1::JOB_STATE_SUCCEEDED);
  auto valid = Extend("", /*validate_only=*/true);
  ASSERT_TRUE(valid.ok()) << valid.status();
  EXPECT_EQ(valid->progress().total_steps(), 200u);
  EXPECT_EQ(Get("a").state(), v1::JOB_STATE_SUCCEEDED);
  const size_t before = launcher_.started();
  auto extended = Extend();
  ASSERT_TRUE(extended.ok()) << extended.status();
  EXPECT_EQ(extended->state_reason(), "extended by a client to 200 steps; going on from step 10");
  EXPECT_THAT(extended->warnings(), ElementsAre("longer"));
  auto worker = launcher_.Await(before + 1);
  EXPECT_EQ(worker->task.train().spec().steps(), 200u);
  EXPECT_EQ(Get("a").progress().total_steps(), 200u);
  EXPECT_EQ(Get("a").spec().steps(), 200u);
}

TEST_F(JobVerbsTest, AResumedJobGoesOnFromTheCheckpointThatIsLeft) {
  StartWith(v1::JOB_STATE_CANCELLED);
  ASSERT_TRUE(Save(folder_->CheckpointDir("a"), 7).ok());
  std::filesystem::remove_all(folder_->CheckpointDir("a") + "/step-000000000010");
  auto resumed = manager_->Resume("a");
  ASSERT_TRUE(resumed.ok()) << resumed.status();
  EXPECT_EQ(resumed->state_reason(), "resumed by a client; going on from step 7");
}

TEST_F(JobVerbsTest, AJobWhoseDatasetIsGoneOrThatIsTooLargeDoesNotGoOn) {
  StartWith(v1::JOB_STATE_CANCELLED);
  const auto remove = [&] {
    std::filesystem::remove(folder_->Item("datasets", "digits"));
    return absl::OkStatus();
  };
  ASSERT_TRUE(manager_->RemoveDataset("datasets/digits", "", true, remove).ok());
  const absl::Status gone = manager_->Resume("a").status();
  EXPECT_TRUE(absl::IsFailedPrecondition(gone));
  EXPECT_EQ(gone.message(), "jobs/a cannot go on: datasets/digits was deleted");
  capacity_.threads = 1;
  Stop();
  Start();
  EXPECT_TRUE(absl::IsResourceExhausted(manager_->Resume("a").status()));
}

TEST_F(JobVerbsTest, ADatasetStaysWhileAJobMayGoOn) {
  const auto remove = [] { return absl::OkStatus(); };
  StartWith(v1::JOB_STATE_PAUSED);
  EXPECT_TRUE(absl::IsFailedPrecondition(manager_->RemoveDataset("datasets/digits", "", false, remove)));
  StartWith(v1::JOB_STATE_FAILED);
  ASSERT_TRUE(manager_->Resume("a").ok());
  EXPECT_TRUE(absl::IsFailedPrecondition(manager_->RemoveDataset("datasets/digits", "", false, remove)));
}

TEST_F(JobVerbsTest, AJobEndsWellWhenItsTimeIsOver) {
  JobManager::NewJob request = NewJob("limited");
  request.job.mutable_resolved_spec()->mutable_max_duration()->set_nanos(1);
  request.job.mutable_progress()->set_total_steps(100);
  ASSERT_TRUE(Submit(request).ok());
  auto worker = launcher_.Await(1);
  EXPECT_EQ(worker->AwaitStop(), internal::Stop::REASON_FINISH);
  EXPECT_EQ(AwaitState("limited", v1::JOB_STATE_STOPPING).state_reason(), "max_duration of 1ns is over");
  worker->End(Kind::kFinished);
  const v1::Job job = AwaitState("limited", v1::JOB_STATE_SUCCEEDED);
  EXPECT_EQ(job.state_reason(), "max_duration of 1ns is over");
  EXPECT_GT(job.trained().nanos(), 0);
  const auto extend = [](v1::Job extended) { return absl::StatusOr<v1::Job>(std::move(extended)); };
  const absl::Status over = manager_->Extend("limited", v1::ExtendJobRequest(), extend).status();
  EXPECT_TRUE(absl::IsFailedPrecondition(over)) << over;
  EXPECT_THAT(std::string(over.message()), HasSubstr("fork"));
}

TEST_F(JobVerbsTest, TrainingTimeAddsUpOverAttempts) {
  StartWith(v1::JOB_STATE_PAUSED);
  const int64_t first = Get("a").trained().nanos() + Get("a").trained().seconds() * 1'000'000'000;
  EXPECT_GT(first, 0);
  const size_t before = launcher_.started();
  ASSERT_TRUE(manager_->Resume("a").ok());
  launcher_.Await(before + 1)->End(Kind::kFinished);
  const v1::Job job = AwaitState("a", v1::JOB_STATE_SUCCEEDED);
  EXPECT_GT(job.trained().nanos() + job.trained().seconds() * 1'000'000'000, first);
}

TEST_F(JobVerbsTest, TheTimeOfAnAttemptUnderAServerThatWasKilledCounts) {
  StartWith(v1::JOB_STATE_RUNNING);
  Stop();
  auto stored = store_->GetJob("a");
  ASSERT_TRUE(stored.ok());
  *stored->job.mutable_update_time() = stored->job.create_time();
  stored->job.mutable_update_time()->set_seconds(stored->job.create_time().seconds() - 5);
  ASSERT_TRUE(store_->UpdateJob(stored->key, stored->job, {}).ok());
  Start();
  EXPECT_GE(Get("a").trained().seconds(), 5);
}

TEST_F(JobVerbsTest, AForkHasItsParentsCheckpointWhateverBecomesOfThat) {
  StartWith(v1::JOB_STATE_CANCELLED);
  const size_t before = launcher_.started();
  auto fork = Fork("b");
  ASSERT_TRUE(fork.ok()) << fork.status();
  EXPECT_EQ(fork->state_reason(), "forked from jobs/a/checkpoints/10");
  EXPECT_EQ(Events("b").front().state().reason(), fork->state_reason());
  ASSERT_TRUE(manager_->Delete("a").ok());
  auto worker = launcher_.Await(before + 1);
  EXPECT_EQ(worker->task.train().forked_from(), "jobs/a/checkpoints/10");
  auto found = core::FindCheckpoint(worker->task.train().checkpoint_dir(), "latest");
  ASSERT_TRUE(found.ok()) << found.status();
  EXPECT_EQ(found->manifest.step(), 10u);
}

TEST_F(JobVerbsTest, AForkThatCannotBeStoredLeavesNothing) {
  StartWith(v1::JOB_STATE_CANCELLED);
  for (const char* operation : {"create", "fsync", "rename"}) {
    static const char* failing;
    failing = operation;
    core::SetFileFaultForTest([](absl::string_view what, const std::string&) { return what == failing ? ENOSPC : 0; });
    const auto fork = Fork("b");
    core::SetFileFaultForTest(nullptr);
    EXPECT_TRUE(absl::IsResourceExhausted(fork.status())) << operation << ": " << fork.status();
    EXPECT_TRUE(absl::IsNotFound(manager_->Get("b").status()));
    EXPECT_FALSE(folder_->Exists("jobs", "b"));
    Stop();
    Start();
    EXPECT_TRUE(std::filesystem::is_empty(folder_->path() + "/trash"));
  }
  EXPECT_TRUE(Fork("b").ok());
}

}  // namespace
}  // namespace traind::server
