#include "core/base/stored_spec.h"

#include <gtest/gtest.h>

#include "tests/support/text_proto.h"

namespace traind::core {
namespace {

TEST(StoredSpec, AnOlderOneGetsWhatItMeant) {
  auto spec = FromText<v1::JobSpec>(
      "batch_size: 32 data { augmentation { cutout { size: 3 count: 1 } } augmentation { mixup {} } }");
  CompleteStoredSpec(spec);
  EXPECT_EQ(spec.last_batch(), v1::LAST_BATCH_DROP);
  EXPECT_EQ(spec.data().augmentation(0).cutout().fill(), v1::Cutout::FILL_ZERO);
  EXPECT_TRUE(spec.data().augmentation(1).has_mixup());
}

TEST(StoredSpec, ANewerOneStaysAsItIs) {
  const auto spec =
      FromText<v1::JobSpec>("last_batch: LAST_BATCH_KEEP data { augmentation { cutout { size: 3 fill: FILL_MEAN } } }");
  auto same = spec;
  CompleteStoredSpec(same);
  EXPECT_EQ(same.DebugString(), spec.DebugString());
}

}  // namespace
}  // namespace traind::core
