#include "server/rpc/proxies.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace traind::server {
namespace {

using ::testing::HasSubstr;

std::string Client(const std::vector<std::string>& networks, const std::string& peer, const std::string& forwarded) {
  const auto proxies = Proxies::Parse(networks);
  EXPECT_TRUE(proxies.ok()) << proxies.status();
  return proxies.ok() ? proxies->ClientOf(peer, forwarded) : "";
}

TEST(Proxies, ATrustedOneSaysWhomItSpeaksFor) {
  for (const char* network : {"10.0.0.7", "10.0.0.0/8", "10.0.0.6/31", "0.0.0.0/0", "::/0", "::ffff:10.0.0.7"}) {
    EXPECT_EQ(Client({network}, "ipv4:10.0.0.7:40312", "203.0.113.9"), "203.0.113.9") << network;
  }
  EXPECT_EQ(Client({"192.168.0.0/16", "fd00::/8"}, "ipv6:%5Bfd00::7%5D:1", "2001:db8::9"), "2001:db8::9");
  EXPECT_EQ(Client({"fd00::7"}, "ipv6:[fd00::7]:1", "203.0.113.9"), "203.0.113.9");
  EXPECT_EQ(Client({"10.0.0.7"}, "ipv6:%5B::ffff:10.0.0.7%5D:1", "203.0.113.9"), "203.0.113.9");
}

TEST(Proxies, NobodyElsesWordCounts) {
  for (const char* network : {"10.0.0.6", "10.0.0.8/29", "11.0.0.0/8", "fd00::/8", "::1"}) {
    EXPECT_EQ(Client({network}, "ipv4:10.0.0.7:40312", "203.0.113.9"), "") << network;
  }
  EXPECT_EQ(Client({}, "ipv4:10.0.0.7:40312", "203.0.113.9"), "");
  EXPECT_EQ(Client({"0.0.0.0/0"}, "ipv6:%5Bfd00::7%5D:1", "203.0.113.9"), "");
  for (const char* peer : {"unix:/tmp/x", "", "ipv4:", "ipv4:10.0.0", "10.0.0.7:1", "ipv6:%5B"}) {
    EXPECT_EQ(Client({"::/0"}, peer, "203.0.113.9"), "") << peer;
  }
}

TEST(Proxies, WhatAClientWroteBeforeTheProxyDoesNotCount) {
  const auto client = [](const std::string& forwarded) { return Client({"10.0.0.7"}, "ipv4:10.0.0.7:1", forwarded); };
  EXPECT_EQ(client("1.1.1.1, 203.0.113.9"), "203.0.113.9");
  EXPECT_EQ(client("203.0.113.9, \"; DROP"), "");
  for (const char* none : {"", ",", "unknown", "203.0.113", "203.0.113.9:80", "[2001:db8::9]"})
    EXPECT_EQ(client(none), "");
}

TEST(Proxies, NetworksThatAreNone) {
  for (const char* text : {"", "haproxy", "10.0.0", "10.0.0.7/33", "10.0.0.7/-1", "10.0.0.7/", "10.0.0.7/8x",
                           "fd00::/129", "/8", "10.0.0.7 "}) {
    const auto proxies = Proxies::Parse({text});
    EXPECT_TRUE(absl::IsInvalidArgument(proxies.status())) << text;
    EXPECT_THAT(proxies.status().message(), HasSubstr("--trusted-proxy: \"" + std::string(text) + "\" is no address"));
  }
}

}  // namespace
}  // namespace traind::server
