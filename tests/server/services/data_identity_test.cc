// What jobs were trained on, when their dataset goes, comes back as another one, or another one is to be read.
#include <gmock/gmock.h>

#include <string>
#include <thread>
#include <vector>

#include "core/checkpoint/checkpoint_dir.h"
#include "tests/server/services/services_fixture.h"

namespace traind::server {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class DataIdentityTest : public ServicesTest {
 protected:
  grpc::Status DeleteDataset(const std::string& name, bool force) {
    v1::DeleteDatasetRequest request;
    request.set_name(name);
    request.set_force(force);
    google::protobuf::Empty empty;
    grpc::ClientContext context;
    return datasets_->DeleteDataset(&context, request, &empty);
  }
  // Puts another dataset under the name of the job's, with other labels.
  void Replace() {
    const grpc::Status deleted = DeleteDataset("datasets/digits", true);
    ASSERT_TRUE(deleted.ok() || deleted.error_code() == grpc::StatusCode::NOT_FOUND) << deleted.error_message();
    std::string labels;
    for (int i = 0; i < kExamples; ++i) labels += static_cast<char>((i + 1) % 3);
    WriteBytes(root_ + "/labels.npy", Npy("|u1", "(20,)", labels));
    Import("digits");
  }
  grpc::Status Evaluate(const std::string& dataset, v1::OperationMetadata* metadata = nullptr) {
    v1::EvaluateRequest request;
    request.mutable_model()->set_model("jobs/a/checkpoints/latest");
    request.mutable_data()->set_dataset(dataset);
    v1::Operation operation;
    grpc::ClientContext context;
    const grpc::Status status = models_->Evaluate(&context, request, &operation);
    if (metadata != nullptr) operation.metadata().UnpackTo(metadata);
    return status;
  }
  grpc::Status Predict(const std::string& dataset) {
    v1::PredictSplitRequest request;
    request.mutable_model()->set_model("jobs/a/checkpoints/latest");
    request.mutable_range()->set_dataset(dataset);
    v1::Operation operation;
    grpc::ClientContext context;
    return models_->PredictSplit(&context, request, &operation);
  }
  grpc::Status Extend() {
    v1::ExtendJobRequest request;
    request.set_name("jobs/a");
    request.set_epochs(9);
    request.set_validate_only(true);
    v1::Job job;
    grpc::ClientContext context;
    return training_->ExtendJob(&context, request, &job);
  }
  grpc::Status Fork(v1::ForkJobRequest request, v1::Job* job) {
    request.set_name("jobs/a");
    request.set_validate_only(true);
    grpc::ClientContext context;
    return training_->ForkJob(&context, request, job);
  }

