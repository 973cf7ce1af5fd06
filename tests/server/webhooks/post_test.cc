// One request over real connections: what is sent, what is made of the answers, and what holds nobody up.
#include "server/webhooks/post.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "server/webhooks/answer.h"
#include "tests/server/webhooks/receiver.h"

namespace traind::server {
namespace {

using ::testing::HasSubstr;
using ::testing::MatchesRegex;
using ::testing::StartsWith;

// Where nobody answers in time; nobody would in an hour.
constexpr absl::Duration kShort = absl::Milliseconds(200);
constexpr absl::Duration kLong = absl::Hours(1);

class WebhookPost : public ::testing::Test {
 protected:
  // To the port, by a name that every resolver would be asked for.
  absl::Status PostTo(int port, const std::string& host = "receiver.test", const std::string& scheme = "http") {
    return PostUrl(absl::StrCat(scheme, "://", host, ":", port, "/hook?token=hidden"));
  }
  absl::Status PostUrl(const std::string& url) {
    const auto target = ParseWebhookUrl(url, /*allow_private=*/true);
    EXPECT_TRUE(target.ok()) << target.status();
    if (!target.ok()) return target.status();
    const absl::Status status =
        Post(*target, {{"content-type", "application/json"}, {"webhook-id", "msg_1"}}, R"({"a":1})", options_, stop_);
    EXPECT_THAT(std::string(status.message()), ::testing::Not(HasSubstr("hidden")));
    return status;
  }
  // What the sender says to such an answer.
  std::string Answered(const std::string& answer) {
    TestReceiver receiver(Answering(answer));
    return std::string(PostTo(receiver.port()).message());
  }
  // What a receiver at the address is sent, which the URL calls `host`; "": there is no such address.
  std::string SentTo(const char* address, const std::string& host) {
    std::string request;
    TestReceiver receiver(
        [&](ReceivedConnection& connection) {
          request = connection.ReadRequest();
          connection.Send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
        },
        {.certificate = nullptr, .newest_tls = TLS1_3_VERSION, .address = address});
    if (receiver.port() == 0) return "";
    EXPECT_EQ(PostUrl(absl::StrCat("http://", host, ":", receiver.port())), absl::OkStatus());
    receiver.Stop();
    return request;
  }
  // A resolver that knows all names, and counts how often it is asked.
  Resolver Giving(std::vector<std::string> addresses) {
    return [this, addresses](const std::string& host) -> absl::StatusOr<std::vector<std::string>> {
      ++asked_;
      host_ = host;
      return addresses;
    };
  }

