// The port of the page, over real connections: what it serves, and what it does with those who mean it no good.
#include "server/http/http_server.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "tests/server/http/browser.h"

namespace traind::server {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;

class HttpServerTest : public ::testing::Test {
 protected:
  HttpServerTest() { Serve({}); }
  void Serve(const HttpLimits& limits, std::vector<PageFile> files = SmallPages()) {
    http_.reset();
    auto started = HttpServer::Start({.address = "127.0.0.1:0",
                                      .names = {"train.example"},
                                      .files = std::move(files),
                                      .channel = grpc::CreateChannel("127.0.0.1:1", grpc::InsecureChannelCredentials()),
                                      .limits = limits});
    ASSERT_TRUE(started.ok()) << started.status();
    http_ = *std::move(started);
  }
  int port() const { return http_->port(); }
  BrowserAnswer Ask(const std::string& bytes, bool head_only = false) const {
    Browser browser(port());
    browser.Send(bytes);
    return browser.Read(head_only);
  }

  std::unique_ptr<HttpServer> http_;
};

TEST_F(HttpServerTest, ServesThePage) {
  const BrowserAnswer page = Ask(GetText("/"));
  EXPECT_EQ(page.status, 200);
  EXPECT_EQ(page.body, "<!doctype html>page");
  EXPECT_EQ(page.fields.at("content-type"), "text/html; charset=utf-8");
  EXPECT_EQ(page.fields.at("etag"), "\"abc\"");
  EXPECT_EQ(page.fields.at("cache-control"), "no-cache");
  EXPECT_EQ(Ask(GetText("/app.js?v=1")).fields.at("content-type"), "text/javascript; charset=utf-8");
  EXPECT_EQ(Ask(GetText("/nothing")).status, 404);
  EXPECT_EQ(Ask(GetText("/../../etc/passwd")).status, 404);
  const BrowserAnswer head = Ask(absl::StrCat("HEAD / HTTP/1.1\r\n", kHost, "Connection: close\r\n\r\n"), true);
  EXPECT_EQ(head.status, 200);
  EXPECT_EQ(head.fields.at("content-length"), "19");
}

TEST_F(HttpServerTest, PacksAndRemembers) {
  const auto encoding = [&](const std::string& accepted) {
    const BrowserAnswer answer = Ask(GetText("/", "Accept-Encoding: " + accepted + "\r\n"));
    return answer.fields.count("content-encoding") > 0 ? answer.body : "plain";
  };
  EXPECT_EQ(encoding("gzip"), "packed page");
  EXPECT_EQ(encoding("br, GZIP;q=0.5"), "packed page");
  EXPECT_EQ(encoding("gzip;q=0"), "plain");
  EXPECT_EQ(encoding("gzip;q=x"), "plain");
  EXPECT_EQ(encoding("br"), "plain");
  const auto status = [&](const std::string& fields) { return Ask(GetText("/", fields)).status; };
  EXPECT_EQ(status("If-None-Match: \"abc\"\r\n"), 304);
  EXPECT_EQ(status("If-None-Match: W/\"x\", W/\"abc\"\r\n"), 304);
  EXPECT_EQ(status("If-None-Match: \"def\"\r\n"), 200);
  EXPECT_EQ(status("If-None-Match: \"abc\"\r\nAccept-Encoding: gzip\r\n"), 200) << "another form of it";
  EXPECT_EQ(status("If-None-Match: \"abc-gz\"\r\nAccept-Encoding: gzip\r\n"), 304);
}

// Whatever is answered, errors too.
TEST_F(HttpServerTest, TellsBrowsersToTrustNobodyElse) {
  for (const std::string& request :
       {GetText("/"), GetText("/nothing"), PostText("/login", "x", ""), std::string("nonsense\r\n\r\n")}) {
    const BrowserAnswer answer = Ask(request);
    EXPECT_EQ(answer.fields.at("content-security-policy"),
              "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
              "base-uri 'none'; form-action 'none'; frame-ancestors 'none'");
    EXPECT_EQ(answer.fields.at("x-content-type-options"), "nosniff");
    EXPECT_EQ(answer.fields.at("x-frame-options"), "DENY");
    EXPECT_EQ(answer.fields.at("cross-origin-resource-policy"), "same-origin");
    EXPECT_EQ(answer.fields.count("access-control-allow-origin"), 0u);
    EXPECT_EQ(answer.fields.count("server"), 0u);
  }
}

TEST_F(HttpServerTest, AnswersOnOneConnectionInOrder) {
  Browser browser(port());
  browser.Send(GetText("/") + GetText("/app.js") + GetText("/nothing"));
  EXPECT_EQ(browser.Read().body, "<!doctype html>page");
  EXPECT_EQ(browser.Read().body, "run()");
  EXPECT_EQ(browser.Read().status, 404);
  for (const char c : GetText("/app.js")) browser.Send({c});  // Each byte by itself.
  EXPECT_EQ(browser.Read().body, "run()");
  browser.Send(GetText("/", "Connection: close\r\n"));
  const BrowserAnswer last = browser.Read();
  EXPECT_EQ(last.body, "<!doctype html>page");
  EXPECT_EQ(last.fields.at("connection"), "close");
  EXPECT_EQ(browser.ReadToEnd(), "");
}

TEST_F(HttpServerTest, WithoutPagesItSaysSo) {
  Serve({}, {});
  const BrowserAnswer answer = Ask(GetText("/"));
  EXPECT_EQ(answer.status, 404);
  EXPECT_THAT(answer.body, HasSubstr("TRAIND_WEB=OFF"));
}

// Requests that are none, that mean two things at once, or that ask too much. Each is refused and the connection
// closed; the server goes on.
TEST_F(HttpServerTest, RefusesWhatIsNoGoodRequest) {
  const std::string post = "POST /traind.v1.TrainingService/ListJobs HTTP/1.1\r\n" + kHost + kOurs;
  const std::vector<std::pair<std::string, std::vector<int>>> cases = {
      {"\r\n\r\nnonsense\r\n\r\n", {400}},
      {std::string(64, '\0') + "\r\n\r\n", {400}},
      {std::string("\x16\x03\x01\x02\0\1\0\r\n\r\n", 11), {400}},  // The first bytes of TLS.
      {"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", {400, 505}},
      {"GET / HTTP/1.1\r\n\r\n", {400}},  // No Host.
      {"GET / HTTP/1.1\r\n" + kHost + "Host: evil.example\r\n\r\n", {400}},
      {"GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n", {421}},
      {"GET http://localhost:8080/ HTTP/1.1\r\n" + kHost + "\r\n", {400}},
      {"GET / HTTP/1.0\r\n" + kHost + "\r\n", {505}},
      {"GET /" + std::string(1 << 20, 'a') + " HTTP/1.1\r\n" + kHost + "\r\n", {431}},
      {"GET / HTTP/1.1\r\n" + kHost + "X: " + std::string(1 << 20, 'a') + "\r\n\r\n", {431}},
      {"GET / HTTP/1.1\r\n" + kHost + std::string(1 << 15, '\n') + "\r\n\r\n", {400, 431}},
      {"GET / HTTP/1.1\r\n" + kHost + "Content-Length: 5\r\n\r\nhello", {413}},
      {"GET / HTTP/1.1\r\n" + kHost + "Content-Length: -1\r\n\r\n", {400}},
      {"GET / HTTP/1.1\r\n" + kHost + "Content-Length: 1\r\nContent-Length: 2\r\n\r\n", {400}},
      {"GET / HTTP/1.1\r\n" + kHost + "X : 1\r\n\r\n", {400}},
      {"GET / HTTP/1.1\r\n" + kHost + std::string("X\0Y: 1\r\n\r\n", 10), {400}},
      {post + "Content-Length: 99999999999999999999\r\n\r\n", {400}},
      {post + "Content-Length: 9000000\r\n\r\n", {413}},
      // Beast calls some of these bad itself.
      {post + "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", {411}},
      {post + "Transfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n", {411}},
      {post + "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n", {400, 411}},
      {post + "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n", {400, 411}},
      {post + "Transfer-Encoding: gzip, chunked\r\n\r\n", {400, 411}},
      {post + "Transfer-Encoding: identity\r\nContent-Length: 5\r\n\r\n", {400, 411}},
      {PostText("/login", std::string(5000, 'x'), kOurs), {413}},
      {PostText("/login", "traind_x", ""), {403}},
  };
  for (size_t i = 0; i < cases.size(); ++i) {
    Browser browser(port());
    browser.Send(cases[i].first);
    BrowserAnswer answer = browser.Read();
    EXPECT_THAT(cases[i].second, Contains(answer.status)) << "case " << i;
    EXPECT_EQ(answer.fields["connection"], "close") << "case " << i;
    browser.ReadToEnd();  // It is closed, or this test hangs.
  }
  EXPECT_EQ(Ask(GetText("/")).status, 200);
}

TEST_F(HttpServerTest, OtherMethodsAreRefused) {
  for (const char* method : {"PUT", "DELETE", "OPTIONS", "TRACE", "CONNECT", "PATCH"}) {
    const BrowserAnswer answer = Ask(absl::StrCat(method, " / HTTP/1.1\r\n", kHost, "\r\n"));
    EXPECT_EQ(answer.status, 405) << method;
    EXPECT_EQ(answer.fields.at("allow"), "GET, HEAD, POST");
  }
}

// What a page of another site would ask first, were it to send our header: it is not allowed.
TEST_F(HttpServerTest, AnotherSiteGetsNoPermission) {
  const BrowserAnswer answer = Ask(absl::StrCat("OPTIONS /traind.v1.TrainingService/ListJobs HTTP/1.1\r\n", kHost,
                                                "Origin: http://evil.example\r\nAccess-Control-Request-Method: POST\r\n"
                                                "Access-Control-Request-Headers: x-grpc-web\r\n\r\n"));
  EXPECT_EQ(answer.status, 405);
  for (const auto& [name, value] : answer.fields) EXPECT_FALSE(absl::StartsWith(name, "access-control")) << name;
}

TEST_F(HttpServerTest, NamesAreThoseThatItWasGiven) {
  EXPECT_EQ(Ask("GET / HTTP/1.1\r\nHost: train.example:80\r\n\r\n").status, 200);
  EXPECT_EQ(Ask("GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n").status, 200);
  const BrowserAnswer other = Ask("GET / HTTP/1.1\r\nHost: other.example\r\n\r\n");
  EXPECT_EQ(other.status, 421);
  EXPECT_THAT(other.body, HasSubstr("--http-name"));
}

// Sends one byte after the other, for ever: until it is closed.
void Drip(int port, const std::string& begin, const std::string& drop) {
  Browser browser(port);
  ASSERT_TRUE(browser.Send(begin));
  while (browser.Send(drop) && !browser.HasMore()) poll(nullptr, 0, 5);
  EXPECT_EQ(browser.Read().status, 0) << "nobody answers half a request";
}

TEST_F(HttpServerTest, ClosesOnThoseWhoDawdle) {
  HttpLimits limits;
  limits.head = limits.body = std::chrono::milliseconds(200);
  Serve(limits);
  Drip(port(), "", "G");
  Drip(port(), "GET / HTTP/1.1\r\n" + kHost, "X: 1\r\n");
  Drip(port(), "POST /login HTTP/1.1\r\n" + kHost + kOurs + "Content-Length: 4000\r\n\r\n", "x");
  EXPECT_EQ(Browser(port()).ReadToEnd(), "") << "one that says nothing at all";
  Browser idle(port());
  idle.Send(GetText("/"));
  EXPECT_EQ(idle.Read().status, 200);
  EXPECT_EQ(idle.ReadToEnd(), "") << "and one that says no more";
  EXPECT_EQ(Ask(GetText("/")).status, 200);
}

// Nobody reads the answer, which is larger than what the system takes for them.
TEST_F(HttpServerTest, ClosesOnThoseWhoDoNotRead) {
  static const std::string* const kLarge = new std::string(64 << 20, 'x');
  HttpLimits limits;
  limits.write = std::chrono::milliseconds(200);
  limits.of_one_address = 1;
  Serve(limits, {{.path = "/large.txt", .plain = *kLarge, .packed = *kLarge, .hash = "a"}});
  Browser silent(port());
  ASSERT_TRUE(silent.Send(GetText("/large.txt")));
  EXPECT_EQ(silent.ReadHead().status, 200);
  BrowserAnswer next;  // Has no place before the other one has lost its own.
  while (next.status == 0) next = Ask(GetText("/nothing"));
  EXPECT_EQ(next.status, 404);
  EXPECT_LT(silent.ReadToEnd().size(), kLarge->size());
}

TEST_F(HttpServerTest, ConnectionsAreBounded) {
  for (const bool of_one : {true, false}) {
    HttpLimits limits;
    (of_one ? limits.of_one_address : limits.connections) = 4;
    Serve(limits);
    std::vector<std::unique_ptr<Browser>> open;
    for (int i = 0; i < 4; ++i) {
      open.push_back(std::make_unique<Browser>(port()));
      open.back()->Send(GetText("/"));
      EXPECT_EQ(open.back()->Read().status, 200);
    }
    EXPECT_EQ(Ask(GetText("/")).status, 0);
    open.pop_back();
    BrowserAnswer answer;
    while (answer.status == 0) answer = Ask(GetText("/"));  // The end of the other is seen soon.
    EXPECT_EQ(answer.status, 200);
  }
}

// So many large bodies at a time, and no more; the small ones go on.
TEST_F(HttpServerTest, LargeBodiesAreBoundedTogether) {
  HttpLimits limits;
  limits.large_bodies_bytes = 3 << 20;
  Serve(limits);
  const std::string large =
      "POST /traind.v1.TrainingService/ListJobs HTTP/1.1\r\n" + kHost + kOurs + "Content-Length: 1048576\r\n\r\n";
  std::vector<std::unique_ptr<Browser>> open;
  BrowserAnswer refused;
  while (refused.status == 0 && open.size() < 10) {  // Which of them is one too many depends on the order of threads.
    open.push_back(std::make_unique<Browser>(port()));
    open.back()->Send(large);
    for (const auto& browser : open) {
      if (browser->HasMore()) refused = browser->Read();
    }
  }
  for (size_t i = 0; refused.status == 0; i = (i + 1) % open.size()) {
    if (open[i]->HasMore()) refused = open[i]->Read();
  }
  EXPECT_EQ(refused.status, 503);
  EXPECT_EQ(refused.fields.at("retry-after"), "1");
  EXPECT_GT(open.size(), 3u);
  EXPECT_EQ(Ask(GetText("/")).status, 200);
  open.clear();
  BrowserAnswer answer;
  while (answer.status != 200) {  // The room of the others is given back.
    Browser browser(port());
    if (browser.Send(large) && browser.Send(std::string(1 << 20, 'x'))) answer = browser.Read();
  }
  EXPECT_EQ(Unframe(answer.body).trailers["grpc-status"], "3") << "it was read, and is no message";
}

TEST_F(HttpServerTest, AnAddressThatCannotBeHadIsAnError) {
  const auto taken = HttpServer::Start({.address = absl::StrCat("127.0.0.1:", port())});
  EXPECT_TRUE(absl::IsUnavailable(taken.status())) << taken.status();
  EXPECT_THAT(std::string(taken.status().message()), HasSubstr("--http-listen"));
  for (const char* wrong : {"8080", "127.0.0.1:http", "no such host:1", "127.0.0.1:99999", "127.0.0.1:"}) {
    EXPECT_TRUE(absl::IsInvalidArgument(HttpServer::Start({.address = wrong}).status())) << wrong;
  }
}

}  // namespace
}  // namespace traind::server