  v1::Job job_ = TrainedJob({4});
};

TEST_F(DataIdentityTest, JobsAndTheirWorkersKnowIt) {
  v1::Dataset dataset;
  v1::GetDatasetRequest get;
  get.set_name("datasets/digits");
  grpc::ClientContext context;
  ASSERT_TRUE(datasets_->GetDataset(&context, get, &dataset).ok());
  const v1::DataIdentity& identity = job_.trained_on();
  EXPECT_EQ(identity.dataset(), "datasets/digits");
  EXPECT_EQ(identity.uid(), dataset.uid());
  ASSERT_EQ(identity.splits_size(), 2);
  EXPECT_EQ(identity.splits(0).checksum(), dataset.splits(0).checksum());
  EXPECT_EQ(identity.num_classes(), 3);
  EXPECT_EQ(identity.element_type(), v1::ELEMENT_TYPE_UINT8);
  EXPECT_THAT(identity.example_shape(), ElementsAre(1, 4, 4));
  const internal::TrainTask task = launcher_.Await(1)->task.train();
  EXPECT_EQ(task.trained_on().SerializeAsString(), identity.SerializeAsString());
  EXPECT_FALSE(task.first_examples());
  v1::ListJobsResponse list;
  grpc::ClientContext listing;
  ASSERT_TRUE(training_->ListJobs(&listing, v1::ListJobsRequest(), &list).ok());
  EXPECT_FALSE(list.jobs(0).has_trained_on()) << "a list holds little of each";
}

TEST_F(DataIdentityTest, DeletingWhatAJobWasTrainedOnTakesForce) {
  Import("free");
  EXPECT_TRUE(DeleteDataset("datasets/free", false).ok());
  const grpc::Status refused = DeleteDataset("datasets/digits", false);
  EXPECT_EQ(refused.error_code(), grpc::StatusCode::FAILED_PRECONDITION);
  EXPECT_THAT(refused.error_message(), HasSubstr("datasets/digits is what jobs/a was trained on"));
  EXPECT_THAT(refused.error_message(), HasSubstr("--force"));
  v1::Job alive;
  ASSERT_TRUE(Create(JobRequest("alive"), &alive).ok());
  EXPECT_THAT(DeleteDataset("datasets/digits", true).error_message(), HasSubstr("jobs/alive needs"));
  launcher_.Await(2)->End(WorkerExit::Kind::kFinished);
  v1::WatchJobRequest watch;
  watch.set_name("jobs/alive");
  std::vector<v1::Event> events;
  ASSERT_TRUE(Watch(watch, &events).ok());
  EXPECT_TRUE(DeleteDataset("datasets/digits", true).ok());
  Replace();
  EXPECT_TRUE(DeleteDataset("datasets/digits", false).ok()) << "no job was trained on this one";
}

TEST_F(DataIdentityTest, AnotherDatasetUnderTheNameIsNotTakenForIt) {
  v1::Job job;
  EXPECT_TRUE(Evaluate("").ok());
  EXPECT_TRUE(Extend().ok());
  EXPECT_TRUE(Fork({}, &job).ok());
  launcher_.Await(2)->End(WorkerExit::Kind::kFinished);  // The evaluation, which holds the dataset.
  v1::OperationMetadata metadata;
  while (!DeleteDataset("datasets/digits", true).ok()) std::this_thread::yield();
  Import("digits");
  EXPECT_TRUE(Evaluate("").ok()) << "the same files again";
  launcher_.Await(3)->End(WorkerExit::Kind::kFinished);
  EXPECT_TRUE(Extend().ok());
  while (!DeleteDataset("datasets/digits", true).ok()) std::this_thread::yield();
  Import("digits");
  Replace();

  for (const grpc::Status& refused : {Evaluate(""), Predict(""), Extend()}) {
    EXPECT_EQ(refused.error_code(), grpc::StatusCode::FAILED_PRECONDITION);
    EXPECT_THAT(refused.error_message(), HasSubstr("datasets/digits is not the dataset that jobs/a was trained on"));
    EXPECT_THAT(refused.error_message(), HasSubstr(job_.trained_on().splits(0).checksum()));
  }
  EXPECT_THAT(Evaluate("").error_message(), HasSubstr("--dataset digits"));
  EXPECT_THAT(Fields(Fork({}, &job)), ElementsAre("spec.data.dataset"));
  // Whatever else is new of it.
  ASSERT_TRUE(DeleteDataset("datasets/digits", true).ok());
  v1::ImportDatasetRequest flat = ImportRequest("digits");
  WriteBytes(root_ + "/x.npy", Npy("|u1", "(20, 9)", std::string(kExamples * 9, 'x')));
  for (auto& split : *flat.mutable_splits()) split.mutable_examples()->set_path("x.npy");
  v1::Dataset dataset;
  ASSERT_TRUE(ImportAll(flat, &dataset).ok());
  EXPECT_THAT(Evaluate("").error_message(), HasSubstr("is not the dataset that jobs/a was trained on"));
  Replace();
  // Who names it means it.
  EXPECT_TRUE(Evaluate("digits", &metadata).ok());
  EXPECT_THAT(metadata.warnings(), IsEmpty());
  EXPECT_TRUE(Predict("digits").ok());
}

TEST_F(DataIdentityTest, OtherDataIsComparedBeforeAWorkerStarts) {
  const auto import = [this](const std::string& id, const std::string& examples, const std::string& labels) {
    WriteBytes(root_ + "/x.npy", examples);
    WriteBytes(root_ + "/y.npy", labels);
    v1::ImportDatasetRequest request = ImportRequest(id);
    for (auto& split : *request.mutable_splits()) {
      split.mutable_examples()->set_path("x.npy");
      split.mutable_labels()->set_path("y.npy");
    }
    v1::Dataset dataset;
    const grpc::Status status = ImportAll(request, &dataset);
    ASSERT_TRUE(status.ok()) << status.error_message();
  };
  import("two", examples_, Npy("|u1", "(20,)", std::string(19, '\0') + '\1'));
  v1::OperationMetadata metadata;
  EXPECT_TRUE(Evaluate("two", &metadata).ok());
  EXPECT_THAT(metadata.warnings(), ElementsAre("datasets/two has 2 of the model's 3 classes"));
  EXPECT_EQ(launcher_.Await(2)->task.evaluate().trained_on().num_classes(), 3);

  import("fifty", examples_, Npy("|u1", "(20,)", std::string(19, '\0') + '\x31'));
  import("floats", Npy("<f4", "(20, 1, 4, 4)", std::string(kExamples * 64, '\0')),
         Npy("|u1", "(20,)", std::string(20, '\2')));
  import("other", Npy("|u1", "(20, 9)", std::string(kExamples * 9, 'x')), Npy("|u1", "(20,)", std::string(20, '\2')));
  import("targets", examples_, Npy("<f4", "(20, 3)", std::string(kExamples * 12, '\0')));
  for (const char* dataset : {"fifty", "floats", "other", "targets"}) {
    EXPECT_THAT(Fields(Evaluate(dataset)), Contains("data.dataset")) << dataset;
    EXPECT_THAT(Fields(Predict(dataset)), Contains("range.dataset")) << dataset;
  }
  EXPECT_EQ(launcher_.started(), 2u);
}

TEST_F(DataIdentityTest, WeightsAreComparedWithTheNetworkBeforeAWorkerStarts) {
  const std::string header =
      R"({"logits.bias":{"dtype":"F16","shape":[3],"data_offsets":[0,6]},"n":{"dtype":"I64","shape":[],"data_offsets":[6,14]}})";
  v1::Model model;
  ASSERT_TRUE(UploadModel("m", LittleEndian(header.size(), 8) + header + std::string(14, '\0'), &model).ok());
  EXPECT_EQ(model.tensors(0).dtype(), "F16");
  EXPECT_EQ(model.tensors(1).dtype(), "I64");
  v1::CreateJobRequest request = JobRequest("b");
  request.mutable_spec()->mutable_initial_weights()->set_model("models/m");
  v1::Job job;
  const grpc::Status refused = Create(request, &job);
  EXPECT_THAT(Fields(refused), ElementsAre("spec.initial_weights.model", "spec.initial_weights.model"));
  EXPECT_THAT(refused.error_message(), HasSubstr("logits.weight: is missing"));
  EXPECT_THAT(refused.error_message(), HasSubstr("n (I64): nothing in the network takes it"));
  request.mutable_spec()->mutable_initial_weights()->set_allow_missing(true);
  ASSERT_TRUE(Create(request, &job).ok());
  EXPECT_THAT(job.warnings(),
              Contains("initial weights from models/m: 1 tensor loaded (from F16); not in the file, and "
                       "so initialized: logits.weight; in the file, but not in the network: n (I64)"));
}

TEST_F(DataIdentityTest, AJobBeginsWithTheModelsPreprocessing) {
  v1::CreateJobRequest request = JobRequest("scaled");
  request.mutable_spec()->mutable_data()->add_preprocessing()->mutable_standardize();
  v1::Job job;
  ASSERT_TRUE(Create(request, &job).ok());
  const auto worker = launcher_.Await(2);
  const std::vector<core::Tensor> tensors = {{"logits.weight", {3, 16}, std::vector<float>(48)},
                                             {"logits.bias", {3}, {0, 0, 0}}};
  const std::vector<core::Tensor> learned = {{"preprocessing.0.mean", {1}, {0.5f}}};
  const auto sources = core::SourcesOf(tensors), fitted = core::SourcesOf(learned);
  core::CheckpointContent content{.weights = sources, .state = sources, .preprocessing = fitted};
  content.manifest.set_step(1);
  *content.manifest.mutable_spec() = worker->task.train().spec();
  ASSERT_TRUE(core::SaveCheckpoint(worker->task.train().checkpoint_dir(), content, {}).ok());
  worker->End(WorkerExit::Kind::kFinished);

  request.set_job_id("tuned");
  request.mutable_spec()->mutable_initial_weights()->set_model("jobs/scaled");
  ASSERT_TRUE(Create(request, &job).ok());
  const internal::TrainTask task = launcher_.Await(3)->task.train();
  EXPECT_EQ(task.spec().initial_weights().preprocessing_from(), v1::InitialWeights::PREPROCESSING_FROM_MODEL);
  EXPECT_THAT(ReadBytes(task.preprocessing_path()), HasSubstr("preprocessing.0.mean"));
  launcher_.Await(3)->End(WorkerExit::Kind::kFinished);

  request.set_job_id("anew");
  request.mutable_spec()->mutable_initial_weights()->set_preprocessing_from(
      v1::InitialWeights::PREPROCESSING_FROM_DATA);
  ASSERT_TRUE(Create(request, &job).ok());
  EXPECT_EQ(launcher_.Await(4)->task.train().preprocessing_path(), "");
  request.set_job_id("none");
  request.mutable_spec()->mutable_data()->clear_preprocessing();
  request.mutable_spec()->mutable_initial_weights()->set_preprocessing_from(
      v1::InitialWeights::PREPROCESSING_FROM_MODEL);
  EXPECT_THAT(Fields(Create(request, &job)), ElementsAre("spec.initial_weights.preprocessing_from"));
}

}  // namespace
}  // namespace traind::server
