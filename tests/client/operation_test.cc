// Waiting for operations, and reading what they made.
#include "client/operation.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "client/errors.h"
#include "tests/client/fake_server.h"
#include "traind/rpc/error_details.pb.h"
#include "traind/v1/event.pb.h"

namespace traind::client {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

// "operations/o", of which so many examples are done.
v1::Operation Standing(int64_t done, v1::OperationState state = v1::OPERATION_STATE_RUNNING) {
  v1::OperationMetadata metadata;
  metadata.set_state(state);
  metadata.mutable_progress()->set_done(done);
  v1::Operation operation;
  operation.set_name("operations/o");
  operation.mutable_metadata()->PackFrom(metadata);
  return operation;
}

class OperationTest : public ::testing::Test {
 protected:
  OperationTest() {
    server_.operations.get = [](const v1::GetOperationRequest&, v1::Operation* operation) {
      *operation = Standing(0);
      return grpc::Status::OK;
    };
  }
  // The next answer of WaitOperation.
  void Answers(std::vector<std::function<grpc::Status(v1::Operation*)>> answers) {
    answers_ = std::move(answers);
    server_.operations.wait = [this](const v1::WaitOperationRequest& request, v1::Operation* operation) {
      timeouts_.push_back(absl::Seconds(request.timeout().seconds()) + absl::Nanoseconds(request.timeout().nanos()));
      return waits_ < answers_.size() ? answers_[waits_++](operation) : Unavailable();
    };
  }
  static grpc::Status Done(v1::Operation* operation) {
    v1::EvaluationMetrics metrics;
    metrics.set_loss(0.25);
    Succeed(metrics, operation);
    return grpc::Status::OK;
  }

