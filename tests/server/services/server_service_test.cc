// ServerService, and the same numbers as Prometheus reads them.
#include <gmock/gmock.h>

#include <string>

#include "absl/time/clock.h"
#include "server/telemetry/logging.h"
#include "tests/server/services/services_fixture.h"
#include "traind/v1/server_service.grpc.pb.h"
#include "traind/version.h"

namespace traind::server {
namespace {

using ::testing::Contains;

class ServerServiceTest : public ServicesTest {
 protected:
  ServerServiceTest() : stub_(v1::ServerService::NewStub(server_->InProcessChannel())) {}

  v1::ServerInfo Info() {
    grpc::ClientContext context;
    v1::ServerInfo info;
    const grpc::Status status = stub_->GetServerInfo(&context, {}, &info);
    EXPECT_TRUE(status.ok()) << status.error_message();
    return info;
  }
  int64_t Jobs(v1::JobState state) {
    const v1::ServerInfo info = Info();
    for (const auto& count : info.queue().job_counts()) {
      if (count.state() == state) return count.jobs();
    }
    return 0;
  }

  std::unique_ptr<v1::ServerService::Stub> stub_;
};

TEST_F(ServerServiceTest, TellsWhatTheServerIsAndHas) {
  const v1::ServerInfo info = Info();
  EXPECT_EQ(info.version(), kVersion);
  EXPECT_THAT(info.features(), Contains("server_info"));
  EXPECT_TRUE(info.ready()) << info.not_ready_reason();
  EXPECT_GT(info.start_time().seconds(), 0);
  EXPECT_EQ(info.capacity().threads(), 2u);
  EXPECT_EQ(info.capacity().default_threads(), 2u);
  EXPECT_EQ(info.capacity().threads_in_use(), 0u);
  EXPECT_EQ(info.capacity().memory_bytes(), memory_limit_);
  EXPECT_GT(info.disk().total_bytes(), info.disk().free_bytes());
  EXPECT_EQ(info.disk().reserve_bytes(), info.disk().reserve_held_bytes());
  EXPECT_GT(info.disk().store_bytes(), 0);
  EXPECT_EQ(info.queue().job_counts_size(), 0);
}

TEST_F(ServerServiceTest, CountsJobsThroughTheirLife) {
  Import("digits");
  v1::Job job;
  ASSERT_TRUE(Create(JobRequest("a"), &job).ok());
  ASSERT_TRUE(Create(JobRequest("b"), &job).ok());
  launcher_.Await(1);
  // A job is stored as RUNNING after its worker was started.
  while (Jobs(v1::JOB_STATE_RUNNING) != 1) absl::SleepFor(absl::Milliseconds(1));
  EXPECT_EQ(Jobs(v1::JOB_STATE_RUNNING), 1);
  EXPECT_EQ(Jobs(v1::JOB_STATE_QUEUED), 1);
  EXPECT_EQ(Info().capacity().threads_in_use(), 2u);
  Finish(1, 12);
  launcher_.Await(2);  // The second one runs when the first has ended.
  while (Jobs(v1::JOB_STATE_RUNNING) != 1) absl::SleepFor(absl::Milliseconds(1));
  EXPECT_EQ(Jobs(v1::JOB_STATE_SUCCEEDED), 1);
  EXPECT_EQ(Jobs(v1::JOB_STATE_QUEUED), 0);
  Start();  // A server that finds them in its store counts the same.
  stub_ = v1::ServerService::NewStub(server_->InProcessChannel());
  EXPECT_EQ(Jobs(v1::JOB_STATE_SUCCEEDED), 1);
  while (Jobs(v1::JOB_STATE_RUNNING) != 1) absl::SleepFor(absl::Milliseconds(1));
  EXPECT_EQ(Jobs(v1::JOB_STATE_QUEUED) + Jobs(v1::JOB_STATE_RUNNING), 1);
  grpc::ClientContext context;
  v1::DeleteJobRequest remove;
  remove.set_name("jobs/a");
  google::protobuf::Empty empty;
  ASSERT_TRUE(training_->DeleteJob(&context, remove, &empty).ok());
  EXPECT_EQ(Jobs(v1::JOB_STATE_SUCCEEDED), 0);
}

TEST_F(ServerServiceTest, TheLogLevelIsChanged) {
  const std::string before = LogLevelName();
  grpc::ClientContext context;
  v1::SetLogLevelRequest request;
  request.set_level(v1::LOG_LEVEL_ERROR);
  v1::ServerInfo info;
  EXPECT_TRUE(stub_->SetLogLevel(&context, request, &info).ok());
  EXPECT_EQ(info.log_level(), v1::LOG_LEVEL_ERROR);
  EXPECT_EQ(LogLevelName(), "error");
  ChangeLogLevel(before, "the test");
  for (const auto wrong : {v1::LOG_LEVEL_UNSPECIFIED, static_cast<v1::LogLevel>(17)}) {
    grpc::ClientContext again;
    request.set_level(wrong);
    const grpc::Status status = stub_->SetLogLevel(&again, request, &info);
    EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
    EXPECT_EQ(Fields(status), std::vector<std::string>{"level"});
  }
}

// The trace of a caller is in the events that the call makes, and in no other.
TEST_F(ServerServiceTest, EventsHaveTheTraceOfTheirCall) {
  const std::string traceparent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
  Import("digits");
  {
    grpc::ClientContext context;
    context.AddMetadata("traceparent", traceparent);
    v1::Job job;
    ASSERT_TRUE(training_->CreateJob(&context, JobRequest("a"), &job).ok());
  }
  launcher_.Await(1);
  v1::WatchJobRequest request;
  request.set_name("jobs/a");
  request.set_until_now(true);
  std::vector<v1::Event> events;
  ASSERT_TRUE(Watch(request, &events).ok());
  ASSERT_EQ(events.size(), 2u) << "the job runs; the watch has ended all the same";
  EXPECT_EQ(events[0].state().traceparent(), traceparent);
  EXPECT_EQ(events[1].state().state(), v1::JOB_STATE_RUNNING);
  EXPECT_EQ(events[1].state().traceparent(), "");
}

}  // namespace
}  // namespace traind::server
