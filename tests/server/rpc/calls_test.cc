// Calls over a real channel to services whose handlers are the test's: what a handler learns of its call, and that an
// exception costs one call, never the server.
#include <gmock/gmock.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include <chrono>
#include <functional>
#include <memory>
#include <new>
#include <sstream>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"
#include "core/base/errors.h"
#include "core/base/machine.h"
#include "server/events/event_log.h"
#include "server/resources/quota.h"
#include "server/rpc/call_observer.h"
#include "server/rpc/executor.h"
#include "server/rpc/status.h"
#include "server/rpc/stream_call.h"
#include "server/rpc/unary_call.h"
#include "server/rpc/upload_call.h"
#include "server/services/watch_call.h"
#include "spdlog/sinks/ostream_sink.h"
#include "spdlog/spdlog.h"
#include "tests/support/memory_job_store.h"
#include "traind/rpc/error_details.pb.h"
#include "traind/rpc/status.pb.h"
#include "traind/v1/dataset_service.grpc.pb.h"
#include "traind/v1/training_service.grpc.pb.h"

namespace traind::server {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

// What is logged while it lives.
class CapturedLog {
 public:
  CapturedLog() {
    auto logger = std::make_shared<spdlog::logger>("test", std::make_shared<spdlog::sinks::ostream_sink_mt>(text_));
    logger->set_pattern("%l: %v");
    spdlog::set_default_logger(std::move(logger));
  }
  ~CapturedLog() { spdlog::set_default_logger(before_); }
  std::string text() const { return text_.str(); }

 private:
  const std::shared_ptr<spdlog::logger> before_ = spdlog::default_logger();
  std::ostringstream text_;
};

class FaultyStore : public MemoryJobStore {
 public:
  absl::StatusOr<StoredJob> GetJob(const std::string&) override { throw std::bad_alloc(); }
};

class FaultySink : public UploadSink {
 public:
  absl::Status Write(absl::string_view) override { throw std::bad_alloc(); }
  absl::Status Finish() override { throw std::runtime_error("at the end"); }
};

// Writes one response and throws instead of the second.
class FaultyStream final : public StreamCall<grpc::ByteBuffer> {
 public:
  FaultyStream(Executor& executor, grpc::CallbackServerContext& call) : StreamCall(executor, call) { Resume(); }

 protected:
  const google::protobuf::Message& request() const override { return v1::WatchJobRequest::default_instance(); }
  absl::StatusOr<Next> Advance(grpc::ByteBuffer& written) override {
    if (written.Valid()) throw std::runtime_error("in the middle");
    v1::WatchJobResponse response;
    response.add_events();
    bool own = false;
    EXPECT_TRUE(grpc::SerializationTraits<v1::WatchJobResponse>::Serialize(response, &written, &own).ok());
    return Next::kWrite;
  }
};

struct Training final : v1::TrainingService::WithRawCallbackMethod_WatchJob<v1::TrainingService::CallbackService> {
  Executor executor{1};
  FaultyStore store;
  EventLog log{&store};
  Places places{10};
  std::function<absl::Status(CallContext&)> get_job;

  grpc::ServerUnaryReactor* GetJob(grpc::CallbackServerContext* context, const v1::GetJobRequest* request,
                                   v1::Job*) override {
    return AnswerOn(executor, context, *request, get_job);
  }
  grpc::ServerWriteReactor<grpc::ByteBuffer>* WatchJob(grpc::CallbackServerContext* context,
                                                       const grpc::ByteBuffer* request) override {
    if (request->Length() == 0) return new FaultyStream(executor, *context);  // A job without a name.
    return server::WatchJob(executor, store, log, places, context, *request);
  }
};

struct Datasets final : v1::DatasetService::CallbackService {
  Executor executor{1};

  grpc::ServerReadReactor<v1::UploadDatasetRequest>* UploadDataset(grpc::CallbackServerContext* context,
                                                                   v1::Upload*) override {
    const auto begin = [](CallContext&, const v1::UploadHeader& header) -> absl::StatusOr<std::unique_ptr<UploadSink>> {
      if (header.upload_id().empty()) throw std::runtime_error("at the beginning");
      return std::make_unique<FaultySink>();
    };
    return new UploadCall<v1::UploadDatasetRequest, v1::UploadHeader>(executor, context, begin,
                                                                      [] { return absl::OkStatus(); });
  }
};

class CallsTest : public ::testing::Test {
 protected:
  CallsTest() {
    grpc::ServerBuilder builder;
    builder.RegisterService(&training_);
    builder.RegisterService(&datasets_);
    std::vector<std::unique_ptr<grpc::experimental::ServerInterceptorFactoryInterface>> observers;
    observers.push_back(std::make_unique<CallObserver>(Metrics::Unread(), nullptr, Proxies()));
    builder.experimental().SetInterceptorCreators(std::move(observers));
    server_ = builder.BuildAndStart();
    training_stub_ = v1::TrainingService::NewStub(server_->InProcessChannel({}));
    datasets_stub_ = v1::DatasetService::NewStub(server_->InProcessChannel({}));
  }
  ~CallsTest() override {
    server_->Shutdown();
    server_->Wait();
  }

