#include "core/kinds/optimizer.h"

#include <cmath>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "core/optimizers/resolve.h"
#include "gtest/gtest.h"
#include "tests/support/text_proto.h"

namespace traind::core {
namespace {

ResolvedOptimizer Resolve(v1::Optimizer& config) {
  FieldErrors::Root errors;
  ResolvedOptimizer resolved = ResolveOptimizer(config, errors.scope());
  EXPECT_TRUE(errors.ok()) << errors.ToStatus();
  return resolved;
}

ResolvedOptimizer Resolve(const std::string& text) {
  v1::Optimizer config = FromText<v1::Optimizer>(text);
  return Resolve(config);
}

// The slots of n weights, as they start.
std::vector<std::vector<float>> Slots(const Optimizer& optimizer, int64_t n) {
  std::vector<std::vector<float>> slots;
  for (int slot = 0; slot < static_cast<int>(optimizer.slots().size()); ++slot) {
    slots.emplace_back(n, optimizer.initial_value(slot));
  }
  return slots;
}

struct Recorded {
  std::string config;
  double weight_decay;
  std::vector<double> weights;
};
const std::vector<Recorded>& Table() {
  static const auto& table = *new std::vector<Recorded>{
#include "tests/core/optimizers/recorded.inc"
  };
  return table;
}

TEST(OptimizerTest, StepsAsPyTorchDoes) {
  for (const Recorded& recorded : Table()) {
    SCOPED_TRACE(recorded.config);
    const ResolvedOptimizer resolved = Resolve(recorded.config);
    std::vector<float> weights, gradients(5);
    for (int i = 0; i < 5; ++i) weights.push_back(static_cast<float>(std::cos(i)));
    auto slots = Slots(*resolved.optimizer, 5);
    Optimizer::Chunk chunk = {.weights = weights.data(), .gradients = gradients.data(), .slots = {}, .n = 5};
    for (size_t slot = 0; slot < slots.size(); ++slot) chunk.slots[slot] = slots[slot].data();
    for (uint64_t step = 1; step <= 10; ++step) {
      for (int i = 0; i < 5; ++i) {
        gradients[i] = static_cast<float>(std::sin(1 + i + 3 * static_cast<double>(step)) * std::pow(10.0, i - 2));
      }
      resolved.optimizer->Begin(step);
      resolved.optimizer->Update({.learning_rate = 0.05, .weight_decay = recorded.weight_decay, .number = step}, chunk);
    }
    for (int i = 0; i < 5; ++i) {
      EXPECT_NEAR(weights[i], recorded.weights[i], 2e-6 * (1 + std::abs(recorded.weights[i]))) << i;
    }
  }
}

// Long enough for the vector loop and its remainder to take part, and compared with a loop in double.
TEST(OptimizerTest, EveryWeightOfALongChunkIsUpdated) {
  for (const Recorded& recorded : Table()) {
    SCOPED_TRACE(recorded.config);
    const ResolvedOptimizer resolved = Resolve(recorded.config);
    constexpr int64_t kN = 1003;
    std::vector<float> weights(kN), gradients(kN);
    for (int64_t i = 0; i < kN; ++i) {
      weights[i] = static_cast<float>(std::cos(static_cast<double>(i)));
      gradients[i] = static_cast<float>(std::sin(static_cast<double>(3 * i)));
    }
    const std::vector<float> before = weights;
    auto slots = Slots(*resolved.optimizer, kN);
    Optimizer::Chunk chunk = {.weights = weights.data(), .gradients = gradients.data(), .slots = {}, .n = kN};
    for (size_t slot = 0; slot < slots.size(); ++slot) chunk.slots[slot] = slots[slot].data();
    const Optimizer::Step step = {.learning_rate = 0.1, .weight_decay = 0.2, .number = 1};
    resolved.optimizer->Begin(1);
    resolved.optimizer->Update(step, chunk);
    // One weight at a time, through the same interface.
    for (int64_t i = 0; i < kN; ++i) {
      float weight = before[i];
      auto slot_values = Slots(*resolved.optimizer, 1);
      Optimizer::Chunk one = {.weights = &weight, .gradients = &gradients[i], .slots = {}, .n = 1};
      for (size_t slot = 0; slot < slot_values.size(); ++slot) one.slots[slot] = slot_values[slot].data();
      resolved.optimizer->Update(step, one);
      ASSERT_NEAR(weights[i], weight, 1e-6) << i;
      ASSERT_NE(weights[i], before[i]) << i;
    }
  }
}

// The product of NAdam's momenta after a resume is that of an undisturbed run, bit for bit, also where it has become
// nothing; and it follows PyTorch's, which is a plain product.
TEST(OptimizerTest, NAdamGoesOnWithTheSameBits) {
  const auto step_from = [](Optimizer& optimizer, uint64_t number) {
    float weight = 1, gradient = 0.25f, m = 0.125f, s = 0.5f;
    Optimizer::Chunk chunk = {.weights = &weight, .gradients = &gradient, .slots = {&m, &s}, .n = 1};
    optimizer.Begin(number);
    optimizer.Update({.learning_rate = 0.01, .weight_decay = 0, .number = number}, chunk);
    return weight;
  };
  const ResolvedOptimizer undisturbed = Resolve("nadam {}");
  for (uint64_t number = 1; number <= 1000; ++number) {
    const float weight = step_from(*undisturbed.optimizer, number);
    if (number != 1 && number != 2 && number != 100 && number != 999 && number != 1000) continue;
    EXPECT_EQ(step_from(*Resolve("nadam {}").optimizer, number), weight) << number;
  }
}

TEST(OptimizerTest, NamesItsState) {
  using Names = std::vector<std::string_view>;
  EXPECT_EQ(Resolve("sgd {}").optimizer->slots(), Names());
  EXPECT_EQ(Resolve("sgd { momentum: 0.5 }").optimizer->slots(), Names{"momentum"});
  EXPECT_EQ(Resolve("adam {}").optimizer->slots(), (Names{"exp_avg", "exp_avg_sq"}));
  EXPECT_EQ(Resolve("rmsprop {}").optimizer->slots(), Names{"square_avg"});
  EXPECT_EQ(Resolve("rmsprop { momentum: 0.5 }").optimizer->slots(), (Names{"square_avg", "momentum"}));
  EXPECT_EQ(Resolve("adadelta {}").optimizer->slots(), (Names{"square_avg", "acc_delta"}));
  EXPECT_EQ(Resolve("adamax {}").optimizer->slots(), (Names{"exp_avg", "exp_inf"}));
  EXPECT_EQ(Resolve("nadam {}").optimizer->slots(), (Names{"exp_avg", "exp_avg_sq"}));
  EXPECT_EQ(Resolve("lion {}").optimizer->slots(), Names{"exp_avg"});
  EXPECT_EQ(Resolve("lars {}").optimizer->slots(), Names{"momentum"});
  EXPECT_EQ(Resolve("lamb {}").optimizer->slots(), (Names{"exp_avg", "exp_avg_sq"}));
  EXPECT_EQ(Resolve("sgd { momentum: 0.5 } ema {} lookahead {}").slots(), (Names{"momentum", "average", "slow"}));
  EXPECT_EQ(Resolve("sgd {} accumulate_batches: 2").num_tensors(), 1);
  EXPECT_EQ(Resolve("adagrad { initial_accumulator: 2 }").optimizer->initial_value(0), 2);
}

TEST(ResolveOptimizerTest, WritesDefaultsBack) {
  v1::Optimizer sgd = FromText<v1::Optimizer>("sgd {}");
  Resolve(sgd);
  EXPECT_EQ(sgd.learning_rate(), 0.01);
  EXPECT_TRUE(sgd.has_weight_decay());
  EXPECT_TRUE(sgd.schedule().has_constant());
  v1::Optimizer adamw = FromText<v1::Optimizer>("adamw {}");
  const ResolvedOptimizer resolved = Resolve(adamw);
  EXPECT_EQ(adamw.learning_rate(), 0.001);
  EXPECT_EQ(adamw.weight_decay(), 0.01);
  EXPECT_EQ(adamw.adamw().beta2(), 0.999);
  EXPECT_EQ(resolved.weight_decay, 0.01);
  v1::Optimizer off = FromText<v1::Optimizer>("adamw {} weight_decay: 0 schedule { step { every_steps: 3 } }");
  EXPECT_EQ(Resolve(off).weight_decay, 0);
  EXPECT_EQ(off.schedule().step().factor(), 0.1);
}

TEST(ResolveOptimizerTest, NamesTheFieldThatIsWrong) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"", ""},
      {"sgd { momentum: 1 }", "sgd.momentum"},
      {"sgd { nesterov: true }", "sgd.nesterov"},
      {"adam { beta1: -0.1 }", "adam.beta1"},
      {"adam { epsilon: 0 }", "adam.epsilon"},
      {"adam { epsilon: 1e-60 }", "adam.epsilon"},
      {"adamw { beta2: 1 }", "adamw.beta2"},
      {"rmsprop { alpha: nan }", "rmsprop.alpha"},
      {"rmsprop { momentum: 2 }", "rmsprop.momentum"},
      {"adagrad { initial_accumulator: -1 }", "adagrad.initial_accumulator"},
      {"sgd {} learning_rate: 0", "learning_rate"},
      {"sgd {} learning_rate: inf", "learning_rate"},
      {"sgd {} learning_rate: nan", "learning_rate"},
      {"sgd {} weight_decay: -1", "weight_decay"},
      {"sgd {} clip_norm: -1", "clip_norm"},
      {"sgd {} clip_norm: nan", "clip_norm"},
      {"adadelta { rho: 1 }", "adadelta.rho"},
      {"adadelta { epsilon: 0 }", "adadelta.epsilon"},
      {"adamax { beta1: 1 }", "adamax.beta1"},
      {"adamax { epsilon: -1 }", "adamax.epsilon"},
      {"nadam { beta2: 1 }", "nadam.beta2"},
      {"nadam { momentum_decay: -1 }", "nadam.momentum_decay"},
      {"nadam { momentum_decay: inf }", "nadam.momentum_decay"},
      {"lion { beta1: nan }", "lion.beta1"},
      {"lars { momentum: 1 }", "lars.momentum"},
      {"lars { trust_coefficient: 0 }", "lars.trust_coefficient"},
      {"lars { epsilon: -1 }", "lars.epsilon"},
      {"lamb { beta2: -0.5 }", "lamb.beta2"},
      {"lamb { epsilon: 0 }", "lamb.epsilon"},
      {"sgd {} clip_value: -1", "clip_value"},
      {"sgd {} clip_value: inf", "clip_value"},
      {"sgd {} clip_value: 1 clip_norm: 1", "clip_value"},
      {"sgd {} accumulate_batches: 0", "accumulate_batches"},
      {"sgd {} accumulate_batches: 10001", "accumulate_batches"},
      {"sgd {} batch_scaling {}", "batch_scaling.base_batch_size"},
      {"sgd {} ema { decay: 1 }", "ema.decay"},
      {"sgd {} ema { decay: 0 }", "ema.decay"},
      {"sgd {} ema {} swa {}", "swa"},
      {"sgd {} lookahead { every_steps: 0 }", "lookahead.every_steps"},
      {"sgd {} lookahead { alpha: 1.5 }", "lookahead.alpha"},
      {"sgd {} schedule { step {} }", "schedule.step.every_steps"},
      {"sgd {} schedule { step { every_steps: 1 factor: 0 } }", "schedule.step.factor"},
      {"sgd {} schedule { cosine { final_factor: 2 } }", "schedule.cosine.final_factor"},
      {"sgd {} schedule { linear { final_factor: -1 } }", "schedule.linear.final_factor"},
  };
  for (const auto& [text, field] : cases) {
    v1::Optimizer config = FromText<v1::Optimizer>(text);
    FieldErrors::Root errors;
    ResolveOptimizer(config, errors.scope());
    ASSERT_EQ(errors.violations().field_violations_size(), 1) << text;
    EXPECT_EQ(errors.violations().field_violations(0).field(), field) << text;
  }
}

