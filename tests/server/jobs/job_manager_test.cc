// The calls of clients.
#include "server/jobs/job_manager.h"

#include <gmock/gmock.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "tests/server/jobs/job_manager_fixture.h"

namespace traind::server {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

TEST_F(JobManagerTest, CancelsAQueuedJobAtOnce) {
  Create("a");
  launcher_.Await(1);
  Create("b");
  auto cancelled = manager_->Cancel("b");
  ASSERT_TRUE(cancelled.ok()) << cancelled.status();
  EXPECT_EQ(cancelled->state(), v1::JOB_STATE_CANCELLED);
  EXPECT_EQ(manager_->Cancel("b")->state(), v1::JOB_STATE_CANCELLED) << "again is no error";
  EXPECT_THAT(States("b"), ElementsAre(v1::JOB_STATE_QUEUED, v1::JOB_STATE_CANCELLED));
}

TEST_F(JobManagerTest, CancelsARunningJobThroughCancelling) {
  Create("a");
  auto worker = launcher_.Await(1);
  EXPECT_EQ(manager_->Cancel("a")->state(), v1::JOB_STATE_CANCELLING);
  EXPECT_EQ(worker->AwaitStop(), internal::Stop::REASON_CANCEL);
  EXPECT_EQ(manager_->Cancel("a")->state(), v1::JOB_STATE_CANCELLING) << "again is no error";
  ASSERT_TRUE(worker->Send({Checkpoint(7)}).ok());
  worker->End(Kind::kStopped);
  EXPECT_EQ(AwaitState("a", v1::JOB_STATE_CANCELLED).progress().checkpoint_step(), 7u);
}

TEST_F(JobManagerTest, ACancelThatComesTooLateLeavesTheJobAsItEnded) {
  const std::pair<Kind, v1::JobState> ends[] = {{Kind::kFinished, v1::JOB_STATE_SUCCEEDED},
                                                {Kind::kTaskFailed, v1::JOB_STATE_FAILED},
                                                {Kind::kCrashed, v1::JOB_STATE_CANCELLED}};
  size_t n = 0;
  for (const auto& [kind, state] : ends) {
    const std::string id = "job-" + std::to_string(++n);
    Create(id);
    auto worker = launcher_.Await(n);
    ASSERT_TRUE(manager_->Cancel(id).ok());
    worker->End(kind);
    AwaitState(id, state);
    EXPECT_EQ(manager_->Cancel(id).ok(), state == v1::JOB_STATE_CANCELLED);
    if (state != v1::JOB_STATE_CANCELLED) {
      EXPECT_TRUE(absl::IsFailedPrecondition(manager_->Cancel(id).status()));
    }
  }
  EXPECT_EQ(launcher_.started(), n) << "none was restarted";
  EXPECT_TRUE(absl::IsNotFound(manager_->Cancel("none").status()));
}

TEST_F(JobManagerTest, RefusesWhatCannotBeCreated) {
  Create("a");
  EXPECT_TRUE(absl::IsAlreadyExists(Submit(NewJob("a")).status()));
  EXPECT_TRUE(absl::IsResourceExhausted(Submit(NewJob("b", 3)).status()));
  JobManager::NewJob lost = NewJob("b");
  lost.job.mutable_resolved_spec()->mutable_data()->set_dataset("datasets/gone");
  EXPECT_TRUE(absl::IsInvalidArgument(Submit(lost).status()));
  EXPECT_TRUE(absl::IsNotFound(manager_->Get("b").status()));
}

TEST_F(JobManagerTest, AnswersARepeatedRequestWithTheFirstJob) {
  JobManager::NewJob request = NewJob("");
  request.job.set_request_id("r");
  auto first = Submit(request);
  ASSERT_TRUE(first.ok());
  EXPECT_THAT(first->name(), ::testing::StartsWith("jobs/job-"));
  request.job.set_name("jobs/other");
  auto second = Submit(request);
  ASSERT_TRUE(second.ok());
  EXPECT_EQ(second->name(), first->name());
  request.job.mutable_spec()->set_seed(2);
  const absl::Status other = Submit(request).status();
  EXPECT_TRUE(absl::IsInvalidArgument(other)) << "another spec is another request";
  EXPECT_THAT(std::string(other.message()), HasSubstr(first->name()));
}

TEST_F(JobManagerTest, ANewJobFindsNoFilesOfAnEarlierOne) {
  // A job was deleted, but its files could not be.
  std::filesystem::create_directories(folder_->CheckpointDir("a") + "/7");
  Create("a");
  EXPECT_FALSE(std::filesystem::exists(folder_->CheckpointDir("a")));
}

TEST_F(JobManagerTest, ACreationThatFailsLeavesTheWeightsOfItsNamesakeAlone) {
  std::vector<std::string> weights;
  for (const char* content : {"first", "second"}) {
    weights.push_back(path_.path() + "/" + content);
    std::ofstream(weights.back()) << content;
  }
  // Two calls at once for one id, a few times: whose job it is, his are the weights.
  for (const char* id : {"a", "b", "c", "d"}) {
    std::vector<absl::Status> created(2);
    std::vector<std::thread> calls;
    for (size_t i = 0; i < created.size(); ++i) {
      calls.emplace_back([&, i] {
        JobManager::NewJob request = NewJob(id);
        request.weights_file = weights[i];
        created[i] = Submit(std::move(request)).status();
      });
    }
    for (std::thread& call : calls) call.join();
    ASSERT_NE(created[0].ok(), created[1].ok());
    std::string kept;
    std::ifstream(folder_->InitialWeights(id)) >> kept;
    EXPECT_EQ(kept, created[0].ok() ? "first" : "second");
  }
}

TEST_F(JobManagerTest, ABoundedPageHasAsManyJobsAsFit) {
  for (const char* id : {"a", "b", "c"}) {
    JobManager::NewJob request = NewJob(id);
    request.job.mutable_spec()->set_display_name(std::string(size_t{2} << 20, 'x'));
    ASSERT_TRUE(Submit(std::move(request)).ok());
  }
  std::vector<std::string> names;
  v1::ListJobsRequest request;
  do {
    auto page = manager_->List(request);
    ASSERT_TRUE(page.ok()) << page.status();
    EXPECT_LT(page->ByteSizeLong(), size_t{4} << 20);
    for (const v1::Job& job : page->jobs()) names.push_back(job.name());
    request.set_page_token(page->next_page_token());
  } while (!request.page_token().empty());
  EXPECT_THAT(names, ElementsAre("jobs/c", "jobs/b", "jobs/a"));
}

TEST_F(JobManagerTest, DeletesRowsAndFilesOfATerminalJobOnly) {
  Create("a");
  auto worker = launcher_.Await(1);
  EXPECT_TRUE(absl::IsFailedPrecondition(manager_->Delete("a")));
  std::filesystem::create_directories(folder_->CheckpointDir("a"));
  worker->End(Kind::kFinished);
  AwaitState("a", v1::JOB_STATE_SUCCEEDED);
  ASSERT_TRUE(manager_->Delete("a").ok());
  EXPECT_FALSE(folder_->Exists("jobs", "a"));
  EXPECT_TRUE(absl::IsNotFound(manager_->Delete("a")));
  EXPECT_EQ(Create("a").last_sequence(), 1) << "the id is free again";
}

TEST_F(JobManagerTest, KeepsADatasetThatAJobNeeds) {
  Create("a");
  auto worker = launcher_.Await(1);
  bool removed = false;
  const auto remove = [&] {
    removed = true;
    return absl::OkStatus();
  };
  EXPECT_TRUE(absl::IsFailedPrecondition(manager_->RemoveDataset("datasets/digits", remove)));
  EXPECT_FALSE(removed);
  worker->End(Kind::kFinished);
  AwaitState("a", v1::JOB_STATE_SUCCEEDED);
  EXPECT_TRUE(manager_->RemoveDataset("datasets/digits", remove).ok());
  EXPECT_TRUE(removed);
}

TEST_F(JobManagerTest, PinsInitialWeights) {
  const std::string weights = path_.path() + "/weights";
  std::ofstream(weights) << "w";
  JobManager::NewJob request = NewJob("a");
  request.weights_file = weights;
  request.job.mutable_resolved_spec()->mutable_initial_weights()->set_model("models/m");
  ASSERT_TRUE(Submit(request).ok());
  std::filesystem::remove(weights);
  EXPECT_TRUE(std::filesystem::exists(launcher_.Await(1)->task.weights_path()));
}

TEST_F(JobManagerTest, PagesThroughJobsAndChecksTokens) {
  for (const char* id : {"a", "b", "c"}) Create(id);
  v1::ListJobsRequest request;
  request.set_page_size(2);
  auto first = manager_->List(request);
  ASSERT_TRUE(first.ok());
  ASSERT_EQ(first->jobs_size(), 2);
  EXPECT_EQ(first->jobs(0).name(), "jobs/c");
  EXPECT_FALSE(first->jobs(0).has_resolved_spec());
  request.set_page_token(first->next_page_token());
  auto second = manager_->List(request);
  ASSERT_TRUE(second.ok());
  ASSERT_EQ(second->jobs_size(), 1);
  EXPECT_EQ(second->jobs(0).name(), "jobs/a");
  EXPECT_EQ(second->next_page_token(), "");
  request.add_states(v1::JOB_STATE_FAILED);
  EXPECT_TRUE(absl::IsInvalidArgument(manager_->List(request).status())) << "another filter";
  for (const char* token : {"x", "-", "0-0", "1-", "ffffffffffffffffff-0", "-1-0"}) {
    request.clear_states();
    request.set_page_token(token);
    EXPECT_TRUE(absl::IsInvalidArgument(manager_->List(request).status())) << token;
  }
  request.clear_page_token();
  request.set_page_size(-1);
  EXPECT_TRUE(absl::IsInvalidArgument(manager_->List(request).status()));
}

TEST_F(JobManagerTest, ValidatesLikeACreationAndStoresNothing) {
  JobManager::NewJob request = NewJob("a");
  request.job.set_request_id("r");
  auto valid = Submit(request, /*validate_only=*/true);
  ASSERT_TRUE(valid.ok()) << valid.status();
  EXPECT_EQ(valid->SerializeAsString(), request.job.SerializeAsString()) << "as it was admitted";
  EXPECT_TRUE(absl::IsNotFound(manager_->Get("a").status()));
  EXPECT_EQ(Submit(NewJob(""), /*validate_only=*/true)->name(), "");
  EXPECT_TRUE(absl::IsResourceExhausted(Submit(NewJob("b", 3), /*validate_only=*/true).status()));
  ASSERT_TRUE(Submit(request).ok());
  EXPECT_TRUE(absl::IsAlreadyExists(Submit(NewJob("a"), /*validate_only=*/true).status()));
  EXPECT_GE(Submit(request, /*validate_only=*/true)->last_sequence(), 1) << "the job of the earlier request";
}

TEST_F(JobManagerTest, AnEarlierRequestIsAnsweredBeforeAdmissionAndARefusalAsItIs) {
  JobManager::NewJob request = NewJob("a");
  request.job.set_request_id("r");
  ASSERT_TRUE(Submit(request).ok());
  const auto refuse = [](const v1::CreateJobRequest&) { return absl::DataLossError("no"); };
  v1::CreateJobRequest again;
  again.set_request_id("r");
  EXPECT_EQ(manager_->Create(again, refuse)->name(), "jobs/a");
  again.set_request_id("s");
  EXPECT_EQ(manager_->Create(again, refuse).status(), absl::DataLossError("no"));
}

}  // namespace
}  // namespace traind::server
