// What the port allows, on a whole server over real sockets: a test sees each limit from outside, as a client does.
#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "server/tls/dev_certificates.h"
#include "server/wire/channel.h"
#include "tests/server/services/services_fixture.h"

namespace traind::server {
namespace {

using ::testing::HasSubstr;

// HTTP/2's first bytes: the preface, and settings that change nothing.
const std::string kHello("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0", 33);

class PortLimitsTest : public ServicesTest {
 protected:
  // The limits that the test has set in config_ count from here on; `config_.tls` as well.
  void Restart() {
    server_.reset();
    config_.listen = "127.0.0.1:0";
    config_.data_dir = folder_.path() + "/data";
    config_.dataset_roots = {root_};
    config_.threads = 2;
    config_.memory_limit = memory_limit_;
    auto server = Server::Start(config_, &launcher_);
    ASSERT_TRUE(server.ok()) << server.status();
    server_ = *std::move(server);
    training_ = v1::TrainingService::NewStub(NewChannel());
    datasets_ = v1::DatasetService::NewStub(NewChannel());
    operations_ = v1::OperationService::NewStub(NewChannel());
  }
  std::shared_ptr<grpc::Channel> NewChannel() const {
    grpc::ChannelArguments arguments;
    arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
    return grpc::CreateCustomChannel(absl::StrCat("127.0.0.1:", server_->port()), grpc::InsecureChannelCredentials(),
                                     arguments);
  }
  static grpc::Status List(v1::TrainingService::Stub& stub, size_t header_bytes = 0) {
    grpc::ClientContext context;
    if (header_bytes > 0) context.AddMetadata("x-large", std::string(header_bytes, 'x'));
    v1::ListJobsResponse jobs;
    return stub.ListJobs(&context, {}, &jobs);
  }
  // A connection, on which `sent` was sent.
  UniqueFd Connect(const std::string& sent) const {
    UniqueFd fd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in address = {};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<uint16_t>(server_->port()));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(connect(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
    EXPECT_EQ(send(fd.get(), sent.data(), sent.size(), MSG_NOSIGNAL), static_cast<ssize_t>(sent.size()));
    return fd;
  }
  // Reads until the server has closed it. False: it did not for a minute.
  static bool IsClosed(const UniqueFd& fd) {
    constexpr int kMinute = 60'000;
    pollfd readable = {.fd = fd.get(), .events = POLLIN, .revents = 0};
    char bytes[4096];
    while (poll(&readable, 1, kMinute) > 0) {
      if (recv(fd.get(), bytes, sizeof(bytes), 0) <= 0) return true;
    }
    return false;
  }
  void AwaitConnections(int count) const {
    while (server_->connections() != count) absl::SleepFor(absl::Milliseconds(5));
  }
  // A job that waits for its worker.
  void MakeJob() {
    Import("digits");
    v1::Job job;
    ASSERT_TRUE(Create(JobRequest("a"), &job).ok());
  }

  Config config_;
};

TEST_F(PortLimitsTest, AHandshakeThatDoesNotEndIsClosed) {
  config_.limits.handshake = absl::Seconds(1);
  Restart();
  EXPECT_TRUE(IsClosed(Connect("")));
  EXPECT_TRUE(IsClosed(Connect(kHello.substr(0, 20))));
  const std::string certs = folder_.path() + "/certs";
  ASSERT_TRUE(MakeDevCertificates({.folder = certs, .begin = absl::Now() - absl::Hours(1)}).ok());
  config_.tls = {.cert = certs + "/server.pem", .key = certs + "/server-key.pem"};
  Restart();
  EXPECT_TRUE(IsClosed(Connect("")));
  EXPECT_TRUE(IsClosed(Connect("\x16\x03\x01\x02")));
  AwaitConnections(0);
}

TEST_F(PortLimitsTest, AThousandIdleConnectionsAreServedBesideOthers) {
  constexpr int kMany = 1000;
  Restart();
  std::vector<UniqueFd> idle;
  for (int i = 0; i < kMany; ++i) idle.push_back(Connect(kHello));
  AwaitConnections(kMany);
  EXPECT_TRUE(List(*training_).ok());
  idle.clear();
  AwaitConnections(1);
}

TEST_F(PortLimitsTest, AConnectionWithoutCallsIsClosed) {
  config_.limits.idle = absl::Seconds(1);
  Restart();
  EXPECT_TRUE(IsClosed(Connect(kHello)));
  EXPECT_TRUE(List(*training_).ok());
  AwaitConnections(0);
  EXPECT_TRUE(List(*training_).ok()) << "a client connects again by itself";
}

TEST_F(PortLimitsTest, OneConnectionTooManyIsClosedUntilAnotherEnds) {
  config_.limits.max_connections = 3;
  Restart();
  std::vector<UniqueFd> open;
  for (int i = 0; i < 3; ++i) open.push_back(Connect(kHello));
  AwaitConnections(3);
  EXPECT_TRUE(IsClosed(Connect("")));
  EXPECT_EQ(List(*training_).error_code(), grpc::UNAVAILABLE);
  open.pop_back();
  AwaitConnections(2);
  EXPECT_TRUE(List(*v1::TrainingService::NewStub(NewChannel())).ok());
}

TEST_F(PortLimitsTest, HeadersThatAreTooLongAreRefused) {
  Restart();
  EXPECT_TRUE(List(*training_, 4 << 10).ok());
  EXPECT_EQ(List(*training_, 16 << 10).error_code(), grpc::RESOURCE_EXHAUSTED);
  // gRPC may close the connection after that; others go on.
  EXPECT_TRUE(List(*v1::TrainingService::NewStub(NewChannel())).ok());
}

TEST_F(PortLimitsTest, OneWatcherTooManyIsToldWhatToDo) {
  config_.limits.max_watchers = 1;
  Restart();
  MakeJob();
  v1::WatchJobRequest request;
  request.set_name("jobs/a");
  auto first = std::make_unique<grpc::ClientContext>();
  const auto stream = training_->WatchJob(first.get(), request);
  v1::WatchJobResponse response;
  ASSERT_TRUE(stream->Read(&response));
  std::vector<v1::Event> events;
  const grpc::Status refused = Watch(request, &events);
  EXPECT_EQ(refused.error_code(), grpc::RESOURCE_EXHAUSTED);
  EXPECT_THAT(refused.error_message(), HasSubstr("1 watchers"));
  EXPECT_THAT(refused.error_message(), HasSubstr("--max-watchers"));
  EXPECT_THAT(refused.error_details(), HasSubstr("google.rpc.RetryInfo"));
  EXPECT_TRUE(List(*training_).ok());
  first->TryCancel();
  while (stream->Read(&response)) {
  }
  EXPECT_EQ(stream->Finish().error_code(), grpc::CANCELLED);
  Finish(1, 1);
  grpc::Status status = Watch(request, &events);  // The place is free when the server has seen the end.
  while (status.error_code() == grpc::RESOURCE_EXHAUSTED) status = Watch(request, &events);
  EXPECT_TRUE(status.ok()) << status.error_message();
  EXPECT_EQ(events.back().state().state(), v1::JOB_STATE_SUCCEEDED);
}

// An old connection ends, and a watch on it: UNAVAILABLE, after which it goes on where it was over a new one.
TEST_F(PortLimitsTest, AWatchThatOutlivesItsConnectionGoesOnOverAnother) {
  config_.limits.age = absl::Seconds(1);
  config_.limits.age_grace = absl::Seconds(1);
  Restart();
  MakeJob();
  v1::WatchJobRequest request;
  request.set_name("jobs/a");
  std::vector<v1::Event> events;
  for (int i = 0; i < 2; ++i) {
    const grpc::Status cut = Watch(request, &events);
    EXPECT_EQ(cut.error_code(), grpc::UNAVAILABLE) << cut.error_message();
    ASSERT_FALSE(events.empty());
    request.set_after_sequence(events.back().sequence());
  }
  Finish(1, 3);
  EXPECT_TRUE(Watch(request, &events).ok());
  for (size_t i = 0; i < events.size(); ++i) EXPECT_EQ(events[i].sequence(), static_cast<int64_t>(i) + 1);
}

}  // namespace
}  // namespace traind::server
