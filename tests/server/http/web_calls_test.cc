// gRPC-Web to a whole server: what comes back, who is let in, and what happens when the browser goes.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <memory>
#include <string>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "server/accounts/account_store.h"
#include "server/http/http_server.h"
#include "server/rpc/inner_caller.h"
#include "tests/server/http/browser.h"
#include "tests/server/services/services_fixture.h"
#include "tests/support/bytes.h"
#include "traind/v1/auth_service.grpc.pb.h"

namespace traind::server {
namespace {

using ::testing::AnyOf;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::SizeIs;
using ::testing::StartsWith;

constexpr char kListJobs[] = "/traind.v1.TrainingService/ListJobs";
constexpr char kGetJob[] = "/traind.v1.TrainingService/GetJob";
constexpr char kWatchJob[] = "/traind.v1.TrainingService/WatchJob";
constexpr char kWhoAmI[] = "/traind.v1.AuthService/WhoAmI";

class WebCallsTest : public ServicesTest {
 protected:
  WebCallsTest() {
    metrics_listen_ = "127.0.0.1:0";
    audit_log_ = folder_ / "audit.log";
    Start();
    Serve();
  }
  ~WebCallsTest() override { http_.reset(); }

  void Serve(const HttpLimits& limits = {}) {
    http_.reset();
    auto started = HttpServer::Start({.address = "127.0.0.1:0",
                                      .files = SmallPages(),
                                      .channel = grpc::CreateChannel("127.0.0.1:" + std::to_string(server_->port()),
                                                                     grpc::InsecureChannelCredentials()),
                                      .limits = limits});
    ASSERT_TRUE(started.ok()) << started.status();
    http_ = *std::move(started);
  }
  BrowserAnswer Ask(const std::string& bytes) const {
    Browser browser(http_->port());
    browser.Send(bytes);
    return browser.Read();
  }
  template <class Message>
  WebAnswer Call(const std::string& method, const Message& request, const std::string& fields = kOurs) const {
    const BrowserAnswer answer = Ask(CallText(method, request, fields));
    EXPECT_EQ(answer.status, 200) << answer.body;
    EXPECT_TRUE(answer.whole);
    EXPECT_EQ(answer.fields.at("content-type"), "application/grpc-web+proto");
    return Unframe(answer.body);
  }
  // What a call of WhoAmI ends with: the user, or the code.
  std::string WhoAmI(const std::string& fields) const {
    const BrowserAnswer answer = Ask(CallText(kWhoAmI, v1::WhoAmIRequest(), fields));
    if (answer.status != 200) return absl::StrCat("HTTP ", answer.status);
    WebAnswer web = Unframe(answer.body);
    if (web.trailers["grpc-status"] != "0") return "code " + web.trailers["grpc-status"];
    v1::WhoAmIResponse response;
    EXPECT_TRUE(response.ParseFromString(web.messages.at(0)));
    return response.user().name();
  }
  std::string AddUser(const std::string& name, v1::Role role) {
    auto accounts = AccountStore::Open(folder_ / "data/traind.db");
    EXPECT_TRUE(accounts.ok()) << accounts.status();
    EXPECT_TRUE((*accounts)->PutUser(name, role).ok());
    const auto token = (*accounts)->CreateToken(name, "");
    EXPECT_TRUE(token.ok()) << token.status();
    return token->secret;
  }
  void AwaitWatchers(int count) {
    while (!absl::StrContains(HttpGet(server_->metrics_port(), "/metrics"),
                              absl::StrCat("traind_watchers ", count, "\n"))) {
      poll(nullptr, 0, 5);
    }
  }
  // A stream of a job that waits for its worker, whose first events were read.
  std::unique_ptr<Browser> OpenWatch() {
    v1::WatchJobRequest request;
    request.set_name("jobs/live");
    auto browser = std::make_unique<Browser>(http_->port());
    browser->Send(CallText(kWatchJob, request));
    BrowserAnswer answer = browser->ReadHead();
    EXPECT_EQ(answer.status, 200);
    EXPECT_TRUE(browser->ReadChunk(answer));
    return browser;
  }
  void StartLiveJob() {
    Import("digits");
    v1::Job job;
    ASSERT_TRUE(Create(JobRequest("live"), &job).ok());
  }

