// What a job is admitted with for the data's profile, against what malloc gives while the profile is made.
#include <gtest/gtest.h>
#include <malloc.h>

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "core/data/data_profile.h"
#include "core/data/dataset_dir.h"
#include "tests/support/file_formats.h"
#include "tests/support/temporary_folder.h"
#include "tests/support/text_proto.h"

namespace traind::core {
namespace {

int64_t FromMalloc() {
  const struct mallinfo2 info = mallinfo2();
  return static_cast<int64_t>(info.uordblks + info.hblkhd);
}

// The most that was seen while the profile of two splits was made, beyond what there was before.
int64_t Peak(int64_t features, int64_t examples, int64_t classes) {
  const TemporaryFolder folder;
  v1::ImportDatasetRequest request;
  request.set_dataset_id("d");
  std::vector<float> values(static_cast<size_t>(features * examples));
  for (size_t i = 0; i < values.size(); ++i) values[i] = static_cast<float>((i * 7919) % 1009);
  std::vector<int32_t> labels(static_cast<size_t>(examples));
  for (size_t i = 0; i < labels.size(); ++i) labels[i] = static_cast<int32_t>(i % static_cast<size_t>(classes));
  WriteBytes(folder / "x", NpyOf(values, {examples, features}));
  WriteBytes(folder / "y", NpyOf(labels));
  for (const char* name : {"train", "test"}) {
    v1::SplitSource* source = request.add_splits();
    source->set_name(name);
    source->mutable_examples()->set_path("x");
    source->mutable_labels()->set_path("y");
  }
  ImportOptions options;
  options.resolve = [&](const v1::DataFile& file) -> absl::StatusOr<std::string> { return folder / file.path(); };
  options.dir = folder / "d";
  const auto dataset = ImportDataset(request, options);
  EXPECT_TRUE(dataset.ok()) << dataset.status();
  values = {};
  auto input = InputPipeline::Open(options.dir, FromText<v1::DataSpec>("train_split: 'train'"));
  EXPECT_TRUE(input.ok() && input->Fit().ok()) << input.status();
  const auto test = OpenSplit(options.dir, "test");
  EXPECT_TRUE(test.ok()) << test.status();
  const int64_t before = FromMalloc();
  int64_t peak = 0;
  ProfileOf(*input, &*test, [&] { peak = std::max(peak, FromMalloc() - before); });
  return peak;
}

// Copies of one example are counted with those of the loaders.
constexpr int64_t kCopies = 8 * sizeof(float);

TEST(ProfileMemoryTest, IsAtLeastWhatTheProfileTakes) {
#ifdef TRAIND_SANITIZED
  GTEST_SKIP() << "a sanitizer's malloc answers mallinfo2 with zeros";
#endif
  struct Case {
    int64_t features, examples, classes;
  };
  for (const auto& [features, examples, classes] :
       {Case{784, 1500, 10}, Case{3 * 96 * 96, 400, 4}, Case{20, 30000, 33}}) {
    const int64_t peak = Peak(features, examples, classes);
    const int64_t bound = ProfileMemory(features, examples, classes);
    EXPECT_GE(bound + kCopies * features, peak) << features << " features, " << examples << " examples";
    // Of more classes than are compared there are lists besides, gone before the first report of progress.
    const int64_t lists = classes > 32 ? 24 * examples : 0;
    EXPECT_LE(bound - lists, 4 * peak) << "no more than needed: " << features << " features, " << examples
                                       << " examples";
  }
}

TEST(ProfileMemoryTest, IsBoundedForAnySize) {
  // A long video as one example: 2^18 features of it are looked at, 4096 by neighbours.
  EXPECT_LT(ProfileMemory(int64_t{1} << 28, 1 << 20, 10) - 8 * (int64_t{1} << 28), int64_t{48} << 20);
}

}  // namespace
}  // namespace traind::core
