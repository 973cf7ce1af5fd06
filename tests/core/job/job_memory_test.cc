// The memory that a job is admitted with, beside its plans.
#include <gtest/gtest.h>

#include "core/job/resolve.h"
#include "tests/support/datasets.h"
#include "tests/support/text_proto.h"

namespace traind::core {
namespace {

int64_t BoundOf(const std::string& more) {
  const auto dataset = FindTestDataset("images");
  FieldErrors::Root errors;
  const auto job = ResolveJob(FromText<v1::JobSpec>("network { layers { name: 'logits' dense { units: 10 } } } "
                                                    "data { dataset: 'images' } " +
                                                    more),
                              &*dataset, 1, errors.scope());
  EXPECT_TRUE(errors.ok() && job.ok()) << errors.ToStatus();
  return job->memory_bound_bytes;
}

// 512 images of 784 floats lie beside one another while neighbours are sought: 1,605,632 bytes; the sums over single
// pixels of two splits are small beside it.
TEST(JobMemoryTest, TheDatasProfileIsPartOfIt) {
  const int64_t profile = BoundOf("") - BoundOf("insight { profile: PROFILE_OFF }");
  EXPECT_GE(profile, 512 * 784 * 4);
  EXPECT_LE(profile, 512 * 784 * 4 + 400'000);
}

}  // namespace
}  // namespace traind::core
