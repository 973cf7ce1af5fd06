// Who may call from a browser: what pages of other sites can send, and what they cannot.
#include "server/http/request_guard.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

namespace traind::server {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

using Pairs = std::vector<std::pair<std::string, std::string>>;

HttpFields FieldsOf(const Pairs& pairs) {
  HttpFields fields;
  for (const auto& [name, value] : pairs) fields.insert(name, value);
  return fields;
}

TEST(CheckHost, TakesAddressesAndItsOwnNamesAlone) {
  const OwnOrigin own{.names = {"train.example.org", "*.lab.example"}};
  for (const char* good : {"localhost", "localhost:8080", "LOCALHOST:1", "127.0.0.1:8080", "10.1.2.3", "[::1]:8080",
                           "[fe80::1]", "train.example.org", "Train.Example.ORG:443", "a.lab.example:1"}) {
    EXPECT_TRUE(CheckHost(FieldsOf({{"Host", good}}), own).ok()) << good;
  }
  for (const char* bad :
       {"evil.example", "localhost.evil.example", "127.0.0.1.evil.example", "train.example.org.evil.example",
        "lab.example", ".lab.example", "a.b.lab.example", "127.1", "0x7f000001", "[::1", "[evil]", "local\thost",
        "localhost@evil.example", "evil.example/localhost"}) {
    EXPECT_TRUE(absl::IsFailedPrecondition(CheckHost(FieldsOf({{"Host", bad}}), own))) << bad;
  }
  EXPECT_TRUE(absl::IsInvalidArgument(CheckHost(FieldsOf({}), own)));
  EXPECT_TRUE(absl::IsInvalidArgument(CheckHost(FieldsOf({{"Host", ""}}), own)));
  EXPECT_TRUE(absl::IsInvalidArgument(CheckHost(FieldsOf({{"Host", "localhost"}, {"Host", "evil.example"}}), own)));
}

// What each kind of caller sends, beside Host.
TEST(CheckOwnPage, RefusesWhatOtherPagesCanSend) {
  struct Case {
    Pairs pairs;
    bool plain;  // Whether it is let in without TLS.
    bool tls;    // With it.
  };
  const std::pair<std::string, std::string> ours = {"X-Grpc-Web", "1"}, same = {"Sec-Fetch-Site", "same-origin"};
  const std::vector<Case> cases = {
      {{ours}, true, true},                                              // A program.
      {{ours, same, {"Origin", "http://localhost:8080"}}, true, false},  // Our page, served without TLS.
      {{ours, same, {"Origin", "https://localhost:8080"}}, true, true},  // With it; or TLS is spoken before us.
      {{ours, {"Origin", "http://LOCALHOST:8080"}}, true, false},
      {{}, false, false},  // A form of any site.
      {{{"Origin", "http://localhost:8080"}}, false, false},
      {{same}, false, false},
      {{ours, {"Origin", "http://localhost:8081"}}, false, false},  // Another server on this machine.
      {{ours, {"Origin", "http://localhost"}}, false, false},
      {{ours, {"Origin", "http://evil.example"}}, false, false},
      {{ours, {"Origin", "http://localhost:8080.evil.example"}}, false, false},
      {{ours, {"Origin", "null"}}, false, false},  // A sandboxed frame.
      {{ours, {"Origin", ""}}, false, false},
      {{ours, {"Origin", "https://localhost:8080"}, {"Origin", "http://evil.example"}}, false, false},
      {{ours, {"Sec-Fetch-Site", "cross-site"}}, false, false},
      {{ours, {"Sec-Fetch-Site", "same-site"}}, false, false},
      {{ours, {"Sec-Fetch-Site", "none"}}, false, false},
      {{ours, ours}, false, false},
  };
  for (size_t i = 0; i < cases.size(); ++i) {
    Pairs pairs = cases[i].pairs;
    pairs.emplace_back("Host", "localhost:8080");
    EXPECT_EQ(CheckOwnPage(FieldsOf(pairs), {.tls = false}).ok(), cases[i].plain) << "case " << i;
    EXPECT_EQ(CheckOwnPage(FieldsOf(pairs), {.tls = true}).ok(), cases[i].tls) << "case " << i << ", with TLS";
  }
}

TEST(LoginCookie, IsForThisSiteAlone) {
  EXPECT_EQ(LoginCookie("traind_a", false), "traind=traind_a; Path=/; HttpOnly; SameSite=Strict");
  EXPECT_EQ(LoginCookie("traind_a", true), "__Host-traind=traind_a; Path=/; HttpOnly; SameSite=Strict; Secure");
  EXPECT_THAT(LoginCookie("", true), HasSubstr("Max-Age=0"));
}

TEST(AuthorizationOf, PrefersTheHeader) {
  const auto of = [](const Pairs& pairs, bool tls = false) {
    const auto found = AuthorizationOf(FieldsOf(pairs), tls);
    return found.ok() ? *found : "error";
  };
  EXPECT_EQ(of({}), "");
  EXPECT_EQ(of({{"Cookie", "traind=traind_a"}}), "Bearer traind_a");
  EXPECT_EQ(of({{"Cookie", "x=1; traind=traind_a;y=2"}}), "Bearer traind_a");
  EXPECT_EQ(of({{"Cookie", "xtraind=1"}}), "");
  EXPECT_EQ(of({{"Cookie", "traind=a"}}, true), "") << "a cookie of a server without TLS is not ours";
  EXPECT_EQ(of({{"Cookie", "__Host-traind=a"}}, true), "Bearer a");
  EXPECT_EQ(of({{"Cookie", "traind=a; traind=b"}}), "") << "somebody else has put one there";
  EXPECT_EQ(of({{"Cookie", "traind=a"}, {"Authorization", "Bearer b"}}), "Bearer b");
  EXPECT_EQ(of({{"Authorization", "Bearer a"}, {"Authorization", "Bearer b"}}), "error");
  EXPECT_EQ(of({{"Authorization", "Bearer \xc3\xa4"}}), "error") << "gRPC would end the process";
  EXPECT_EQ(of({{"Cookie", "traind=a\tb"}}), "error");
}

}  // namespace
}  // namespace traind::server
