// The calls of clients.
#include "server/jobs/job_manager.h"

#include <gmock/gmock.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "server/resources/etag.h"
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

TEST_F(JobManagerTest, ARequestIsRememberedWhenItsJobIsGone) {
  const JobManager::NewJob admitted = NewJob("a");
  const auto admit = [&](const v1::CreateJobRequest&) { return admitted; };
  v1::CreateJobRequest request;
  request.set_job_id("a");
  request.set_request_id("r");
  ASSERT_TRUE(manager_->Create(request, admit).ok());
  request.set_view(v1::JOB_VIEW_BASIC);
  EXPECT_EQ(manager_->Create(request, admit)->name(), "jobs/a") << "the view is no part of what is asked for";
  v1::CreateJobRequest other = request;
  other.set_job_id("b");
  EXPECT_TRUE(absl::IsInvalidArgument(manager_->Create(other, admit).status()));
  launcher_.Await(1)->End(Kind::kFinished);
  AwaitState("a", v1::JOB_STATE_SUCCEEDED);
  ASSERT_TRUE(manager_->Delete("a").ok());
  for (int again = 0; again < 2; ++again) {
    const absl::Status deleted = manager_->Create(request, admit).status();
    EXPECT_TRUE(absl::IsFailedPrecondition(deleted)) << deleted;
    EXPECT_THAT(std::string(deleted.message()), HasSubstr("jobs/a, which this request made, was deleted at"));
    if (again == 0) Create("a");  // Another job of this name changes nothing.
  }
}

TEST_F(JobManagerTest, GivesAJobItsIdentity) {
  JobManager::NewJob request = NewJob("a");
  request.job.mutable_spec()->set_display_name("LeNet");
  request.job.mutable_spec()->set_priority(3);
  (*request.job.mutable_spec()->mutable_labels())["team"] = "vision";
  const v1::Job created = *Submit(request);
  EXPECT_EQ(created.uid().size(), 36u);
  EXPECT_EQ(created.display_name(), "LeNet");
  EXPECT_EQ(created.priority(), 3);
  EXPECT_EQ(created.labels().at("team"), "vision");
  EXPECT_EQ(created.dataset(), "datasets/digits");
  EXPECT_EQ(created.etag(), EtagOf(created));
  launcher_.Await(1);
  const v1::Job running = AwaitState("a", v1::JOB_STATE_RUNNING);
  EXPECT_EQ(running.uid(), created.uid());
  EXPECT_NE(running.etag(), created.etag());
  EXPECT_EQ(running.etag(), EtagOf(running));
  ASSERT_TRUE(launcher_.Await(1)->Send({Train(5, 0.5)}).ok());
  EXPECT_EQ(Get("a").etag(), running.etag()) << "progress is no change";
  launcher_.Await(1)->End(Kind::kFinished);
  const v1::Job ended = AwaitState("a", v1::JOB_STATE_SUCCEEDED);
  EXPECT_NE(ended.etag(), running.etag());
  EXPECT_GE(ended.update_time().seconds(), running.update_time().seconds());
  ASSERT_TRUE(manager_->Delete("a").ok());
  EXPECT_NE(Create("a").uid(), created.uid());
}

TEST_F(JobManagerTest, UpdatesLiveAndEndedJobs) {
  Create("a");
  const auto update = [&](const std::string& etag) {
    v1::UpdateJobRequest request;
    request.mutable_job()->set_name("jobs/a");
    request.mutable_job()->set_display_name("new");
    request.mutable_job()->set_priority(7);
    (*request.mutable_job()->mutable_labels())["k"] = etag.empty() ? "v" : "w";
    request.mutable_job()->set_etag(etag);
    request.mutable_update_mask()->add_paths("display_name");
    request.mutable_update_mask()->add_paths("labels");
    return manager_->Update(request);
  };
  launcher_.Await(1);
  const v1::Job before = AwaitState("a", v1::JOB_STATE_RUNNING);
  auto changed = update("");
  ASSERT_TRUE(changed.ok()) << changed.status();
  EXPECT_EQ(changed->display_name(), "new");
  EXPECT_EQ(changed->labels().at("k"), "v");
  EXPECT_EQ(changed->priority(), 0) << "not in the mask";
  EXPECT_NE(changed->etag(), before.etag());
  EXPECT_EQ(changed->spec().display_name(), before.spec().display_name()) << "the spec is as submitted";
  EXPECT_TRUE(absl::IsAborted(update(before.etag()).status()));
  launcher_.Await(1)->End(Kind::kFinished);
  const v1::Job ended = AwaitState("a", v1::JOB_STATE_SUCCEEDED);
  EXPECT_EQ(ended.display_name(), "new");
  changed = update(ended.etag());
  ASSERT_TRUE(changed.ok()) << changed.status();
  EXPECT_EQ(changed->labels().at("k"), "w");
  Stop();
  Start();
  EXPECT_EQ(Get("a").labels().at("k"), "w");

  v1::UpdateJobRequest wrong;
  wrong.mutable_job()->set_name("jobs/none");
  EXPECT_THAT(std::string(manager_->Update(wrong).status().message()), HasSubstr("update_mask: is required"));
  wrong.mutable_update_mask()->add_paths("labels");
  EXPECT_TRUE(absl::IsNotFound(manager_->Update(wrong).status()));
  wrong.mutable_update_mask()->add_paths("state");
  (*wrong.mutable_job()->mutable_labels())["Not a key"] = "";
  const std::string violations(manager_->Update(wrong).status().message());
  EXPECT_THAT(violations, HasSubstr("update_mask.paths[1]: \"state\" cannot be changed"));
  EXPECT_THAT(violations, HasSubstr("job.labels: the key \"Not a key\""));
}

