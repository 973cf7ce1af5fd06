#include "core/data/batch_loader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <set>
#include <vector>

#include "core/data/sampler.h"
#include "tests/core/data/split_builder.h"

namespace traind::core {
namespace {

using ::testing::ElementsAre;

class BatchLoaderTest : public ::testing::Test {
 protected:
  // Example i is {10 i, 10 i + 1}, its label i.
  BatchLoaderTest() {
    std::vector<uint8_t> examples;
    std::vector<int32_t> labels;
    for (int i = 0; i < 10; ++i) {
      examples.push_back(static_cast<uint8_t>(10 * i));
      examples.push_back(static_cast<uint8_t>(10 * i + 1));
      labels.push_back(i);
    }
    split_ = builder_.Make<uint8_t>({10, 2}, examples, SplitBuilder::Labels(labels));
    preprocessor_ = Identity(split_.example_shape());
  }

  static Preprocessor Identity(const Shape& shape) {
    Preprocessor::Config none;
    FieldErrors::Root root;
    return Preprocessor::Create(&none, &shape, root.scope());
  }
  std::unique_ptr<BatchLoader> Start(BatchLoader::Options options) {
    options.outputs = 10;
    auto loader = BatchLoader::Start(split_, preprocessor_, options);
    EXPECT_TRUE(loader.ok()) << loader.status();
    return *std::move(loader);
  }

