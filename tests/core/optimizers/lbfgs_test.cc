// L-BFGS against PyTorch's, over tensors that come in pieces, with and without good pairs.
#include <omp.h>

#include <cmath>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "core/optimizers/resolve.h"
#include "core/optimizers/update.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/text_proto.h"

namespace traind::core {
namespace {

struct LbfgsRecorded {
  std::string kind;
  double learning_rate;
  int history;
  int steps;
  std::vector<double> weights;
};
const std::vector<LbfgsRecorded>& LbfgsTable() {
  static const auto& table = *new std::vector<LbfgsRecorded>{
#include "tests/core/optimizers/lbfgs_recorded.inc"
  };
  return table;
}

constexpr size_t kShown[] = {0, 1, 2047, 2048, 32767, 32768, 39999};

// The gradient of record_lbfgs.py's function.
void GradientOf(const std::vector<float>& w, std::vector<float>& g) {
  for (size_t i = 0; i < w.size(); ++i) {
    double sum = static_cast<double>(1 + i % 7) * (double{w[i]} - 1);
    if (i > 0) sum += 0.4 * std::pow(double{w[i]} - w[i - 1], 3);
    if (i + 1 < w.size()) sum -= 0.4 * std::pow(double{w[i + 1]} - w[i], 3);
    g[i] = static_cast<float>(sum);
  }
}

// The same weights as two tensors, of 3 and of the rest, as a network has them.
class LbfgsRun {
 public:
  LbfgsRun(const std::string& config, size_t n) : w_(n), g_(n) {
    auto optimizer = FromText<v1::Optimizer>(config);
    FieldErrors::Root errors;
    resolved_ = ResolveOptimizer(optimizer, errors.scope());
    EXPECT_TRUE(errors.ok()) << errors.ToStatus();
    slots_.assign(resolved_.optimizer->slots().size(), std::vector<float>(n));
    for (size_t i = 0; i < n; ++i) w_[i] = static_cast<float>(1.2 * std::cos(static_cast<double>(i)));
  }

  // One more step. Each is made by another UpdatePass and optimizer, so that nothing but the slots goes on.
  template <class Gradient>
  void Step(const std::string& config, const Gradient& gradient) {
    auto optimizer = FromText<v1::Optimizer>(config);
    FieldErrors::Root errors;
    resolved_ = ResolveOptimizer(optimizer, errors.scope());
    std::vector<ParameterTensor> tensors;
    for (const auto& [begin, end] : {std::pair<size_t, size_t>(0, 3), std::pair<size_t, size_t>(3, w_.size())}) {
      const auto n = static_cast<int64_t>(end - begin);
      ParameterTensor tensor{.weights = &w_[begin], .gradients = &g_[begin], .stored = n, .elements = n, .penalty = {}};
      for (size_t slot = 0; slot < slots_.size(); ++slot) tensor.slots[slot] = &slots_[slot][begin];
      tensors.push_back(tensor);
    }
    gradient(w_, g_);
    UpdatePass pass(*resolved_.optimizer, tensors);
    pass.Run({.learning_rate = resolved_.learning_rate->At(0, 1), .weight_decay = 0, .number = ++number_},
             UpdatePass::Clip{}, nullptr);
  }

  uint64_t number() const { return number_; }
  const std::vector<float>& weights() const { return w_; }

 private:
  ResolvedOptimizer resolved_;
  std::vector<float> w_, g_;
  std::vector<std::vector<float>> slots_;
  uint64_t number_ = 0;
};

std::vector<float> WeightsAfter(const LbfgsRecorded& recorded) {
  const std::string config =
      absl::StrCat("lbfgs { history_size: ", recorded.history, " } learning_rate: ", recorded.learning_rate);
  const bool function = recorded.kind == "function";
  LbfgsRun run(config, function ? 40000 : 7);
  for (int step = 1; step <= recorded.steps; ++step) {
    run.Step(config, [&](const std::vector<float>& w, std::vector<float>& g) {
      if (function) return GradientOf(w, g);
      for (size_t i = 0; i < g.size(); ++i) g[i] = static_cast<float>(std::sin(1 + static_cast<double>(i) + 3 * step));
    });
  }
  return run.weights();
}

TEST(LbfgsTest, StepsAsPyTorchDoes) {
  for (const LbfgsRecorded& recorded : LbfgsTable()) {
    SCOPED_TRACE(absl::StrCat(recorded.kind, " ", recorded.history));
    const std::vector<float> weights = WeightsAfter(recorded);
    for (size_t i = 0; i < recorded.weights.size(); ++i) {
      const bool function = recorded.kind == "function";
      // Of 40,000 weights the first step, divided by |g|_1, moves the last bits of a float: what it tells of the
      // curvature is rounded, and PyTorch in float32 is up to 6e-4 away from itself in float64.
      EXPECT_NEAR(weights[function ? kShown[i] : i], recorded.weights[i], function ? 2e-4 : 1e-5) << i;
    }
  }
}

TEST(LbfgsTest, HasTheSameBitsOnAnyNumberOfThreads) {
  const int before = omp_get_max_threads();
  omp_set_num_threads(1);
  const std::vector<float> alone = WeightsAfter(LbfgsTable()[0]);
  omp_set_num_threads(3);
  const std::vector<float> together = WeightsAfter(LbfgsTable()[0]);
  omp_set_num_threads(before);
  EXPECT_EQ(alone, together);
}

TEST(LbfgsTest, StaysWhereTheGradientIsWithinTheTolerance) {
  const std::string config = "lbfgs { tolerance_grad: 0.01 } learning_rate: 1";
  const auto of = [](float size) {
    return [size](const std::vector<float>&, std::vector<float>& g) { g.assign(g.size(), size); };
  };
  LbfgsRun run(config, 10);
  const std::vector<float> first = run.weights();
  run.Step(config, of(0.01f));  // As a float it is below 0.01.
  EXPECT_EQ(run.weights(), first);
  run.Step(config, of(0.011f));
  EXPECT_NE(run.weights(), first);
}

TEST(LbfgsTest, NamesWhatIsOutOfRange) {
  auto config = FromText<v1::Optimizer>("lbfgs { history_size: 21 tolerance_grad: -1 }");
  FieldErrors::Root errors;
  ResolveOptimizer(config, errors.scope("optimizer"));
  EXPECT_THAT(std::string(errors.ToStatus().message()),
              testing::AllOf(testing::HasSubstr("optimizer.lbfgs.history_size"), testing::HasSubstr("1 to 20"),
                             testing::HasSubstr("optimizer.lbfgs.tolerance_grad")));
}

}  // namespace
}  // namespace traind::core
