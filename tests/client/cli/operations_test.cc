// Commands that wait for operations, and the operations themselves.
#include <gmock/gmock.h>

#include <csignal>
#include <cstring>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "client/cli/operation_view.h"
#include "client/cli/text.h"
#include "tests/client/cli/app_fixture.h"
#include "tests/support/text_proto.h"

namespace traind::client {
namespace {

using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::StartsWith;

v1::Operation Begun(const std::string& metadata) {
  v1::Operation operation;
  operation.set_name("operations/o");
  operation.mutable_metadata()->PackFrom(FromText<v1::OperationMetadata>(metadata));
  return operation;
}

class OperationsTest : public AppTest {
 protected:
  OperationsTest() {
    server_.models.evaluate = [this](const v1::EvaluateRequest& request, v1::Operation* operation) {
      evaluate_ = request;
      *operation = begun_;
      return grpc::Status::OK;
    };
    server_.operations.get = [this](const v1::GetOperationRequest& request, v1::Operation* operation) {
      EXPECT_EQ(request.name(), "operations/o");
      *operation = begun_;
      return grpc::Status::OK;
    };
    server_.operations.wait = [this](const v1::WaitOperationRequest&, v1::Operation* operation) {
      *operation = ended_;
      return grpc::Status::OK;
    };
    Succeed(FromText<v1::EvaluationMetrics>("split: 'test' examples: 10 loss: 0.25 accuracy: 0.9"), &ended_);
  }
  void EndWith(int code, const std::string& message, v1::OperationState state) {
    ended_ = Begun(absl::StrCat("state: ", v1::OperationState_Name(state)));
    ended_.set_done(true);
    ended_.mutable_error()->set_code(code);
    ended_.mutable_error()->set_message(message);
  }

