// Real calls of every kind, and what is known of them by the time the caller has its answer.
#include "server/rpc/call_observer.h"

#include <gmock/gmock.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "nlohmann/json.hpp"
#include "server/rpc/stream_call.h"
#include "server/rpc/unary_call.h"
#include "server/rpc/upload_call.h"
#include "tests/support/bytes.h"
#include "tests/support/temporary_folder.h"
#include "traind/v1/dataset_service.grpc.pb.h"
#include "traind/v1/training_service.grpc.pb.h"

namespace traind::server {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

constexpr char kTrace[] = "4bf92f3577b34da6a3ce929d0e0e4736";

// Knows everybody as ada.
class KnowsAda final : public Gate {
 public:
  absl::Status Admit(CallContext& call, const google::protobuf::Message&) const override {
    call.set_caller({.user = "ada", .role = v1::ROLE_USER});
    return absl::OkStatus();
  }
};

class Endless final : public StreamCall<grpc::ByteBuffer> {
 public:
  Endless(const Entrance& entrance, grpc::CallbackServerContext& call) : StreamCall(entrance, call) {
    context().cancellation().OnCancel([this] { Leave(); });
    Resume();
  }

 protected:
  const google::protobuf::Message& request() const override { return request_; }
  absl::StatusOr<Next> Advance(grpc::ByteBuffer&) override {
    const absl::MutexLock lock(&mu_);
    if (left_) return context().Gone();
    waits_ = true;
    return Next::kWait;
  }

 private:
  // Only a call that waits may be resumed: one that runs ends by itself, and takes this object with it.
  void Leave() {
    const absl::MutexLock lock(&mu_);
    left_ = true;
    if (waits_) Resume();
  }

  const v1::WatchJobRequest request_;
  absl::Mutex mu_;
  bool left_ ABSL_GUARDED_BY(mu_) = false;
  bool waits_ ABSL_GUARDED_BY(mu_) = false;
};

class Sink : public UploadSink {
 public:
  absl::Status Write(absl::string_view) override { return absl::OkStatus(); }
  absl::Status Finish() override { return absl::ResourceExhaustedError("the disk is full"); }
};

struct ObservedTraining final
    : v1::TrainingService::WithRawCallbackMethod_WatchJob<v1::TrainingService::CallbackService> {
  Executor executor{1};
  const KnowsAda gate;
  const Entrance entrance{executor, &gate};
  absl::Mutex mu;
  std::string traceparent ABSL_GUARDED_BY(mu);  // That the handler's lines had.

  grpc::ServerUnaryReactor* CreateJob(grpc::CallbackServerContext* context, const v1::CreateJobRequest* request,
                                      v1::Job* response) override {
    return AnswerOn(entrance, context, *request, [this, response](CallContext&) {
      const absl::MutexLock lock(&mu);
      traceparent = CurrentLogFields().traceparent;
      response->set_name("jobs/made-up");
      return absl::OkStatus();
    });
  }
  grpc::ServerUnaryReactor* GetJob(grpc::CallbackServerContext* context, const v1::GetJobRequest* request,
                                   v1::Job*) override {
    return AnswerOn(entrance, context, *request, [](CallContext&) { return absl::NotFoundError("there is none"); });
  }
  grpc::ServerUnaryReactor* UpdateJob(grpc::CallbackServerContext* context, const v1::UpdateJobRequest* request,
                                      v1::Job*) override {
    return AnswerOn(entrance, context, *request, [](CallContext&) { return absl::OkStatus(); });
  }
  grpc::ServerWriteReactor<grpc::ByteBuffer>* WatchJob(grpc::CallbackServerContext* context,
                                                       const grpc::ByteBuffer*) override {
    return new Endless(entrance, *context);
  }
};

struct ObservedDatasets final : v1::DatasetService::CallbackService {
  Executor executor{1};
  const KnowsAda gate;
  const Entrance entrance{executor, &gate};

  grpc::ServerReadReactor<v1::UploadDatasetRequest>* UploadDataset(grpc::CallbackServerContext* context,
                                                                   v1::Upload*) override {
    return new UploadCall<v1::UploadDatasetRequest, v1::UploadHeader>(
        entrance, context, [](CallContext&, const v1::UploadHeader&) { return std::make_unique<Sink>(); },
        [] { return absl::OkStatus(); });
  }
};

class CallObserverTest : public ::testing::Test {
 protected:
  CallObserverTest() {
    auto audit = AuditLog::Open(path_, {}, &metrics_);
    EXPECT_TRUE(audit.ok()) << audit.status();
    audit_ = *std::move(audit);
    grpc::ServerBuilder builder;
    builder.RegisterService(&training_);
    builder.RegisterService(&datasets_);
    builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port_);
    std::vector<std::unique_ptr<grpc::experimental::ServerInterceptorFactoryInterface>> observers;
    observers.push_back(std::make_unique<CallObserver>(&metrics_, audit_.get(), *Proxies::Parse({"127.0.0.1"})));
    builder.experimental().SetInterceptorCreators(std::move(observers));
    server_ = builder.BuildAndStart();
    const auto channel = grpc::CreateChannel("127.0.0.1:" + std::to_string(port_), grpc::InsecureChannelCredentials());
    training_stub_ = v1::TrainingService::NewStub(channel);
    datasets_stub_ = v1::DatasetService::NewStub(channel);
  }
  ~CallObserverTest() override {
    server_->Shutdown();
    server_->Wait();
  }

