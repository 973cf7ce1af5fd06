// Operations on real processes: over whole splits, across deaths of worker, client and server.
#include "tests/support/operations.h"

#include <signal.h>

#include <filesystem>
#include <map>
#include <string>
#include <thread>
#include <vector>

#include "absl/time/clock.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/integration/fixture.h"

namespace traind::integration {
namespace {

constexpr int kManyExamples = 300'000;

class OperationsTest : public IntegrationTest {
 protected:
  // datasets/many, and jobs/j with a network for it.
  void SetUp() override {
    StartServer();
    ImportPoints();
    v1::JobSpec spec = PointsJob(20);
    v1::Layer more = spec.network().layers(0);  // Work for some seconds.
    more.set_name("more");
    more.mutable_dense()->set_units(384);
    *spec.mutable_network()->mutable_layers(0) = more;
    spec.mutable_network()->mutable_layers(0)->set_name("hidden");
    const v1::Layer output = spec.network().layers(1);
    *spec.mutable_network()->mutable_layers(1) = more;
    *spec.mutable_network()->add_layers() = output;
    Watcher watcher(server_.get(), Submit(spec, "j").name());
    ASSERT_EQ(watcher.Finish().back().state().state(), v1::JOB_STATE_SUCCEEDED);
    const std::filesystem::path files = folder_ / "files";
    WriteBytes(files / "many_x.npy", NpyOf(PointsOf(kManyExamples, 3), {kManyExamples, kFeatures}));
    WriteBytes(files / "many_y.npy", NpyOf(LabelsOf(kManyExamples)));
    v1::ImportDatasetRequest request;
    request.set_dataset_id("many");
    v1::SplitSource& source = *request.add_splits();
    source.set_name("all");
    source.mutable_examples()->set_path(files / "many_x.npy");
    source.mutable_labels()->set_path(files / "many_y.npy");
    v1::Dataset dataset;
    const grpc::Status status = Import(request, &dataset);
    ASSERT_TRUE(status.ok()) << status.error_message();
  }