TEST(ResolveOptimizerTest, ReportsEverythingAtOnce) {
  v1::Optimizer config =
      FromText<v1::Optimizer>("sgd { momentum: 1 } learning_rate: -1 weight_decay: -1 schedule { step {} }");
  FieldErrors::Root errors;
  ResolveOptimizer(config, errors.scope());
  EXPECT_EQ(errors.violations().field_violations_size(), 4);
}

TEST(LearningRateTest, FollowsTheSchedule) {
  const auto rate = [](const std::string& schedule) {
    return Resolve("sgd {} learning_rate: 2 schedule { " + schedule + " }").learning_rate;
  };
  EXPECT_EQ(rate("constant {}")->At(99, 100), 2);
  EXPECT_EQ(rate("step { every_steps: 10 factor: 0.5 }")->At(9, 100), 2);
  EXPECT_EQ(rate("step { every_steps: 10 factor: 0.5 }")->At(10, 100), 1);
  EXPECT_EQ(rate("step { every_steps: 10 factor: 0.5 }")->At(29, 100), 0.5);
  EXPECT_EQ(rate("linear { final_factor: 0.5 }")->At(0, 100), 2);
  EXPECT_EQ(rate("linear { final_factor: 0.5 }")->At(50, 100), 1.5);
  EXPECT_EQ(rate("linear {}")->At(200, 100), 0);
  EXPECT_EQ(rate("cosine {}")->At(0, 100), 2);
  EXPECT_NEAR(rate("cosine {}")->At(50, 100), 1, 1e-12);
  EXPECT_NEAR(rate("cosine { final_factor: 0.5 }")->At(25, 100), 2 * (0.5 + 0.25 * (1 + std::sqrt(0.5))), 1e-12);
  EXPECT_EQ(rate("cosine {}")->At(0, 0), 2);
}

TEST(LearningRateTest, WarmsUpAndThenRunsOverWhatRemains) {
  const auto warm = Resolve("sgd {} learning_rate: 2 schedule { linear {} warmup_steps: 4 }").learning_rate;
  EXPECT_EQ(warm->At(0, 14), 0.5);
  EXPECT_EQ(warm->At(3, 14), 2);
  EXPECT_EQ(warm->At(4, 14), 2);
  EXPECT_EQ(warm->At(9, 14), 1);
  EXPECT_EQ(warm->At(3, 2), 2);  // A run shorter than its warm-up.
}

}  // namespace
}  // namespace traind::core
