// What clients ask of the operation manager.
#include "server/operations/operation_manager.h"

#include <gmock/gmock.h>

#include <string>
#include <vector>

#include "tests/server/operations/operation_manager_fixture.h"

namespace traind::server {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

TEST_F(OperationManagerTest, RunsATaskAndKeepsWhatItMade) {
  const std::string id = Create(Description("digits"));
  const auto worker = launcher_.Await(1);
  EXPECT_EQ(worker->task.describe().name(), "datasets/digits");
  EXPECT_EQ(worker->task.threads(), 1u) << "it reads files";
  v1::Operation operation = Get(id);
  EXPECT_FALSE(operation.done());
  v1::OperationMetadata metadata = MetadataOf(operation);
  EXPECT_EQ(metadata.state(), v1::OPERATION_STATE_RUNNING);
  EXPECT_EQ(metadata.method(), "Describe");
  EXPECT_EQ(metadata.target(), "datasets/digits");
  EXPECT_EQ(metadata.attempts(), 1u);
  EXPECT_EQ(metadata.start_time().seconds(), seconds_);
  EXPECT_EQ(manager_->UserOf("datasets/digits"), operation.name());

  internal::Result result;
  result.mutable_described()->add_warnings("odd");
  Finish(1, result);
  operation = AwaitDone(id);
  EXPECT_TRUE(operation.done());
  EXPECT_EQ(operation.response().type_url(), "type.googleapis.com/traind.v1.DatasetDescription");
  v1::DatasetDescription description;
  ASSERT_TRUE(operation.response().UnpackTo(&description));
  EXPECT_THAT(description.warnings(), ElementsAre("odd"));
  EXPECT_EQ(description.dataset().name(), "datasets/digits");
  metadata = MetadataOf(operation);
  EXPECT_EQ(metadata.state(), v1::OPERATION_STATE_SUCCEEDED);
  EXPECT_EQ(metadata.end_time().seconds(), seconds_);
  EXPECT_EQ(manager_->UserOf("datasets/digits"), "");
  EXPECT_FALSE(store_->GetOperation(id)->record.has_task()) << "it is of no more use";
}

TEST_F(OperationManagerTest, TellsHowFarItIsAndHowLongItTakes) {
  const std::string id = Create(Evaluation());
  const auto worker = launcher_.Await(1);
  const auto report = [&](int64_t done) {
    v1::OperationProgress progress;
    progress.set_done(done);
    progress.set_total(1000);
    progress.set_unit("examples");
    worker->callbacks.on_progress(progress);
  };
  report(100);
  EXPECT_EQ(MetadataOf(Get(id)).progress().done(), 100);
  EXPECT_FALSE(MetadataOf(Get(id)).progress().has_remaining()) << "there is no rate yet";
  Pass(absl::Seconds(10));
  report(300);
  const v1::OperationProgress progress = MetadataOf(Get(id)).progress();
  EXPECT_EQ(progress.total(), 1000);
  EXPECT_EQ(progress.unit(), "examples");
  EXPECT_EQ(progress.remaining().seconds(), 35) << "700 examples at 20 a second";
  report(1000);
  Finish(1);
  EXPECT_EQ(MetadataOf(AwaitDone(id)).progress().done(), 1000) << "it stays";
}

TEST_F(OperationManagerTest, AnErrorOfTheTaskIsTheOperations) {
  const std::string id = Create(Description("digits"));
  core::FieldErrors::Root errors;
  errors.scope().At("splits", 0).Add("is odd");
  WorkerExit exit;
  exit.kind = WorkerExit::Kind::kTaskFailed;
  exit.status = errors.ToStatus();
  launcher_.Await(1)->End(exit);
  const v1::Operation operation = AwaitDone(id);
  EXPECT_EQ(MetadataOf(operation).state(), v1::OPERATION_STATE_FAILED);
  EXPECT_EQ(operation.error().code(), static_cast<int>(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(operation.error().message(), HasSubstr("is odd"));
  ASSERT_EQ(operation.error().details_size(), 1);
  EXPECT_EQ(operation.error().details(0).type_url(), "type.googleapis.com/google.rpc.BadRequest");
}

TEST_F(OperationManagerTest, ACancelledOperationEndsItsWorker) {
  const std::string id = Create(Description("digits"));
  const auto worker = launcher_.Await(1);
  ASSERT_TRUE(manager_->Cancel(id).ok());
  const v1::Operation operation = AwaitDone(id);
  EXPECT_EQ(MetadataOf(operation).state(), v1::OPERATION_STATE_CANCELLED);
  EXPECT_EQ(operation.error().code(), 1);
  {
    absl::MutexLock lock(&worker->mu);
    EXPECT_TRUE(worker->killed);
  }
  const auto again = manager_->Cancel(id);
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ(again->SerializeAsString(), operation.SerializeAsString()) << "nothing more happens";
  EXPECT_EQ(launcher_.started(), 1u);
}

TEST_F(OperationManagerTest, AQueuedOperationIsCancelledAtOnce) {
  auto threads = budget_.Ask({.threads = 2, .lane = Budget::Lane::kCalls});
  const auto lane = budget_.Ask({.lane = Budget::Lane::kData});
  const std::string first = Create(Description("digits"));
  const std::string second = Create(Description("digits"));
  const auto cancelled = manager_->Cancel(first);
  ASSERT_TRUE(cancelled.ok()) << cancelled.status();
  EXPECT_TRUE(cancelled->done());
  EXPECT_EQ(cancelled->error().code(), 1);
  threads.reset();
  launcher_.Await(1);
  Finish(1);
  AwaitDone(second);
  EXPECT_EQ(StateOf(first), v1::OPERATION_STATE_CANCELLED);
  EXPECT_EQ(launcher_.started(), 1u);
}

TEST_F(OperationManagerTest, SameRequestIdSameOperation) {
  const auto first = Submit(Description("digits"), "r");
  ASSERT_TRUE(first.ok()) << first.status();
  EXPECT_EQ(MetadataOf(*first).request_id(), "r");
  EXPECT_EQ(Submit(Description("digits"), "r")->name(), first->name());
  launcher_.Await(1);
  EXPECT_TRUE(absl::IsInvalidArgument(Submit(Description("letters"), "r").status())) << "another request";
  EXPECT_TRUE(absl::IsInvalidArgument(Submit(Description("digits"), "r", "Import").status())) << "another method";
  EXPECT_TRUE(absl::IsInvalidArgument(Submit(Description("digits"), std::string(65, 'r')).status()));
  Finish(1);
  const std::string id(IdOf(first->name()));
  AwaitDone(id);
  EXPECT_EQ(Submit(Description("digits"), "r")->name(), first->name()) << "also when it is done";

  ASSERT_TRUE(manager_->Delete(id).ok());
  EXPECT_TRUE(absl::IsNotFound(manager_->Get(id).status()));
  EXPECT_TRUE(absl::IsFailedPrecondition(Submit(Description("digits"), "r").status())) << "for a day";
  Pass(absl::Hours(25));
  Stop();
  Start();
  const auto anew = Submit(Description("digits"), "r");
  ASSERT_TRUE(anew.ok()) << anew.status();
  EXPECT_NE(anew->name(), first->name());
}

TEST_F(OperationManagerTest, OnlyADoneOperationIsDeleted) {
  const std::string id = Create(Description("digits"));
  launcher_.Await(1);
  EXPECT_TRUE(absl::IsFailedPrecondition(manager_->Delete(id)));
  Finish(1);
  AwaitDone(id);
  EXPECT_TRUE(manager_->Delete(id).ok());
  EXPECT_TRUE(absl::IsNotFound(manager_->Delete(id)));
}

TEST_F(OperationManagerTest, TakesNoMoreThanItKeeps) {
  Stop();
  options_.max_live = 2;
  Start();
  const std::string first = Create(Description("digits"));
  Create(Description("digits"));
  const absl::Status full = Submit(Description("digits")).status();
  EXPECT_TRUE(absl::IsResourceExhausted(full)) << full;
  EXPECT_THAT(std::string(full.message()), HasSubstr("2 operations wait or run"));
  Finish(1);
  AwaitDone(first);
  EXPECT_TRUE(Submit(Description("digits")).ok());
}

TEST_F(OperationManagerTest, RunsWhatTheBudgetHasRoomForAndSaysWhatTheOthersWaitFor) {
  Create(Evaluation());
  EXPECT_EQ(launcher_.Await(1)->task.threads(), 2u);
  Create(Evaluation());
  EXPECT_EQ(launcher_.Await(2)->task.threads(), 1u) << "beyond the budget";
  const std::string third = Create(Evaluation());
  Create(Description("digits"));
  EXPECT_TRUE(launcher_.Await(3)->task.has_describe()) << "it does not wait for evaluations";
  EXPECT_EQ(StateOf(third), v1::OPERATION_STATE_QUEUED);
  EXPECT_THAT(MetadataOf(Get(third)).queue_reason(), HasSubstr("waits for its turn"));
  Finish(1);
  EXPECT_TRUE(launcher_.Await(4)->task.has_evaluate());
  EXPECT_EQ(MetadataOf(Get(third)).queue_reason(), "");
}

TEST_F(OperationManagerTest, RefusesADescriptionThatNoAnswerCouldHold) {
  const std::string id = Create(Description("digits"));
  internal::Result result;
  auto& split = *result.mutable_described()->add_splits();
  for (int i = 0; i < 2'200'000; ++i) split.add_class_counts(1000);
  Finish(1, result);
  const v1::Operation operation = AwaitDone(id);
  EXPECT_EQ(operation.error().code(), 8);
  EXPECT_THAT(operation.error().message(), HasSubstr("more than an answer may hold (4 MiB)"));
}

TEST_F(OperationManagerTest, ListsTheNewestFirst) {
  std::vector<std::string> created;
  for (int i = 0; i < 5; ++i) created.insert(created.begin(), "operations/" + Create(Description("digits")));
  v1::ListOperationsRequest request;
  request.set_page_size(2);
  std::vector<std::string> listed;
  do {
    auto page = manager_->List(request);
    ASSERT_TRUE(page.ok()) << page.status();
    EXPECT_LE(page->operations_size(), 2);
    for (const v1::Operation& operation : page->operations()) listed.push_back(operation.name());
    request.set_page_token(page->next_page_token());
  } while (!request.page_token().empty());
  EXPECT_EQ(listed, created);
  request.set_page_size(9);
  Finish(1);
  AwaitDone(std::string(IdOf(created.back())));
  for (const auto& [filter, expected] :
       {std::pair("state = SUCCEEDED", 1), {"done = false", 4}, {"target = datasets/digits", 5}, {"method = x", 0}}) {
    request.set_filter(filter);
    EXPECT_EQ(manager_->List(request)->operations_size(), expected) << filter;
  }
  request.set_page_token("what");
  request.set_page_size(-1);
  EXPECT_TRUE(absl::IsInvalidArgument(manager_->List(request).status()));
}

TEST_F(OperationManagerTest, AWaitEndsAtItsDeadlineToo) {
  const std::string id = Create(Description("digits"));
  launcher_.Await(1);
  absl::Notification answered;
  manager_->Wait(id, absl::InfinitePast(), [&](const absl::StatusOr<v1::Operation>& operation) {
    EXPECT_TRUE(operation.ok()) << operation.status();
    EXPECT_FALSE(operation->done());
    answered.Notify();
  });
  answered.WaitForNotification();
  absl::Status gone;
  const auto wait = manager_->Wait(id, absl::InfiniteFuture(), [&](const auto& answer) { gone = answer.status(); });
  manager_->StopWaiting(wait);
  EXPECT_TRUE(absl::IsCancelled(gone)) << gone;
  manager_->StopWaiting(wait);  // Once.
  manager_->Wait("none", absl::InfiniteFuture(), [&](const auto& answer) { gone = answer.status(); });
  EXPECT_TRUE(absl::IsNotFound(gone)) << gone;
}

TEST_F(OperationManagerTest, AnImportIsPublishedWhole) {
  const std::string id = Create(Import("digits", "uid-1"));
  const auto worker = launcher_.Await(1);
  MakeDataset(worker->task);
  internal::Result result;
  result.mutable_imported()->set_uid("uid-1");
  Finish(1, result);
  const v1::Operation operation = AwaitDone(id);
  v1::Dataset dataset;
  ASSERT_TRUE(operation.response().UnpackTo(&dataset)) << operation.ShortDebugString();
  EXPECT_EQ(dataset.name(), "datasets/digits");
  EXPECT_TRUE(folder_->Exists("datasets", "digits"));
  EXPECT_TRUE(std::filesystem::is_empty(path_ / "trash"));
}

TEST_F(OperationManagerTest, OfTwoImportsOneIsFaster) {
  const std::string first = Create(Import("digits", "uid-1"));
  const std::string second = Create(Import("digits", "uid-2"));
  for (size_t n : {1, 2}) MakeDataset(launcher_.Await(n)->task);
  Finish(1);
  AwaitDone(first);
  Finish(2);
  const v1::Operation late = AwaitDone(second);
  EXPECT_EQ(late.error().code(), static_cast<int>(absl::StatusCode::kAlreadyExists));
  EXPECT_TRUE(std::filesystem::is_empty(path_ / "trash"));
}

// Checkpoints are pruned while evaluations wait.
TEST_F(OperationManagerTest, KeepsTheWeightsThatItNeeds) {
  const std::string weights = path_ / "weights";
  std::ofstream(weights) << "numbers";
  OperationManager::NewOperation evaluation = Evaluation();
  evaluation.task.set_weights_path(weights);
  const std::string id = Create(evaluation);
  std::filesystem::remove(weights);
  const std::string kept = launcher_.Await(1)->task.weights_path();
  EXPECT_TRUE(std::filesystem::exists(kept)) << kept;
  Finish(1);
  AwaitDone(id);
  EXPECT_FALSE(std::filesystem::exists(kept)) << "when it is done they go";

  const auto late = Submit(evaluation);
  EXPECT_TRUE(absl::IsUnavailable(late.status())) << late.status();
}

}  // namespace
}  // namespace traind::server
