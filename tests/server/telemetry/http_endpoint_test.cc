// The port of --metrics-listen, over real connections.
#include "server/telemetry/http_endpoint.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "tests/support/http.h"

namespace traind::server {
namespace {

using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

class HttpEndpointTest : public ::testing::Test {
 protected:
  HttpEndpointTest() {
    auto endpoint = HttpEndpoint::Start("127.0.0.1:0", {.metrics = [] { return std::string("a_total 1\n"); },
                                                        .ready =
                                                            [this] {
                                                              absl::MutexLock lock(&mu_);
                                                              return ready_;
                                                            }});
    EXPECT_TRUE(endpoint.ok()) << endpoint.status();
    endpoint_ = *std::move(endpoint);
  }

  int Connect() const { return ConnectTo(endpoint_->port()); }
  std::string Send(const std::string& bytes) const { return SendBytes(endpoint_->port(), bytes); }
  std::string Get(const std::string& path, const std::string& method = "GET") const {
    return HttpGet(endpoint_->port(), path, method);
  }

  absl::Mutex mu_;
  absl::Status ready_ ABSL_GUARDED_BY(mu_);
  std::unique_ptr<HttpEndpoint> endpoint_;
};

TEST_F(HttpEndpointTest, AnswersThreePaths) {
  const std::string metrics = Get("/metrics");
  EXPECT_THAT(metrics, StartsWith("HTTP/1.1 200 OK\r\n"));
  EXPECT_THAT(metrics, HasSubstr("Content-Type: text/plain; version=0.0.4; charset=utf-8\r\n"));
  EXPECT_THAT(metrics, EndsWith("\r\n\r\na_total 1\n"));
  EXPECT_THAT(Get("/healthz"), EndsWith("\r\n\r\nok\n"));
  EXPECT_THAT(Get("/readyz"), EndsWith("\r\n\r\nready\n"));
  EXPECT_THAT(Get("/metrics?x=1"), StartsWith("HTTP/1.1 200"));
  EXPECT_THAT(Get("/"), StartsWith("HTTP/1.1 404"));
  EXPECT_THAT(Get("/metrics/../etc/passwd"), StartsWith("HTTP/1.1 404"));
}

TEST_F(HttpEndpointTest, WhatIsNotReadyStillLives) {
  {
    absl::MutexLock lock(&mu_);
    ready_ = absl::UnavailableError("the disk is full");
  }
  const std::string answer = Get("/readyz");
  EXPECT_THAT(answer, StartsWith("HTTP/1.1 503 "));
  EXPECT_THAT(answer, EndsWith("not ready: the disk is full\n"));
  EXPECT_THAT(Get("/healthz"), StartsWith("HTTP/1.1 200"));
}

TEST_F(HttpEndpointTest, OnlyLooksAreAllowed) {
  const std::string head = Get("/metrics", "HEAD");
  EXPECT_THAT(head, StartsWith("HTTP/1.1 200"));
  EXPECT_THAT(head, Not(HasSubstr("a_total")));
  EXPECT_THAT(Get("/metrics", "DELETE"), AllOf(StartsWith("HTTP/1.1 405"), HasSubstr("Allow: GET, HEAD\r\n")));
  EXPECT_THAT(Send("POST /metrics HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000000\r\n\r\nabc"),
              StartsWith("HTTP/1.1 413"));
  EXPECT_THAT(Send("GET /metrics HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"),
              StartsWith("HTTP/1.1 413"));
}

TEST_F(HttpEndpointTest, ALargeRequestIsRefused) {
  const std::string header = "GET /metrics HTTP/1.1\r\nHost: a\r\nX: " + std::string(1 << 20, 'x') + "\r\n\r\n";
  EXPECT_THAT(Send(header), Not(HasSubstr("a_total")));
  EXPECT_THAT(Send("GET /" + std::string(1 << 20, 'x') + " HTTP/1.1\r\n\r\n"), Not(HasSubstr("a_total")));
  EXPECT_THAT(Send(std::string(1 << 16, '\0') + "\r\n\r\n"), Not(HasSubstr("a_total")));
  EXPECT_THAT(Get("/healthz"), EndsWith("ok\n")) << "it goes on";
}

// Sixteen of one address: the next one is closed unanswered, and is served when there is room.
TEST_F(HttpEndpointTest, ConnectionsOfOneAddressAreBounded) {
  std::vector<int> silent;
  for (int i = 0; i < 16; ++i) {
    silent.push_back(Connect());
    // It counts as soon as it is accepted; that it was is known when it has answered.
    const std::string request = "GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n";
    ASSERT_EQ(send(silent.back(), request.data(), request.size(), MSG_NOSIGNAL), static_cast<ssize_t>(request.size()));
    char first = 0;
    ASSERT_EQ(read(silent.back(), &first, 1), 1);
  }
  EXPECT_EQ(Get("/healthz"), "");
  for (const int fd : silent) close(fd);
  std::string answer;
  while (answer.empty()) answer = Get("/healthz");  // The ends of the others are seen soon.
  EXPECT_THAT(answer, EndsWith("ok\n"));
}

TEST_F(HttpEndpointTest, AnAddressThatCannotBeHadIsAnError) {
  const HttpEndpoint::Answers none = {.metrics = [] { return ""; }, .ready = [] { return absl::OkStatus(); }};
  const auto taken = HttpEndpoint::Start(absl::StrCat("127.0.0.1:", endpoint_->port()), none);
  EXPECT_TRUE(absl::IsUnavailable(taken.status())) << taken.status();
  EXPECT_THAT(std::string(taken.status().message()), HasSubstr("--metrics-listen"));
  for (const char* wrong : {"9464", "127.0.0.1:http", "no such host:1", "127.0.0.1:99999999"}) {
    const auto endpoint = HttpEndpoint::Start(wrong, none);
    EXPECT_TRUE(absl::IsInvalidArgument(endpoint.status())) << wrong << ": " << endpoint.status();
  }
}

}  // namespace
}  // namespace traind::server