  grpc::Status GetJob(std::function<absl::Status(CallContext&)> handler,
                      std::chrono::system_clock::time_point deadline = std::chrono::system_clock::time_point::max()) {
    training_.get_job = std::move(handler);
    grpc::ClientContext context;
    context.set_deadline(deadline);
    v1::Job job;
    return training_stub_->GetJob(&context, {}, &job);
  }
  grpc::Status Watch(const std::string& name, int* responses) {
    grpc::ClientContext context;
    v1::WatchJobRequest request;
    request.set_name(name);
    auto stream = training_stub_->WatchJob(&context, request);
    v1::WatchJobResponse response;
    while (stream->Read(&response)) ++*responses;
    return stream->Finish();
  }
  grpc::Status Upload(const std::string& id, bool with_chunk) {
    grpc::ClientContext context;
    v1::Upload upload;
    auto stream = datasets_stub_->UploadDataset(&context, &upload);
    v1::UploadDatasetRequest request;
    request.mutable_header()->set_upload_id(id);
    stream->Write(request);
    request.set_chunk("x");
    if (with_chunk) stream->Write(request);
    stream->WritesDone();
    return stream->Finish();
  }
  // The call ended INTERNAL because of `what`, that was logged as an error, and the server lives.
  void ExpectFault(const grpc::Status& status, const std::string& what) {
    EXPECT_EQ(status.error_code(), grpc::StatusCode::INTERNAL);
    EXPECT_THAT(status.error_message(), HasSubstr(what));
    EXPECT_THAT(log_.text(), HasSubstr("error: call from "));
    EXPECT_THAT(log_.text(), HasSubstr(what));
    EXPECT_TRUE(GetJob([](CallContext&) { return absl::OkStatus(); }).ok());
  }