  static v1::PredictSplitRequest PredictMany() {
    v1::PredictSplitRequest request;
    request.mutable_model()->set_model("jobs/j/checkpoints/latest");
    request.mutable_range()->set_dataset("datasets/many");
    request.mutable_range()->set_split("all");
    return request;
  }
  v1::Operation Begin(const v1::PredictSplitRequest& request) {
    v1::Operation operation;
    const grpc::Status status = models_->PredictSplit(NewContext().get(), request, &operation);
    EXPECT_TRUE(status.ok()) << status.error_message();
    return operation;
  }
  v1::OperationMetadata Metadata(const std::string& name) {
    v1::GetOperationRequest request;
    request.set_name(name);
    v1::Operation operation;
    const grpc::Status status = operations_->GetOperation(NewContext().get(), request, &operation);
    EXPECT_TRUE(status.ok()) << status.error_message();
    v1::OperationMetadata metadata;
    EXPECT_TRUE(operation.metadata().UnpackTo(&metadata));
    return metadata;
  }
  // Waits until part of the work is done.
  v1::OperationMetadata AwaitProgress(const std::string& name) {
    for (const absl::Time deadline = absl::Now() + kPatience; absl::Now() < deadline;) {
      const v1::OperationMetadata metadata = Metadata(name);
      if (metadata.progress().done() > 0 || HasFailure()) return metadata;
      absl::SleepFor(absl::Milliseconds(5));
    }
    ADD_FAILURE() << name << " does not move";
    return {};
  }
  grpc::Status Finish(const v1::Operation& operation, v1::PredictSplitResponse* made) {
    return Await(*operations_, grpc::Status::OK, operation, made);
  }
};

TEST_F(OperationsTest, AWholeSplitIsPredictedAndShowsItsProgress) {
  const v1::Operation begun = Begin(PredictMany());
  EXPECT_FALSE(begun.done());
  const v1::OperationMetadata under_way = AwaitProgress(begun.name());
  EXPECT_EQ(under_way.state(), v1::OPERATION_STATE_RUNNING);
  EXPECT_EQ(under_way.method(), "PredictSplit");
  EXPECT_EQ(under_way.target(), "jobs/j/checkpoints/20");
  EXPECT_EQ(under_way.progress().total(), kManyExamples);
  EXPECT_EQ(under_way.progress().unit(), "examples");
  v1::PredictSplitResponse made;
  const grpc::Status status = Finish(begun, &made);
  ASSERT_TRUE(status.ok()) << status.error_message();
  EXPECT_EQ(made.examples(), kManyExamples);
  EXPECT_GT(made.size_bytes(), int64_t{kManyExamples} * kClasses * 8);

  const v1::PredictResponse whole = ReadPredictions(made.operation());
  ASSERT_EQ(whole.outputs_size(), kManyExamples * kClasses);
  ASSERT_EQ(whole.labels_size(), kManyExamples);
  const v1::PredictResponse rest = ReadPredictions(made.operation(), 123'456);
  ASSERT_EQ(rest.outputs_size(), (kManyExamples - 123'456) * kClasses);
  EXPECT_TRUE(std::equal(rest.outputs().begin(), rest.outputs().end(), whole.outputs().begin() + 123'456 * kClasses));

  // As by examples that come with the call.
  v1::PredictRequest predict;
  *predict.mutable_model() = PredictMany().model();
  constexpr int kSome = 1000;
  const std::vector<float> points = PointsOf(kManyExamples, 3);
  predict.mutable_examples()->add_shape(kSome);
  predict.mutable_examples()->add_shape(kFeatures);
  predict.mutable_examples()->mutable_values()->Add(points.begin(), points.begin() + kSome * kFeatures);
  v1::PredictResponse some;
  const grpc::Status predicted = models_->Predict(NewContext().get(), predict, &some);
  ASSERT_TRUE(predicted.ok()) << predicted.error_message();
  EXPECT_TRUE(std::equal(some.outputs().begin(), some.outputs().end(), whole.outputs().begin()));
  EXPECT_TRUE(std::equal(some.classes().begin(), some.classes().end(), whole.classes().begin()));
  EXPECT_TRUE(std::equal(some.probabilities().begin(), some.probabilities().end(), whole.probabilities().begin()));

  // Deleted with all it holds.
  v1::DeleteOperationRequest remove;
  remove.set_name(made.operation());
  google::protobuf::Empty nothing;
  ASSERT_TRUE(operations_->DeleteOperation(NewContext().get(), remove, &nothing).ok());
  EXPECT_TRUE(std::filesystem::is_empty(folder_ / "data/operations"));
}

TEST_F(OperationsTest, DeathsOfWorkerAndServerChangeNothing) {
  v1::PredictSplitResponse undisturbed;
  ASSERT_TRUE(Finish(Begin(PredictMany()), &undisturbed).ok());
  const v1::PredictResponse expected = ReadPredictions(undisturbed.operation());

  v1::PredictSplitRequest request = PredictMany();
  request.set_request_id("once");
  const v1::Operation begun = Begin(request);
  AwaitProgress(begun.name());
  for (const pid_t worker : server_->Workers()) kill(worker, SIGKILL);
  while (Metadata(begun.name()).attempts() < 2) absl::SleepFor(absl::Milliseconds(5));
  AwaitProgress(begun.name());
  server_->Kill();
  RestartServer();
  // The client was gone, too, and asks again.
  const v1::Operation again = Begin(request);
  EXPECT_EQ(again.name(), begun.name());
  v1::PredictSplitResponse made;
  const grpc::Status status = Finish(again, &made);
  ASSERT_TRUE(status.ok()) << status.error_message();
  EXPECT_EQ(Metadata(begun.name()).attempts(), 3u);
  EXPECT_EQ(ReadPredictions(made.operation()).SerializeAsString(), expected.SerializeAsString());

  // Results stay over a restart, too.
  ASSERT_EQ(server_->Terminate(absl::Seconds(30)), 0);
  RestartServer();
  EXPECT_EQ(ReadPredictions(undisturbed.operation()).SerializeAsString(), expected.SerializeAsString());
}

TEST_F(OperationsTest, ACancelledOneEndsItsWorker) {
  const v1::Operation begun = Begin(PredictMany());
  AwaitProgress(begun.name());
  v1::CancelOperationRequest cancel;
  cancel.set_name(begun.name());
  v1::Operation operation;
  ASSERT_TRUE(operations_->CancelOperation(NewContext().get(), cancel, &operation).ok());
  v1::PredictSplitResponse made;
  EXPECT_EQ(Finish(operation, &made).error_code(), grpc::StatusCode::CANCELLED);
  EXPECT_TRUE(server_->Workers().empty());
  EXPECT_TRUE(std::filesystem::is_empty(folder_ / "data/operations")) << "nothing of it is left";
}

TEST_F(OperationsTest, AnEvaluationIsKilledWithItsServerAndMadeAgain) {
  v1::EvaluateRequest request;
  request.mutable_model()->set_model("jobs/j/checkpoints/latest");
  request.mutable_data()->set_dataset("datasets/many");
  request.mutable_data()->set_evaluation_split("all");
  v1::EvaluationMetrics expected;
  ASSERT_TRUE(Evaluate(request, &expected).ok());
  EXPECT_EQ(expected.examples(), kManyExamples);

  v1::Operation operation;
  ASSERT_TRUE(models_->Evaluate(NewContext().get(), request, &operation).ok());
  AwaitProgress(operation.name());
  server_->Kill();
  RestartServer();
  v1::EvaluationMetrics metrics;
  const grpc::Status status = Await(*operations_, grpc::Status::OK, operation, &metrics);
  ASSERT_TRUE(status.ok()) << status.error_message();
  EXPECT_EQ(metrics.SerializeAsString(), expected.SerializeAsString());
}

// The dataset is there once, however often the server was killed, and whenever.
TEST_F(OperationsTest, AnImportIsMadeOnce) {
  v1::ImportDatasetRequest request;
  request.set_dataset_id("again");
  request.set_request_id("import");
  v1::SplitSource& source = *request.add_splits();
  source.set_name("all");
  source.mutable_examples()->set_path(folder_ / "files/many_x.npy");
  source.mutable_labels()->set_path(folder_ / "files/many_y.npy");
  v1::Operation operation;
  for (const int milliseconds : {0, 10, 30, 60, 100}) {
    ASSERT_TRUE(datasets_->ImportDataset(NewContext().get(), request, &operation).ok());
    absl::SleepFor(absl::Milliseconds(milliseconds));
    server_->Kill();
    RestartServer();
  }
  v1::Dataset dataset;
  const grpc::Status status = Import(request, &dataset);
  ASSERT_TRUE(status.ok()) << status.error_message();
  EXPECT_EQ(dataset.splits(0).num_examples(), kManyExamples);
  EXPECT_EQ(dataset.uid().size(), 36u);
}

}  // namespace
}  // namespace traind::integration
