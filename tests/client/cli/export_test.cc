// trainctl export tensorboard --predictions, against a server that says what the test wants.
#include <gmock/gmock.h>
#include <png.h>

#include <csignal>
#include <filesystem>

#include "absl/strings/str_cat.h"
#include "client/cli/contact_sheet.h"
#include "core/tensorboard/framing.h"
#include "core/tensorboard/wire.h"
#include "tests/client/cli/app_fixture.h"
#include "tests/support/image_bytes.h"
#include "tests/support/text_proto.h"

namespace traind::client {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::SizeIs;

// As the server draws it: paper with one picture below the other, whose values are 10 * example + position.
std::string Sheet(const v1::PreviewDatasetRequest& request, int height, int width) {
  const int rows = request.examples_size(), line = width + 24;
  std::string pixels(static_cast<size_t>(line * (24 + rows * (height + 4) - 4)), '\xF2');
  for (int row = 0; row < rows; ++row) {
    for (int i = 0; i < height * width; ++i) {
      pixels[static_cast<size_t>((12 + row * (height + 4) + i / width) * line + 12 + i % width)] =
          static_cast<char>(10 * request.examples(row) + static_cast<uint64_t>(i));
    }
  }
  return Png(static_cast<uint32_t>(line), static_cast<uint32_t>(24 + rows * (height + 4) - 4), 8, 0, pixels);
}

std::vector<uint8_t> Pixels(const std::string& png) {
  png_image image = {};
  image.version = PNG_IMAGE_VERSION;
  EXPECT_NE(png_image_begin_read_from_memory(&image, png.data(), png.size()), 0);
  image.format = PNG_FORMAT_GRAY;
  std::vector<uint8_t> pixels(PNG_IMAGE_SIZE(image));
  EXPECT_NE(png_image_finish_read(&image, nullptr, pixels.data(), 0, nullptr), 0);
  return pixels;
}

class ExportTest : public AppTest {
 protected:
  ExportTest() {
    server_.training.get_job = [this](const v1::GetJobRequest& request, v1::Job* job) {
      EXPECT_EQ(request.view(), v1::JOB_VIEW_RESOLVED);
      *job = job_;
      return grpc::Status::OK;
    };
    server_.training.watch_job = [](const v1::WatchJobRequest&, grpc::ServerWriter<v1::WatchJobResponse>*) {
      return grpc::Status::OK;
    };
    server_.models.get_checkpoint = [](const v1::GetCheckpointRequest& request, v1::Checkpoint* checkpoint) {
      EXPECT_EQ(request.name(), "jobs/cnn/checkpoints/latest");
      *checkpoint =
          FromText<v1::Checkpoint>("name: 'jobs/cnn/checkpoints/8' step: 8 create_time { seconds: 1700000100 }");
      return grpc::Status::OK;
    };
    server_.models.predict_split = [this](const v1::PredictSplitRequest& request, v1::Operation* operation) {
      predicted_ = request;
      v1::PredictSplitResponse made;
      made.set_operation("operations/o");
      made.set_examples(4);
      made.set_outputs(2);
      Succeed(made, operation);
      return grpc::Status::OK;
    };
    server_.models.read_predictions = [this](const v1::ReadPredictionsRequest&,
                                             grpc::ServerWriter<v1::PredictResponse>* writer) {
      for (const v1::PredictResponse& part : parts_) writer->Write(part);
      return grpc::Status::OK;
    };
    server_.operations.remove = [](const v1::DeleteOperationRequest&) { return grpc::Status::OK; };
    server_.datasets.get_dataset = [this](const v1::GetDatasetRequest& request, v1::Dataset* dataset) {
      EXPECT_EQ(request.name(), "datasets/pets");
      *dataset = dataset_;
      return grpc::Status::OK;
    };
    server_.datasets.preview_dataset = [this](const v1::PreviewDatasetRequest& request,
                                              v1::PreviewDatasetResponse* response) {
      EXPECT_EQ(request.columns(), 1u);
      EXPECT_EQ(request.scale(), 1u);
      EXPECT_EQ(request.split(), "test");
      response->set_png(Sheet(request, height_, 3));
      return grpc::Status::OK;
    };
  }

  int Export(const std::vector<std::string>& more = {"--predictions"}) {
    std::vector<std::string> arguments = {"export", "tensorboard", "cnn", runs_};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return Run(arguments);
  }

  std::vector<tensorboard::Record> Written() const {
    const std::string file = ReadBytes(file_);
    absl::string_view rest = file, bytes;
    std::vector<tensorboard::Record> records;
    while (tensorboard::TakeFramed(rest, bytes)) {
      EXPECT_TRUE(records.emplace_back().ParseFromArray(bytes.data(), static_cast<int>(bytes.size())));
    }
    EXPECT_TRUE(rest.empty());
    return records;
  }