  CapturedLog log_;
  Training training_;
  Datasets datasets_;
  std::unique_ptr<grpc::Server> server_;
  std::unique_ptr<v1::TrainingService::Stub> training_stub_;
  std::unique_ptr<v1::DatasetService::Stub> datasets_stub_;
};

TEST_F(CallsTest, AHandlerLearnsWhoAsksAndHowLongTheAnswerIsWanted) {
  const auto deadline = std::chrono::system_clock::now() + std::chrono::hours(1);
  std::string peer;
  absl::Time seen;
  const auto look = [&](CallContext& call) {
    peer = call.peer();
    seen = call.deadline();
    return call.Check();
  };
  EXPECT_TRUE(GetJob(look).ok());
  EXPECT_EQ(seen, absl::InfiniteFuture());
  EXPECT_FALSE(peer.empty());
  EXPECT_TRUE(GetJob(look, deadline).ok());
  // What travels is the time that is left.
  EXPECT_LT(absl::AbsDuration(seen - absl::FromChrono(deadline)), absl::Minutes(1));
}

TEST_F(CallsTest, AnErrorOfTheCallerIsNoErrorInTheLog) {
  EXPECT_EQ(GetJob([](CallContext&) { return absl::NotFoundError("no"); }).error_code(), grpc::StatusCode::NOT_FOUND);
  EXPECT_THAT(log_.text(), Not(HasSubstr("error")));
}

// So that a client can tell it from a server that is not there.
TEST_F(CallsTest, AnUnavailableSaysWhenToTryAgain) {
  const grpc::Status status =
      GetJob([](CallContext&) { return absl::UnavailableError("the server is shutting down"); });
  EXPECT_EQ(status.error_code(), grpc::StatusCode::UNAVAILABLE);
  rpc::Status rich;
  ASSERT_TRUE(rich.ParseFromString(status.error_details()));
  ASSERT_EQ(rich.details_size(), 1);
  EXPECT_EQ(rich.details(0).type_url(), kRetryInfoUrl);
  rpc::RetryInfo info;
  ASSERT_TRUE(info.ParseFromString(rich.details(0).value()));
  EXPECT_EQ(info.retry_delay().seconds(), 1);
}

TEST_F(CallsTest, AnExceptionInAUnaryCallIsInternal) {
  ExpectFault(GetJob([](CallContext&) -> absl::Status { throw std::runtime_error("a bug"); }), "a bug");
  ExpectFault(GetJob([](CallContext&) -> absl::Status { throw std::bad_alloc(); }), "bad_alloc");
  ExpectFault(GetJob([](CallContext&) -> absl::Status { throw 7; }), "unknown kind");
}

TEST_F(CallsTest, AnExceptionInAStreamIsInternal) {
  int responses = 0;
  ExpectFault(Watch("", &responses), "in the middle");
  EXPECT_EQ(responses, 1);
}

TEST_F(CallsTest, AnExceptionInAWatchIsInternal) {
  int responses = 0;
  ExpectFault(Watch("jobs/a", &responses), "bad_alloc");
  EXPECT_EQ(responses, 0);
}

TEST_F(CallsTest, AnExceptionInAnUploadIsInternal) {
  ExpectFault(Upload("", /*with_chunk=*/false), "at the beginning");
  ExpectFault(Upload("a", /*with_chunk=*/true), "bad_alloc");
  ExpectFault(Upload("a", /*with_chunk=*/false), "at the end");
}

TEST(CallContext, SaysWhyNobodyWaits) {
  CallContext waits("somebody");
  EXPECT_TRUE(waits.Check().ok());
  waits.cancellation().Cancel();
  EXPECT_TRUE(absl::IsCancelled(waits.Check()));
  CallContext late("somebody", absl::InfinitePast());
  EXPECT_TRUE(absl::IsDeadlineExceeded(late.Check()));
  late.cancellation().Cancel();  // As gRPC does at the deadline.
  EXPECT_TRUE(absl::IsDeadlineExceeded(late.Check()));
}

TEST(Executor, ATaskThatThrowsIsLoggedAndTheNextOneRuns) {
  const CapturedLog log;
  bool ran = false;
  {
    Executor executor(1);
    executor.Submit([] { throw std::runtime_error("a bug"); });
    executor.Submit([&] { ran = true; });
  }
  EXPECT_TRUE(ran);
  EXPECT_THAT(log.text(), StartsWith("error: "));
  EXPECT_THAT(log.text(), HasSubstr("a bug"));
}

// However much there is of one kind, and however long it takes, the others find a thread.
TEST(Executor, NoKindWaitsForAnother) {
  const auto threads = std::make_shared<SharedThreads>(4, 3);
  Executor a(threads, 0), b(threads, 1), c(threads, 2);
  absl::Notification end;
  absl::Mutex mu;
  int running = 0;
  for (int i = 0; i < 10; ++i) {
    a.Submit([&] {
      {
        absl::MutexLock lock(&mu);
        ++running;
      }
      end.WaitForNotification();
    });
  }
  {
    absl::MutexLock lock(&mu);
    const auto two = [&] { return running == 2; };
    mu.Await(absl::Condition(&two));
  }
  absl::Notification of_b, of_c;
  b.Submit([&] { of_b.Notify(); });
  of_b.WaitForNotification();
  b.Submit([&] { end.WaitForNotification(); });
  c.Submit([&] { of_c.Notify(); });
  of_c.WaitForNotification();
  {
    absl::MutexLock lock(&mu);
    EXPECT_EQ(running, 2) << "its own thread and the one that is to spare";
  }
  end.Notify();
}

TEST(RichStatus, HasAsManyViolationsAsThereIsRoomFor) {
  core::FieldErrors::Root errors;
  for (int i = 0; i < 100'000; ++i) errors.scope().At("layers", i).Add("is none of the network");
  EXPECT_EQ(errors.scope().count(), 100'000);
  EXPECT_EQ(errors.violations().field_violations_size(), 1000);
  const absl::Status status = errors.ToStatus();
  EXPECT_TRUE(absl::EndsWith(status.message(), "and 99000 more"));
  rpc::BadRequest kept;
  ASSERT_TRUE(kept.ParseFromString(ToRichStatus(status).details(0).value()));
  EXPECT_GT(kept.field_violations_size(), 10);
  EXPECT_LT(kept.ByteSizeLong(), 4600u);
  EXPECT_EQ(kept.field_violations(0).field(), "layers[0]");
}

TEST(RichStatus, DoesNotTellWhatIsBetweenServerAndWorker) {
  EXPECT_EQ(ToRichStatus(core::OfMachine(absl::ResourceExhaustedError("full"))).details_size(), 0);
}

}  // namespace
}  // namespace traind::server
