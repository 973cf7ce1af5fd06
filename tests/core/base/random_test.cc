// The random numbers are part of the checkpoint contract: what was drawn once is drawn for ever.
#include "core/base/random.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace traind::core {
namespace {

using testing::ElementsAre;

// The known answers of Random123, the paper's own implementation (kat_vectors, philox4x32-10).
TEST(Philox, IsThatOfThePaper) {
  EXPECT_THAT(Philox({0, 0, 0, 0}, 0, 0), ElementsAre(0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8));
  constexpr uint32_t kOnes = 0xffffffff;
  EXPECT_THAT(Philox({kOnes, kOnes, kOnes, kOnes}, kOnes, kOnes),
              ElementsAre(0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd));
}

// As version 0.1.0 drew them.
TEST(RandomStream, DrawsTheSameForEver) {
  const auto draw = [](Purpose purpose) {
    return RandomStream(0x0123456789ABCDEF, purpose, StreamOf("fc")).Block((uint64_t{1} << 33) + 5, 7, 2)[0];
  };
  EXPECT_EQ(draw(Purpose::kInitialize), 0x8f9f5b79u);
  EXPECT_EQ(draw(Purpose::kShuffle), 0x53efca34u);
  EXPECT_EQ(draw(Purpose::Numbered(3)), 0x2552cb62u);
  EXPECT_EQ(draw(Purpose::kProbeInput), 0xe3df4402u);
  EXPECT_EQ(draw(Purpose::kAugment), 0xefe41d74u);
  EXPECT_EQ(draw(Purpose::kDataInitialization), 0xe0267d07u);
  EXPECT_EQ(draw(Purpose::Numbered(9)), 0xe1589201u);
  EXPECT_EQ(draw(Purpose::Numbered(10)), 0x61a10eaeu);
  EXPECT_EQ(draw(Purpose::Numbered(11)), 0xb2e3fa53u);
}

TEST(Purpose, OfANameIsNoneOfTheNumbersFromBefore) {
  EXPECT_EQ(StreamOf("softsign"), 0x0d0a7674u);
  EXPECT_EQ(Purpose("softsign").number(), 0x8d0a7674u);
  for (const char* name : {"", "a", "dropout", "drop_connect"}) EXPECT_GE(Purpose(name).number(), 0x80000000u) << name;
  EXPECT_NE(Purpose("a"), Purpose("b"));
}

}  // namespace
}  // namespace traind::core
