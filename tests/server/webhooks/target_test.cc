#include "server/webhooks/target.h"

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "server/webhooks/signature.h"

namespace traind::server {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

bool Public(const std::string& text) {
  sockaddr_in6 six = {};
  six.sin6_family = AF_INET6;
  if (inet_pton(AF_INET6, text.c_str(), &six.sin6_addr) == 1) return IsPublic(reinterpret_cast<sockaddr&>(six));
  sockaddr_in four = {};
  four.sin_family = AF_INET;
  EXPECT_EQ(inet_pton(AF_INET, text.c_str(), &four.sin_addr), 1) << text;
  return IsPublic(reinterpret_cast<sockaddr&>(four));
}

TEST(WebhookAddress, ThoseOfThePublicInternetArePublic) {
  for (const char* address :
       {"1.1.1.1", "9.255.255.255", "11.0.0.0", "100.63.255.255", "100.128.0.0", "126.255.255.255", "128.0.0.1",
        "169.253.255.255", "172.15.255.255", "172.32.0.0", "192.167.255.255", "192.169.0.0", "223.255.255.255",
        "2606:4700::1111", "2a00::1", "2001:4860::8888", "::ffff:1.1.1.1", "64:ff9b::101:101"}) {
    EXPECT_TRUE(Public(address)) << address;
  }
}

TEST(WebhookAddress, ThoseOfTheInsideAreNot) {
  for (const char* address : {"0.0.0.0",
                              "10.0.0.0",
                              "10.255.255.255",
                              "100.64.0.0",
                              "127.0.0.1",
                              "127.255.255.255",
                              "169.254.169.254",
                              "172.16.0.0",
                              "172.31.255.255",
                              "192.0.0.1",
                              "192.0.2.1",
                              "192.168.0.0",
                              "192.168.255.255",
                              "198.18.0.0",
                              "198.19.255.255",
                              "198.51.100.1",
                              "203.0.113.1",
                              "224.0.0.1",
                              "240.0.0.1",
                              "255.255.255.255",
                              "::",
                              "::1",
                              "::ffff:127.0.0.1",
                              "::ffff:10.0.0.1",
                              "::127.0.0.1",
                              "64:ff9b::7f00:1",
                              "64:ff9b:1::1",
                              "fc00::1",
                              "fd00::1",
                              "fe80::1",
                              "fec0::1",
                              "ff02::1",
                              "2001::1",
                              "2001:db8::1",
                              "2002:7f00:1::",
                              "3fff::1",
                              "100::1"}) {
    EXPECT_FALSE(Public(address)) << address;
  }
}

TEST(WebhookUrl, IsShownWithoutItsPath) {
  const auto target = ParseWebhookUrl("https://example.org:8443/services/secret?token=hidden", false);
  ASSERT_TRUE(target.ok()) << target.status();
  EXPECT_EQ(target->shown, "https://example.org:8443");
}

TEST(WebhookUrl, IsTakenApart) {
  struct Case {
    const char* url;
    const char* host;
    int port;
    const char* authority;
    const char* path;
  };
  for (const Case& one : {
           Case{"https://example.org", "example.org", 443, "example.org", "/"},
           Case{"HTTPS://Example.ORG:443/Hook", "example.org", 443, "example.org", "/Hook"},
           Case{"https://example.org:8443?a=/b", "example.org", 8443, "example.org:8443", "/?a=/b"},
           Case{"https://example.org./%2F/../x@y:z", "example.org.", 443, "example.org.", "/%2F/../x@y:z"},
           Case{"http://my_receiver:443/", "my_receiver", 443, "my_receiver:443", "/"},
           Case{"http://127.0.0.1:80/", "127.0.0.1", 80, "127.0.0.1", "/"},
           Case{"https://[::1]:9/", "::1", 9, "[::1]:9", "/"},
           Case{"https://[2001:DB8::1]", "2001:db8::1", 443, "[2001:db8::1]", "/"},
           Case{"https://xn--bcher-kva.example/", "xn--bcher-kva.example", 443, "xn--bcher-kva.example", "/"},
       }) {
    const auto target = ParseWebhookUrl(one.url, true);
    ASSERT_TRUE(target.ok()) << target.status();
    EXPECT_EQ(target->url, one.url);
    EXPECT_EQ(target->host, one.host) << one.url;
    EXPECT_EQ(target->port, one.port) << one.url;
    EXPECT_EQ(target->authority, one.authority) << one.url;
    EXPECT_EQ(target->path, one.path) << one.url;
    EXPECT_EQ(target->tls, one.url[4] != ':') << one.url;
    EXPECT_EQ(target->shown, absl::StrCat(target->tls ? "https://" : "http://", one.authority));
  }
}

// What is secret in a URL is in no error about another part of it.
TEST(WebhookUrl, SaysWhatIsWrongWithIt) {
  for (const auto& [url, why] : std::vector<std::pair<std::string, std::string>>{
           {"example.org/hidden", "wants a URL like https://example.org/hook"},
           {"example.org/hidden?to=https://example.org", "wants a URL like"},
           {"://example.org/hidden", "wants https"},
           {"https:/example.org/hidden", "wants a URL like"},
           {"https:///hidden", "wants a host"},
           {"https://?hidden", "wants a host"},
           {"https://:443/hidden", "wants a host"},
           {"https://a..b/hidden", "wants a host"},
           {"https://.a/hidden", "wants a host"},
           {"https://a%2eb/hidden", "wants a host"},
           {"https://a,b/hidden", "wants a host"},
           {"https://" + std::string(254, 'a') + "/hidden", "wants a host"},
           {"https://127.1/hidden", "four decimal numbers"},
           {"https://0x7f000001/hidden", "four decimal numbers"},
           {"https://0X7F.0x/hidden", "four decimal numbers"},
           {"https://2130706433/hidden", "four decimal numbers"},
           {"https://010.0.0.1/hidden", "four decimal numbers"},
           {"https://127.0.0.1./hidden", "four decimal numbers"},
           {"https://1.2.3.256/hidden", "four decimal numbers"},
           {"https://[::1/hidden", "wants ] behind"},
           {"https://[::g]/hidden", "wants an address of IPv6"},
           {"https://[fe80::1%25eth0]/hidden", "without a zone"},
           {"https://[127.0.0.1]/hidden", "wants an address of IPv6"},
           {"https://[::1]x/hidden", "a port from 1 to 65535"},
           {"https://::1/hidden", "wants a host"},
           {"https://a:/hidden", "a port from 1 to 65535"},
           {"https://a:0/hidden", "a port from 1 to 65535"},
           {"https://a:65536/hidden", "a port from 1 to 65535"},
           {"https://a:-1/hidden", "a port from 1 to 65535"},
           {"https://a:+1/hidden", "a port from 1 to 65535"},
           {"https://a:99999999999/hidden", "a port from 1 to 65535"},
           {"https://a: 1/hidden", "byte 11 of this one"},
           {"https://a/hidden\r\nX: y", "byte 17 of this one"},
           {"https://b\xc3\xbc-cher.example/hidden", "a name that is not ASCII as xn--"},
           {"https://a/hidden#x", "write %23 for it"},
           {"https://a/" + std::string(4096, 'x'), "at most 4096 bytes"},
       }) {
    const auto target = ParseWebhookUrl(url, true);
    EXPECT_TRUE(absl::IsInvalidArgument(target.status())) << url;
    EXPECT_THAT(std::string(target.status().message()), HasSubstr(why)) << url;
    EXPECT_THAT(std::string(target.status().message()), Not(HasSubstr("hidden"))) << url;
  }
}

TEST(WebhookUrl, WhatIsNotSafeIsRefused) {
  for (const char* url : {"", "nonsense", "ftp://example.org/", "file:///etc/passwd", "http://example.org/",
                          "https://ada:hidden@example.org/"}) {
    const auto target = ParseWebhookUrl(url, false);
    EXPECT_TRUE(absl::IsInvalidArgument(target.status())) << url;
    EXPECT_THAT(target.status().message(), Not(HasSubstr("hidden")));
  }
  EXPECT_TRUE(ParseWebhookUrl("http://127.0.0.1:1/hook", true).ok());
}

// The example of the specification of Standard Webhooks.
TEST(WebhookSignature, IsThatOfStandardWebhooks) {
  std::string key;
  ASSERT_TRUE(absl::Base64Unescape("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", &key));
  EXPECT_EQ(SignWebhook(key, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, R"({"test": 2432232314})"),
            "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
}

}  // namespace
}  // namespace traind::server
