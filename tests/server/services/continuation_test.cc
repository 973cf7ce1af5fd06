// Extending and forking through the service, over checkpoints that a worker would have written.
#include <gmock/gmock.h>

#include <string>
#include <vector>

#include "core/checkpoint/checkpoint_dir.h"
#include "tests/server/services/services_fixture.h"

namespace traind::server {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

class ContinuationTest : public ServicesTest {
 protected:
  ContinuationTest() { TrainedJob({4, 12}); }

  grpc::Status Fork(const v1::ForkJobRequest& request, v1::Job* job) {
    grpc::ClientContext context;
    return training_->ForkJob(&context, request, job);
  }
  grpc::Status Extend(const v1::ExtendJobRequest& request, v1::Job* job) {
    grpc::ClientContext context;
    return training_->ExtendJob(&context, request, job);
  }
  static v1::ForkJobRequest ForkRequest(const std::string& name, const std::string& id) {
    v1::ForkJobRequest request;
    request.set_name(name);
    request.set_job_id(id);
    return request;
  }
};

TEST_F(ContinuationTest, AForkBeginsAtTheCheckpoint) {
  v1::Job job;
  const grpc::Status status = Fork(ForkRequest("jobs/a/checkpoints/4", "b"), &job);
  ASSERT_TRUE(status.ok()) << status.error_message();
  EXPECT_EQ(job.name(), "jobs/b");
  EXPECT_EQ(job.forked_from(), "jobs/a/checkpoints/4");
  EXPECT_EQ(job.progress().step(), 4u);
  EXPECT_EQ(job.progress().checkpoint_step(), 4u);
  EXPECT_EQ(job.progress().total_steps(), 12u);
  EXPECT_EQ(job.spec().last_batch(), v1::LAST_BATCH_KEEP) << "what the parent was resolved to";
  auto worker = launcher_.Await(2);
  auto checkpoints = core::ListCheckpoints(worker->task.train().checkpoint_dir());
  ASSERT_TRUE(checkpoints.ok());
  ASSERT_EQ(checkpoints->size(), 1u);
  EXPECT_EQ(checkpoints->front().manifest.step(), 4u);
}

// As of versions that looked at no "val", and had no test split.
TEST_F(ContinuationTest, AForkEvaluatesWhatItsParentDoes) {
  v1::DeleteDatasetRequest gone;
  gone.set_name("datasets/digits");
  gone.set_force(true);
  grpc::ClientContext context;
  google::protobuf::Empty empty;
  const grpc::Status deleted = datasets_->DeleteDataset(&context, gone, &empty);
  ASSERT_TRUE(deleted.ok()) << deleted.error_message();
  v1::ImportDatasetRequest import = ImportRequest("digits");
  *import.add_splits() = import.splits(1);
  import.mutable_splits(2)->set_name("val");
  v1::Dataset dataset;
  ASSERT_TRUE(ImportAll(import, &dataset).ok());
  v1::Job job;
  const grpc::Status status = Fork(ForkRequest("jobs/a/checkpoints/4", "b"), &job);
  ASSERT_TRUE(status.ok()) << status.error_message();
  const v1::DataSpec& data = launcher_.Await(2)->task.train().spec().data();
  EXPECT_EQ(data.evaluation_split(), "test") << "not val, which a new job would";
  EXPECT_EQ(data.test_split(), "none");
}

TEST_F(ContinuationTest, AForkIsCheckedAsANewJobIsAndAgainstTheCheckpoint) {
  v1::Job job;
  v1::ForkJobRequest request = ForkRequest("jobs/a/checkpoints/4", "Not-An-Id");
  *request.mutable_spec() = JobRequest("").spec();
  request.mutable_spec()->mutable_network()->mutable_layers(0)->mutable_dense()->set_units(0);
  EXPECT_THAT(Fields(Fork(request, &job)), Contains("job_id"));
  request.set_job_id("b");
  request.mutable_spec()->mutable_network()->mutable_layers(0)->mutable_dense()->set_units(3);
  request.mutable_spec()->mutable_network()->mutable_layers(0)->set_name("other");
  EXPECT_THAT(Fields(Fork(request, &job)), Contains("spec.network"));
  request.mutable_spec()->mutable_network()->mutable_layers(0)->set_name("logits");
  request.mutable_spec()->set_epochs(1);
  EXPECT_THAT(Fields(Fork(request, &job)), ElementsAre("spec.epochs")) << "the checkpoint is at its end";
  request.mutable_spec()->set_epochs(5);
  request.mutable_spec()->mutable_initial_weights()->set_model("models/gone");
  request.set_validate_only(true);
  const grpc::Status status = Fork(request, &job);
  EXPECT_TRUE(status.ok()) << status.error_message();
  EXPECT_EQ(job.progress().total_steps(), 20u);
  EXPECT_EQ(Fork(ForkRequest("jobs/a/checkpoints/4", "a"), &job).error_code(), grpc::StatusCode::ALREADY_EXISTS);
}

TEST_F(ContinuationTest, AForkWarnsOfTheBeginningOnlyWhereItSaysOne) {
  const std::string nothing = "initial_weights and data_initialization do nothing: the weights are the checkpoint's";
  v1::ForkJobRequest request = ForkRequest("jobs/a/checkpoints/4", "b");
  request.set_validate_only(true);
  *request.mutable_spec() = JobRequest("").spec();
  v1::ParameterRule& rule = *request.mutable_spec()->add_parameter_rules();
  rule.set_parameters("logits.bias");
  rule.set_frozen(true);
  v1::Job job;
  grpc::Status status = Fork(request, &job);
  ASSERT_TRUE(status.ok()) << status.error_message();
  EXPECT_THAT(job.warnings(), testing::Not(Contains(HasSubstr("random weights"))));
  EXPECT_THAT(job.warnings(), testing::Not(Contains(nothing)));
  request.mutable_spec()->mutable_initial_weights()->set_model("models/other");
  job.Clear();
  status = Fork(request, &job);
  ASSERT_TRUE(status.ok()) << status.error_message();
  EXPECT_THAT(job.warnings(), Contains(nothing));
}

TEST_F(ContinuationTest, AForkNeedsAJobWithTheCheckpoint) {
  v1::Job job;
  EXPECT_THAT(Fields(Fork(ForkRequest("models/m", "b"), &job)), ElementsAre("name"));
  EXPECT_THAT(Fields(Fork(ForkRequest("jobs/a/checkpoints/", "b"), &job)), ElementsAre("name"));
  EXPECT_EQ(Fork(ForkRequest("jobs/none", "b"), &job).error_code(), grpc::StatusCode::NOT_FOUND);
  const grpc::Status absent = Fork(ForkRequest("jobs/a/checkpoints/7", "b"), &job);
  EXPECT_EQ(absent.error_code(), grpc::StatusCode::NOT_FOUND);
  EXPECT_THAT(absent.error_message(), HasSubstr("4, 12"));
  EXPECT_EQ(Fork(ForkRequest("jobs/a/checkpoints/best", "b"), &job).error_code(),
            grpc::StatusCode::FAILED_PRECONDITION);
  ASSERT_TRUE(Create(JobRequest("fresh"), &job).ok());
  EXPECT_EQ(Fork(ForkRequest("jobs/fresh", "b"), &job).error_code(), grpc::StatusCode::FAILED_PRECONDITION);
}

TEST_F(ContinuationTest, AnExtensionIsLongerThanWhatWasTrained) {
  v1::Job job;
  v1::ExtendJobRequest request;
  request.set_name("jobs/a");
  request.set_epochs(3);
  EXPECT_THAT(Fields(Extend(request, &job)), ElementsAre("epochs"));
  request.set_epochs(5);
  request.set_validate_only(true);
  ASSERT_TRUE(Extend(request, &job).ok());
  EXPECT_EQ(job.progress().total_steps(), 20u);
  EXPECT_EQ(job.state(), v1::JOB_STATE_SUCCEEDED);
  request.set_validate_only(false);
  ASSERT_TRUE(Extend(request, &job).ok());
  EXPECT_EQ(job.state(), v1::JOB_STATE_QUEUED);
  EXPECT_EQ(job.spec().epochs(), 5u);
  EXPECT_EQ(launcher_.Await(2)->task.train().spec().epochs(), 5u);
  EXPECT_EQ(Extend(request, &job).error_code(), grpc::StatusCode::FAILED_PRECONDITION) << "it is alive";
}

}  // namespace
}  // namespace traind::server
