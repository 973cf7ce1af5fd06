// What people ask of jobs, in every state of theirs.
#include <gmock/gmock.h>

#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "core/base/enum_name.h"
#include "server/resources/job_state.h"
#include "tests/server/jobs/job_verbs_fixture.h"
#include "tests/server/resources/expected_verbs.h"

namespace traind::server {
namespace {

using ::testing::HasSubstr;

internal::Stop::Reason StopOf(v1::JobState state) {
  return state == v1::JOB_STATE_PAUSING      ? internal::Stop::REASON_PAUSE
         : state == v1::JOB_STATE_STOPPING   ? internal::Stop::REASON_FINISH
         : state == v1::JOB_STATE_CANCELLING ? internal::Stop::REASON_CANCEL
                                             : internal::Stop::REASON_UNSPECIFIED;
}

// Every pair: what is answered, stored, told to watchers and to the worker.
TEST_F(JobVerbsTest, DoInEachStateWhatTheDesignSays) {
  for (const ExpectedVerb& expected : ExpectedVerbs()) {
    for (size_t i = 0; i < kStates.size(); ++i) {
      SCOPED_TRACE(
          absl::StrCat(std::string(MethodOf(expected.verb)), " of a job that is ", core::EnumName(kStates[i])));
      StartWith(kStates[i]);
      ASSERT_FALSE(HasFatalFailure());
      const std::string before = Record("a");
      const size_t events = Events("a").size();
      const std::string& outcome = expected.outcomes[i];
      const auto asked = Ask(expected.verb);
      if (outcome == "no") {
        EXPECT_TRUE(absl::IsFailedPrecondition(asked.status())) << asked.status();
        EXPECT_THAT(std::string(asked.status().message()), HasSubstr("jobs/a is " + core::EnumName(kStates[i]) + ": "));
        EXPECT_EQ(Record("a"), before);
        continue;
      }
      ASSERT_TRUE(asked.ok()) << asked.status();
      if (outcome == "gone") {
        EXPECT_TRUE(absl::IsNotFound(manager_->Get("a").status()));
        EXPECT_TRUE(absl::IsNotFound(Ask(expected.verb).status()));
      } else if (outcome == "same") {
        EXPECT_EQ(asked->state(), kStates[i]);
        EXPECT_EQ(Record("a"), before);
      } else {
        EXPECT_EQ(core::EnumName(asked->state()), outcome);
        const std::vector<v1::Event> log = Events("a");
        ASSERT_GT(log.size(), events);
        EXPECT_EQ(log[events].state().state(), asked->state());
        EXPECT_EQ(log[events].state().reason(), asked->state_reason());
        EXPECT_NE(asked->state_reason(), "");
        EXPECT_EQ(asked->has_end_time(), IsTerminal(asked->state()));
        if (HasWorker(asked->state())) {
          EXPECT_EQ(worker_->Asked(), StopOf(asked->state()));
        }
      }
    }
  }
}

TEST_F(JobVerbsTest, TwiceIsOnce) {
  for (JobVerb verb : {JobVerb::kCancel, JobVerb::kPause, JobVerb::kResume, JobVerb::kStop}) {
    for (v1::JobState state : {v1::JOB_STATE_QUEUED, v1::JOB_STATE_RUNNING, v1::JOB_STATE_PAUSED}) {
      SCOPED_TRACE(absl::StrCat(std::string(MethodOf(verb)), " of a job that is ", core::EnumName(state)));
      StartWith(state);
      ASSERT_FALSE(HasFatalFailure());
      ASSERT_TRUE(Ask(verb).ok());
      const size_t states = States("a").size();
      EXPECT_TRUE(Ask(verb).ok());
      if (verb != JobVerb::kResume) {
        EXPECT_EQ(States("a").size(), states);
      }
    }
  }
}

TEST_F(JobVerbsTest, AnEtagThatIsNotTheJobsChangesNothing) {
  for (const ExpectedVerb& expected : ExpectedVerbs()) {
    for (v1::JobState state : kStates) {
      SCOPED_TRACE(absl::StrCat(std::string(MethodOf(expected.verb)), " of a job that is ", core::EnumName(state)));
      StartWith(state);
      ASSERT_FALSE(HasFatalFailure());
      const std::string before = Record("a");
      EXPECT_TRUE(absl::IsAborted(Ask(expected.verb, "another").status()));
      EXPECT_EQ(Record("a"), before);
    }
  }
}

TEST_F(JobVerbsTest, APausedJobFreesItsThreadsAndKeepsItsPlace) {
  StartWith(v1::JOB_STATE_RUNNING);
  Create("b");
  Create("c");
  ASSERT_TRUE(manager_->Pause("a").ok());
  const size_t before = launcher_.started();
  End(Kind::kStopped, v1::JOB_STATE_PAUSED);
  EXPECT_EQ(Get("a").state_reason(), "a resume goes on from step 10");
  auto b = launcher_.Await(before + 1);
  EXPECT_EQ(b->task.train().job(), "jobs/b");
  ASSERT_TRUE(manager_->Resume("a").ok());
  b->End(Kind::kFinished);
  EXPECT_EQ(launcher_.Await(before + 2)->task.train().job(), "jobs/a") << "it came before c";
}

TEST_F(JobVerbsTest, AResumedJobBeginsItsCountOfCrashesAnew) {
  StartWith(v1::JOB_STATE_RUNNING);
  const size_t before = launcher_.started();
  for (size_t i = 0; i < 3; ++i) launcher_.Await(before + i)->End(Kind::kCrashed, "exit code 3");
  EXPECT_EQ(AwaitState("a", v1::JOB_STATE_FAILED).restarts(), 2u);
  auto resumed = manager_->Resume("a");
  ASSERT_TRUE(resumed.ok()) << resumed.status();
  EXPECT_EQ(resumed->restarts(), 0u);
  EXPECT_FALSE(resumed->has_error());
  EXPECT_FALSE(resumed->has_end_time());
  EXPECT_EQ(resumed->state_reason(), "resumed by a client; going on from step 10");
  // What it says again is known, and what is new follows.
  auto worker = launcher_.Await(before + 3);
  ASSERT_TRUE(worker->Send({Checkpoint(10), Train(20, 0.5)}).ok());
  worker->End(Kind::kFinished);
  AwaitState("a", v1::JOB_STATE_SUCCEEDED);
  int checkpoints = 0;
  int64_t sequence = 0;
  for (const v1::Event& event : Events("a")) {
    EXPECT_EQ(event.sequence(), ++sequence);
    checkpoints += event.has_checkpoint();
  }
  EXPECT_EQ(checkpoints, 1);
}

TEST_F(JobVerbsTest, AJobThatWaitsIsStoppedAtItsCheckpointOnly) {
  StartWith(v1::JOB_STATE_QUEUED);
  Create("b");
  EXPECT_TRUE(absl::IsFailedPrecondition(manager_->Stop("b").status())) << "nothing was trained";
  ASSERT_TRUE(manager_->Pause("b").ok());
  EXPECT_TRUE(absl::IsFailedPrecondition(manager_->Stop("b").status()));
  auto stopped = manager_->Stop("a");
  ASSERT_TRUE(stopped.ok()) << stopped.status();
  EXPECT_EQ(stopped->state_reason(), "stopped by a client at its checkpoint of step 10");
}

TEST_F(JobVerbsTest, TheWishToStopOutlivesTheWorkerAndTheServer) {
  StartWith(v1::JOB_STATE_STOPPING);
  const size_t before = launcher_.started();
  worker_->End(Kind::kCrashed, "exit code 3");
  auto second = launcher_.Await(before + 1);
  EXPECT_EQ(second->AwaitStop(), internal::Stop::REASON_FINISH);
  EXPECT_EQ(AwaitState("a", v1::JOB_STATE_STOPPING, 2).restarts(), 1u);
  Stop();
  Start();
  auto third = launcher_.Await(before + 2);
  EXPECT_EQ(third->AwaitStop(), internal::Stop::REASON_FINISH);
  AwaitState("a", v1::JOB_STATE_STOPPING, 3);
  third->End(Kind::kFinished);
  const v1::Job job = AwaitState("a", v1::JOB_STATE_SUCCEEDED);
  EXPECT_EQ(job.stop_reason(), "");
}

TEST_F(JobVerbsTest, ACancelEndsAJobThatIsBeingEndedOtherwise) {
  for (v1::JobState state : {v1::JOB_STATE_PAUSING, v1::JOB_STATE_STOPPING}) {
    StartWith(state);
    ASSERT_TRUE(manager_->Cancel("a").ok());
    End(Kind::kStopped, v1::JOB_STATE_CANCELLED);
    EXPECT_EQ(Get("a").stop_reason(), "");
  }
}

TEST_F(JobVerbsTest, AreNotHeardWhileTheServerShutsDown) {
  StartWith(v1::JOB_STATE_PAUSED);
  manager_->Shutdown(absl::ZeroDuration());
  for (const ExpectedVerb& expected : ExpectedVerbs()) {
    const absl::Status status = Ask(expected.verb).status();
    EXPECT_TRUE(expected.verb == JobVerb::kExtend ? absl::IsFailedPrecondition(status) : absl::IsUnavailable(status))
        << status;
  }
}

}  // namespace
}  // namespace traind::server
