// Whole jobs over every registered layer, activation, block and preset, at both precisions:
// the resolved config resolves to itself, a job that is stopped and goes on has the same bits as one that is not, the
// statistics hold together, and no input brings the plan down.
#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "tests/conformance/every_kind.h"
#include "tests/support/layer_run.h"
#include "tests/support/text_proto.h"
#include "tests/support/train_run.h"

namespace traind::core {
namespace {

class EveryKind : public testing::TestWithParam<KindCase> {
 protected:
  const TemporaryFolder folder_{TemporaryFolder::Place::kMemory};
};

TEST_P(EveryKind, ResolvesToItselfResumesWithTheSameBitsAndIsObserved) {
  const v1::Dataset dataset = GetParam().Import(folder_.path(), 12);
  for (const v1::Precision precision : Precisions()) {
    SCOPED_TRACE(v1::Precision_Name(precision));
    auto spec = FromText<v1::JobSpec>(
        absl::StrCat("network { ", GetParam().network,
                     " } data { dataset: 'images' } batch_size: 4 steps: 5 seed: 3 metrics_every_steps: 1 "
                     "statistics { every_steps: 2 } checkpoint { every { seconds: 0 } } "
                     "optimizer { adam {} learning_rate: 0.002 clip_norm: 1 }"));
    spec.set_precision(precision);
    const TrainRequest whole = RequestOf(absl::StrCat("whole", precision), spec, dataset, folder_.path());
    ASSERT_FALSE(HasFailure()) << "what a kind requires, Example() must give";
    const TrainRequest again = RequestOf("again", whole.spec, dataset, folder_.path());
    EXPECT_EQ(again.spec.DebugString(), whole.spec.DebugString());

    Recorder undisturbed;
    const auto result = Train(whole, undisturbed, undisturbed.stop);
    ASSERT_TRUE(result.ok()) << result.status();
    for (const v1::Event& event : undisturbed.Of(v1::Event::kStatistics)) ExpectSound(event.statistics());

    const TrainRequest broken = RequestOf(absl::StrCat("broken", precision), spec, dataset, folder_.path());
    Recorder recorder;  // Stops inside an epoch of three steps, and between two.
    TrainInParts(broken, recorder, {1, 3, 4, 0});
    EXPECT_EQ(Weights(broken, /*state=*/true), Weights(whole, /*state=*/true));
    EXPECT_EQ(recorder.Bytes(), undisturbed.Bytes());
  }
}

// The run ends with an error, and the next one goes on.
void ExpectNoToken(LayerRun& run) {
  EXPECT_EQ(run.Run(0).code(), absl::StatusCode::kInvalidArgument);
  run.examples().assign(run.examples().size(), 19.0f);
  for (float value : run.Output()) EXPECT_TRUE(std::isfinite(value));
}

// Zeros, the largest numbers, NaN: nothing crashes, and at test time what is not a number stays in its example.
TEST_P(EveryKind, BearsEveryInput) {
  const std::string network = absl::StrCat(GetParam().input_shape(), GetParam().network);
  constexpr int kBatch = 4;
  for (const v1::Precision precision : Precisions()) {
    for (const bool training : {true, false}) {
      SCOPED_TRACE(absl::StrCat(v1::Precision_Name(precision), training ? " training" : ""));
      LayerRun run(network, kBatch, precision, training);
      const size_t pixels = run.examples().size() / kBatch;
      run.examples().assign(run.examples().size(), 0.0f);
      for (float value : run.Output()) EXPECT_TRUE(std::isfinite(value));
      for (const float extreme : {1e30f, -1e30f, 3e38f, 1e-40f, std::numeric_limits<float>::infinity()}) {
        run.examples().assign(run.examples().size(), extreme);
        GetParam().tokens() ? ExpectNoToken(run) : static_cast<void>(run.Output());
      }
      run.examples().assign(run.examples().size(), GetParam().tokens() ? 1.0f : 0.5f);
      for (size_t i = 0; i < pixels; ++i) run.examples()[pixels + i] = std::nanf("");
      if (GetParam().tokens()) {
        ExpectNoToken(run);
        continue;
      }
      const std::vector<float> outputs = run.Output();
      const size_t each = outputs.size() / kBatch;
      for (size_t i = 0; i < outputs.size() && !training; ++i) {
        if (i / each != 1) {
          EXPECT_TRUE(std::isfinite(outputs[i])) << i;
        }
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Kinds, EveryKind, testing::ValuesIn(KindCases()), testing::PrintToStringParamName());

}  // namespace
}  // namespace traind::core