  std::vector<nlohmann::json> Audited() {
    std::vector<nlohmann::json> lines;
    for (const absl::string_view line : absl::StrSplit(ReadBytes(path_), '\n', absl::SkipEmpty())) {
      lines.push_back(nlohmann::json::parse(line, nullptr, /*allow_exceptions=*/false));
    }
    return lines;
  }
  // How many calls of the method have ended so.
  std::string Count(const std::string& method, const std::string& code) {
    return "traind_rpc_seconds_count{service=\"traind.v1." + method + ",code=\"" + code + "\"} ";
  }

  const TemporaryFolder folder_;
  const std::string path_ = folder_ / "audit.log";
  Metrics metrics_;
  std::unique_ptr<AuditLog> audit_;
  ObservedTraining training_;
  ObservedDatasets datasets_;
  int port_ = 0;
  std::unique_ptr<grpc::Server> server_;
  std::unique_ptr<v1::TrainingService::Stub> training_stub_;
  std::unique_ptr<v1::DatasetService::Stub> datasets_stub_;
};

TEST_F(CallObserverTest, AChangeIsAuditedWithItsResourceBeforeTheAnswer) {
  v1::Job job;
  {
    grpc::ClientContext context;
    context.AddMetadata("traceparent", std::string("00-") + kTrace + "-00f067aa0ba902b7-01");
    EXPECT_TRUE(training_stub_->CreateJob(&context, {}, &job).ok());
  }
  ASSERT_EQ(Audited().size(), 1u);
  nlohmann::json line = Audited()[0];
  EXPECT_EQ(line["method"], "traind.v1.TrainingService/CreateJob");
  EXPECT_EQ(line["resource"], "jobs/made-up") << "the answer has the name that the request did not give";
  EXPECT_EQ(line["code"], "OK");
  EXPECT_EQ(line["user"], "ada");
  EXPECT_THAT(line["peer"].get<std::string>(), StartsWith("ipv4:127.0.0.1:"));
  EXPECT_EQ(line["trace_id"], kTrace);
  {
    const absl::MutexLock lock(&training_.mu);
    EXPECT_THAT(training_.traceparent, HasSubstr(kTrace)) << "the handler's lines have it";
  }
  {
    grpc::ClientContext context;
    context.AddMetadata("traceparent", "no trace");
    v1::UpdateJobRequest request;
    request.mutable_job()->set_name("jobs/b");
    EXPECT_TRUE(training_stub_->UpdateJob(&context, request, &job).ok());
  }
  ASSERT_EQ(Audited().size(), 2u);
  EXPECT_EQ(Audited()[1]["resource"], "jobs/b");
  EXPECT_FALSE(Audited()[1].contains("trace_id"));
  EXPECT_THAT(metrics_.Text(), HasSubstr(Count("TrainingService\",method=\"UpdateJob\"", "OK") + "1\n"));
}

TEST_F(CallObserverTest, WhomAProxySpeaksForIsAudited) {
  for (const char* forwarded : {"203.0.113.9", "nonsense"}) {
    grpc::ClientContext context;
    context.AddMetadata("x-forwarded-for", forwarded);
    v1::Job job;
    EXPECT_TRUE(training_stub_->CreateJob(&context, {}, &job).ok());
  }
  ASSERT_EQ(Audited().size(), 2u);
  EXPECT_EQ(Audited()[0]["forwarded_for"], "203.0.113.9");
  EXPECT_THAT(Audited()[0]["peer"].get<std::string>(), StartsWith("ipv4:127.0.0.1:"));
  EXPECT_FALSE(Audited()[1].contains("forwarded_for"));
}

TEST_F(CallObserverTest, ALookIsCountedOnly) {
  grpc::ClientContext context;
  v1::Job job;
  EXPECT_EQ(training_stub_->GetJob(&context, {}, &job).error_code(), grpc::StatusCode::NOT_FOUND);
  EXPECT_TRUE(Audited().empty());
  EXPECT_THAT(metrics_.Text(), HasSubstr(Count("TrainingService\",method=\"GetJob\"", "NOT_FOUND") + "1\n"));
}

TEST_F(CallObserverTest, AnUploadHasTheNameOfItsHeader) {
  grpc::ClientContext context;
  v1::Upload upload;
  auto stream = datasets_stub_->UploadDataset(&context, &upload);
  v1::UploadDatasetRequest request;
  request.mutable_header()->set_upload_id("u");
  stream->Write(request);
  request.set_chunk("x");
  stream->Write(request);
  stream->WritesDone();
  EXPECT_EQ(stream->Finish().error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
  ASSERT_EQ(Audited().size(), 1u);
  EXPECT_EQ(Audited()[0]["resource"], "uploads/u");
  EXPECT_EQ(Audited()[0]["user"], "ada");
  EXPECT_EQ(Audited()[0]["code"], "RESOURCE_EXHAUSTED");
  EXPECT_EQ(Audited()[0]["message"], "the disk is full");
}

TEST_F(CallObserverTest, AStreamIsInFlightUntilItEnds) {
  grpc::ClientContext context;
  auto stream = training_stub_->WatchJob(&context, {});
  const std::string in_flight = "traind_rpcs_in_flight{service=\"traind.v1.TrainingService\",method=\"WatchJob\"} ";
  while (metrics_.Text().find(in_flight + "1\n") == std::string::npos) absl::SleepFor(absl::Milliseconds(1));
  context.TryCancel();
  EXPECT_EQ(stream->Finish().error_code(), grpc::StatusCode::CANCELLED);
  while (metrics_.Text().find(in_flight + "0\n") == std::string::npos) absl::SleepFor(absl::Milliseconds(1));
  EXPECT_THAT(metrics_.Text(), HasSubstr(Count("TrainingService\",method=\"WatchJob\"", "CANCELLED") + "1\n"));
  EXPECT_TRUE(Audited().empty());
}

}  // namespace
}  // namespace traind::server
