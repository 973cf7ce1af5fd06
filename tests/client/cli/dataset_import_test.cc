// `trainctl dataset import` and `upload`: what the options ask of the server, and in which order.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <string>
#include <vector>

#include "tests/client/cli/app_fixture.h"
#include "tests/support/text_proto.h"
#include "traind/rpc/error_details.pb.h"
#include "traind/rpc/status.pb.h"

namespace traind::client {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

grpc::Status InvalidField(const std::string& field, const std::string& what) {
  return InvalidFields({field}, what, field + ": " + what);
}

class DatasetImportTest : public AppTest {
 protected:
  DatasetImportTest() {
    server_.datasets.import_dataset = [this](const v1::ImportDatasetRequest& request, v1::Operation* operation) {
      calls_.push_back(request.validate_only() ? "validate" : "import");
      seen_ = request;
      if (request.validate_only()) return valid_;
      Succeed(made_, operation);
      return grpc::Status::OK;
    };
    server_.datasets.get_upload = [](const v1::GetUploadRequest&, v1::Upload*) {
      return grpc::Status(grpc::StatusCode::NOT_FOUND, "none");
    };
    server_.datasets.upload = [this](grpc::ServerReader<v1::UploadDatasetRequest>* reader, v1::Upload* result) {
      calls_.push_back("send");
      v1::UploadDatasetRequest request;
      while (reader->Read(&request)) {
        if (request.has_header()) result->set_name("uploads/" + request.header().upload_id());
        sent_ += request.chunk();
      }
      return grpc::Status::OK;
    };
  }
  std::vector<std::string> calls_;
  v1::ImportDatasetRequest seen_;
  grpc::Status valid_;
  v1::Dataset made_;
  std::string sent_;
};

TEST_F(DatasetImportTest, AnUploadIsCheckedBeforeItIsSent) {
  const std::string file = folder_ / "iris.csv";
  WriteBytes(file, "a,y\n1,0\n");
  ASSERT_EQ(Run({"dataset", "upload", "iris", file, "--label-column", "y"}), 0) << err_.str();
  EXPECT_THAT(calls_, ElementsAre("validate", "send", "import"));
  ASSERT_EQ(seen_.splits_size(), 1);
  EXPECT_EQ(seen_.splits(0).name(), "train");
  EXPECT_EQ(seen_.splits(0).format(), v1::FORMAT_CSV);
  EXPECT_EQ(seen_.splits(0).examples().display_name(), file);
  EXPECT_THAT(seen_.splits(0).examples().upload(), HasSubstr("uploads/crc-"));

  calls_.clear();
  valid_ = grpc::Status(grpc::StatusCode::ALREADY_EXISTS, "datasets/iris exists already");
  EXPECT_EQ(Run({"dataset", "upload", "iris", file, "--label-column", "y"}), 4);
  EXPECT_THAT(calls_, ElementsAre("validate"));
  EXPECT_THAT(err_.str(), HasSubstr("exists already"));

  calls_.clear();
  EXPECT_EQ(Run({"dataset", "upload", "iris", file + ".gz", "--label-column", "y"}), 1);
  EXPECT_THAT(calls_, ElementsAre());
  EXPECT_THAT(err_.str(), HasSubstr("iris.csv.gz: there is no such file or folder"));
}

TEST_F(DatasetImportTest, AFolderIsPacked) {
  std::filesystem::create_directories(folder_ / "pets/cat");
  WriteBytes(folder_ / "pets/cat/1.png", "picture");
  WriteBytes(folder_ / "pets/cat/.hidden", "secret");
  ASSERT_EQ(Run({"dataset", "upload", "pets", "--image-size", "8x8", "--skip-bad-files", "--split",
                 "train=" + (folder_ / "pets")}),
            0)
      << err_.str();
  EXPECT_THAT(calls_, ElementsAre("validate", "send", "import"));
  EXPECT_EQ(sent_.size(), 512u * 5);
  EXPECT_EQ(sent_.substr(1024, 7), "picture");
  EXPECT_EQ(seen_.splits(0).format(), v1::FORMAT_IMAGES);
  EXPECT_TRUE(seen_.skip_bad_files());
  EXPECT_THAT(err_.str(), HasSubstr("pets: hidden files and folders that are not sent: 1"));
  // Without a size the server is asked as for images all the same, so that it says which option is missing.
  ASSERT_EQ(Run({"dataset", "import", "pets", "pets.tar.xz"}), 0);
  EXPECT_EQ(seen_.splits(0).format(), v1::FORMAT_IMAGES);

  calls_.clear();
  std::filesystem::create_directory_symlink(folder_ / "pets", folder_ / "pets/dog");
  EXPECT_EQ(Run({"dataset", "upload", "pets", "--image-size", "8x8", folder_ / "pets"}), 1);
  EXPECT_THAT(calls_, ElementsAre());
  EXPECT_THAT(err_.str(), HasSubstr("dog: a link to a folder"));
}

TEST_F(DatasetImportTest, ArraysOfAnNpzAreNamed) {
  ASSERT_EQ(Run({"dataset", "import", "a", "mnist.npz", "--layout", "channels-last"}), 0) << err_.str();
  ASSERT_EQ(seen_.splits_size(), 2);
  EXPECT_EQ(seen_.splits(1).name(), "test");
  EXPECT_EQ(seen_.splits(1).examples().path(), "mnist.npz");
  EXPECT_FALSE(seen_.splits(1).has_labels());
  EXPECT_EQ(seen_.splits(0).layout(), v1::SplitSource::LAYOUT_CHANNELS_LAST);

  ASSERT_EQ(Run({"dataset", "import", "a", "--split", "train=m.npz:x,y", "--split", "test=m.npz:x_test,y_test",
                 "--split", "val=x.npz:a,z.npz:b", "--split", "dev=x.npz:c,y.npy"}),
            0);
  EXPECT_EQ(seen_.splits(1).examples().path(), "m.npz");
  EXPECT_EQ(seen_.splits(1).examples_array(), "x_test");
  EXPECT_EQ(seen_.splits(1).labels_array(), "y_test");
  EXPECT_FALSE(seen_.splits(1).has_labels());
  EXPECT_EQ(seen_.splits(2).labels().path(), "z.npz");
  EXPECT_EQ(seen_.splits(2).labels_array(), "b");
  EXPECT_EQ(seen_.splits(3).labels().path(), "y.npy");
  EXPECT_EQ(Run({"dataset", "import", "a", "--layout", "nhwc", "m.npz"}), 2);
  EXPECT_EQ(Run({"dataset", "import", "a"}), 2);
  EXPECT_THAT(err_.str(), HasSubstr("either --split NAME=FILE,... or files without --split are needed"));
  EXPECT_EQ(Run({"dataset", "import", "a", "m.npz", "--split", "train=m.npz"}), 2);
}

TEST_F(DatasetImportTest, CsvOptions) {
  ASSERT_EQ(Run({"dataset", "import", "a", "--label-column", "y", "--delimiter", "tab", "--missing", "value:-1.5",
                 "--categorical-columns", "color,kind", "--drop-columns", "id", "x.txt"}),
            0)
      << err_.str();
  const v1::CsvOptions& csv = seen_.splits(0).csv();
  EXPECT_EQ(seen_.splits(0).format(), v1::FORMAT_CSV);
  EXPECT_EQ(csv.delimiter(), "\t");
  EXPECT_EQ(csv.missing(), v1::CsvOptions::MISSING_VALUE);
  EXPECT_EQ(csv.missing_value(), -1.5);
  EXPECT_THAT(csv.categorical_columns(), ElementsAre("color", "kind"));
  EXPECT_THAT(csv.drop_columns(), ElementsAre("id"));
  for (const char* wrong : {"median", "value", "value:x", "drop:1", "unspecified"}) {
    EXPECT_EQ(Run({"dataset", "import", "a", "--label-column", "y", "--missing", wrong, "x.csv"}), 2) << wrong;
    EXPECT_THAT(err_.str(), HasSubstr("must be error, drop, mean or value:NUMBER"));
  }
}

TEST_F(DatasetImportTest, NotesAndWhatWasLeftOutAreShown) {
  made_ = FromText<v1::Dataset>(
      "name: 'datasets/a' num_classes: 2 feature_names: ['size', 'color=red', 'color=blue']"
      "categorical_columns { name: 'color' categories: ['red', 'blue'] } notes: 'x: guessed' num_skipped_files: 1200 "
      "skipped_files { split: 'train' file: 'pets: cat/1.png' reason: 'the file is empty' }");
  ASSERT_EQ(Run({"dataset", "import", "a", "x.csv", "--label-column", "y"}), 0);
  for (const char* part : {"features  size, color=red, color=blue", "words of color: red, blue", "note: x: guessed",
                           "left out: 1200 files", "train: pets: cat/1.png: the file is empty", "--json"}) {
    EXPECT_THAT(out_.str(), HasSubstr(part));
  }
}

TEST_F(DatasetImportTest, ErrorsSayTheOption) {
  const std::vector<std::pair<std::string, std::string>> flags = {
      {"skip_bad_files", "--skip-bad-files"},
      {"splits[1].layout", "--layout"},
      {"splits[0].csv.missing_value", "--missing"},
      {"splits[0].csv.delimiter", "--delimiter"},
      {"splits[0].csv.drop_columns[2]", "--drop-columns"},
      {"splits[0].csv.categorical_columns[0]", "--categorical-columns"},
      {"splits[0].examples", "--split"},
  };
  for (const auto& [field, flag] : flags) {
    valid_ = InvalidField(field, "it is so");
    WriteBytes(folder_ / "x.csv", "a");
    EXPECT_EQ(Run({"dataset", "upload", "a", folder_ / "x.csv", "--label-column", "y"}), 4);
    EXPECT_EQ(err_.str(), "error: " + flag + ": it is so\n");
  }
}

}  // namespace
}  // namespace traind::client
