#include "client/loopback.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include "client/client.h"
#include "tests/client/fake_server.h"

namespace traind::client {
namespace {

TEST(Loopback, IsWhatNeverLeavesThisMachine) {
  for (const char* target : {"127.0.0.1:50051", "127.9.9.9:1", "localhost:1", "LOCALHOST:1", "localhost", "[::1]:1",
                             "unix:/tmp/x", "dns:///localhost:1", "ipv4:127.0.0.1:1", "ipv6:[::1]:1"}) {
    EXPECT_TRUE(IsLoopback(target)) << target;
  }
  for (const char* target :
       {"0.0.0.0:1", "10.0.0.1:1", "[::]:1", "[::10]:1", "127.evil.example:1", "127.0.0.1.example:1",
        "localhost.example:1", "127.0.0.256:1", "127.0.0:1", "", ":1", "server:50051", "dns://8.8.8.8/localhost:1"}) {
    EXPECT_FALSE(IsLoopback(target)) << target;
  }
}

// Nothing listens where the proxy is said to be.
TEST(Loopback, AProxyOfTheEnvironmentIsPassedBy) {
  FakeServer server;
  server.training.get_job = [](const v1::GetJobRequest& request, v1::Job* job) {
    job->set_name(request.name());
    return grpc::Status::OK;
  };
  for (const char* variable : {"http_proxy", "https_proxy", "grpc_proxy"}) setenv(variable, "http://127.0.0.1:1", 1);
  ClientOptions options;
  options.server = server.address();
  Client client(options);
  const absl::StatusOr<v1::Job> job = client.GetJob("jobs/a");
  for (const char* variable : {"http_proxy", "https_proxy", "grpc_proxy"}) unsetenv(variable);
  ASSERT_TRUE(job.ok()) << job.status();
  EXPECT_EQ(job->name(), "jobs/a");
}

}  // namespace
}  // namespace traind::client
