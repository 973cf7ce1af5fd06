// What stands between the gradients of a step and its update.
#include <algorithm>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "core/plan/parameter_store.h"
#include "gtest/gtest.h"
#include "tests/support/text_proto.h"
#include "tests/support/train_run.h"

namespace traind::core {
namespace {

class GradientHook : public testing::Test {
 protected:
  // Trains three steps of plain SGD; `rate` times the gradient is the update.
  std::map<std::string, std::vector<float>> Train(const std::string& name, double rate,
                                                  decltype(TrainRequest::on_gradients) hook) {
    auto spec = FromText<v1::JobSpec>(
        "network { layers { name: 'a' dense { units: 6 } activation { tanh {} } } layers { name: 'o' dense { units: 3 "
        "} "
        "} } data { dataset: 'numbers' } batch_size: 4 steps: 3 optimizer { sgd { momentum: 0 } }");
    spec.mutable_optimizer()->set_learning_rate(rate);
    TrainRequest request = RequestOf(name, spec, dataset_, folder_.path());
    request.on_gradients = std::move(hook);
    Recorder recorder;
    TrainInParts(request, recorder, {0});
    return Weights(request);
  }

  const TemporaryFolder folder_{TemporaryFolder::Place::kMemory};
  const v1::Dataset dataset_ = ImportNumbers("numbers", folder_.path(), 12, {5}, 3);
};

// A power of two changes no digit, so that half the gradient at twice the rate gives the same bits.
TEST_F(GradientHook, LeavesWhatIsApplied) {
  std::vector<uint64_t> steps;
  const auto halved = Train("halved", 0.5, [&](uint64_t step, ParameterStore& store) {
    steps.push_back(step);
    for (StoredParameter& parameter : store.parameters()) {
      for (int64_t i = 0; i < parameter.stored_elements(); ++i) parameter.gradient[i] *= 0.5f;
    }
    return absl::OkStatus();
  });
  EXPECT_EQ(halved, Train("plain", 0.25, nullptr));
  EXPECT_EQ(steps, (std::vector<uint64_t>{0, 1, 2}));
}

TEST_F(GradientHook, EndsTheRunByItsError) {
  auto spec = FromText<v1::JobSpec>(
      "network { layers { name: 'o' dense { units: 3 } } } data { dataset: 'numbers' } batch_size: 4 steps: 3");
  TrainRequest request = RequestOf("lost", spec, dataset_, folder_.path());
  request.on_gradients = [](uint64_t step, ParameterStore&) {
    return step == 1 ? absl::UnavailableError("a peer is gone") : absl::OkStatus();
  };
  Recorder recorder;
  const auto trained = core::Train(request, recorder, recorder.stop);
  EXPECT_EQ(trained.status(), absl::UnavailableError("a peer is gone"));
  EXPECT_EQ(recorder.Last(v1::Event::kTrain).step(), 1);
}

}  // namespace
}  // namespace traind::core
