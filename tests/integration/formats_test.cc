// Images and CIFAR batches through real processes, and what a worker that dies in the middle of an import leaves.
#include <signal.h>

#include <filesystem>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/integration/fixture.h"
#include "tests/support/image_bytes.h"
#include "tests/support/operations.h"

namespace traind::integration {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;
namespace fs = std::filesystem;

class FormatsTest : public IntegrationTest {
 protected:
  fs::path Files() const { return folder_ / "files"; }
  v1::ImportDatasetRequest Request(const std::string& id, const std::string& file, v1::Format format) {
    v1::ImportDatasetRequest request;
    request.set_dataset_id(id);
    v1::SplitSource& source = *request.add_splits();
    source.set_name("train");
    source.mutable_examples()->set_path(Files() / file);
    source.set_format(format);
    if (format == v1::FORMAT_IMAGES) {
      source.mutable_images()->set_height(8);
      source.mutable_images()->set_width(8);
    }
    return request;
  }
  // An archive of two classes of images in shades of red and of blue.
  static std::string RedAndBlue(int each) {
    std::string tar;
    for (int i = 0; i < each; ++i) {
      const auto shade = static_cast<uint8_t>(155 + i % 100);
      tar += TarMember(absl::StrCat("blue/", i, ".png"), SolidPng(10, 12, 5, 0, shade));
      tar += TarMember(absl::StrCat("red/", i, ".png"), SolidPng(10, 12, shade, 0, 5));
    }
    return tar + TarEnd();
  }
  // The archive as datasets/colours.
  v1::Dataset ImportColours(int each) {
    WriteBytes(Files() / "colours.tar", RedAndBlue(each));
    v1::Dataset dataset;
    const grpc::Status status = Import(Request("colours", "colours.tar", v1::FORMAT_IMAGES), &dataset);
    EXPECT_TRUE(status.ok()) << status.error_message();
    return dataset;
  }
  // What is left of unfinished imports.
  std::vector<std::string> Leftovers() const {
    std::vector<std::string> found;
    for (const char* place : {"datasets", "trash"}) {
      for (const auto& entry : fs::directory_iterator(fs::path(folder_ / "data") / place)) {
        found.push_back(entry.path().filename());
      }
    }
    return found;
  }
};

TEST_F(FormatsTest, ATarOfImagesIsImportedDescribedAndLearnt) {
  StartServer();
  const v1::Dataset dataset = ImportColours(32);
  EXPECT_THAT(dataset.class_names(), ElementsAre("blue", "red"));
  EXPECT_THAT(dataset.example_shape(), ElementsAre(3, 8, 8));

  v1::DescribeDatasetRequest request;
  request.set_name("datasets/colours");
  v1::DatasetDescription description;
  const grpc::Status described = Describe(request, &description);
  ASSERT_TRUE(described.ok()) << described.error_message();
  ASSERT_EQ(description.splits_size(), 1);
  EXPECT_THAT(description.splits(0).class_counts(), ElementsAre(32, 32));
  EXPECT_EQ(description.splits(0).max(), 186);
  EXPECT_DOUBLE_EQ(description.splits(0).mean(1), 0);
  EXPECT_DOUBLE_EQ(description.splits(0).mean(0), (5 + 155 + 15.5) / 2);

  v1::JobSpec spec;
  v1::Layer& layer = *spec.mutable_network()->add_layers();
  layer.set_name("logits");
  layer.mutable_dense()->set_units(2);
  spec.mutable_data()->set_dataset("datasets/colours");
  spec.mutable_data()->add_preprocessing()->mutable_scale();
  spec.mutable_optimizer()->set_learning_rate(0.05);
  spec.mutable_optimizer()->mutable_sgd()->set_momentum(0.9);
  spec.set_batch_size(16);
  spec.set_steps(40);
  Watcher watcher(server_.get(), Submit(spec, "colours").name());
  ASSERT_EQ(watcher.Finish().back().state().state(), v1::JOB_STATE_SUCCEEDED);
  v1::EvaluateRequest evaluate;
  evaluate.mutable_model()->set_model("jobs/colours/checkpoints/latest");
  evaluate.mutable_data()->set_dataset("datasets/colours");
  evaluate.mutable_data()->set_evaluation_split("train");
  v1::EvaluationMetrics metrics;
  const grpc::Status evaluated = Evaluate(evaluate, &metrics);
  ASSERT_TRUE(evaluated.ok()) << evaluated.error_message();
  EXPECT_EQ(metrics.accuracy(), 1);
}

TEST_F(FormatsTest, AugmentedImagesArePreviewed) {
  StartServer();
  ImportColours(4);
  v1::PreviewDatasetRequest request;
  request.set_name("datasets/colours");
  request.add_augmentation()->mutable_rotate()->set_max_degrees(30);
  request.set_rows(3);
  request.set_columns(4);
  request.set_scale(2);
  request.set_seed(1);
  v1::PreviewDatasetResponse sheet, again, other;
  const grpc::Status status = datasets_->PreviewDataset(NewContext().get(), request, &sheet);
  ASSERT_TRUE(status.ok()) << status.error_message();
  EXPECT_EQ(sheet.png().substr(0, 8), "\x89PNG\r\n\x1a\n");
  EXPECT_GE(sheet.width(), 4u * 8 * 2);
  EXPECT_GE(sheet.height(), 3u * 8 * 2);
  ASSERT_TRUE(datasets_->PreviewDataset(NewContext().get(), request, &again).ok());
  EXPECT_EQ(again.png(), sheet.png());
  request.set_seed(2);
  ASSERT_TRUE(datasets_->PreviewDataset(NewContext().get(), request, &other).ok());
  EXPECT_NE(other.png(), sheet.png());

  // Two examples, two rows.
  request.set_max_examples(2);
  ASSERT_TRUE(datasets_->PreviewDataset(NewContext().get(), request, &other).ok());
  EXPECT_LT(other.height(), sheet.height());
  EXPECT_EQ(other.width(), sheet.width());

  // The examples that are named, each in a row of its own.
  v1::PreviewDatasetRequest named;
  named.set_name("datasets/colours");
  named.add_examples(7);  // Red.
  named.add_examples(0);  // Blue.
  v1::PreviewDatasetResponse two, swapped;
  const grpc::Status drawn = datasets_->PreviewDataset(NewContext().get(), named, &two);
  ASSERT_TRUE(drawn.ok()) << drawn.error_message();
  named.set_examples(0, 0);
  named.set_examples(1, 7);
  ASSERT_TRUE(datasets_->PreviewDataset(NewContext().get(), named, &swapped).ok());
  EXPECT_EQ(two.height(), swapped.height());
  EXPECT_NE(two.png(), swapped.png());
  named.set_examples(1, 1'000'000);
  named.set_rows(2);
  named.set_max_examples(2);
  const grpc::Status beyond = datasets_->PreviewDataset(NewContext().get(), named, &two);
  EXPECT_EQ(beyond.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  for (const char* field : {"examples[1]", "rows", "max_examples"})
    EXPECT_THAT(beyond.error_details(), HasSubstr(field));

  request.mutable_augmentation(0)->mutable_rotate()->set_max_degrees(500);
  request.set_rows(65);
  const grpc::Status bad = datasets_->PreviewDataset(NewContext().get(), request, &other);
  EXPECT_EQ(bad.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_THAT(bad.error_details(), HasSubstr("augmentation[0].rotate.max_degrees"));
  EXPECT_THAT(bad.error_details(), HasSubstr("rows"));
}

TEST_F(FormatsTest, LooksAreAveragedAtTestTime) {
  StartServer();
  ImportColours(4);
  v1::JobSpec spec;
  v1::Layer* layer = spec.mutable_network()->add_layers();
  layer->set_name("drop");
  layer->mutable_dropout();
  layer = spec.mutable_network()->add_layers();
  layer->set_name("logits");
  layer->mutable_dense()->set_units(2);
  spec.mutable_data()->set_dataset("datasets/colours");
  spec.mutable_data()->set_evaluation_split("train");
  spec.mutable_data()->add_preprocessing()->mutable_scale();
  spec.set_batch_size(8);
  spec.set_steps(2);
  Watcher watcher(server_.get(), Submit(spec, "colours").name());
  ASSERT_EQ(watcher.Finish().back().state().state(), v1::JOB_STATE_SUCCEEDED);

  v1::EvaluateRequest evaluate;
  evaluate.mutable_model()->set_model("jobs/colours/checkpoints/latest");
  evaluate.mutable_test_time()->set_flips(true);
  evaluate.mutable_test_time()->set_dropout_samples(8);
  v1::EvaluationMetrics metrics;
  grpc::Status status = Evaluate(evaluate, &metrics);
  ASSERT_TRUE(status.ok()) << status.error_message();
  EXPECT_GT(metrics.spread(), 0);
  v1::PredictSplitRequest predict;
  *predict.mutable_model() = evaluate.model();
  *predict.mutable_test_time() = evaluate.test_time();
  predict.mutable_range()->set_count(3);
  v1::PredictSplitResponse made;
  status = PredictSplit(predict, &made);
  ASSERT_TRUE(status.ok()) << status.error_message();
  const v1::PredictResponse predicted = ReadPredictions(made.operation());
  ASSERT_EQ(predicted.spread_size(), 3 * 2);
  for (const float spread : predicted.spread()) EXPECT_GT(spread, 0);

  evaluate.mutable_test_time()->set_dropout_samples(2000);
  status = Evaluate(evaluate, &metrics);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_THAT(status.error_details(), AllOf(HasSubstr("test_time.dropout_samples"), Not(HasSubstr("evaluation."))));
  *predict.mutable_test_time() = evaluate.test_time();
  status = PredictSplit(predict, &made);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_THAT(status.error_details(), HasSubstr("test_time.dropout_samples")) << status.error_message();
}

TEST_F(FormatsTest, CifarComesByUploadAndAFolderFromTheServer) {
  StartServer();
  const std::string batch = Cifar10({3, 1, 4, 1, 5});
  v1::Upload upload;
  ASSERT_TRUE(Upload("batch", batch, 0, batch.size(), &upload).ok());
  v1::ImportDatasetRequest request = Request("cifar", "", v1::FORMAT_CIFAR10);
  request.mutable_splits(0)->mutable_examples()->set_upload("uploads/batch");
  v1::Dataset dataset;
  const grpc::Status status = Import(request, &dataset);
  ASSERT_TRUE(status.ok()) << status.error_message();
  EXPECT_EQ(dataset.splits(0).num_examples(), 5);
  EXPECT_EQ(dataset.class_names(4), "deer");

  fs::create_directories(Files() / "pets/cat");
  WriteBytes(Files() / "pets/cat/1.jpg", Jpeg(16, 16, 1, std::string(256, 'c')));
  const grpc::Status folder = Import(Request("pets", "pets", v1::FORMAT_IMAGES), &dataset);
  ASSERT_TRUE(folder.ok()) << folder.error_message();
  EXPECT_THAT(dataset.class_names(), ElementsAre("cat"));

  fs::create_directories(folder_ / "secret/cat");
  WriteBytes(folder_ / "secret/cat/1.jpg", "secret");
  fs::create_directory_symlink(folder_ / "secret", Files() / "link");
  const grpc::Status outside = Import(Request("out", "link", v1::FORMAT_IMAGES), &dataset);
  EXPECT_EQ(outside.error_code(), grpc::StatusCode::PERMISSION_DENIED) << outside.error_message();
}

TEST_F(FormatsTest, ABadImageIsNamedAndNothingIsLeft) {
  StartServer();
  WriteBytes(Files() / "bad.tar", TarMember("cat/1.png", SolidPng(9, 9, 1, 2, 3).substr(0, 60)) + TarEnd());
  v1::Dataset dataset;
  const grpc::Status status = Import(Request("bad", "bad.tar", v1::FORMAT_IMAGES), &dataset);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_THAT(status.error_message(), HasSubstr("splits[0].examples: "));
  EXPECT_THAT(status.error_message(), HasSubstr("bad.tar: cat/1.png, byte "));
  EXPECT_THAT(status.error_details(), HasSubstr("splits[0].examples")) << "the violation travels along";
  EXPECT_THAT(Leftovers(), ElementsAre());

  // A file that came by upload is called by its name there, not by where the server keeps it.
  const std::string batch = Cifar10({3, 1}).substr(0, 5000);
  v1::Upload upload;
  ASSERT_TRUE(Upload("batch", batch, 0, batch.size(), &upload).ok());
  v1::ImportDatasetRequest request = Request("bad", "", v1::FORMAT_CIFAR10);
  request.mutable_splits(0)->mutable_examples()->set_upload("uploads/batch");
  const grpc::Status uploaded = Import(request, &dataset);
  EXPECT_EQ(uploaded.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  for (const std::string& text : {uploaded.error_message(), uploaded.error_details()}) {
    EXPECT_THAT(text, AllOf(HasSubstr("uploads/batch"), Not(HasSubstr(folder_.path())))) << text;
  }
}

// A file that takes long to import: zeros, packed small.
void WriteSlowFile(const fs::path& path) {
  std::string piece = Cifar10(std::vector<int>(2000, 7));
  std::string packed(compressBound(piece.size()) + 64, '\0');
  z_stream stream = {};
  ASSERT_EQ(deflateInit2(&stream, 1, Z_DEFLATED, 31, 8, Z_DEFAULT_STRATEGY), Z_OK);
  stream.next_in = reinterpret_cast<Bytef*>(piece.data());
  stream.avail_in = static_cast<uInt>(piece.size());
  stream.next_out = reinterpret_cast<Bytef*>(packed.data());
  stream.avail_out = static_cast<uInt>(packed.size());
  ASSERT_EQ(deflate(&stream, Z_FINISH), Z_STREAM_END);
  packed.resize(stream.total_out);
  deflateEnd(&stream);
  std::string file;  // A gzip of many members: 6 GB unpacked.
  for (int i = 0; i < 1000; ++i) file += packed;
  WriteBytes(path, file);
}

class SlowImportTest : public FormatsTest {
 protected:
  void SetUp() override {
    StartServer();
    fs::create_directories(Files());
    WriteSlowFile(Files() / "slow.gz");
  }
  v1::Operation Begin() {
    v1::Operation operation;
    const grpc::Status status =
        datasets_->ImportDataset(NewContext().get(), Request("slow", "slow.gz", v1::FORMAT_CIFAR10), &operation);
    EXPECT_TRUE(status.ok()) << status.error_message();
    return operation;
  }
  // A worker other than `last`.
  pid_t AwaitWorker(pid_t last = -1) {
    for (const absl::Time deadline = absl::Now() + kPatience; absl::Now() < deadline;) {
      const std::vector<pid_t> workers = server_->Workers();
      if (!workers.empty() && workers.front() != last) return workers.front();
      absl::SleepFor(absl::Milliseconds(10));
    }
    return -1;
  }
  void ExpectNoDataset() {
    v1::GetDatasetRequest get;
    get.set_name("datasets/slow");
    v1::Dataset dataset;
    EXPECT_EQ(datasets_->GetDataset(NewContext().get(), get, &dataset).error_code(), grpc::StatusCode::NOT_FOUND);
    const absl::Time deadline = absl::Now() + kPatience;
    while ((!Leftovers().empty() || !server_->Workers().empty()) && absl::Now() < deadline) {
      absl::SleepFor(absl::Milliseconds(10));
    }
    EXPECT_THAT(Leftovers(), ElementsAre());
    EXPECT_THAT(server_->Workers(), ElementsAre());
  }
};

TEST_F(SlowImportTest, AWorkerThatIsKilledAgainAndAgainLeavesNoDataset) {
  const v1::Operation begun = Begin();
  pid_t last = -1;
  for (int attempt = 1; attempt <= 4; ++attempt) {
    const pid_t worker = AwaitWorker(last);
    ASSERT_GT(worker, 0);
    kill(worker, SIGKILL);
    last = worker;
  }
  v1::Dataset dataset;
  const grpc::Status status = Await(*operations_, grpc::Status::OK, begun, &dataset);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INTERNAL);
  EXPECT_THAT(status.error_message(), HasSubstr("worker 4 of at most 4 was killed by signal 9 (SIGKILL)"));
  ExpectNoDataset();
}

TEST_F(SlowImportTest, ItIsCancelled) {
  const v1::Operation begun = Begin();
  EXPECT_GT(AwaitWorker(), 0);
  v1::CancelOperationRequest request;
  request.set_name(begun.name());
  v1::Operation operation;
  ASSERT_TRUE(operations_->CancelOperation(NewContext().get(), request, &operation).ok());
  v1::Dataset dataset;
  EXPECT_EQ(Await(*operations_, grpc::Status::OK, operation, &dataset).error_code(), grpc::StatusCode::CANCELLED);
  ExpectNoDataset();
}

// A stopped server kills it, and the next one begins it anew.
TEST_F(SlowImportTest, ItOutlivesItsServer) {
  const v1::Operation begun = Begin();
  EXPECT_GT(AwaitWorker(), 0);
  EXPECT_EQ(server_->Terminate(absl::Seconds(30)), 0);
  RestartServer();
  EXPECT_GT(AwaitWorker(), 0);
  v1::GetOperationRequest get;
  get.set_name(begun.name());
  v1::Operation operation;
  ASSERT_TRUE(operations_->GetOperation(NewContext().get(), get, &operation).ok());
  v1::OperationMetadata metadata;
  ASSERT_TRUE(operation.metadata().UnpackTo(&metadata));
  EXPECT_EQ(metadata.state(), v1::OPERATION_STATE_RUNNING);
  EXPECT_EQ(metadata.attempts(), 2u);
  EXPECT_THAT(Leftovers(), testing::SizeIs(1)) << "the folder of this attempt";
}

}  // namespace
}  // namespace traind::integration