  v1::Operation begun_ = Begun(
      "state: OPERATION_STATE_RUNNING method: 'Evaluate' target: 'jobs/cnn/checkpoints/400' "
      "progress { done: 6000 total: 10000 unit: 'examples' remaining { seconds: 2 } }");
  v1::Operation ended_;
  v1::EvaluateRequest evaluate_;
};

TEST_F(OperationsTest, EvalWaitsAndShowsWhatItMade) {
  EXPECT_EQ(Run({"model", "eval", "cnn"}), 0) << err_.str();
  EXPECT_EQ(out_.str(), "accuracy 90.0 %, loss 0.2500 on test (10 examples)\n");
  EXPECT_EQ(err_.str(), "") << "no bar where there is no terminal";
  EXPECT_EQ(evaluate_.model().model(), "jobs/cnn/checkpoints/latest");
  EXPECT_EQ(evaluate_.request_id().size(), 32u);
  EXPECT_EQ(Run({"--json", "model", "eval", "cnn"}), 0);
  EXPECT_EQ(nlohmann::json::parse(out_.str())["accuracy"], 0.9);
  terminal_ = true;
  EXPECT_EQ(Run({"model", "eval", "cnn"}), 0);
  EXPECT_THAT(err_.str(), HasSubstr("eval jobs/cnn/checkpoints/400"));
  EXPECT_THAT(err_.str(), HasSubstr("60 %  6,000 of 10,000 examples  2.0 s left"));
}

TEST_F(OperationsTest, EvalSaysWhatToKnowOfTheData) {
  begun_ = Begun("state: OPERATION_STATE_RUNNING method: 'Evaluate' warnings: 'matched by number'");
  const auto metrics = FromText<v1::EvaluationMetrics>("split: 'test' examples: 10 loss: 0.25 accuracy: 0.9");
  Succeed(metrics, &ended_);
  ended_.mutable_metadata()->PackFrom(
      FromText<v1::OperationMetadata>("warnings: ['matched by number', 'another scale']"));
  EXPECT_EQ(Run({"model", "eval", "cnn", "--dataset", "other"}), 0);
  EXPECT_EQ(err_.str(), "warning: matched by number\nwarning: another scale\n");
}

TEST_F(OperationsTest, AsyncPrintsTheName) {
  EXPECT_EQ(Run({"model", "eval", "cnn", "--async"}), 0);
  EXPECT_EQ(out_.str(), "operations/o\n");
  EXPECT_THAT(err_.str(), HasSubstr("trainctl wait operations/o"));
  EXPECT_EQ(Run({"--json", "model", "eval", "cnn", "--async"}), 0);
  EXPECT_EQ(nlohmann::json::parse(out_.str())["name"], "operations/o");
  EXPECT_EQ(nlohmann::json::parse(out_.str())["metadata"]["method"], "Evaluate");
}

TEST_F(OperationsTest, AFailureIsTheCommandsFailure) {
  EndWith(9, "no checkpoint any more", v1::OPERATION_STATE_FAILED);
  EXPECT_EQ(Run({"model", "eval", "cnn"}), 6);
  EXPECT_EQ(err_.str(), "error: no checkpoint any more\n");
  EXPECT_EQ(Run({"wait", "operations/o"}), 6);
  EXPECT_EQ(out_.str(), "operations/o FAILED: no checkpoint any more\n");
  EndWith(1, "cancelled", v1::OPERATION_STATE_CANCELLED);
  EXPECT_EQ(Run({"model", "eval", "cnn"}), 7);
  EXPECT_EQ(Run({"operation", "wait", "o"}), 7);
}

TEST_F(OperationsTest, CtrlCDetachesAndSaysHowToGoOn) {
  server_.operations.wait = [this](const v1::WaitOperationRequest&, v1::Operation* operation) {
    std::raise(SIGINT);
    *operation = begun_;
    return grpc::Status::OK;
  };
  EXPECT_EQ(Run({"model", "eval", "cnn"}), 130);
  EXPECT_THAT(err_.str(), HasSubstr("detached: operations/o goes on at the server\n"));
  EXPECT_THAT(err_.str(), HasSubstr("trainctl wait operations/o "));
  EXPECT_THAT(err_.str(), HasSubstr("trainctl cancel operations/o "));
  EXPECT_EQ(out_.str(), "");
}

TEST_F(OperationsTest, WaitAndResultAndGet) {
  EXPECT_EQ(Run({"wait", "operations/o"}), 0);
  EXPECT_EQ(out_.str(), "operations/o SUCCEEDED\n");
  EXPECT_EQ(Run({"operation", "get", "o"}), 0);
  EXPECT_THAT(out_.str(), HasSubstr("what          eval jobs/cnn/checkpoints/400\n"));
  EXPECT_THAT(out_.str(), HasSubstr("state         RUNNING\n"));
  EXPECT_EQ(Run({"operation", "result", "o"}), 1);
  EXPECT_THAT(err_.str(), HasSubstr("operations/o is not done yet"));
  begun_ = ended_;
  EXPECT_EQ(Run({"operation", "result", "o"}), 0);
  EXPECT_EQ(out_.str(), "accuracy 90.0 %, loss 0.2500 on test (10 examples)\n");
}

TEST_F(OperationsTest, List) {
  server_.operations.list = [this](const v1::ListOperationsRequest& request, v1::ListOperationsResponse* response) {
    EXPECT_EQ(request.filter(), "done = false");
    *response->add_operations() = begun_;
    *response->add_operations() =
        Begun("state: OPERATION_STATE_QUEUED method: 'ImportDataset' target: 'datasets/d' queue_reason: 'two run'");
    return grpc::Status::OK;
  };
  EXPECT_EQ(Run({"operations", "--filter", "done = false"}), 0);
  EXPECT_THAT(out_.str(), HasSubstr("o          eval    jobs/cnn/checkpoints/400  RUNNING"));
  EXPECT_THAT(out_.str(), HasSubstr("60.0 %, 2.0 s left"));
  EXPECT_THAT(out_.str(), HasSubstr("import  datasets/d"));
  EXPECT_THAT(out_.str(), HasSubstr("two run"));
  EXPECT_EQ(Run({"-q", "operations", "--filter", "done = false"}), 0);
  EXPECT_EQ(out_.str(), "operations/o\noperations/o\n");
}

TEST(RenderOperationTest, AWaitSaysForWhatAndEveryLineFits) {
  const auto queued = FromText<v1::OperationMetadata>(
      "state: OPERATION_STATE_QUEUED method: 'DescribeDataset' target: 'datasets/d' queue_reason: 'all 2 threads "
      "work'");
  EXPECT_EQ(RenderOperation(queued, 80), "describe datasets/d  waits: all 2 threads work");
  const auto running = FromText<v1::OperationMetadata>(
      "state: OPERATION_STATE_RUNNING method: 'ImportDataset' target: 'datasets/d' "
      "progress { done: 500000 total: 1000000 unit: 'bytes' remaining { seconds: 90 } }");
  EXPECT_EQ(RenderOperation(running, 80),
            "import datasets/d  ███████████░░░░░░░░░░░  50 %  500.0 kB of 1.00 MB  1m30s left");
  const auto unknown = FromText<v1::OperationMetadata>(
      "state: OPERATION_STATE_RUNNING method: 'ImportDataset' target: 'd' progress { done: 1200 unit: 'examples' }");
  EXPECT_EQ(RenderOperation(unknown, 80), "import d  1,200 examples");
  for (const int width : {0, 1, 20, 60, 300}) {
    for (const v1::OperationMetadata& metadata : {queued, running, unknown}) {
      EXPECT_LE(DisplayWidth(RenderOperation(metadata, width)), width);
    }
  }
}

// --- predict

class PredictTest : public AppTest {
 protected:
  PredictTest() {
    server_.models.predict_split = [this](const v1::PredictSplitRequest& request, v1::Operation* operation) {
      asked_ = request;
      v1::PredictSplitResponse made;
      made.set_operation("operations/o");
      made.set_examples(5);
      made.set_outputs(2);
      Succeed(made, operation);
      return grpc::Status::OK;
    };
    server_.models.read_predictions = [](const v1::ReadPredictionsRequest& request,
                                         grpc::ServerWriter<v1::PredictResponse>* writer) {
      EXPECT_EQ(request.operation(), "operations/o");
      writer->Write(FromText<v1::PredictResponse>(
          "shape: 3 shape: 2 first: 100 outputs: 1 outputs: 2 outputs: 3 outputs: 4 outputs: 5 outputs: 6 "
          "probabilities: 0.25 probabilities: 0.75 probabilities: 0.25 probabilities: 0.75 probabilities: 0.25 "
          "probabilities: 0.75 classes: 1 classes: 1 classes: 1 labels: 1 labels: 0 labels: 1"));
      writer->Write(FromText<v1::PredictResponse>(
          "shape: 2 shape: 2 first: 103 outputs: 8 outputs: 7 outputs: 10 outputs: 9 probabilities: 1 probabilities: 0 "
          "probabilities: 0.5 probabilities: 0.5 classes: 0 classes: 0 labels: 0 labels: 0"));
      return grpc::Status::OK;
    };
    server_.operations.remove = [this](const v1::DeleteOperationRequest& request) {
      deleted_.push_back(request.name());
      return grpc::Status::OK;
    };
  }
  v1::PredictSplitRequest asked_;
  std::vector<std::string> deleted_;
};

TEST_F(PredictTest, ATableHasOneTitleAndStraightColumns) {
  EXPECT_EQ(Run({"model", "predict", "cnn", "--first", "100"}), 0) << err_.str();
  EXPECT_EQ(asked_.range().first(), 100u);
  EXPECT_EQ(asked_.range().count(), 10u);
  EXPECT_EQ(out_.str(), R"(example  class  label         probability
    100      1      1  right       75.0 %  ███████████████░░░░░
    101      1      0  wrong       75.0 %  ███████████████░░░░░
    102      1      1  right       75.0 %  ███████████████░░░░░
    103      0      0  right      100.0 %  ████████████████████
    104      0      0  right       50.0 %  ██████████░░░░░░░░░░
)");
  EXPECT_EQ(err_.str(), "4 of 5 right\n");
  EXPECT_THAT(deleted_, ::testing::ElementsAre("operations/o")) << "the server need not keep what was read";
}

TEST_F(PredictTest, JsonIsTheApisMessages) {
  EXPECT_EQ(Run({"--json", "model", "predict", "cnn"}), 0);
  const std::vector<std::string> lines = absl::StrSplit(out_.str(), '\n', absl::SkipEmpty());
  ASSERT_EQ(lines.size(), 2u);
  EXPECT_EQ(nlohmann::json::parse(lines[1])["first"], "103");
  EXPECT_EQ(nlohmann::json::parse(lines[1])["outputs"][0], 8);
}

TEST_F(PredictTest, NpyHasAHeaderAndEveryOutput) {
  const std::string path = folder_ / "outputs.npy";
  EXPECT_EQ(Run({"model", "predict", "cnn", "-o", path}), 0) << err_.str();
  EXPECT_EQ(asked_.range().count(), 0u) << "all";
  EXPECT_EQ(out_.str(), path + ": 5 x 2 outputs\n");
  const std::string bytes = ReadBytes(path);
  ASSERT_EQ(bytes.size(), 128 + 10 * sizeof(float));
  EXPECT_THAT(bytes, StartsWith(std::string("\x93NUMPY\x01\x00\x76\x00{'descr': '<f4', 'fortran_order': False, "
                                            "'shape': (5, 2), }",
                                            10 + 59)));
  EXPECT_EQ(bytes[127], '\n');
  float last = 0;
  std::memcpy(&last, bytes.data() + bytes.size() - sizeof(float), sizeof(float));
  EXPECT_EQ(last, 9);
  EXPECT_EQ(Run({"model", "predict", "cnn", "-o", path}), 1) << "it is there";
  EXPECT_THAT(err_.str(), HasSubstr("--force replaces it"));
  EXPECT_EQ(Run({"model", "predict", "cnn", "-o", path, "--force"}), 0);
  EXPECT_EQ(Run({"model", "predict", "cnn", "-o", folder_ / "outputs.txt"}), 2);
}

TEST_F(PredictTest, CsvHasATitleOnce) {
  const std::string path = folder_ / "outputs.csv";
  EXPECT_EQ(Run({"model", "predict", "cnn", "-o", path, "--count", "5"}), 0) << err_.str();
  EXPECT_EQ(asked_.range().count(), 5u);
  EXPECT_THAT(ReadBytes(path), StartsWith("example,class,label,output0,output1\n100,1,1,1,2\n101,1,0,3,4\n"));
  EXPECT_THAT(ReadBytes(path), EndsWith("103,0,0,8,7\n104,0,0,10,9\n"));
}

TEST_F(PredictTest, AMissingExampleLeavesNoFile) {
  server_.models.read_predictions = [](const v1::ReadPredictionsRequest&,
                                       grpc::ServerWriter<v1::PredictResponse>* writer) {
    writer->Write(FromText<v1::PredictResponse>("shape: 1 shape: 2 outputs: 1 outputs: 2"));
    return grpc::Status::OK;
  };
  const std::string path = folder_ / "outputs.npy";
  EXPECT_EQ(Run({"model", "predict", "cnn", "-o", path}), 1);
  EXPECT_THAT(err_.str(), HasSubstr("the server sent 1 of 5 examples"));
  EXPECT_FALSE(std::filesystem::exists(path));
  EXPECT_FALSE(std::filesystem::exists(path + ".part"));
  EXPECT_TRUE(deleted_.empty());
}

}  // namespace
}  // namespace traind::client
