// `trainctl model predict` of files of one's own, and how predictions are written; `trainctl model ensemble`.
#include "client/cli/own_examples.h"

#include <gmock/gmock.h>

#include <filesystem>
#include <nlohmann/json.hpp>

#include "absl/strings/str_split.h"
#include "tests/client/cli/app_fixture.h"
#include "tests/support/text_proto.h"

namespace traind::client {
namespace {

using ::testing::ElementsAre;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::StartsWith;

class OwnExamplesTest : public AppTest {
 protected:
  OwnExamplesTest() {
    // Of three classes; each image is of the class that its first byte says.
    server_.models.predict = [this](const v1::PredictRequest& request, v1::PredictResponse* response) {
      asked_.push_back(request);
      if (request.has_table()) return OfTable(request.table(), response);
      response->add_shape(request.images_size());
      response->add_shape(3);
      for (const v1::ImageFile& image : request.images()) {
        const int chosen = image.content()[0] - 'a';
        for (int c = 0; c < 3; ++c) {
          response->add_outputs(c == chosen ? 2.0f : 0.0f);
          response->add_probabilities(c == chosen ? 0.75f : c == (chosen + 1) % 3 ? 0.2f : 0.05f);
        }
        response->add_classes(chosen);
      }
      for (const char* name : {"ant", "bee, wild", "cow"}) response->add_class_names(name);
      response->add_notes("gray, given to a model of colour images: 1 image");
      return grpc::Status::OK;
    };
  }
  // Answers with the row's first field, half more than its target.
  static grpc::Status OfTable(const v1::ExampleTable& table, v1::PredictResponse* response) {
    std::vector<std::string> lines = absl::StrSplit(table.content(), absl::ByAnyChar("\r\n"), absl::SkipEmpty());
    std::erase_if(lines, [](const std::string& line) { return std::isdigit(line[0]) == 0; });
    response->add_shape(static_cast<int64_t>(lines.size()));
    response->add_shape(1);
    for (const std::string& line : lines) {
      const float answer = std::strtof(line.c_str(), nullptr);
      response->add_outputs(answer);
      response->add_targets(answer - 0.5f);
    }
    response->add_target_names("price");
    return grpc::Status::OK;
  }
  std::string Save(const std::string& name, const std::string& bytes) {
    std::filesystem::create_directories((std::filesystem::path(folder_.path()) / name).parent_path());
    WriteBytes(folder_ / name, bytes);
    return folder_ / name;
  }
  std::vector<v1::PredictRequest> asked_;
};

TEST_F(OwnExamplesTest, ImagesAreShownByTheNamesOfTheirClasses) {
  Save("photos/2.jpg", "b");
  Save("photos/1.PNG", "c");
  Save("photos/notes.txt", "x");
  const std::string other = Save("x.png", "a");
  EXPECT_EQ(Run({"model", "predict", "cnn/best", "--image", folder_ / "photos", other, "--top", "2"}), 0) << err_.str();
  const std::vector<std::string> lines = absl::StrSplit(out_.str(), '\n');
  ASSERT_EQ(lines.size(), 5u);
  EXPECT_THAT(lines[0], HasSubstr("file"));
  EXPECT_THAT(lines[1], AllOf(HasSubstr("photos/1.PNG  cow "), HasSubstr("75.0 %"), EndsWith("ant 20.0 %")));
  EXPECT_THAT(lines[2], AllOf(HasSubstr("photos/2.jpg  bee, wild "), EndsWith("cow 20.0 %")));
  EXPECT_THAT(lines[3], HasSubstr(other));
  EXPECT_EQ(lines[1].find("75.0"), lines[3].find("75.0")) << "straight columns";
  EXPECT_THAT(err_.str(), HasSubstr("photos: 1 entry is no image file"));
  EXPECT_THAT(err_.str(), HasSubstr("note: gray, given to a model of colour images: 1 image\n"));
  ASSERT_EQ(asked_.size(), 1u) << "few images are one call";
  EXPECT_EQ(asked_[0].model().model(), "jobs/cnn/checkpoints/best");
}

TEST_F(OwnExamplesTest, CsvAndJsonHaveNamesAndTheNextBest) {
  const std::string b = Save("b.png", "b");
  EXPECT_EQ(Run({"model", "predict", "cnn", "--image", b, "--output-format", "csv", "--top", "2"}), 0) << err_.str();
  EXPECT_EQ(out_.str(),
            "example,file,class,output0,output1,output2,class_name,probability,class2,class_name2,"
            "probability2\n0," +
                b + ",1,0,2,0,\"bee, wild\",0.75,2,cow,0.200000003\n");
  const std::string path = folder_ / "out.jsonl";
  EXPECT_EQ(Run({"model", "predict", "cnn", "--image", b, "--output-format", "json", "-o", path}), 0) << err_.str();
  const auto line = nlohmann::json::parse(ReadBytes(path));
  EXPECT_EQ(line["file"], b);
  EXPECT_EQ(line["class_name"], "bee, wild");
  EXPECT_EQ(line["probability"], 0.75);
  EXPECT_EQ(line["outputs"], nlohmann::json({0.0, 2.0, 0.0}));
}

TEST_F(OwnExamplesTest, ATableGoesInPartsOfWholeRows) {
  std::string text = "\n price ,why\r\n1,\"a\nb\"\r\n\r\n2,c\r\n";
  for (int i = 3; i <= 2500; ++i) text += std::to_string(i) + ",d\n";
  const std::string path = Save("rows.csv", text + "2501,last");
  EXPECT_EQ(Run({"model", "predict", "houses", "--input", path, "-o", folder_ / "y.npy", "--drop-columns", "why",
                 "--delimiter", ","}),
            0)
      << err_.str();
  EXPECT_EQ(ReadBytes(folder_ / "y.npy").size(), 128 + 2501 * sizeof(float));
  ASSERT_EQ(asked_.size(), 4u) << "16 rows, which tell how large an answer is, and the others by the thousand";
  EXPECT_THAT(asked_[0].table().content(), StartsWith("\n price ,why\r\n1,\"a\nb\"\r\n\r\n2,c\r\n3,d\n"));
  EXPECT_THAT(asked_[0].table().content(), EndsWith("\n16,d\n"));
  EXPECT_EQ(asked_[0].table().first_line(), 3);
  EXPECT_EQ(asked_[0].table().delimiter(), ",");
  EXPECT_THAT(asked_[1].table().content(), StartsWith("\n price ,why\r\n17,d\n"));
  EXPECT_EQ(asked_[1].table().first_line(), 21);
  EXPECT_THAT(asked_[3].table().content(), EndsWith("\n2501,last"));
  EXPECT_THAT(asked_[3].table().drop_columns(), ElementsAre("why"));
}

// One empty field, which no column of the server's reader is.
TEST_F(OwnExamplesTest, WhatTheServerTakesForAnEmptyLineIsNoExample) {
  const std::string path = Save("rows.csv", "price\n1\n\t\t\n2\n \"\" \n3\n\"\"");
  EXPECT_EQ(Run({"model", "predict", "houses", "--input", path, "-o", folder_ / "y.npy"}), 0) << err_.str();
  EXPECT_EQ(ReadBytes(folder_ / "y.npy").size(), 128 + 3 * sizeof(float));
  const std::string tabs = Save("tabs.csv", "price\twhy\n1\ta\n\t\n");
  Run({"model", "predict", "houses", "--input", tabs, "-o", folder_ / "z.npy"});
  EXPECT_EQ(asked_.back().table().content(), "price\twhy\n1\ta\n\t\n") << "two empty fields are a row";
  EXPECT_THAT(err_.str(), HasSubstr("2")) << "which this server did not answer";
}

TEST_F(OwnExamplesTest, AnswersStandBesideTheirTargets) {
  const std::string path = Save("rows.csv", "price\n1\n2.5\n");
  EXPECT_EQ(Run({"model", "predict", "houses", "--input", path}), 0) << err_.str();
  const std::vector<std::string> lines = absl::StrSplit(out_.str(), '\n');
  EXPECT_THAT(lines[0], AllOf(HasSubstr("answer"), HasSubstr("price"), HasSubstr("error")));
  EXPECT_THAT(lines[2], AllOf(HasSubstr("2.5"), HasSubstr("2.0"), HasSubstr("+0.5")));
  EXPECT_THAT(err_.str(), HasSubstr("mean absolute error 0.5"));
  EXPECT_EQ(Run({"model", "predict", "houses", "--input", path, "--output-format", "csv"}), 0);
  EXPECT_THAT(out_.str(), StartsWith("example,output0,target0,error0\n0,1,0.5,0.5\n1,2.5,2,0.5\n"));
}

TEST_F(OwnExamplesTest, WhatIsNotForThemIsSaid) {
  const std::string csv = Save("rows.csv", "price\n1\n");
  EXPECT_EQ(Run({"model", "predict", "cnn", "--image", csv, "--split", "test"}), 2);
  EXPECT_EQ(Run({"model", "predict", "cnn", "--image", csv, "--input", csv}), 2);
  EXPECT_EQ(Run({"model", "predict", "cnn", "--image", folder_ / "none.png"}), 1);
  EXPECT_THAT(err_.str(), HasSubstr("none.png"));
  std::filesystem::create_directory(folder_ / "empty");
  EXPECT_EQ(Run({"model", "predict", "cnn", "--image", folder_ / "empty"}), 2);
  EXPECT_THAT(err_.str(), HasSubstr("has no images (*.jpg, *.jpeg, *.png) in it"));
  EXPECT_EQ(Run({"model", "predict", "cnn", "--input", Save("none.csv", "price\n\n")}), 2);
  EXPECT_THAT(err_.str(), HasSubstr("a header line and at least one more are needed"));
  EXPECT_EQ(Run({"model", "predict", "cnn", "--input", Save("x.npy", ""), "--drop-columns", "a"}), 2);
  EXPECT_THAT(err_.str(), HasSubstr("are for an --input of .csv or .tsv"));
  EXPECT_EQ(Run({"model", "predict", "cnn", "--input", csv, "--output-format", "table", "-o", folder_ / "y"}), 2);
}

TEST_F(OwnExamplesTest, AnEnsembleIsMadeOfWhatPeopleType) {
  v1::CreateEnsembleRequest asked;
  server_.models.create_ensemble = [&](const v1::CreateEnsembleRequest& request, v1::Model* model) {
    asked = request;
    *model = FromText<v1::Model>(
        "name: 'models/five' size_bytes: 2000 ensemble { mean: MEAN_OUTPUTS members { model: "
        "'jobs/a/checkpoints/7' job: 'jobs/a' evaluation_loss: 0.25 } members { model: 'models/m' job: 'jobs/b' } }");
    return grpc::Status::OK;
  };
  EXPECT_EQ(Run({"model", "ensemble", "five", "a/best", "models/m@b"}), 0) << err_.str();
  EXPECT_EQ(asked.model_id(), "five");
  ASSERT_EQ(asked.members_size(), 2);
  EXPECT_EQ(asked.members(0).model(), "jobs/a/checkpoints/best");
  EXPECT_EQ(asked.members(1).model(), "models/m");
  EXPECT_EQ(asked.members(1).job(), "jobs/b");
  EXPECT_EQ(asked.mean(), v1::Ensemble::MEAN_OUTPUTS);
  EXPECT_FALSE(asked.request_id().empty());
  EXPECT_THAT(out_.str(), StartsWith("models/five: the mean of the outputs of 2 members, 2.00 kB\n"));
  EXPECT_THAT(out_.str(), HasSubstr("jobs/a/checkpoints/7"));
  EXPECT_EQ(Run({"model", "ensemble", "five", "a", "b", "--mean", "weights", "--running-statistics", "mean"}), 0);
  EXPECT_EQ(asked.mean(), v1::Ensemble::MEAN_WEIGHTS);
  EXPECT_EQ(asked.running_statistics(), v1::CreateEnsembleRequest::RUNNING_STATISTICS_MEAN);
}

TEST_F(OwnExamplesTest, SnapshotsAreTheEndsOfCycles) {
  server_.training.get_job = [](const v1::GetJobRequest& request, v1::Job* job) {
    EXPECT_EQ(request.view(), v1::JOB_VIEW_RESOLVED);
    job->mutable_resolved_spec()->mutable_checkpoint()->set_every_steps(100);
    return grpc::Status::OK;
  };
  server_.models.list_checkpoints = [](const v1::ListCheckpointsRequest& request,
                                       v1::ListCheckpointsResponse* response) {
    EXPECT_EQ(request.order_by(), "step desc");
    for (const int step : {400, 350, 300, 200, 0}) {
      v1::Checkpoint& one = *response->add_checkpoints();
      one.set_step(static_cast<uint64_t>(step));
      one.set_name("jobs/cyclic/checkpoints/" + std::to_string(step));
    }
    return grpc::Status::OK;
  };
  v1::CreateEnsembleRequest asked;
  server_.models.create_ensemble = [&](const v1::CreateEnsembleRequest& request, v1::Model*) {
    asked = request;
    return grpc::Status::OK;
  };
  EXPECT_EQ(Run({"model", "ensemble", "s", "cyclic", "--checkpoints", "2"}), 0) << err_.str();
  ASSERT_EQ(asked.members_size(), 2);
  EXPECT_EQ(asked.members(0).model(), "jobs/cyclic/checkpoints/400");
  EXPECT_EQ(asked.members(1).model(), "jobs/cyclic/checkpoints/300");
  EXPECT_EQ(Run({"model", "ensemble", "s", "cyclic", "--checkpoints", "4"}), 1);
  EXPECT_THAT(err_.str(), HasSubstr("has 3 checkpoints of every 100 steps (steps 400, 300, 200), not 4"));
}

}  // namespace
}  // namespace traind::client
