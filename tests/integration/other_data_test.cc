// A model and data that it was not trained on, through real processes.
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/integration/fixture.h"

namespace traind::integration {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;

class OtherDataTest : public IntegrationTest {
 protected:
  void SetUp() override { StartServer(); }

  // Points with these names for the labels 0 to 3; `shift` is added to every number, `turn` to every label (mod 4).
  void ImportNamed(const std::string& id, const std::vector<std::string>& names, int turn, float shift = 0) {
    v1::ImportDatasetRequest request;
    request.set_dataset_id(id);
    request.mutable_class_names()->Assign(names.begin(), names.end());
    for (const auto& [split, n, seed] :
         {std::tuple("train", kTrainExamples, 1u), std::tuple("test", kTestExamples, 2u)}) {
      const std::string path = folder_ / ("files/" + id + "_" + split);
      std::vector<float> points = PointsOf(n, seed);
      for (float& value : points) value += shift;
      std::vector<int64_t> labels = LabelsOf(n);
      for (int64_t& label : labels) label = (label + turn) % kClasses;
      WriteBytes(path + "_x.npy", NpyOf(points, {n, kFeatures}));
      WriteBytes(path + "_y.npy", NpyOf(labels));
      v1::SplitSource& source = *request.add_splits();
      source.set_name(split);
      source.mutable_examples()->set_path(path + "_x.npy");
      source.mutable_labels()->set_path(path + "_y.npy");
    }
    v1::Dataset dataset;
    const grpc::Status status = Import(request, &dataset);
    ASSERT_TRUE(status.ok()) << status.error_message();
  }
  void Train(const v1::JobSpec& spec, const std::string& id) {
    const v1::Event last = Watcher(server_.get(), Submit(spec, id).name()).Finish().back();
    ASSERT_EQ(last.state().state(), v1::JOB_STATE_SUCCEEDED) << last.ShortDebugString();
  }
  grpc::Status EvaluateOn(const std::string& job, const std::string& dataset, v1::EvaluationMetrics* metrics) {
    v1::EvaluateRequest request;
    request.mutable_model()->set_model("jobs/" + job + "/checkpoints/latest");
    request.mutable_data()->set_dataset(dataset);
    return Evaluate(request, metrics);
  }
};

TEST_F(OtherDataTest, ClassesInAnotherOrderAreTheSameClasses) {
  ImportNamed("points", {"a", "b", "c", "d"}, 0);
  Train(PointsJob(200), "trained");
  v1::EvaluationMetrics own, other;
  ASSERT_TRUE(EvaluateOn("trained", "", &own).ok());
  // The same points: label k is now class k - 1.
  ImportNamed("turned", {"d", "a", "b", "c"}, 1);
  const grpc::Status status = EvaluateOn("trained", "turned", &other);
  ASSERT_TRUE(status.ok()) << status.error_message();
  EXPECT_GT(own.accuracy(), 0.9);
  EXPECT_EQ(other.accuracy(), own.accuracy());
  EXPECT_EQ(other.loss(), own.loss());
  v1::PredictSplitRequest predict;
  predict.mutable_model()->set_model("jobs/trained/checkpoints/latest");
  predict.mutable_range()->set_dataset("turned");
  v1::PredictSplitResponse predicted;
  ASSERT_TRUE(PredictSplit(predict, &predicted).ok());
  const v1::PredictResponse answer = ReadPredictions(predicted.operation());
  EXPECT_EQ(std::vector<int64_t>(answer.labels().begin(), answer.labels().end()), LabelsOf(kTestExamples));
  ImportNamed("strange", {"a", "b", "c", "e"}, 0);
  EXPECT_THAT(EvaluateOn("trained", "strange", &other).error_message(), HasSubstr("does not know: e"));
}

TEST_F(OtherDataTest, AReplacedDatasetIsNotTakenForTheOneOfBefore) {
  ImportNamed("points", {"a", "b", "c", "d"}, 0);
  Train(PointsJob(50), "trained");
  google::protobuf::Empty empty;
  v1::DeleteDatasetRequest remove;
  remove.set_name("datasets/points");
  EXPECT_EQ(datasets_->DeleteDataset(NewContext().get(), remove, &empty).error_code(),
            grpc::StatusCode::FAILED_PRECONDITION);
  remove.set_force(true);
  ASSERT_TRUE(datasets_->DeleteDataset(NewContext().get(), remove, &empty).ok());
  ImportNamed("points", {"a", "b", "c", "d"}, 2);
  v1::EvaluationMetrics metrics;
  const grpc::Status refused = EvaluateOn("trained", "", &metrics);
  EXPECT_EQ(refused.error_code(), grpc::StatusCode::FAILED_PRECONDITION);
  EXPECT_THAT(refused.error_message(), HasSubstr("is not the dataset that jobs/trained was trained on"));
  EXPECT_TRUE(EvaluateOn("trained", "points", &metrics).ok()) << "named on purpose";
}

TEST_F(OtherDataTest, APupilSeesWhatItsTeacherSaw) {
  ImportNamed("points", {"a", "b", "c", "d"}, 0);
  v1::JobSpec spec = PointsJob(100);
  spec.mutable_data()->add_preprocessing()->mutable_zero_mean();
  Train(spec, "teacher");
  ImportNamed("far", {"a", "b", "c", "d"}, 0, /*shift=*/3);
  v1::JobSpec pupil = spec;
  pupil.set_steps(0);
  pupil.mutable_data()->set_dataset("far");
  pupil.mutable_initial_weights()->set_model("jobs/teacher");
  Train(pupil, "pupil");
  EXPECT_THAT(Get("jobs/pupil").warnings(), Contains(HasSubstr("stays as it was fitted on datasets/points")));
  v1::EvaluationMetrics teacher, same;
  ASSERT_TRUE(EvaluateOn("teacher", "points", &teacher).ok());
  const grpc::Status status = EvaluateOn("pupil", "points", &same);
  ASSERT_TRUE(status.ok()) << status.error_message();
  EXPECT_EQ(same.loss(), teacher.loss()) << "the same weights on the same examples";
}

}  // namespace
}  // namespace traind::integration
