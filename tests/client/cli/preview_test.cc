// trainctl dataset preview.
#include <gmock/gmock.h>

#include <filesystem>
#include <nlohmann/json.hpp>

#include "tests/client/cli/app_fixture.h"

namespace traind::client {
namespace {

using ::testing::HasSubstr;

class PreviewTest : public AppTest {
 protected:
  PreviewTest() {
    server_.datasets.preview_dataset = [this](const v1::PreviewDatasetRequest& request,
                                              v1::PreviewDatasetResponse* response) {
      asked_ = request;
      ++calls_;
      response->set_png(png_);
      response->set_width(640);
      response->set_height(480);
      return grpc::Status::OK;
    };
  }

  const std::string png_ = std::string("\x89PNG\r\n\x1a\n\0\xff", 10);
  const std::string sheet_ = folder_ / "sheet.png";
  v1::PreviewDatasetRequest asked_;
  int calls_ = 0;
};

TEST_F(PreviewTest, WritesThePicture) {
  EXPECT_EQ(Run({"dataset", "preview", "fashion", "-o", sheet_}), 0) << err_.str();
  EXPECT_EQ(asked_.ShortDebugString(), "name: \"datasets/fashion\"") << "the rest is the server's default";
  EXPECT_EQ(ReadBytes(sheet_), png_);
  EXPECT_EQ(out_.str(), sheet_ + ": 640 x 480 pixels; the first column shows the images without augmentation\n");
  EXPECT_EQ(Run({"-q", "dataset", "preview", "fashion", "-o", sheet_}), 0);
  EXPECT_EQ(out_.str(), sheet_ + "\n");
}

TEST_F(PreviewTest, TheFileIsNamedAfterTheDataset) {
  const std::filesystem::path before = std::filesystem::current_path();
  std::filesystem::current_path(folder_.path());
  EXPECT_EQ(Run({"dataset", "preview", "datasets/fashion"}), 0);
  std::filesystem::current_path(before);
  EXPECT_EQ(ReadBytes(folder_ / "fashion.png"), png_);
}

TEST_F(PreviewTest, JsonHasTheSizeAndNoPicture) {
  EXPECT_EQ(Run({"--json", "dataset", "preview", "fashion", "-o", sheet_}), 0);
  const auto json = nlohmann::json::parse(out_.str());
  EXPECT_EQ(json["width"], 640);
  EXPECT_EQ(json["png"], "");
  EXPECT_EQ(ReadBytes(sheet_), png_);
}

TEST_F(PreviewTest, FlagsReachTheServer) {
  EXPECT_EQ(Run({"dataset",
                 "preview",
                 "fashion",
                 "-o",
                 sheet_,
                 "--split",
                 "test",
                 "--rows",
                 "3",
                 "--columns",
                 "5",
                 "--scale",
                 "2",
                 "--seed",
                 "9",
                 "--max-examples",
                 "100",
                 "--augment",
                 "rotate { max_degrees: 20 }",
                 "--augment",
                 "cutout { size: 8 }"}),
            0);
  EXPECT_EQ(asked_.split(), "test");
  EXPECT_EQ(asked_.rows(), 3u);
  EXPECT_EQ(asked_.columns(), 5u);
  EXPECT_EQ(asked_.scale(), 2u);
  EXPECT_EQ(asked_.seed(), 9u);
  EXPECT_EQ(asked_.max_examples(), 100u);
  ASSERT_EQ(asked_.augmentation_size(), 2);
  EXPECT_EQ(asked_.augmentation(0).rotate().max_degrees(), 20);
  EXPECT_EQ(asked_.augmentation(1).cutout().size(), 8u);
}

TEST_F(PreviewTest, AJobFileGivesWhatTheFlagsDoNot) {
  const std::string job =
      Write("seed: 4 data { train_split: 'all' max_train_examples: 50 augmentation { horizontal_flip {} } }");
  EXPECT_EQ(Run({"dataset", "preview", "fashion", "-o", sheet_, "--job", job, "--augment", "cutout { size: 8 }"}), 0);
  EXPECT_EQ(asked_.split(), "all");
  EXPECT_EQ(asked_.seed(), 4u);
  EXPECT_EQ(asked_.max_examples(), 50u);
  ASSERT_EQ(asked_.augmentation_size(), 2) << "the file's come first";
  EXPECT_TRUE(asked_.augmentation(0).has_horizontal_flip());
  EXPECT_TRUE(asked_.augmentation(1).has_cutout());
  EXPECT_EQ(Run({"dataset", "preview", "fashion", "-o", sheet_, "--job", job, "--seed", "5", "--split", "test",
                 "--max-examples", "7"}),
            0);
  EXPECT_EQ(asked_.seed(), 5u);
  EXPECT_EQ(asked_.split(), "test");
  EXPECT_EQ(asked_.max_examples(), 7u);
}

TEST_F(PreviewTest, WrongUseAsksNothingOfTheServer) {
  EXPECT_EQ(Run({"dataset", "preview", "fashion", "-o", sheet_, "--augment", "rotat {}"}), 2);
  EXPECT_THAT(err_.str(), HasSubstr("did you mean rotate?"));
  EXPECT_EQ(Run({"dataset", "preview", "fashion", "-o", sheet_, "--job", "/no/such/file"}), 1);
  EXPECT_THAT(err_.str(), HasSubstr("cannot open /no/such/file"));
  EXPECT_EQ(Run({"dataset", "preview"}), 2);
  EXPECT_EQ(Run({"dataset", "preview", "fashion", "--rows", "many"}), 2);
  EXPECT_EQ(calls_, 0);
  EXPECT_FALSE(std::filesystem::exists(sheet_));
}

TEST_F(PreviewTest, FailuresAreReported) {
  EXPECT_EQ(Run({"dataset", "preview", "fashion", "-o", "/no/such/folder/sheet.png"}), 1);
  EXPECT_THAT(err_.str(), HasSubstr("cannot write /no/such/folder/sheet.png"));
  server_.datasets.preview_dataset = [](const v1::PreviewDatasetRequest&, v1::PreviewDatasetResponse*) {
    return grpc::Status(grpc::StatusCode::FAILED_PRECONDITION, "datasets/iris holds no images");
  };
  EXPECT_EQ(Run({"dataset", "preview", "iris", "-o", sheet_}), 4);
  EXPECT_THAT(err_.str(), HasSubstr("datasets/iris holds no images"));
  EXPECT_FALSE(std::filesystem::exists(sheet_));
}

}  // namespace
}  // namespace traind::client
