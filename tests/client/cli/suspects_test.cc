// trainctl suspects, against a server that predicts what the test says.
#include <gmock/gmock.h>

#include <limits>
#include <nlohmann/json.hpp>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "client/cli/suspects_page.h"
#include "tests/client/cli/app_fixture.h"
#include "tests/support/image_bytes.h"
#include "tests/support/text_proto.h"

namespace traind::client {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

class SuspectsTest : public AppTest {
 protected:
  SuspectsTest() {
    server_.training.get_job = [this](const v1::GetJobRequest& request, v1::Job* job) {
      *job = job_;
      job->set_name(request.name());
      job->set_state(state_);
      return grpc::Status::OK;
    };
    server_.training.create_job = [this](const v1::CreateJobRequest& request, v1::Job* job) {
      created_ = request;
      job->set_name("jobs/" + request.job_id());
      job->mutable_progress()->set_total_steps(800);
      return grpc::Status::OK;
    };
    server_.training.watch_job = [](const v1::WatchJobRequest&, grpc::ServerWriter<v1::WatchJobResponse>* writer) {
      v1::WatchJobResponse response;
      v1::Event& event = *response.add_events();
      event.set_sequence(1);
      event.set_step(400);
      event.mutable_train()->set_loss(1);
      writer->Write(response);
      return grpc::Status::OK;
    };
    server_.models.list_checkpoints = [this](const v1::ListCheckpointsRequest& request,
                                             v1::ListCheckpointsResponse* response) {
      for (const uint64_t step : steps_) {
        v1::Checkpoint* checkpoint = response->add_checkpoints();
        checkpoint->set_name(absl::StrCat(request.parent(), "/checkpoints/", step));
        checkpoint->set_step(step);
      }
      return grpc::Status::OK;
    };
    server_.models.predict_split = [this](const v1::PredictSplitRequest& request, v1::Operation* operation) {
      predicted_.push_back(request);
      v1::PredictSplitResponse made;
      made.set_operation("operations/o");
      made.set_examples(3);
      made.set_outputs(2);
      operation->set_name("operations/o");
      operation->set_done(true);
      operation->mutable_response()->PackFrom(made);
      return grpc::Status::OK;
    };
    server_.models.read_predictions = [this](const v1::ReadPredictionsRequest&,
                                             grpc::ServerWriter<v1::PredictResponse>* writer) {
      for (const v1::PredictResponse& part : parts_) writer->Write(part);
      return grpc::Status::OK;
    };
    server_.operations.remove = [this](const v1::DeleteOperationRequest&) {
      ++removed_;
      return grpc::Status::OK;
    };
    server_.datasets.get_dataset = [this](const v1::GetDatasetRequest&, v1::Dataset* dataset) {
      *dataset = dataset_;
      return grpc::Status::OK;
    };
    server_.datasets.preview_dataset = [this](const v1::PreviewDatasetRequest& request,
                                              v1::PreviewDatasetResponse* response) {
      shown_ = request;
      const uint32_t width = 26, height = 24 + static_cast<uint32_t>(request.examples_size()) * 6 - 4;
      response->set_png(Png(width, height, 8, 0, std::string(width * height, '\x40')));
      return grpc::Status::OK;
    };
  }

  std::vector<std::string> Lines() const { return absl::StrSplit(out_.str(), '\n', absl::SkipEmpty()); }

