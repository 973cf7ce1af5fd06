// Jobs whose network begins with layers of a trained one, through the API.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/server/services/services_fixture.h"
#include "tests/support/text_proto.h"

namespace traind::server {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;

class NetworkFromTest : public ServicesTest {
 protected:
  // "jobs/parent" has a checkpoint of step 4.
  void SetUp() override {
    Import("digits");
    v1::CreateJobRequest request = JobRequest("parent");
    *request.mutable_spec()->mutable_network() = FromText<v1::Network>(
        "layers { name: 'hidden' dense { units: 4 } activation { relu {} } } layers { name: 'logits' dense { units: 3 "
        "} }");
    v1::Job job;
    const grpc::Status status = Create(request, &job);
    ASSERT_TRUE(status.ok()) << status.error_message();
    const auto worker = launcher_.Await(1);
    const std::vector<core::Tensor> tensors = {{"hidden.weight", {4, 16}, std::vector<float>(64)},
                                               {"hidden.bias", {4}, std::vector<float>(4)},
                                               {"logits.weight", {3, 4}, std::vector<float>(12)},
                                               {"logits.bias", {3}, std::vector<float>(3)}};
    const auto sources = core::SourcesOf(tensors);
    core::CheckpointContent content{.weights = sources, .state = sources};
    content.manifest.set_step(4);
    *content.manifest.mutable_spec() = worker->task.train().spec();
    ASSERT_TRUE(core::SaveCheckpoint(worker->task.train().checkpoint_dir(), content, {}).ok());
    worker->End(WorkerExit::Kind::kFinished);
  }

  static v1::CreateJobRequest Taking(const std::string& network) {
    v1::CreateJobRequest request = JobRequest("child");
    *request.mutable_spec()->mutable_network() = FromText<v1::Network>(network);
    request.set_view(v1::JOB_VIEW_RESOLVED);
    return request;
  }
};

TEST_F(NetworkFromTest, TheJobHasPlainLayersAndTheirWeights) {
  const v1::CreateJobRequest request =
      Taking("from { model: 'jobs/parent' until: 'hidden' } layers { name: 'logits' dense { units: 3 } }");
  v1::Job job;
  const grpc::Status status = Create(request, &job);
  ASSERT_TRUE(status.ok()) << status.error_message();
  const v1::JobSpec task = launcher_.Await(2)->task.train().spec();
  for (const v1::JobSpec& spec : {job.resolved_spec(), task}) {
    EXPECT_FALSE(spec.network().has_from());
    ASSERT_EQ(spec.network().layers_size(), 2);
    EXPECT_EQ(spec.network().layers(0).name(), "hidden");
    EXPECT_EQ(spec.network().layers(0).dense().units(), 4u);
    EXPECT_EQ(spec.initial_weights().model(), "jobs/parent/checkpoints/4");
    ASSERT_EQ(spec.initial_weights().rules_size(), 1) << "of its own logits, which the model has, too";
    EXPECT_EQ(spec.initial_weights().rules(0).to(), "logits.*");
    EXPECT_TRUE(spec.initial_weights().rules(0).skip());
  }
  EXPECT_NE(launcher_.Await(2)->task.weights_path(), "");

  // As it was submitted; a fork keeps the layers, whatever becomes of the other job.
  grpc::ClientContext context;
  v1::GetJobRequest get;
  get.set_name("jobs/child");
  v1::Job submitted;
  ASSERT_TRUE(training_->GetJob(&context, get, &submitted).ok());
  EXPECT_EQ(submitted.spec().network().from().model(), "jobs/parent");
}

TEST_F(NetworkFromTest, ErrorsNameTheFieldAsItWasWritten) {
  const struct {
    std::string network, field, says;
  } cases[] = {
      {"from { model: 'jobs/parent' until: 'hiden' }", "spec.network.from.until", "the nearest names are hidden"},
      {"from { model: 'jobs/none' }", "spec.network.from.model", "none"},
      {"from { until: 'hidden' }", "spec.network.from.model", "is required"},
      {"from { model: 'models/none' }", "spec.network.from.model", "none"},
      {"from { model: 'jobs/parent' job: 'jobs/none' }", "spec.network.from.job", "none"},
      {"from { model: 'jobs/parent' } preset { mlp { classes: 3 } }", "spec.network.from", "preset"},
      {"from { model: 'jobs/parent' until: 'hidden' } layers { name: 'hidden' dense { units: 3 } }",
       "spec.network.layers[0].name", "comes with `from`"},
      {"from { model: 'jobs/parent' until: 'hidden' } layers { name: 'out' dense { units: 0 } }",
       "spec.network.layers[0].dense.units", "units"},
  };
  for (const auto& one : cases) {
    SCOPED_TRACE(one.network);
    v1::Job job;
    const grpc::Status status = Create(Taking(one.network), &job);
    EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT) << status.error_message();
    EXPECT_THAT(Fields(status), Contains(one.field)) << status.error_message();
    EXPECT_THAT(status.error_message(), HasSubstr(one.says));
  }
  EXPECT_EQ(launcher_.started(), 1u);
}

TEST_F(NetworkFromTest, ItIsDescribed) {
  v1::DescribeNetworkRequest request;
  *request.mutable_network() =
      FromText<v1::Network>("from { model: 'jobs/parent' until: 'hidden' } layers { name: 'new' dense { units: 9 } }");
  v1::NetworkDescription description;
  grpc::ClientContext context;
  const grpc::Status status = training_->DescribeNetwork(&context, request, &description);
  ASSERT_TRUE(status.ok()) << status.error_message();
  ASSERT_EQ(description.layers_size(), 2);
  EXPECT_EQ(description.layers(0).name(), "hidden");
  EXPECT_EQ(description.layers(1).num_parameters(), 9 * 4 + 9);
}

}  // namespace
}  // namespace traind::server