  std::vector<std::string> Files() const {
    std::vector<std::string> names;
    for (const auto& entry : std::filesystem::directory_iterator(runs_ + "/cnn"))
      names.push_back(entry.path().filename());
    std::sort(names.begin(), names.end());
    return names;
  }

  v1::Job job_ = FromText<v1::Job>(R"(
      name: "jobs/cnn" uid: "0123456789abcdef" create_time { seconds: 1700000000 }
      resolved_spec { data { dataset: "pets" evaluation_split: "test" } }
      trained_on { dataset: "datasets/pets" num_classes: 2 class_names: "cat" class_names: "dog"
                   splits { name: "train" } splits { name: "test" } })");
  v1::Dataset dataset_ = FromText<v1::Dataset>(
      "name: 'datasets/pets' example_shape: 1 example_shape: 2 example_shape: 3 element_type: ELEMENT_TYPE_UINT8");
  std::vector<v1::PredictResponse> parts_ = {
      FromText<v1::PredictResponse>(
          "shape: [3, 2] outputs: [0, 1, 0, 1, 0, 1] probabilities: [0.25, 0.75, 0.375, 0.625, 0.125, 0.875] "
          "classes: [1, 1, 1] labels: [1, 0, 0]"),
      FromText<v1::PredictResponse>(
          "shape: [1, 2] first: 3 outputs: [1, 0] probabilities: [1, 0] classes: 0 labels: 1")};
  v1::PredictSplitRequest predicted_;
  int height_ = 2;  // Of the pictures that are drawn.
  const std::string runs_ = folder_ / "runs";
  const std::string file_ = runs_ + "/cnn/events.out.tfevents.1700000000.predictions";
};

TEST_F(ExportTest, PredictionsHaveAFileOfTheirOwn) {
  ASSERT_EQ(Export(), 0) << err_.str();
  EXPECT_EQ(out_.str(), absl::StrCat(runs_, "/cnn/events.out.tfevents.1700000000.traind\n", file_, "\n"));
  EXPECT_THAT(err_.str(),
              HasSubstr("3 of 4 examples of test wrong by jobs/cnn/checkpoints/8: 2 PR curves, 3 pictures"));
  EXPECT_EQ(predicted_.model().model(), "jobs/cnn/checkpoints/8") << "not a newer one that has come since";
  EXPECT_EQ(predicted_.range().split(), "test");
  const std::vector<tensorboard::Record> records = Written();
  ASSERT_THAT(records, SizeIs(1 + 2 + 3));
  std::vector<std::string> tags;
  for (size_t i = 1; i < records.size(); ++i) {
    tags.push_back(records[i].summary().value(0).tag());
    EXPECT_EQ(records[i].step(), 8);
  }
  EXPECT_THAT(tags, ElementsAre("pr_curves/cat", "pr_curves/dog", "mistakes/dog_as_cat/0", "mistakes/cat_as_dog/0",
                                "mistakes/cat_as_dog/1"));
  EXPECT_THAT(Pixels(records[3].summary().value(0).tensor().string_val(2)), ElementsAre(30, 31, 32, 33, 34, 35));
  EXPECT_THAT(Pixels(records[4].summary().value(0).tensor().string_val(2)), ElementsAre(20, 21, 22, 23, 24, 25));
  EXPECT_THAT(Pixels(records[5].summary().value(0).tensor().string_val(2)), ElementsAre(10, 11, 12, 13, 14, 15));
  const std::string first = ReadBytes(file_);
  EXPECT_EQ(Export(), 0);
  EXPECT_EQ(ReadBytes(file_), first);
  parts_[1].set_labels(0, 0);
  EXPECT_EQ(Export(), 0);
  EXPECT_THAT(Written(), SizeIs(1 + 2 + 2)) << "replaced";
  EXPECT_THAT(Files(), SizeIs(2));
}

TEST_F(ExportTest, OfOtherDataThanImagesThereAreCurves) {
  dataset_.clear_example_shape();
  dataset_.add_example_shape(6);
  ASSERT_EQ(Export(), 0) << err_.str();
  EXPECT_THAT(Written(), SizeIs(1 + 2));
  EXPECT_THAT(err_.str(), HasSubstr("no pictures: the examples are no images"));
  for (v1::PredictResponse& part : parts_) part.clear_probabilities();
  ASSERT_EQ(Export(), 0) << err_.str();
  EXPECT_THAT(Written(), SizeIs(1));
  EXPECT_THAT(err_.str(), HasSubstr("no PR curves: the job's loss gives scores"));
}

TEST_F(ExportTest, RefusesBeforeItWritesOrPredicts) {
  server_.models.predict_split = nullptr;
  EXPECT_EQ(Export({"--predictions", "tset"}), 1);
  EXPECT_THAT(err_.str(), HasSubstr("datasets/pets has no split \"tset\", only train, test"));
  EXPECT_EQ(Run({"export", "tensorboard", "cnn", "--predictions", runs_}), 2);
  EXPECT_THAT(err_.str(), HasSubstr("--predictions took the word after it for a split"));
  job_.mutable_trained_on()->set_num_classes(0);
  job_.mutable_trained_on()->set_target_width(1);
  EXPECT_EQ(Export(), 1);
  EXPECT_THAT(err_.str(), HasSubstr("jobs/cnn is no classifier"));
  EXPECT_FALSE(std::filesystem::exists(runs_));
  EXPECT_EQ(Export({}), 0) << "its record is shown";
}

TEST_F(ExportTest, LeavesNoHalfFile) {
  ASSERT_EQ(Export({}), 0);
  const std::vector<std::string> record = Files();
  height_ = 3;
  EXPECT_EQ(Export(), 1);
  EXPECT_THAT(err_.str(), HasSubstr("the server's picture has 27 x 41 pixels; that of 3 examples has 27 x 38"));
  EXPECT_EQ(Files(), record);
  height_ = 2;
  ASSERT_EQ(Export(), 0) << err_.str();
  const std::string whole = ReadBytes(file_);
  parts_.pop_back();
  EXPECT_EQ(Export(), 1);
  EXPECT_THAT(err_.str(), HasSubstr("the server sent 3 of 4 examples"));
  EXPECT_EQ(ReadBytes(file_), whole) << "the older one stays";
  EXPECT_THAT(Files(), SizeIs(2));
}

TEST_F(ExportTest, CtrlCWhileItPredictsLeavesNoFile) {
  const auto running = [](v1::Operation* operation) {
    operation->set_name("operations/o");
    operation->mutable_metadata()->PackFrom(
        FromText<v1::OperationMetadata>("state: OPERATION_STATE_RUNNING method: 'PredictSplit'"));
    return grpc::Status::OK;
  };
  server_.models.predict_split = [&](const v1::PredictSplitRequest&, v1::Operation* operation) {
    return running(operation);
  };
  server_.operations.get = [&](const v1::GetOperationRequest&, v1::Operation* operation) { return running(operation); };
  server_.operations.wait = [&](const v1::WaitOperationRequest&, v1::Operation* operation) {
    std::raise(SIGINT);
    return running(operation);
  };
  EXPECT_EQ(Export(), 130);
  EXPECT_THAT(err_.str(), HasSubstr("trainctl cancel operations/o"));
  EXPECT_THAT(Files(), ElementsAre("events.out.tfevents.1700000000.traind"));
}

TEST_F(ExportTest, ShowsHowFarItIs) {
  terminal_ = true;
  ASSERT_EQ(Export(), 0);
  EXPECT_THAT(err_.str(), HasSubstr("export jobs/cnn"));
  EXPECT_THAT(err_.str(), HasSubstr("3 of 4 predictions read"));
  EXPECT_THAT(err_.str(), HasSubstr("3 of 3 pictures"));
}

TEST(ContactSheet, IsCutOnlyWhenItIsSound) {
  v1::PreviewDatasetRequest request;
  request.add_examples(1);
  const std::string sheet = Sheet(request, 2, 3);
  const PictureShape shape{.channels = 1, .height = 2, .width = 3};
  ASSERT_TRUE(CutSheet(sheet, 1, shape).ok());
  EXPECT_EQ(CutSheet(sheet, 2, shape).status().code(), absl::StatusCode::kDataLoss);
  EXPECT_EQ(CutSheet(sheet.substr(0, sheet.size() / 2), 1, shape).status().code(), absl::StatusCode::kDataLoss);
  EXPECT_EQ(CutSheet("", 1, shape).status().code(), absl::StatusCode::kDataLoss);
  EXPECT_EQ(CutSheet("no picture", 1, shape).status().code(), absl::StatusCode::kDataLoss);
}

// What does not shrink at all takes its own bytes, a byte for each line and five for each block of zlib's.
TEST(ContactSheet, RowsFitAnAnswer) {
  for (const PictureShape& shape : {PictureShape{1, 28, 28}, PictureShape{3, 224, 224}, PictureShape{3, 900, 900}}) {
    const int64_t rows = RowsOfSheet(shape);
    ASSERT_GE(rows, 1);
    const int64_t height = 24 + rows * (shape.height + 4) - 4;
    const int64_t bytes = height * ((shape.width + 24) * shape.channels + 1);
    EXPECT_LT(bytes + bytes / 1000 + 1000, 3 << 20);
  }
  EXPECT_EQ(RowsOfSheet({3, 2000, 2000}), 0);
}

}  // namespace
}  // namespace traind::client