  v1::Job job_ = FromText<v1::Job>(R"(
    resolved_spec { data { dataset: "pets" train_split: "train" } } spec { data { dataset: "pets" } steps: 800 }
    labels { key: "team" value: "vision" } progress { total_steps: 800 }
    trained_on { dataset: "datasets/pets" num_classes: 2 class_names: "cat" class_names: "<dog>"
                 splits { name: "train" num_examples: 3 } })");
  v1::JobState state_ = v1::JOB_STATE_SUCCEEDED;
  std::vector<uint64_t> steps_ = {0, 100, 200, 300, 400, 500, 600, 700, 800};
  // Margins 1, -4, 2.
  std::vector<v1::PredictResponse> parts_ = {
      FromText<v1::PredictResponse>("shape: [2, 2] outputs: [2, 1, 1, 5] labels: [0, 0]"),
      FromText<v1::PredictResponse>("shape: [1, 2] first: 2 outputs: [0, 2] labels: 1")};
  v1::Dataset dataset_ = FromText<v1::Dataset>("name: 'datasets/pets' example_shape: [1, 2, 2]");
  std::vector<v1::PredictSplitRequest> predicted_;
  v1::CreateJobRequest created_;
  v1::PreviewDatasetRequest shown_;
  int removed_ = 0;
};

TEST_F(SuspectsTest, ListsTheLowestMargins) {
  ASSERT_EQ(Run({"suspects", "cnn", "-n", "2"}), 0) << err_.str();
  EXPECT_THAT(Lines(), ElementsAre(AllOf(HasSubstr("example"), HasSubstr("taken for"), HasSubstr("margin")),
                                   AllOf(HasSubstr("1"), HasSubstr("cat"), HasSubstr("<dog>"), HasSubstr("-4")),
                                   AllOf(HasSubstr("0"), HasSubstr("cat"), HasSubstr("<dog>"), HasSubstr("1"))));
  EXPECT_THAT(err_.str(), HasSubstr("margins of 3 examples of train over 8 checkpoints of jobs/cnn, steps 100 to 800; "
                                    "1 are below 0"));
  EXPECT_THAT(err_.str(), Not(HasSubstr("warning")));
  ASSERT_EQ(predicted_.size(), 8u) << "not the untrained one";
  EXPECT_EQ(predicted_[0].model().model(), "jobs/cnn/checkpoints/100");
  EXPECT_EQ(predicted_[0].range().split(), "train");
  EXPECT_TRUE(predicted_[0].has_test_time()) << "one look";
  EXPECT_EQ(removed_, 8);
}

TEST_F(SuspectsTest, ForPrograms) {
  ASSERT_EQ(Run({"--json", "suspects", "cnn"}), 0) << err_.str();
  ASSERT_EQ(Lines().size(), 3u);
  const auto first = nlohmann::json::parse(Lines()[0]);
  EXPECT_EQ(first, nlohmann::json::parse(R"({"example": 1, "label": 0, "taken_for": 1, "margin": -4.0,
                                              "label_name": "cat", "taken_for_name": "<dog>"})"));
  ASSERT_EQ(Run({"-q", "suspects", "cnn"}), 0);
  EXPECT_THAT(Lines(), ElementsAre("1", "0", "2"));
}

TEST_F(SuspectsTest, TakesCheckpointsEvenly) {
  ASSERT_EQ(Run({"suspects", "cnn", "--checkpoints", "2"}), 0) << err_.str();
  ASSERT_EQ(predicted_.size(), 2u);
  EXPECT_EQ(predicted_[0].model().model(), "jobs/cnn/checkpoints/400");
  EXPECT_EQ(predicted_[1].model().model(), "jobs/cnn/checkpoints/800");
}

TEST_F(SuspectsTest, SaysWhenTheCheckpointsAreNotEnough) {
  steps_ = {0, 800};
  ASSERT_EQ(Run({"suspects", "cnn"}), 0);
  EXPECT_THAT(err_.str(),
              AllOf(HasSubstr("over 1 checkpoint of jobs/cnn, step 800"), HasSubstr("few checkpoints"),
                    HasSubstr("suspects cnn --train NAME"), HasSubstr("checkpoint { every_steps: 50 keep_last: 16 }")));
  job_.mutable_progress()->set_total_steps(31);
  ASSERT_EQ(Run({"suspects", "cnn"}), 0);
  EXPECT_THAT(err_.str(), HasSubstr("every_steps: 2 keep_last: 16")) << "every step would keep the last 16 of 31";
  job_.mutable_progress()->set_total_steps(800);
  steps_ = {500, 560, 620, 680, 740, 800};
  ASSERT_EQ(Run({"suspects", "cnn"}), 0);
  EXPECT_THAT(err_.str(), HasSubstr("checkpoints of the end"));
  steps_ = {0};
  EXPECT_EQ(Run({"suspects", "cnn"}), 4);
  EXPECT_THAT(err_.str(), AllOf(HasSubstr("no checkpoint of a step that it has trained"), HasSubstr("--train NAME")));
}

TEST_F(SuspectsTest, TrainsOnceMoreForThem) {
  terminal_ = true;
  ASSERT_EQ(Run({"suspects", "cnn", "--train", "again"}), 0) << err_.str();
  EXPECT_EQ(created_.job_id(), "again");
  EXPECT_EQ(created_.spec().checkpoint().every_steps(), 50u);
  EXPECT_EQ(created_.spec().checkpoint().keep_last(), 16u);
  EXPECT_TRUE(created_.spec().checkpoint().has_every()) << "0 s: not by time, too";
  EXPECT_EQ(created_.spec().steps(), 800u);
  EXPECT_EQ(created_.spec().labels().at("suspects-of"), "cnn");
  EXPECT_EQ(created_.spec().labels().at("team"), "vision");
  EXPECT_THAT(err_.str(), AllOf(HasSubstr("jobs/again trains as jobs/cnn did"), HasSubstr("step 400 of 800")));
  EXPECT_EQ(predicted_[0].model().model(), "jobs/again/checkpoints/100");
  state_ = v1::JOB_STATE_FAILED;
  predicted_.clear();
  EXPECT_EQ(Run({"suspects", "cnn", "--train", "again"}), 6);
  EXPECT_THAT(err_.str(), HasSubstr("jobs/again FAILED"));
  EXPECT_TRUE(predicted_.empty());
}

TEST_F(SuspectsTest, WritesAPageWithPictures) {
  const std::string page = folder_ / "suspects.html";
  ASSERT_EQ(Run({"suspects", "cnn", "-n", "2", "-o", page}), 0) << err_.str();
  EXPECT_THAT(shown_.examples(), ElementsAre(1u, 0u));
  EXPECT_EQ(shown_.split(), "train");
  const std::string html = ReadBytes(page);
  EXPECT_THAT(
      html, AllOf(HasSubstr("<img alt=\"example 1\" src=\"data:image/png;base64,iVBOR"),
                  HasSubstr("taken for <b>&lt;dog&gt;</b>"), Not(HasSubstr("<dog>")), HasSubstr("over 8 checkpoints")));
  dataset_.clear_example_shape();
  dataset_.add_example_shape(4);
  predicted_.clear();
  EXPECT_EQ(Run({"suspects", "cnn", "-o", page}), 1);
  EXPECT_THAT(err_.str(), HasSubstr(page + " exists; --force replaces it"));
  EXPECT_TRUE(predicted_.empty()) << "before any work";
  EXPECT_EQ(ReadBytes(page), html);
  ASSERT_EQ(Run({"suspects", "cnn", "-o", page, "--force"}), 0) << err_.str();
  EXPECT_THAT(err_.str(), HasSubstr("no images"));
  EXPECT_THAT(ReadBytes(page), AllOf(HasSubstr("example 1"), Not(HasSubstr("<img"))));
  EXPECT_EQ(Run({"suspects", "cnn", "-o", folder_ / "none/x.html"}), 1);
  EXPECT_THAT(err_.str(), HasSubstr("--output: cannot write"));
}

TEST_F(SuspectsTest, RefusesWhatHasNoClasses) {
  job_.mutable_trained_on()->set_num_classes(0);
  job_.mutable_trained_on()->set_target_width(1);
  EXPECT_EQ(Run({"suspects", "cnn", "--train", "again"}), 4);
  EXPECT_THAT(err_.str(), HasSubstr("jobs/cnn is no classifier"));
  job_.mutable_trained_on()->set_num_classes(2);
  job_.mutable_resolved_spec()->mutable_data()->set_targets(v1::TARGET_SOURCE_INPUT);
  EXPECT_EQ(Run({"suspects", "cnn"}), 4);
  EXPECT_THAT(err_.str(), HasSubstr("data.targets"));
  EXPECT_TRUE(predicted_.empty());
  EXPECT_EQ(created_.job_id(), "");
  EXPECT_EQ(Run({"suspects", "cnn", "-n", "0"}), 2);
}

TEST_F(SuspectsTest, NamesTheCheckpointWhosePredictionsAreOfNoUse) {
  parts_[1].set_outputs(0, std::numeric_limits<float>::quiet_NaN());
  EXPECT_EQ(Run({"suspects", "cnn"}), 1);
  EXPECT_THAT(err_.str(), HasSubstr("jobs/cnn/checkpoints/100: the network's outputs for example 2 are not finite"));
  parts_.pop_back();
  EXPECT_EQ(Run({"suspects", "cnn"}), 1);
  EXPECT_THAT(err_.str(), HasSubstr("fewer predictions than 3"));
}

}  // namespace
}  // namespace traind::client
