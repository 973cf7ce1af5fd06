// Lists: filters, orders, limits, and what is shown of each thing.
#include <gmock/gmock.h>

#include <nlohmann/json.hpp>

#include "tests/client/cli/app_fixture.h"
#include "tests/support/text_proto.h"
#include "traind/rpc/error_details.pb.h"
#include "traind/rpc/status.pb.h"

namespace traind::client {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

class ListsTest : public AppTest {
 protected:
  ListsTest() {
    server_.training.list_jobs = [this](const v1::ListJobsRequest& request, v1::ListJobsResponse* response) {
      asked_ = request;
      *response = jobs_;
      return grpc::Status::OK;
    };
  }
  v1::ListJobsRequest asked_;
  v1::ListJobsResponse jobs_;
};

TEST_F(ListsTest, FlagsBecomeOneFilter) {
  EXPECT_EQ(Run({"list", "--filter", "priority > 3 OR dataset:fashion", "--label", "team=a \"b\" \\", "--label",
                 "draft", "--state", "running", "--sort", "priority,desc", "--sort", "name", "--limit", "7"}),
            0)
      << err_.str();
  EXPECT_EQ(
      asked_.filter(),
      R"(labels.team = "a \"b\" \\" AND labels:"draft" AND state = RUNNING AND (priority > 3 OR dataset:fashion))");
  EXPECT_EQ(asked_.order_by(), "priority desc, name");
  EXPECT_EQ(asked_.page_size(), 7);
  EXPECT_EQ(Run({"list", "--filter", "a = b"}), 0);
  EXPECT_EQ(asked_.filter(), "a = b") << "the places in errors are those of the text";
  EXPECT_EQ(asked_.order_by(), "");
  EXPECT_EQ(asked_.page_size(), 500);
  EXPECT_EQ(Run({"list", "--limit", "0"}), 2);
}

TEST_F(ListsTest, AnErrorNamesTheFlag) {
  server_.training.list_jobs = [](const v1::ListJobsRequest&, v1::ListJobsResponse*) {
    return InvalidFields({"filter", "order_by"}, "character 1: there is no field \"age\"");
  };
  EXPECT_EQ(Run({"list", "--filter", "age = 3", "--sort", "age"}), 4);
  EXPECT_EQ(err_.str(),
            "error: --filter: character 1: there is no field \"age\"\n"
            "error: --sort: character 1: there is no field \"age\"\n");
}

TEST_F(ListsTest, JobsShowWhyTheyWait) {
  jobs_ = FromText<v1::ListJobsResponse>(R"(
    jobs { name: "jobs/a" state: JOB_STATE_QUEUED priority: 3 display_name: "two layers"
           queue { place: 2 reason: "needs 4 threads, 2 are free" blocked_by: "jobs/b" } }
    jobs { name: "jobs/b" state: JOB_STATE_PAUSED state_reason: "asked for" labels { key: "team" value: "vision" } })");
  EXPECT_EQ(Run({"list"}), 0);
  EXPECT_THAT(out_.str(), HasSubstr("priority"));
  EXPECT_THAT(out_.str(), HasSubstr("team=vision"));
  jobs_.mutable_jobs(1)->clear_labels();
  jobs_.mutable_jobs(0)->set_priority(0);
  EXPECT_EQ(Run({"list"}), 0);
  EXPECT_THAT(out_.str(), Not(HasSubstr("priority"))) << "nobody set any";
  EXPECT_THAT(out_.str(), Not(HasSubstr("labels")));
  jobs_.clear_jobs();
  EXPECT_EQ(Run({"list", "--state", "failed"}), 0);
  EXPECT_EQ(err_.str(), "no such jobs\n");
}

TEST_F(ListsTest, GetShowsTheWholeStory) {
  server_.training.get_job = [](const v1::GetJobRequest&, v1::Job* job) {
    *job = FromText<v1::Job>(R"(
      name: "jobs/a" uid: "1234" etag: "ab12" state: JOB_STATE_QUEUED state_reason: "resumed" priority: 3
      display_name: "new name" spec { display_name: "old name" } dataset: "datasets/fashion"
      labels { key: "team" value: "vision" } forked_from: "jobs/b/checkpoints/400"
      start_time { seconds: 1000 } trained { seconds: 75 }
      queue { place: 2 reason: "needs 4 threads, 2 are free" blocked_by: "jobs/b" blocked_by: "jobs/c" })");
    return grpc::Status::OK;
  };
  EXPECT_EQ(Run({"get", "a"}), 0);
  for (const char* line : {"description   new name\n", "state         QUEUED: resumed\n", "queue         place 2\n",
                           "waits for     needs 4 threads, 2 are free\n", "behind        jobs/b, jobs/c\n",
                           "labels        team=vision\n", "priority      3\n", "forked from   jobs/b/checkpoints/400\n",
                           "trained for   1m15s\n", "dataset       datasets/fashion\n"}) {
    EXPECT_THAT(out_.str(), HasSubstr(line));
  }
  EXPECT_THAT(out_.str(), Not(HasSubstr("1234")));
  EXPECT_EQ(Run({"get", "a", "--verbose"}), 0);
  EXPECT_THAT(out_.str(), HasSubstr("uid           1234\n"));
  EXPECT_EQ(Run({"get", "a", "--json"}), 0);
  EXPECT_EQ(nlohmann::json::parse(out_.str())["uid"], "1234");
}

TEST_F(ListsTest, ModelsAndCheckpoints) {
  server_.models.list_models = [](const v1::ListModelsRequest& request, v1::ListModelsResponse* response) {
    EXPECT_EQ(request.filter(), "labels.team = \"vision\"");
    *response = FromText<v1::ListModelsResponse>(
        R"(models { name: "models/mine" size_bytes: 1234567 labels { key: "team" value: "vision" } })");
    return grpc::Status::OK;
  };
  EXPECT_EQ(Run({"model", "list", "--label", "team=vision"}), 0) << err_.str();
  EXPECT_THAT(out_.str(), HasSubstr("mine   1.23 MB"));
  std::string parent, order;
  server_.models.list_checkpoints = [&](const v1::ListCheckpointsRequest& request,
                                        v1::ListCheckpointsResponse* response) {
    parent = request.parent();
    order = request.order_by();
    *response = FromText<v1::ListCheckpointsResponse>(
        R"(checkpoints { name: "jobs/cnn/checkpoints/400" step: 400 evaluation_loss: 0.5 best: true })");
    return grpc::Status::OK;
  };
  EXPECT_EQ(Run({"model", "list", "cnn"}), 0) << "as before";
  EXPECT_THAT(out_.str(), HasSubstr("jobs/cnn/checkpoints/400"));
  EXPECT_EQ(Run({"checkpoint", "list", "cnn", "--sort", "evaluation_loss"}), 0);
  EXPECT_EQ(parent, "jobs/cnn");
  EXPECT_EQ(order, "evaluation_loss");
  std::vector<std::string> asked;
  server_.models.get_checkpoint = [&](const v1::GetCheckpointRequest& request, v1::Checkpoint* checkpoint) {
    asked.push_back(request.name());
    *checkpoint = FromText<v1::Checkpoint>("name: 'jobs/cnn/checkpoints/400' step: 400 best: true");
    return grpc::Status::OK;
  };
  server_.models.delete_checkpoint = [&](const v1::DeleteCheckpointRequest& request) {
    asked.push_back(request.name());
    return grpc::Status::OK;
  };
  EXPECT_EQ(Run({"checkpoint", "get", "cnn/best"}), 0);
  EXPECT_THAT(out_.str(), HasSubstr("step          400, the best so far\n"));
  EXPECT_EQ(Run({"checkpoint", "delete", "cnn/400", "jobs/cnn/checkpoints/800"}), 0);
  EXPECT_THAT(asked, ::testing::ElementsAre("jobs/cnn/checkpoints/best", "jobs/cnn/checkpoints/400",
                                            "jobs/cnn/checkpoints/800"));
}

TEST_F(ListsTest, ModelsAreShownAndRemoved) {
  server_.models.get_model = [](const v1::GetModelRequest& request, v1::Model* model) {
    model->set_name(request.name());
    model->add_tensors()->set_name("conv1.weight");
    return grpc::Status::OK;
  };
  server_.models.delete_model = [](const v1::DeleteModelRequest& request) {
    return request.name() == "models/used" ? grpc::Status(grpc::StatusCode::FAILED_PRECONDITION, "models/used is used")
                                           : grpc::Status::OK;
  };
  EXPECT_EQ(Run({"model", "get", "mine"}), 0);
  EXPECT_THAT(out_.str(), HasSubstr("models/mine: 1 tensors"));
  EXPECT_THAT(out_.str(), HasSubstr("conv1.weight"));
  EXPECT_EQ(Run({"model", "delete", "used", "mine"}), 4);
  EXPECT_EQ(err_.str(), "error: models/used is used\nmodels/mine deleted\n");
}

TEST_F(ListsTest, UploadsAndDatasets) {
  server_.datasets.list_uploads = [](const v1::ListUploadsRequest&, v1::ListUploadsResponse* response) {
    *response = FromText<v1::ListUploadsResponse>(
        "uploads { name: 'uploads/x' size_bytes: 2000 committed_bytes: 1000 } uploads { name: 'uploads/y' complete: "
        "true }");
    return grpc::Status::OK;
  };
  EXPECT_EQ(Run({"upload", "list"}), 0) << err_.str();
  EXPECT_THAT(out_.str(), HasSubstr("x       2.00 kB  1.00 kB"));
  EXPECT_THAT(out_.str(), HasSubstr("complete"));
  server_.datasets.delete_upload = [](const v1::DeleteUploadRequest& request) {
    EXPECT_EQ(request.name(), "uploads/x");
    return grpc::Status::OK;
  };
  EXPECT_EQ(Run({"upload", "delete", "x"}), 0);
  server_.datasets.list_datasets = [](const v1::ListDatasetsRequest& request, v1::ListDatasetsResponse* response) {
    EXPECT_EQ(request.order_by(), "size_bytes desc");
    response->add_datasets()->set_name("datasets/d");
    return grpc::Status::OK;
  };
  EXPECT_EQ(Run({"-q", "dataset", "list", "--sort", "size_bytes,desc"}), 0);
  EXPECT_EQ(out_.str(), "d\n");
}

}  // namespace
}  // namespace traind::client