  FakeServer server_;
  FakeClock clock_;
  Client client_ = server_.MakeClient(clock_);
  std::vector<std::function<grpc::Status(v1::Operation*)>> answers_;
  size_t waits_ = 0;
  std::vector<absl::Duration> timeouts_;
};

TEST_F(OperationTest, AWaitSurvivesARestartAndShowsProgress) {
  Answers({[](v1::Operation* operation) { return *operation = Standing(10), grpc::Status::OK; },
           [](v1::Operation*) { return Unavailable(); },
           [](v1::Operation*) { return grpc::Status(grpc::StatusCode::CANCELLED, "the server shuts down"); },
           [](v1::Operation*) { return grpc::Status(grpc::StatusCode::DEADLINE_EXCEEDED, "too busy"); },
           [](v1::Operation* operation) { return *operation = Standing(20), grpc::Status::OK; }, Done});
  std::vector<int64_t> seen;
  WaitOptions options;
  options.interval = absl::Milliseconds(1500);
  options.observer = [&](const v1::Operation& operation) {
    if (!operation.done()) seen.push_back(MetadataOf(operation).progress().done());
  };
  const absl::StatusOr<v1::Operation> operation = client_.WaitOperation("operations/o", options);
  ASSERT_TRUE(operation.ok()) << operation.status();
  const auto metrics = ResultOf<v1::EvaluationMetrics>(*operation);
  ASSERT_TRUE(metrics.ok()) << metrics.status();
  EXPECT_EQ(metrics->loss(), 0.25);
  EXPECT_THAT(seen, ElementsAre(0, 10, 20));
  EXPECT_EQ(clock_.sleeps().size(), 3u);
  EXPECT_EQ(timeouts_.front(), absl::Milliseconds(1500));
}

TEST_F(OperationTest, AWaitGivesUpAfterItsPolicyAndAtOnceWhenThereIsNone) {
  Answers({});
  EXPECT_TRUE(absl::IsUnavailable(client_.WaitOperation("operations/o").status()));
  EXPECT_EQ(timeouts_.size(), 30u);
  server_.operations.get = [](const v1::GetOperationRequest& request, v1::Operation*) {
    return grpc::Status(grpc::StatusCode::NOT_FOUND, "there is no " + request.name());
  };
  EXPECT_EQ(Said(client_.WaitOperation("operations/o").status()), "NOT_FOUND: there is no operations/o");
}

TEST_F(OperationTest, ATimeoutAndAnInterruptLeaveTheOperation) {
  Answers({[](v1::Operation* operation) { return *operation = Standing(10), grpc::Status::OK; }});
  WaitOptions options;
  options.timeout = absl::ZeroDuration();
  const absl::Status late = client_.WaitOperation("operations/o", options).status();
  EXPECT_TRUE(absl::IsDeadlineExceeded(late));
  EXPECT_THAT(late.message(), HasSubstr("operations/o is not done yet"));
  absl::Notification interrupt;
  interrupt.Notify();
  WaitOptions interrupted;
  interrupted.interrupt = &interrupt;
  const auto operation = client_.WaitOperation("operations/o", interrupted);
  ASSERT_TRUE(operation.ok());
  EXPECT_FALSE(operation->done());
  EXPECT_EQ(waits_, 0u);
  EXPECT_EQ(ResultOf<v1::Dataset>(*operation).status().code(), absl::StatusCode::kFailedPrecondition);
}

TEST_F(OperationTest, AnErrorKeepsItsDetails) {
  rpc::BadRequest bad_request;
  bad_request.add_field_violations()->set_field("splits[0]");
  v1::Operation operation = Standing(0, v1::OPERATION_STATE_FAILED);
  operation.set_done(true);
  operation.mutable_error()->set_code(3);
  operation.mutable_error()->set_message("a file is wrong");
  auto* detail = operation.mutable_error()->add_details();
  detail->set_type_url("type.googleapis.com/google.rpc.BadRequest");
  detail->set_value(bad_request.SerializeAsString());
  const absl::Status error = ResultOf<v1::Dataset>(operation).status();
  EXPECT_EQ(error.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(error.message(), "a file is wrong");
  ASSERT_EQ(FieldViolations(error).size(), 1u);
  EXPECT_EQ(FieldViolations(error)[0].field, "splits[0]");
}

TEST_F(OperationTest, AnotherResultIsInternal) {
  v1::Operation operation;
  Done(&operation);
  EXPECT_EQ(ResultOf<v1::Dataset>(operation).status().code(), absl::StatusCode::kInternal);
}

// --- ReadPredictions

// Three examples from the `first` of the operation on.
v1::PredictResponse Part(int64_t first, int64_t examples) {
  v1::PredictResponse part;
  part.set_first(100 + first);  // Of the split: the range began at 100.
  part.add_shape(examples);
  part.add_shape(1);
  for (int64_t i = 0; i < examples; ++i) part.add_outputs(static_cast<float>(first + i));
  return part;
}

TEST_F(OperationTest, PredictionsGoOnWhereTheStreamBroke) {
  std::vector<int64_t> asked;
  server_.models.read_predictions = [&](const v1::ReadPredictionsRequest& request,
                                        grpc::ServerWriter<v1::PredictResponse>* writer) {
    asked.push_back(request.first());
    if (asked.size() == 2) return Unavailable();
    writer->Write(Part(request.first(), 3));
    if (asked.size() == 1) writer->Write(Part(request.first() + 3, 2));
    return asked.size() == 1 ? Unavailable() : grpc::Status::OK;
  };
  const auto reader = client_.ReadPredictions("operations/o", 1);
  std::vector<float> outputs;
  while (true) {
    const auto part = reader->Next();
    ASSERT_TRUE(part.ok()) << part.status();
    if (!part->has_value()) break;
    outputs.insert(outputs.end(), (*part)->outputs().begin(), (*part)->outputs().end());
  }
  EXPECT_THAT(asked, ElementsAre(1, 6, 6));
  EXPECT_THAT(outputs, ElementsAre(1, 2, 3, 4, 5, 6, 7, 8));
}

TEST_F(OperationTest, PredictionsOfAnUnfinishedOperationAreAnError) {
  server_.models.read_predictions = [](const v1::ReadPredictionsRequest&, grpc::ServerWriter<v1::PredictResponse>*) {
    return grpc::Status(grpc::StatusCode::FAILED_PRECONDITION, "not done");
  };
  EXPECT_EQ(Said(client_.ReadPredictions("operations/o")->Next().status()), "FAILED_PRECONDITION: not done");
  EXPECT_TRUE(clock_.sleeps().empty());
}

}  // namespace
}  // namespace traind::client