TEST_F(JobManagerTest, ANewPriorityCountsAtOnce) {
  for (const char* id : {"a", "b", "c"}) Create(id);
  auto first = launcher_.Await(1);
  v1::UpdateJobRequest request;
  request.mutable_job()->set_name("jobs/c");
  request.mutable_job()->set_priority(1);
  request.mutable_update_mask()->add_paths("priority");
  ASSERT_TRUE(manager_->Update(request).ok());
  first->End(Kind::kFinished);
  EXPECT_EQ(launcher_.Await(2)->task.train().job(), "jobs/c");
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
    request.job.mutable_spec()->mutable_network()->add_layers()->set_name(std::string(size_t{2} << 20, 'x'));
    ASSERT_TRUE(Submit(std::move(request)).ok());
  }
  std::vector<std::string> names;
  v1::ListJobsRequest request;
  request.set_view(v1::JOB_VIEW_SPEC);
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
  EXPECT_TRUE(absl::IsFailedPrecondition(manager_->RemoveDataset("datasets/digits", "", false, remove)));
  EXPECT_FALSE(removed);
  worker->End(Kind::kFinished);
  AwaitState("a", v1::JOB_STATE_SUCCEEDED);
  const absl::Status traces = manager_->RemoveDataset("datasets/digits", "", false, remove);
  EXPECT_TRUE(absl::IsFailedPrecondition(traces));
  EXPECT_THAT(traces.message(), testing::HasSubstr("jobs/a was trained on"));
  EXPECT_FALSE(removed);
  EXPECT_TRUE(manager_->RemoveDataset("datasets/digits", "", true, remove).ok());
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
  request.set_filter("state = FAILED");
  EXPECT_TRUE(absl::IsInvalidArgument(manager_->List(request).status())) << "another filter";
  for (const char* token : {"x", "-", "0-0", "1-", "ffffffffffffffffff-0", "-1-0"}) {
    request.clear_filter();
    request.set_page_token(token);
    EXPECT_TRUE(absl::IsInvalidArgument(manager_->List(request).status())) << token;
  }
  request.clear_page_token();
  request.set_page_size(-1);
  EXPECT_TRUE(absl::IsInvalidArgument(manager_->List(request).status()));
}

TEST_F(JobManagerTest, FiltersOrdersAndShowsJobsAsAsked) {
  for (const auto& [id, name] : std::vector<std::pair<std::string, std::string>>{{"a", "x"}, {"b", "y"}, {"c", "x"}}) {
    JobManager::NewJob request = NewJob(id);
    request.job.mutable_spec()->set_display_name(name);
    (*request.job.mutable_spec()->mutable_labels())["id"] = id;
    ASSERT_TRUE(Submit(request).ok());
  }
  launcher_.Await(1);
  AwaitState("a", v1::JOB_STATE_RUNNING);
  const auto list = [&](const std::string& filter, const std::string& order) {
    v1::ListJobsRequest request;
    request.set_filter(filter);
    request.set_order_by(order);
    auto page = manager_->List(request);
    EXPECT_TRUE(page.ok()) << page.status();
    std::vector<std::string> names;
    for (const v1::Job& job : page->jobs()) names.push_back(job.name());
    return names;
  };
  EXPECT_THAT(list("state = RUNNING", ""), ElementsAre("jobs/a"));
  EXPECT_THAT(list("state = QUEUED AND display_name = x", ""), ElementsAre("jobs/c"));
  EXPECT_THAT(list("labels.id != b", ""), ElementsAre("jobs/c", "jobs/a"));
  EXPECT_THAT(list("dataset = \"datasets/digits\"", "display_name, name desc"),
              ElementsAre("jobs/c", "jobs/a", "jobs/b"));
  EXPECT_THAT(list("", "create_time desc"), ElementsAre("jobs/c", "jobs/b", "jobs/a"));
  EXPECT_THAT(list("start_time:*", ""), ElementsAre("jobs/a"));

  v1::ListJobsRequest request;
  request.set_view(v1::JOB_VIEW_SPEC);
  EXPECT_TRUE(manager_->List(request)->jobs(0).has_spec());
  EXPECT_FALSE(manager_->List(request)->jobs(0).has_resolved_spec());
  request.set_view(v1::JOB_VIEW_RESOLVED);
  EXPECT_TRUE(manager_->List(request)->jobs(0).has_resolved_spec());
  request.set_filter("stat = RUNNING");
  request.set_order_by("state");
  request.set_view(static_cast<v1::JobView>(99));
  const std::string violations(manager_->List(request).status().message());
  EXPECT_THAT(violations, HasSubstr("filter: character 1: there is no field \"stat\"; did you mean state?"));
  EXPECT_THAT(violations, HasSubstr("order_by: character 1: there is no order by \"state\""));
  EXPECT_THAT(violations, HasSubstr("view: is not a view"));
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
  again.mutable_spec();
  EXPECT_EQ(manager_->Create(again, refuse)->name(), "jobs/a");
  again.set_request_id("s");
  EXPECT_EQ(manager_->Create(again, refuse).status(), absl::DataLossError("no"));
}

}  // namespace
}  // namespace traind::server
