#include "server/accounts/token.h"

#include <gtest/gtest.h>

#include <set>
#include <string>

#include "absl/strings/escaping.h"

namespace traind::server {
namespace {

TEST(Token, HasPrefixBytesAndChecksum) {
  std::set<std::string> seen;
  for (int i = 0; i < 100; ++i) {
    const auto token = NewToken();
    ASSERT_TRUE(token.ok()) << token.status();
    EXPECT_EQ(token->substr(0, 7), "traind_");
    EXPECT_EQ(token->size(), 7u + 64 + 8);
    EXPECT_TRUE(IsToken(*token));
    EXPECT_TRUE(seen.insert(*token).second) << "never twice";
  }
}

TEST(Token, AnyChangeShows) {
  const std::string token = *NewToken();
  EXPECT_FALSE(IsToken(""));
  EXPECT_FALSE(IsToken("traind_"));
  EXPECT_FALSE(IsToken(token + "0"));
  EXPECT_FALSE(IsToken(token.substr(0, token.size() - 1)));
  for (size_t i = 0; i < token.size(); ++i) {
    std::string changed = token;
    changed[i] = changed[i] == '0' ? '1' : '0';
    EXPECT_FALSE(IsToken(changed)) << i;
    changed[i] = '\0';
    EXPECT_FALSE(IsToken(changed)) << i;
  }
}

// FIPS 180-2, appendix B.1.
TEST(Token, HashIsSha256) {
  EXPECT_EQ(absl::BytesToHexString(HashOf("abc")), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(TokenIdOf(HashOf("abc")), "tok-ba7816bf8f01");
}

TEST(Token, HashesAreComparedInWhole) {
  const std::string hash = HashOf("a");
  EXPECT_TRUE(IsSameHash(hash, HashOf("a")));
  EXPECT_FALSE(IsSameHash(hash, HashOf("b")));
  EXPECT_FALSE(IsSameHash(hash, hash.substr(1)));
  EXPECT_FALSE(IsSameHash(hash, ""));
}

}  // namespace
}  // namespace traind::server