  SplitBuilder builder_;
  Split split_;
  Preprocessor preprocessor_;
};

TEST_F(BatchLoaderTest, FollowsTheSamplerAcrossEpochs) {
  auto loader = Start({.batch = 3, .seed = 5, .end_step = 8});
  const Sampler sampler({.examples = 10, .batch = 3, .seed = 5});
  std::vector<uint32_t> order;
  for (uint64_t step = 0; step < 8; ++step) {
    const Batch* batch = loader->Next();
    ASSERT_NE(batch, nullptr);
    EXPECT_EQ(batch->step, step);
    EXPECT_EQ(batch->epoch, step / 3);
    EXPECT_EQ(batch->count, 3);
    EXPECT_EQ(batch->targets, nullptr);
    EXPECT_EQ(reinterpret_cast<uintptr_t>(batch->examples) % 64, 0u);
    sampler.Order(step / 3, &order);
    for (int i = 0; i < 3; ++i) {
      const uint32_t example = order[step % 3 * 3 + i];
      EXPECT_EQ(batch->labels[i], static_cast<int32_t>(example));
      EXPECT_EQ(batch->examples[2 * i], static_cast<float>(10 * example));
      EXPECT_EQ(batch->examples[2 * i + 1], static_cast<float>(10 * example + 1));
    }
  }
  EXPECT_EQ(loader->Next(), nullptr);
  EXPECT_EQ(loader->Next(), nullptr);
}

TEST_F(BatchLoaderTest, AResumeGoesOnWhereItStopped) {
  auto whole = Start({.batch = 3, .seed = 9, .end_step = 20});
  for (int i = 0; i < 7; ++i) whole->Next();
  auto resumed = Start({.batch = 3, .seed = 9, .first_step = 7, .end_step = 20});
  for (uint64_t step = 7; step < 20; ++step) {
    const Batch* a = whole->Next();
    const Batch* b = resumed->Next();
    ASSERT_NE(b, nullptr);
    EXPECT_EQ(b->step, step);
    EXPECT_EQ(b->epoch, a->epoch);
    for (int i = 0; i < 3; ++i) EXPECT_EQ(a->labels[i], b->labels[i]);
    for (int i = 0; i < 6; ++i) EXPECT_EQ(a->examples[i], b->examples[i]);
  }
  EXPECT_EQ(resumed->Next(), nullptr);
}

TEST_F(BatchLoaderTest, ThreadsChangeNoBit) {
  SplitBuilder builder;
  std::vector<uint8_t> pixels(10 * 3 * 6 * 6);
  for (size_t i = 0; i < pixels.size(); ++i) pixels[i] = static_cast<uint8_t>(i * 37 % 251);
  const Split split =
      builder.Make<uint8_t>({10, 3, 6, 6}, pixels, SplitBuilder::Labels({0, 1, 2, 0, 1, 2, 0, 1, 2, 0}));
  const Preprocessor preprocessor = Identity(split.example_shape());
  v1::DataSpec data;
  data.add_augmentation()->mutable_rotate()->set_max_degrees(20);
  data.add_augmentation()->mutable_mixup();
  FieldErrors::Root errors;
  const Augmenter augmenter = Augmenter::Create(data.mutable_augmentation(), &split.example_shape(), errors.scope());
  ASSERT_TRUE(errors.ok()) << errors.ToStatus();
  constexpr int64_t kBatch = 3, kOutputs = 3;
  std::vector<std::unique_ptr<BatchLoader>> loaders;
  for (const int64_t threads : {1, 2, 5, 64}) {
    auto loader = BatchLoader::Start(split, preprocessor,
                                     {.batch = kBatch,
                                      .threads = threads,
                                      .seed = 3,
                                      .first_step = 2,
                                      .end_step = 40,
                                      .augmenter = &augmenter,
                                      .outputs = kOutputs});
    ASSERT_TRUE(loader.ok()) << loader.status();
    loaders.push_back(*std::move(loader));
  }
  for (uint64_t step = 2; step < 40; ++step) {
    const Batch* one = loaders[0]->Next();
    ASSERT_NE(one, nullptr);
    EXPECT_EQ(one->step, step);
    const absl::Span<const float> examples(one->examples, kBatch * Elements(split.example_shape()));
    const absl::Span<const float> targets(one->targets, kBatch * kOutputs);
    for (size_t i = 1; i < loaders.size(); ++i) {
      const Batch* other = loaders[i]->Next();
      ASSERT_NE(other, nullptr);
      EXPECT_EQ(other->step, step);
      EXPECT_EQ(absl::MakeSpan(other->examples, examples.size()), examples);
      EXPECT_EQ(absl::MakeSpan(other->targets, targets.size()), targets);
    }
  }
  for (const auto& loader : loaders) EXPECT_EQ(loader->Next(), nullptr);
}

TEST_F(BatchLoaderTest, EvaluationSeesEachExampleOnceAndPadsTheLastBatch) {
  auto loader = Start(BatchLoader::Evaluation(4, 10));
  std::vector<int32_t> seen;
  const Batch* last = nullptr;
  while (const Batch* batch = loader->Next()) {
    seen.insert(seen.end(), batch->labels, batch->labels + batch->count);
    last = batch;
  }
  EXPECT_THAT(seen, ElementsAre(0, 1, 2, 3, 4, 5, 6, 7, 8, 9));
  ASSERT_NE(last, nullptr);
  EXPECT_EQ(last->count, 2);
  EXPECT_EQ(std::vector<float>(last->examples, last->examples + 8), (std::vector<float>{80, 81, 90, 91, 0, 0, 0, 0}));
  EXPECT_THAT(std::vector<int32_t>(last->labels, last->labels + 4), ElementsAre(8, 9, 0, 0));
  // A batch larger than the split works too.
  auto large = Start(BatchLoader::Evaluation(64, 10));
  EXPECT_EQ(large->Next()->count, 10);
  EXPECT_EQ(large->Next(), nullptr);
}

TEST_F(BatchLoaderTest, AnEpochEndsWithASmallerBatch) {
  for (const bool shuffled : {false, true}) {
    auto loader = Start({.batch = 4, .threads = 2, .shuffled = shuffled, .keep_last = true, .end_step = 6});
    for (uint64_t epoch = 0; epoch < 2; ++epoch) {
      std::multiset<int32_t> seen;
      for (const int64_t count : {4, 4, 2}) {
        const Batch* batch = loader->Next();
        ASSERT_NE(batch, nullptr);
        EXPECT_EQ(batch->epoch, epoch);
        EXPECT_EQ(batch->count, count);
        seen.insert(batch->labels, batch->labels + batch->count);
      }
      EXPECT_THAT(seen, ElementsAre(0, 1, 2, 3, 4, 5, 6, 7, 8, 9)) << shuffled;
    }
    EXPECT_EQ(loader->Next(), nullptr);
  }
}

TEST_F(BatchLoaderTest, AnExampleMayBeItsOwnTarget) {
  auto loader = Start({.batch = 4, .shuffled = false, .keep_last = true, .targets_are_input = true, .end_step = 3});
  while (const Batch* batch = loader->Next()) {
    EXPECT_EQ(batch->labels, nullptr);
    EXPECT_EQ(batch->targets, batch->examples);
    EXPECT_EQ(batch->targets[0], 40.0f * static_cast<float>(batch->step));
  }
}

TEST_F(BatchLoaderTest, CarriesTargets) {
  const Split split =
      builder_.Make<float>({3, 1}, {1, 2, 3}, Npy("<f4", "(3, 2)", RawBytes<float>({1, 2, 3, 4, 5, 6})));
  const Preprocessor preprocessor = Identity(split.example_shape());
  auto loader = BatchLoader::Start(split, preprocessor, BatchLoader::Evaluation(2, 1));
  ASSERT_TRUE(loader.ok());
  const Batch* batch = (*loader)->Next();
  EXPECT_EQ(batch->labels, nullptr);
  EXPECT_THAT(std::vector<float>(batch->targets, batch->targets + 4), ElementsAre(1, 2, 3, 4));
  batch = (*loader)->Next();
  EXPECT_THAT(std::vector<float>(batch->targets, batch->targets + 4), ElementsAre(5, 6, 0, 0));
}

TEST_F(BatchLoaderTest, StopsWhileTheThreadIsAhead) {
  for (int taken = 0; taken < 6; ++taken) {
    auto loader = Start({.batch = 1, .end_step = 1000000});
    for (int i = 0; i < taken; ++i) ASSERT_NE(loader->Next(), nullptr);
  }
}

TEST_F(BatchLoaderTest, RefusesWhatDoesNotFit) {
  EXPECT_EQ(BatchLoader::Start(split_, preprocessor_, {.batch = 11, .end_step = 1, .outputs = 10}).status().code(),
            absl::StatusCode::kInvalidArgument);
  for (const int64_t threads : {-1, 0, 65}) {
    EXPECT_EQ(BatchLoader::Start(split_, preprocessor_, {.batch = 1, .threads = threads, .end_step = 1, .outputs = 10})
                  .status()
                  .code(),
              absl::StatusCode::kInvalidArgument);
  }
  EXPECT_EQ(BatchLoader::Start(split_, preprocessor_, {.batch = 0, .end_step = 1, .outputs = 10}).status().code(),
            absl::StatusCode::kInvalidArgument);
  const Preprocessor other = Identity({3});
  EXPECT_EQ(BatchLoader::Start(split_, other, {.batch = 1, .end_step = 1, .outputs = 10}).status().code(),
            absl::StatusCode::kFailedPrecondition);
}

TEST_F(BatchLoaderTest, RefusesLabelsBeyondTheOutputs) {
  for (const int64_t outputs : {0, 9}) {
    const auto loader = BatchLoader::Start(split_, preprocessor_, {.batch = 1, .end_step = 1, .outputs = outputs});
    EXPECT_EQ(loader.status().code(), absl::StatusCode::kFailedPrecondition) << outputs;
  }
  EXPECT_TRUE(BatchLoader::Start(split_, preprocessor_, {.batch = 1, .end_step = 1, .outputs = 11}).ok());
}

TEST_F(BatchLoaderTest, ALimitedSplitYieldsOnlyItsFirstExamples) {
  split_.TakeFirst(4);
  auto loader = Start({.batch = 2, .seed = 3, .end_step = 2});
  std::set<int32_t> seen;
  while (const Batch* batch = loader->Next()) seen.insert(batch->labels, batch->labels + 2);
  EXPECT_THAT(seen, ElementsAre(0, 1, 2, 3));
}

}  // namespace
}  // namespace traind::core