  std::unique_ptr<HttpServer> http_;
};

TEST_F(WebCallsTest, AnswersAUnaryCall) {
  TrainedJob({12});
  v1::GetJobRequest request;
  request.set_name("jobs/a");
  WebAnswer answer = Call(kGetJob, request);
  ASSERT_THAT(answer.messages, SizeIs(1));
  v1::Job job;
  ASSERT_TRUE(job.ParseFromString(answer.messages[0]));
  EXPECT_EQ(job.name(), "jobs/a");
  EXPECT_EQ(answer.trailers["grpc-status"], "0");
  EXPECT_THAT(Call(kListJobs, v1::ListJobsRequest()).messages, SizeIs(1)) << "an empty message";
}

TEST_F(WebCallsTest, ErrorsKeepTheirDetails) {
  v1::GetJobRequest request;
  request.set_name("jobs/nobody");
  WebAnswer answer = Call(kGetJob, request);
  EXPECT_THAT(answer.messages, SizeIs(0));
  EXPECT_EQ(answer.trailers["grpc-status"], "5");
  EXPECT_THAT(answer.trailers["grpc-message"], HasSubstr("nobody"));
  std::string details;
  ASSERT_TRUE(absl::Base64Unescape(answer.trailers["grpc-status-details-bin"], &details));
  rpc::Status rich;
  rpc::ResourceInfo info;
  ASSERT_TRUE(rich.ParseFromString(details));
  ASSERT_TRUE(info.ParseFromString(rich.details(0).value()));
  EXPECT_EQ(info.resource_name(), "jobs/nobody");
}

TEST_F(WebCallsTest, RefusesWhatIsNoCall) {
  const auto code = [&](const std::string& method, const std::string& body, const std::string& more = "") {
    const BrowserAnswer answer = Ask(PostText(method, body, kOurs + more));
    return answer.status == 200 ? "code " + Unframe(answer.body).trailers["grpc-status"]
                                : absl::StrCat("HTTP ", answer.status);
  };
  const std::string empty = FrameHead(0);
  EXPECT_EQ(code(kListJobs, empty), "code 0");
  EXPECT_EQ(code(kListJobs, ""), "code 3");
  EXPECT_EQ(code(kListJobs, "what is this"), "code 3");
  EXPECT_EQ(code(kListJobs, empty + empty), "code 3");
  EXPECT_EQ(code(kListJobs, std::string("\1\0\0\0\0", 5)), "code 12");
  EXPECT_THAT(code(kListJobs, FrameHead(3) + "\xff\xff\xff"), AnyOf("code 12", "code 13")) << "as gRPC says it";
  EXPECT_EQ(code(kListJobs, empty, "Grpc-Timeout: soon\r\n"), "code 3");
  EXPECT_EQ(code(kListJobs, empty, "Grpc-Timeout: 99999999H\r\n"), "code 0");
  EXPECT_EQ(code(kListJobs, empty, "Authorization: Bearer \xff\r\n"), "code 3");
  EXPECT_EQ(code(kListJobs, empty, "Traceparent: \xff\r\n"), "code 0") << "one that is none is passed over";
  EXPECT_EQ(code("/traind.v1.DatasetService/UploadDataset", empty), "code 12");
  EXPECT_EQ(code("/traind.v1.TrainingService/NoSuchMethod", empty), "HTTP 404");
  EXPECT_EQ(code("/grpc.health.v1.Health/Check", empty), "HTTP 404");
  EXPECT_EQ(code("/elsewhere", empty), "HTTP 404");
  EXPECT_EQ(Ask(PostText(kListJobs, empty, "X-Grpc-Web: 1\r\nContent-Type: text/plain\r\n")).status, 415);
  EXPECT_EQ(Ask(GetText(kListJobs)).status, 404);
}

TEST_F(WebCallsTest, StreamsMessageByMessage) {
  TrainedJob({12});
  v1::WatchJobRequest request;
  request.set_name("jobs/a");
  WebAnswer answer = Call(kWatchJob, request);
  std::vector<v1::Event> events, direct;
  for (const std::string& message : answer.messages) {
    v1::WatchJobResponse response;
    ASSERT_TRUE(response.ParseFromString(message));
    events.insert(events.end(), response.events().begin(), response.events().end());
  }
  ASSERT_TRUE(Watch(request, &direct).ok());
  ASSERT_EQ(events.size(), direct.size());
  for (size_t i = 0; i < events.size(); ++i) EXPECT_EQ(events[i].SerializeAsString(), direct[i].SerializeAsString());
  EXPECT_EQ(answer.trailers["grpc-status"], "0");
}

TEST_F(WebCallsTest, ConnectionsAreUsedAgain) {
  Browser browser(http_->port());
  for (int i = 0; i < 100; ++i) {  // No call takes the bytes of its own request for the end of the browser.
    browser.Send(PostText("/login", "traind_x", kOurs));
    EXPECT_EQ(browser.Read().status, 204);
    browser.Send(CallText(kListJobs, v1::ListJobsRequest()));
    EXPECT_EQ(Unframe(browser.Read().body).trailers["grpc-status"], "0");
    browser.Send(GetText("/app.js"));
    EXPECT_EQ(browser.Read().body, "run()");
  }
}

TEST_F(WebCallsTest, AWatchEndsWhenTheBrowserGoes) {
  StartLiveJob();
  auto browser = OpenWatch();
  AwaitWatchers(1);
  browser->Close();
  AwaitWatchers(0);
  auto talks = OpenWatch();
  AwaitWatchers(1);
  talks->Send("GET / HTTP/1.1\r\n");  // Nobody says more before the answer has ended.
  AwaitWatchers(0);
  Browser hasty(http_->port());
  hasty.Send(CallText(kListJobs, v1::ListJobsRequest()) + GetText("/"));
  EXPECT_EQ(hasty.Read().status, 400);
  EXPECT_EQ(hasty.ReadToEnd(), "") << "and is closed";
}

TEST_F(WebCallsTest, ADeadlineEndsAStream) {
  StartLiveJob();
  v1::WatchJobRequest request;
  request.set_name("jobs/live");
  EXPECT_EQ(Call(kWatchJob, request, kOurs + "Grpc-Timeout: 100m\r\n").trailers["grpc-status"], "4");
}

TEST_F(WebCallsTest, EndsWithStreamsUnderWay) {
  StartLiveJob();
  auto browser = OpenWatch();
  AwaitWatchers(1);
  http_.reset();
  browser->ReadToEnd();  // It ends.
  AwaitWatchers(0);
}

TEST_F(WebCallsTest, StreamsAreToldThatTheServerStops) {
  StartLiveJob();
  auto browser = OpenWatch();
  AwaitWatchers(1);
  server_->Shutdown(absl::ZeroDuration());
  BrowserAnswer answer;
  while (browser->ReadChunk(answer)) {
  }
  std::string trailers = answer.body.substr(answer.body.find("grpc-status: "));
  EXPECT_THAT(trailers, StartsWith("grpc-status: 14\r\n"));
}

// The lines of the audit log name the browser's address; nobody else can name another's.
TEST_F(WebCallsTest, TheAuditLogHasTheBrowsersAddress) {
  v1::CancelJobRequest request;
  request.set_name("jobs/nobody");
  Browser browser(http_->port());
  sockaddr_in own{};
  socklen_t size = sizeof(own);
  ASSERT_EQ(getsockname(browser.fd(), reinterpret_cast<sockaddr*>(&own), &size), 0);
  browser.Send(CallText("/traind.v1.TrainingService/CancelJob", request,
                        kOurs + "Traind-Inner-Caller-Bin: AAAA\r\nX-Forwarded-For: 10.9.9.9\r\n"));
  EXPECT_EQ(browser.Read().status, 200);
  EXPECT_THAT(ReadBytes(audit_log_), HasSubstr(absl::StrCat("\"ipv4:127.0.0.1:", ntohs(own.sin_port), "\"")));

  const auto channel =
      grpc::CreateChannel(absl::StrCat("127.0.0.1:", server_->port()), grpc::InsecureChannelCredentials());
  for (const std::string& forged : {std::string(32, '\0') + std::string("ipv4:10.9.9.9:1\0root", 20), std::string()}) {
    grpc::ClientContext context;
    context.AddMetadata(kInnerCallerKey, forged);
    v1::Job job;
    EXPECT_EQ(v1::TrainingService::NewStub(channel)->CancelJob(&context, request, &job).error_code(), grpc::NOT_FOUND);
  }
  EXPECT_THAT(ReadBytes(audit_log_), Not(HasSubstr("10.9.9.9")));
}

TEST_F(WebCallsTest, LogsInByToken) {
  const std::string token = AddUser("root", v1::ROLE_ADMIN);
  EXPECT_EQ(WhoAmI(kOurs), "code 16");
  EXPECT_EQ(WhoAmI(kOurs + "Authorization: Bearer " + token + "\r\n"), "users/root");
  EXPECT_EQ(WhoAmI(kOurs + "Authorization: Bearer traind_wrong\r\n"), "code 16");

  for (const char* wrong : {"", "traind_wrong", "traind_a; Domain=example", "\r\nx"}) {
    const BrowserAnswer answer = Ask(PostText("/login", wrong, kOurs));
    EXPECT_EQ(answer.status, 401) << wrong;
    EXPECT_EQ(answer.fields.count("set-cookie"), 0u);
  }
  const BrowserAnswer in = Ask(PostText("/login", token + "\n", kOurs));
  EXPECT_EQ(in.status, 204);
  EXPECT_EQ(in.fields.at("set-cookie"), absl::StrCat("traind=", token, "; Path=/; HttpOnly; SameSite=Strict"));
  const std::string cookie = absl::StrCat("Cookie: traind=", token, "\r\n");
  EXPECT_EQ(WhoAmI(kOurs + cookie), "users/root");
  EXPECT_EQ(WhoAmI(kOurs + cookie + "Authorization: Bearer traind_wrong\r\n"), "code 16") << "the header counts";
  EXPECT_THAT(Ask(PostText("/logout", "", kOurs)).fields.at("set-cookie"), HasSubstr("Max-Age=0"));
}

// With the cookie that the browser adds by itself, as it would for a page of another site if it were not told
// otherwise.
TEST_F(WebCallsTest, ACookieIsOfNoUseToOtherPages) {
  const std::string cookie = absl::StrCat("Cookie: traind=", AddUser("root", v1::ROLE_ADMIN), "\r\n");
  EXPECT_EQ(WhoAmI(kOurs + cookie + "Origin: http://localhost:8080\r\nSec-Fetch-Site: same-origin\r\n"), "users/root");
  const std::string type = "Content-Type: application/grpc-web+proto\r\n";
  EXPECT_EQ(WhoAmI(cookie + type), "HTTP 403") << "without the header that needs a permission";
  EXPECT_EQ(WhoAmI(cookie + "Content-Type: text/plain\r\n"), "HTTP 403") << "a form";
  EXPECT_EQ(WhoAmI(kOurs + cookie + "Origin: http://evil.example\r\n"), "HTTP 403");
  EXPECT_EQ(WhoAmI(kOurs + cookie + "Origin: http://localhost:8081\r\n"), "HTTP 403");
  EXPECT_EQ(WhoAmI(kOurs + cookie + "Origin: null\r\n"), "HTTP 403");
  EXPECT_EQ(WhoAmI(kOurs + cookie + "Sec-Fetch-Site: cross-site\r\n"), "HTTP 403");
  EXPECT_EQ(WhoAmI(kOurs + cookie + "Sec-Fetch-Site: same-site\r\n"), "HTTP 403");
  for (const char* path : {"/login", "/logout"}) {
    EXPECT_EQ(Ask(PostText(path, "", cookie + "Origin: http://evil.example\r\n" + kOurs)).status, 403) << path;
    EXPECT_EQ(Ask(PostText(path, "", cookie)).status, 403) << path;
  }
}

// What a user may not see is not there, as on the port of gRPC.
TEST_F(WebCallsTest, TheSameGateHolds) {
  TrainedJob({12});  // Before there were users: the administrators'.
  const std::string root = AddUser("root", v1::ROLE_ADMIN), vera = AddUser("vera", v1::ROLE_VIEWER);
  const auto code = [&](const std::string& token, const std::string& method, const auto& request) {
    return Call(method, request, absl::StrCat(kOurs, "Authorization: Bearer ", token, "\r\n")).trailers["grpc-status"];
  };
  v1::GetJobRequest get;
  get.set_name("jobs/a");
  EXPECT_EQ(code(root, kGetJob, get), "0");
  EXPECT_EQ(code(vera, kGetJob, get), "5");
  v1::WatchJobRequest watch;
  watch.set_name("jobs/a");
  EXPECT_EQ(code(root, kWatchJob, watch), "0");
  EXPECT_EQ(code(vera, kWatchJob, watch), "5");
  v1::GetSeriesRequest series;
  series.set_name("jobs/a");
  series.add_quantities(v1::QUANTITY_LOSS);
  EXPECT_EQ(code(root, "/traind.v1.TrainingService/GetSeries", series), "0");
  EXPECT_EQ(code(vera, "/traind.v1.TrainingService/GetSeries", series), "5");
  EXPECT_EQ(code(vera, "/traind.v1.TrainingService/DeleteJob", v1::DeleteJobRequest()), "7");
}

}  // namespace
}  // namespace traind::server