  core::Ending stop_;
  std::atomic<int> asked_ = 0;
  std::string host_;
  PostOptions options_{.allow_private = true, .timeout = kLong, .ca_file = "", .resolver = Giving({"127.0.0.1"})};
};

TEST_F(WebhookPost, SendsThis) {
  std::string request;
  int port = 0;
  {
    TestReceiver receiver([&](ReceivedConnection& connection) {
      request = connection.ReadRequest();
      connection.Send("HTTP/1.1 204 No Content\r\n\r\n");
    });
    port = receiver.port();
    EXPECT_EQ(PostTo(port), absl::OkStatus());
    EXPECT_EQ(receiver.connections(), 1);
  }
  EXPECT_EQ(request, absl::StrCat("POST /hook?token=hidden HTTP/1.1\r\nHost: receiver.test:", port,
                                  "\r\ncontent-type: application/json\r\nwebhook-id: msg_1\r\nConnection: close\r\n"
                                  "Content-Length: 7\r\n\r\n{\"a\":1}"));
  EXPECT_EQ(host_, "receiver.test");
}

TEST_F(WebhookPost, AsksNobodyForAnAddress) {
  EXPECT_THAT(SentTo("127.0.0.1", "127.0.0.1"), MatchesRegex("POST / HTTP/1.1\r\nHost: 127.0.0.1:[0-9]+\r\n.*"));
  EXPECT_EQ(asked_, 0);
}

TEST_F(WebhookPost, SpeaksIpv6) {
  std::string request = SentTo("::1", "[::1]");
  if (request.empty()) GTEST_SKIP() << "this machine has no ::1";
  EXPECT_THAT(request, MatchesRegex("POST / HTTP/1.1\r\nHost: \\[::1\\]:[0-9]+\r\n.*"));
  options_.resolver = Giving({"::1"});
  EXPECT_THAT(SentTo("::1", "six.test"), MatchesRegex("POST / HTTP/1.1\r\nHost: six.test:[0-9]+\r\n.*"));
}

TEST_F(WebhookPost, TakesTwoHundredsAlone) {
  EXPECT_EQ(Answered("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"), "");
  EXPECT_EQ(Answered("HTTP/1.0 202 Accepted\r\n\r\nuntil the end"), "");
  EXPECT_EQ(Answered("HTTP/1.1 299 Odd\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"), "");
  EXPECT_EQ(Answered("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"), "it answered 404");
  EXPECT_EQ(Answered("HTTP/1.1 500 Oh\r\nContent-Length: 0\r\n\r\n"), "it answered 500");
  EXPECT_EQ(Answered("HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\n\r\n"), "it answered 101");
  EXPECT_EQ(
      Answered("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\nHTTP/1.1 204 Done\r\n\r\n"),
      "");
}

TEST_F(WebhookPost, FollowsNoRedirect) {
  TestReceiver other(Answering("HTTP/1.1 204 Done\r\n\r\n"));
  for (const int code : {301, 302, 303, 307, 308}) {
    EXPECT_EQ(Answered(absl::StrCat("HTTP/1.1 ", code, " There\r\nLocation: http://127.0.0.1:", other.port(),
                                    "/\r\nContent-Length: 0\r\n\r\n")),
              absl::StrCat("it answered ", code, ", which is not followed"));
  }
  EXPECT_EQ(other.connections(), 0);
}

TEST_F(WebhookPost, SaysWhatIsNoAnswer) {
  EXPECT_THAT(Answered("SSH-2.0-OpenSSH_9.2\r\n"), HasSubstr("none of HTTP/1.1"));
  EXPECT_THAT(Answered("HTTP/2 200\r\n\r\n"), HasSubstr("none of HTTP/1.1"));
  EXPECT_THAT(Answered("HTTP/1.1 2x0 OK\r\n\r\n"), HasSubstr("none of HTTP/1.1"));
  EXPECT_THAT(Answered(""), HasSubstr("waiting for its answer failed: End of file"));
  EXPECT_THAT(Answered("HTTP/1.1 200 OK\r\nContent-Le"), HasSubstr("End of file"));
}

// The status counts, however the body goes on.
TEST_F(WebhookPost, WaitsForNoBody) {
  for (const char* head : {"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n",
                           "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nno chunk\r\n"}) {
    TestReceiver silent([&](ReceivedConnection& connection) {
      connection.ReadRequest();
      connection.Send(head);
      connection.AwaitClose();
    });
    EXPECT_EQ(PostTo(silent.port()), absl::OkStatus()) << head;
  }
}

TEST_F(WebhookPost, ReadsNoEndlessAnswer) {
  TestReceiver body(Repeating("HTTP/1.1 200 OK\r\n\r\n", std::string(4096, 'x')));
  EXPECT_EQ(PostTo(body.port()), absl::OkStatus());
  TestReceiver headers(Repeating("HTTP/1.1 200 OK\r\n", "X-More: of the same\r\n"));
  EXPECT_EQ(PostTo(headers.port()).message(), "the headers of its answer have more than 64 KiB");
  TestReceiver header(Repeating("HTTP/1.1 200 OK\r\nX-Long: ", std::string(100, 'x')));
  EXPECT_EQ(PostTo(header.port()).message(), "the headers of its answer have more than 64 KiB");
  TestReceiver line(Repeating("HTTP/1.1 200 ", std::string(100, 'x')));
  EXPECT_EQ(PostTo(line.port()).message(), "the headers of its answer have more than 64 KiB");
  TestReceiver interim(Repeating("", "HTTP/1.1 100 Continue\r\n\r\n"));
  EXPECT_EQ(PostTo(interim.port()).message(), "the headers of its answer have more than 64 KiB");
}

TEST_F(WebhookPost, HasATimeForEachPartOfIt) {
  options_.timeout = kShort;
  TestReceiver silent(SaysNothing);
  EXPECT_EQ(PostTo(silent.port()).message(), "waiting for its answer took too long: a request has 200ms in all");
  EXPECT_THAT(std::string(PostTo(silent.port(), "receiver.test", "https").message()),
              StartsWith("the TLS handshake took too long"));
  TestReceiver dripping([](ReceivedConnection& connection) {
    for (connection.Send("HTTP/1.1 200 OK\r\nX: "); connection.Send("x");) {
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
  });
  EXPECT_THAT(std::string(PostTo(dripping.port()).message()), StartsWith("waiting for its answer took too long"));
}

// A queue of connections that is full takes no more, and says nothing.
TEST_F(WebhookPost, HasATimeForConnecting) {
  options_.timeout = kShort;
  TestReceiver receiver(SaysNothing);
  const int full = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address = {.sin_family = AF_INET, .sin_port = 0, .sin_addr = {htonl(INADDR_LOOPBACK)}, .sin_zero = {}};
  socklen_t size = sizeof(address);
  ASSERT_EQ(bind(full, reinterpret_cast<sockaddr*>(&address), size), 0);
  ASSERT_EQ(listen(full, 0), 0);
  ASSERT_EQ(getsockname(full, reinterpret_cast<sockaddr*>(&address), &size), 0);
  std::vector<int> waiting;
  for (int i = 0; i < 4; ++i) {
    waiting.push_back(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    connect(waiting.back(), reinterpret_cast<sockaddr*>(&address), size);
  }
  EXPECT_THAT(std::string(PostTo(ntohs(address.sin_port)).message()), StartsWith("connecting took too long"));
  for (const int fd : waiting) close(fd);
  close(full);
}

TEST_F(WebhookPost, TriesEveryAddress) {
  TestReceiver receiver(Answering("HTTP/1.1 204 Done\r\n\r\n"));
  options_.resolver = Giving({"127.0.0.2", "::1", "127.0.0.1"});  // Nobody listens at the first two.
  EXPECT_EQ(PostTo(receiver.port()), absl::OkStatus());
  options_.resolver = Giving({"127.0.0.2"});
  EXPECT_EQ(PostTo(receiver.port()).message(), "connecting failed: Connection refused");
  options_.resolver = Giving(std::vector<std::string>(9, "127.0.0.2"));
  EXPECT_EQ(PostTo(receiver.port()).message(), "connecting failed: Connection refused");
}

TEST_F(WebhookPost, SaysWhyANameIsNotFound) {
  options_.resolver = [](const std::string&) { return absl::UnavailableError("Name or service not known"); };
  EXPECT_EQ(PostTo(9).message(), "looking its name up failed: Name or service not known");
  options_.resolver = AskSystem;
  EXPECT_THAT(std::string(PostTo(9, "no-such-name.invalid").message()), StartsWith("looking its name up failed: "));
}

TEST_F(WebhookPost, TheSystemKnowsTheMachine) {
  const auto addresses = AskSystem("localhost");
  ASSERT_TRUE(addresses.ok()) << addresses.status();
  for (const std::string& address : *addresses) EXPECT_TRUE(address == "127.0.0.1" || address == "::1") << address;
}

// Every address of the name is looked at, before anything is sent to one of them.
TEST_F(WebhookPost, GoesToNoAddressOfTheInside) {
  TestReceiver receiver(Answering("HTTP/1.1 204 Done\r\n\r\n"));
  options_.allow_private = false;
  for (const std::vector<std::string>& addresses : {std::vector<std::string>{"127.0.0.1"},
                                                    {"1.1.1.1", "127.0.0.1"},
                                                    {"127.0.0.1", "1.1.1.1"},
                                                    {"::1"},
                                                    {"0.0.0.0"},
                                                    {"::ffff:127.0.0.1"},
                                                    {"fe80::1%lo"},
                                                    {"169.254.169.254"}}) {
    options_.resolver = Giving(addresses);
    const absl::Status status = PostTo(receiver.port());
    EXPECT_TRUE(absl::IsPermissionDenied(status)) << status << " for " << addresses[0];
    EXPECT_THAT(std::string(status.message()), HasSubstr("--webhook-allow-private"));
  }
  for (const char* host : {"127.0.0.1", "[::1]", "[::ffff:127.0.0.1]", "169.254.169.254"}) {
    EXPECT_TRUE(absl::IsPermissionDenied(PostTo(receiver.port(), host))) << host;
  }
  EXPECT_EQ(receiver.connections(), 0);
}

// A name server that says something else the second time is not asked a second time.
TEST_F(WebhookPost, AsksOnceAndGoesThere) {
  TestReceiver receiver(Answering("HTTP/1.1 204 Done\r\n\r\n"));
  TestReceiver other(Answering("HTTP/1.1 204 Done\r\n\r\n"),
                     {.certificate = nullptr, .newest_tls = TLS1_3_VERSION, .address = "127.0.0.3"});
  options_.resolver = [&](const std::string&) -> absl::StatusOr<std::vector<std::string>> {
    return std::vector<std::string>{++asked_ == 1 ? "127.0.0.1" : "127.0.0.3"};
  };
  EXPECT_EQ(PostTo(receiver.port()), absl::OkStatus());
  EXPECT_EQ(asked_, 1);
  EXPECT_EQ(receiver.connections(), 1);
  EXPECT_EQ(other.connections(), 0);
}

TEST_F(WebhookPost, WaitsForNoNameServer) {
  const auto answer = std::make_shared<core::Ending>();
  std::atomic<int> running = 0;
  options_.resolver = [answer, &running](const std::string&) -> absl::StatusOr<std::vector<std::string>> {
    ++running;
    answer->WaitFor(kLong);
    --running;
    return absl::UnavailableError("too late");
  };
  options_.timeout = absl::Milliseconds(1);
  EXPECT_THAT(std::string(PostTo(9).message()), StartsWith("looking its name up took too long"));
  // They are given up, but not without end.
  for (int i = 1; i < kMostLookups; ++i) PostTo(9).IgnoreError();
  EXPECT_THAT(std::string(PostTo(9).message()), HasSubstr("32 look-ups hang"));
  answer->End();
  while (running > 0) std::this_thread::yield();
  options_.timeout = kLong;
  options_.resolver = Giving({"127.0.0.1"});
  TestReceiver receiver(Answering("HTTP/1.1 204 Done\r\n\r\n"));
  absl::Status status;
  do {  // The last of the threads that were given up may still be on its way out.
    status = PostTo(receiver.port());
  } while (absl::StrContains(status.message(), "look-ups hang"));
  EXPECT_EQ(status, absl::OkStatus());
}

TEST_F(WebhookPost, EndsWithTheServer) {
  std::atomic<bool> reached = false;
  TestReceiver silent([&](ReceivedConnection& connection) {
    connection.ReadRequest();
    reached = true;
    connection.AwaitClose();
  });
  absl::Status status;
  std::thread sender([&] { status = PostTo(silent.port()); });
  while (!reached) std::this_thread::yield();
  stop_.End();
  sender.join();
  EXPECT_TRUE(absl::IsCancelled(status)) << status;
  EXPECT_TRUE(absl::IsCancelled(PostTo(silent.port())));
}

TEST_F(WebhookPost, SurvivesAResolverThatThrows) {
  options_.resolver = [](const std::string&) -> absl::StatusOr<std::vector<std::string>> { throw std::bad_alloc(); };
  EXPECT_THAT(std::string(PostTo(9).message()), StartsWith("looking its name up failed"));
  options_.resolver = Giving({"no address"});
  EXPECT_FALSE(PostTo(9).ok());
  options_.resolver = Giving({});
  EXPECT_FALSE(PostTo(9).ok());
}

// However the bytes are cut, they mean the same.
TEST(WebhookAnswerBytes, ComeInAnyPieces) {
  const std::string text =
      "HTTP/1.1 103 Early\r\nA: b\r\n\r\nHTTP/1.1 201 Made\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n";
  for (size_t size = 1; size <= text.size(); ++size) {
    WebhookAnswer answer;
    for (size_t at = 0; at < text.size(); at += size) {
      ASSERT_FALSE(answer.done());
      ASSERT_EQ(answer.Put(absl::string_view(text).substr(at, size)), absl::OkStatus());
    }
    EXPECT_TRUE(answer.done()) << size;
    EXPECT_EQ(answer.status(), 201u);
  }
}

}  // namespace
}  // namespace traind::server
