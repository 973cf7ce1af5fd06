#include "server/rpc/inner_port.h"

#include <gmock/gmock.h>
#include <grpcpp/ext/health_check_service_server_builder_option.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstddef>
#include <memory>
#include <string>
#include <utility>

#include "tests/support/health_call.h"

namespace traind::server {
namespace {

using ::testing::StartsWith;

class InnerPortTest : public ::testing::Test {
 protected:
  InnerPortTest() {
    grpc::EnableDefaultHealthCheckService(true);
    grpc::ServerBuilder builder;
    // Each connection ends as soon as it has been used.
    builder.AddChannelArgument(GRPC_ARG_MAX_CONNECTION_AGE_MS, 50);
    builder.AddChannelArgument(GRPC_ARG_MAX_CONNECTION_AGE_GRACE_MS, 50);
    auto acceptor = builder.experimental().AddExternalConnectionAcceptor(
        grpc::ServerBuilder::experimental_type::ExternalConnectionType::FROM_FD, grpc::InsecureServerCredentials());
    auto port = InnerPort::Listen();
    EXPECT_TRUE(port.ok()) << port.status();
    port_ = *std::move(port);
    server_ = builder.BuildAndStart();
    port_->Serve(std::move(acceptor));
  }
  ~InnerPortTest() override { server_->Shutdown(); }

  // Whether somebody who connects is let stay.
  bool Connects() const {
    const std::string name = port_->target().substr(port_->target().find(':') + 1);
    sockaddr_un address = {};
    address.sun_family = AF_UNIX;
    std::copy(name.begin(), name.end(), address.sun_path + 1);
    const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + name.size());
    const UniqueFd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), size) != 0) return false;
    char byte = 0;
    return recv(fd.get(), &byte, 1, 0) == 1;  // gRPC begins; a connection that is closed has no byte.
  }

  std::unique_ptr<InnerPort> port_;
  std::unique_ptr<grpc::Server> server_;
};

TEST_F(InnerPortTest, ItsOwnProcessIsServedThoughConnectionsEnd) {
  EXPECT_THAT(port_->target(), StartsWith("unix-abstract:"));
  const auto channel = port_->MakeChannel();
  for (int i = 0; i < 20; ++i) {
    EXPECT_TRUE(CallHealth(channel).status.ok());
    usleep(10'000);
  }
}

TEST_F(InnerPortTest, AnotherProcessIsNot) {
  EXPECT_TRUE(Connects());
  const pid_t child = fork();
  if (child == 0) _exit(Connects() ? 1 : 0);
  int status = -1;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
}

}  // namespace
}  // namespace traind::server
