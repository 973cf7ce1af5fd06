#include "server/store/event_codec.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <string>

#include "server/store/checked_bytes.h"

namespace traind::server {
namespace {

// As a small network reports: 64 counts of a bell, and numbers of their own.
v1::Event Report(int layers) {
  std::mt19937 random(1);
  std::normal_distribution<float> normal;
  v1::Event event;
  event.set_sequence(7);
  event.set_step(70);
  for (int i = 0; i < layers; ++i) {
    v1::LayerStatistics& layer = *event.mutable_statistics()->add_layers();
    layer.set_layer("layer" + std::to_string(i));
    layer.set_mean(normal(random));
    layer.set_std(normal(random));
    layer.mutable_histogram()->mutable_counts()->Resize(64, 0);
    for (int n = 0; n < 512; ++n) {
      const int bin = std::min(63, std::max(0, static_cast<int>(32 + 10 * normal(random))));
      layer.mutable_histogram()->set_counts(bin, layer.histogram().counts(bin) + 1);
    }
  }
  return event;
}

TEST(EventCodec, GivesBackWhatItGot) {
  for (const int layers : {0, 1, 5, 20, 500}) {
    const v1::Event event = Report(layers);
    const std::string payload = EncodeEvent(event);
    v1::Event decoded;
    ASSERT_TRUE(DecodeEvent(payload, &decoded)) << layers;
    EXPECT_EQ(decoded.SerializeAsString(), event.SerializeAsString()) << layers;
    EXPECT_LE(payload.size(), event.ByteSizeLong() + 5) << layers << ": and the checksum";
  }
}

TEST(EventCodec, MakesALargeReportMuchSmaller) {
  const v1::Event event = Report(20);
  EXPECT_LT(EncodeEvent(event).size(), event.ByteSizeLong() * 7 / 10);
}

TEST(EventCodec, ReadsWhatOlderVersionsWrote) {
  const v1::Event event = Report(20);
  v1::Event decoded;
  ASSERT_TRUE(DecodeEvent(event.SerializeAsString(), &decoded));
  EXPECT_EQ(decoded.SerializeAsString(), event.SerializeAsString());
  EXPECT_TRUE(DecodeEvent("", &decoded)) << "an event without fields";
}

TEST(EventCodec, RefusesDamage) {
  const std::string stored = EncodeEvent(Report(20));
  v1::Event decoded;
  for (size_t bit = 0; bit < 8 * stored.size(); ++bit) {
    std::string flipped = stored;
    flipped[bit / 8] = static_cast<char>(flipped[bit / 8] ^ 1 << bit % 8);
    EXPECT_FALSE(DecodeEvent(flipped, &decoded)) << "bit " << bit;
  }
  const std::string payload(*Checked(stored));  // As an older version wrote it.
  ASSERT_EQ(payload[0], '\0');
  for (size_t length = 1; length < payload.size(); ++length) {
    EXPECT_FALSE(DecodeEvent(payload.substr(0, length), &decoded)) << length;
  }
  std::string huge = payload;
  huge[4] = '\x7f';  // Says that it has 2 GiB.
  EXPECT_FALSE(DecodeEvent(huge, &decoded));
  std::string longer = payload;
  longer[1] = static_cast<char>(longer[1] + 1);
  EXPECT_FALSE(DecodeEvent(longer, &decoded));
}

}  // namespace
}  // namespace traind::server
