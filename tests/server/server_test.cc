#include "server/server.h"

#include <gmock/gmock.h>
#include <grpcpp/generic/generic_stub.h>

#include <string>
#include <vector>

#include "tests/server/services/services_fixture.h"
#include "tests/support/bytes.h"
#include "tests/support/http.h"

namespace traind::server {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

class ServerTest : public ServicesTest {
 protected:
  // One message there and one back, both as bytes, for services that this project has no .proto file of.
  std::string Call(const std::string& method, const std::string& request) {
    grpc::GenericStub stub(server_->InProcessChannel());
    grpc::ClientContext context;
    grpc::CompletionQueue queue;
    auto call = stub.PrepareCall(&context, method, &queue);
    const auto wait = [&queue] {
      void* tag = nullptr;
      bool ok = false;
      return queue.Next(&tag, &ok) && ok;
    };
    call->StartCall(nullptr);
    EXPECT_TRUE(wait());
    const grpc::Slice slice(request);
    call->WriteLast(grpc::ByteBuffer(&slice, 1), grpc::WriteOptions(), nullptr);
    EXPECT_TRUE(wait());
    grpc::ByteBuffer response;
    call->Read(&response, nullptr);
    EXPECT_TRUE(wait());
    grpc::Status status;
    call->Finish(&status, nullptr);
    EXPECT_TRUE(wait());
    EXPECT_TRUE(status.ok()) << status.error_message();
    std::vector<grpc::Slice> slices;
    response.Dump(&slices);
    std::string bytes;
    for (const grpc::Slice& part : slices) bytes.append(reinterpret_cast<const char*>(part.begin()), part.size());
    return bytes;
  }
};

TEST_F(ServerTest, AnswersHealthChecksAndReflection) {
  // HealthCheckResponse{status: SERVING}
  EXPECT_EQ(Call("/grpc.health.v1.Health/Check", ""), "\x08\x01");
  // HealthCheckRequest{service: "..."}
  EXPECT_EQ(Call("/grpc.health.v1.Health/Check", "\x0a\x19traind.v1.TrainingService"), "\x08\x01");
  // ServerReflectionRequest{list_services: "*"}
  const std::string services = Call("/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo", "\x3a\x01*");
  for (const char* name :
       {"TrainingService", "DatasetService", "ModelService", "OperationService", "AuthService", "ServerService"}) {
    EXPECT_THAT(services, HasSubstr(std::string("traind.v1.") + name));
  }
  EXPECT_THAT(services, HasSubstr("grpc.health.v1.Health"));
}

// What an operator sees of a job, from its call to its end.
TEST_F(ServerTest, CountsWhatItDoes) {
  metrics_listen_ = "127.0.0.1:0";
  audit_log_ = folder_ / "audit.log";
  Start();
  Import("digits");
  v1::Job job;
  ASSERT_TRUE(Create(JobRequest("a"), &job).ok());
  const auto worker = launcher_.Await(1);
  v1::Event event;
  event.set_step(4);
  event.mutable_train()->set_loss(1);
  event.mutable_timing()->set_step_ms(500);
  event.mutable_timing()->set_data_wait_ms(125);
  event.mutable_timing()->set_examples_per_second(10);
  ASSERT_TRUE(worker->Send({event}).ok());
  event.set_step(6);
  ASSERT_TRUE(worker->Send({event}).ok());
  const auto read = [&] { return HttpGet(server_->metrics_port(), "/metrics"); };
  std::string text = read();
  for (const char* line : {
           "traind_jobs{state=\"running\"} 1\n",
           "traind_jobs{state=\"succeeded\"} 0\n",
           "traind_job_step_seconds{job=\"a\"} 0.5\n",
           "traind_job_data_wait_seconds{job=\"a\"} 0.125\n",
           "traind_job_examples_per_second{job=\"a\"} 10\n",
           "traind_training_steps_total 6\n",
           "traind_training_step_seconds_total 3\n",
           "traind_training_data_wait_seconds_total 0.75\n",
           "traind_training_examples_total 30\n",
           "traind_events_total{kind=\"state\"} 2\n",
           "traind_events_total{kind=\"train\"} 2\n",
           "traind_job_queue_seconds_count 1\n",
           "traind_worker_starts_total 1\n",
           "traind_worker_restarts_total 0\n",
           "traind_ready 1\n",
           "traind_threads_in_use 2\n",
           "traind_store_failures_total 0\n",
           "method=\"CreateJob\",code=\"OK\"} 1\n",
       }) {
    EXPECT_THAT(text, HasSubstr(line));
  }
  EXPECT_THAT(text, Not(HasSubstr("traind_store_commit_seconds_count 0\n")));
  worker->End(WorkerExit::Kind::kCrashed);
  const auto again = launcher_.Await(2);
  EXPECT_THAT(read(), HasSubstr("traind_worker_restarts_total 1\n"));
  again->End(WorkerExit::Kind::kFinished);
  std::vector<v1::Event> events;
  v1::WatchJobRequest request;
  request.set_name("jobs/a");
  ASSERT_TRUE(Watch(request, &events).ok());
  text = read();
  EXPECT_THAT(text, HasSubstr("traind_jobs{state=\"succeeded\"} 1\n"));
  EXPECT_THAT(text, Not(HasSubstr("job=\"a\""))) << "a job that has ended has no speed";
  EXPECT_THAT(ReadBytes(audit_log_),
              HasSubstr("\"method\":\"traind.v1.TrainingService/CreateJob\",\"resource\":\"jobs/a\""));
}

TEST_F(ServerTest, ProbesAreAnsweredWhileItServes) {
  EXPECT_EQ(server_->metrics_port(), 0) << "there is no such port unless somebody asks for it";
  metrics_listen_ = "127.0.0.1:0";
  Start();
  EXPECT_THAT(HttpGet(server_->metrics_port(), "/healthz"), HasSubstr("200 OK"));
  EXPECT_THAT(HttpGet(server_->metrics_port(), "/readyz"), HasSubstr("200 OK"));
  server_->Shutdown(absl::ZeroDuration());
  EXPECT_THAT(HttpGet(server_->metrics_port(), "/readyz"), HasSubstr("503"));
  EXPECT_THAT(HttpGet(server_->metrics_port(), "/healthz"), HasSubstr("200 OK"));
  EXPECT_THAT(HttpGet(server_->metrics_port(), "/metrics"), HasSubstr("process_open_fds"));
}

}  // namespace
}  // namespace traind::server
