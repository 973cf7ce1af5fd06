// Limited-memory BFGS (Liu & Nocedal 1989), as PyTorch's LBFGS with max_iter 1 and without line search. With the newest
// pairs s = w - w_before, y = g - g_before of which y s > 1e-10, from the newest to the oldest (Nocedal 1980):
//   q = -g;  alpha_i = s_i q / (y_i s_i);  q -= alpha_i y_i
// then d = q (y s) / (y y) of the newest, and back from the oldest to the newest:
//   beta_i = y_i d / (y_i s_i);  d += (alpha_i - beta_i) s_i;  at the end w += lr d
// All of d is in the span of g and the pairs, so that the recursion works on its coefficients, of which products are
// all that it needs (Chen et al. 2014, "Large-scale L-BFGS using MapReduce"): one pass over the weights takes all of
// them, and a second one makes the step. The state is in the slots alone; products are of their float32 numbers, in
// float64.
#include <algorithm>
#include <array>
#include <cmath>
#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "core/base/require.h"
#include "core/base/vectorize.h"
#include "core/kinds/optimizer.h"

namespace traind::core {
namespace {

constexpr int kMostPairs = 20;
constexpr double kLeastCurvature = 1e-10;  // Of y s.
constexpr double kLeastDescent = 1e-9;     // Of -g d.
// Numbers of a chunk that are taken together: those of all pairs stay in the first-level cache, or nearly.
constexpr int64_t kStripe = 256;

// Of each pair by its age: the newest one, which is not stored yet, is 0.
constexpr int kAges = kMostPairs + 1;

TRAIND_VECTORIZED double ProductLoop(const float* a, const float* b, int64_t n) {
  double sum = 0;
#pragma omp simd reduction(+ : sum)
  for (int64_t i = 0; i < n; ++i) sum += static_cast<double>(a[i]) * static_cast<double>(b[i]);
  return sum;
}

// sum |g|, and how many |g| are not at most `tolerance`.
TRAIND_VECTORIZED void SizeLoop(const float* g, int64_t n, double tolerance, double* sum, double* larger) {
  double s = 0, count = 0;
#pragma omp simd reduction(+ : s, count)
  for (int64_t i = 0; i < n; ++i) {
    const double size = std::abs(static_cast<double>(g[i]));
    s += size;
    count += size <= tolerance ? 0.0 : 1.0;
  }
  *sum += s;
  *larger += count;
}

TRAIND_VECTORIZED void DifferenceOf(const float* __restrict a, const float* __restrict b, int64_t n,
                                    float* __restrict out) {
  for (int64_t i = 0; i < n; ++i) out[i] = a[i] - b[i];
}

TRAIND_VECTORIZED void AddTo(const float* __restrict x, int64_t n, double factor, double* __restrict sum) {
  for (int64_t i = 0; i < n; ++i) sum[i] += factor * static_cast<double>(x[i]);
}

TRAIND_VECTORIZED void MoveBy(const double* __restrict d, int64_t n, double rate, double decay, float* __restrict w) {
  for (int64_t i = 0; i < n; ++i) {
    w[i] = static_cast<float>(static_cast<double>(w[i]) + rate * d[i] - decay * static_cast<double>(w[i]));
  }
}

// What AddSums makes and Decide reads: products of pairs i and j, of pairs with g, and what is of g alone.
class Products {
 public:
  explicit Products(int ages) : ages_(ages) {}
  int count() const { return 2 * ages_ * ages_ + 2 * ages_ + 3; }
  int sy(int i, int j) const { return i * ages_ + j; }                  // s_i y_j
  int yy(int i, int j) const { return ages_ * ages_ + i * ages_ + j; }  // y_i y_j, i <= j.
  int sg(int i) const { return 2 * ages_ * ages_ + i; }
  int yg(int i) const { return 2 * ages_ * ages_ + ages_ + i; }
  int gg() const { return 2 * ages_ * ages_ + 2 * ages_; }
  int size_of_g() const { return gg() + 1; }  // sum |g|
  int larger() const { return gg() + 2; }     // Numbers of g that are above the tolerance.

 private:
  const int ages_;
};

// d = g_factor g + sum over the ages of s_factor s + y_factor y.
struct Direction {
  double g_factor = -1;
  std::array<double, kAges> s_factor = {};
  std::array<double, kAges> y_factor = {};
};

class LbfgsOptimizer final : public Optimizer {
 public:
  explicit LbfgsOptimizer(const v1::Lbfgs& config)
      : pairs_(std::clamp(static_cast<int>(config.history_size()), 1, kMostPairs)),
        tolerance_(config.tolerance_grad()),
        products_(pairs_ + 1) {}

  std::vector<std::string_view> slots() const override;
  double default_learning_rate() const override { return 1; }
  std::pair<double, double> usual_learning_rates() const override { return {1e-2, 1}; }
  bool needs_all_examples() const override { return true; }

  int num_sums() const override { return products_.count(); }
  void AddSums(const Step& step, const Chunk& chunk, double* sums) const override;
  void Decide(const Step& step, const double* sums) override;
  void Update(const Step& step, const Chunk& chunk) const override;

 private:
  static constexpr int kWeights = 0, kGradient = 1;  // Slots: of the step before.
  static int StepSlot(int i) { return 2 + 2 * i; }
  static int ChangeSlot(int i) { return 3 + 2 * i; }
  // Pairs that there can be: the newest, and those that are stored.
  int Ages(const Step& step) const { return static_cast<int>(std::min<uint64_t>(step.number - 1, pairs_ + 1)); }
  void Remember(const Step& step, const Chunk& chunk) const;
  Direction DirectionOf(int first, int end, const double* sums) const;
  double Slope(const Direction& direction, const double* sums) const;

  const int pairs_;
  const double tolerance_;
  const Products products_;
  // Of this step, as Decide has found it.
  bool takes_pair_ = false;  // The newest pair is good, and is kept.
  bool moves_ = false;
  double scale_ = 1;  // On the learning rate.
  Direction direction_;
};

std::vector<std::string_view> LbfgsOptimizer::slots() const {
  static const auto* const kNames = [] {
    auto* names = new std::vector<std::string>{"previous_weight", "previous_gradient"};
    for (int i = 0; i < kMostPairs; ++i) {
      names->push_back(absl::StrCat("step", i));
      names->push_back(absl::StrCat("change", i));
    }
    return names;
  }();
  return {kNames->begin(), kNames->begin() + 2 + 2 * pairs_};
}

void LbfgsOptimizer::AddSums(const Step& step, const Chunk& chunk, double* sums) const {
  const int ages = Ages(step);
  float newest_s[kStripe], newest_y[kStripe];
  std::array<const float*, kAges> s = {newest_s}, y = {newest_y};
  for (int64_t at = 0; at < chunk.n; at += kStripe) {
    const int64_t n = std::min(kStripe, chunk.n - at);
    const float* g = chunk.gradients + at;
    DifferenceOf(chunk.weights + at, chunk.slots[kWeights] + at, n, newest_s);
    DifferenceOf(g, chunk.slots[kGradient] + at, n, newest_y);
    for (int i = 1; i < ages; ++i) {
      s[i] = chunk.slots[StepSlot(i - 1)] + at;
      y[i] = chunk.slots[ChangeSlot(i - 1)] + at;
    }
    for (int i = 0; i < ages; ++i) {
      for (int j = 0; j < ages; ++j) sums[products_.sy(i, j)] += ProductLoop(s[i], y[j], n);
      for (int j = i; j < ages; ++j) sums[products_.yy(i, j)] += ProductLoop(y[i], y[j], n);
      sums[products_.sg(i)] += ProductLoop(s[i], g, n);
      sums[products_.yg(i)] += ProductLoop(y[i], g, n);
    }
    sums[products_.gg()] += ProductLoop(g, g, n);
    SizeLoop(g, n, tolerance_, &sums[products_.size_of_g()], &sums[products_.larger()]);
  }
}

// Of the pairs of ages `first` to `end`. Those that hold nothing yet have products of 0, and are left out.
Direction LbfgsOptimizer::DirectionOf(int first, int end, const double* sums) const {
  Direction d;
  std::array<double, kAges> alpha = {};
  const auto sy = [&](int i, int j) { return sums[products_.sy(i, j)]; };
  const auto yy = [&](int i, int j) { return sums[products_.yy(std::min(i, j), std::max(i, j))]; };
  while (end > first && !(sy(end - 1, end - 1) > kLeastCurvature)) --end;
  if (first == end) return d;
  for (int i = first; i < end; ++i) {
    double product = -sums[products_.sg(i)];
    for (int j = first; j < i; ++j) product += d.y_factor[j] * sy(i, j);
    alpha[i] = product / sy(i, i);
    d.y_factor[i] = -alpha[i];
  }
  const double scale = sy(first, first) / yy(first, first);
  d.g_factor = -scale;
  for (int i = first; i < end; ++i) d.y_factor[i] *= scale;
  for (int i = end - 1; i >= first; --i) {
    double product = d.g_factor * sums[products_.yg(i)];
    for (int j = first; j < end; ++j) product += d.y_factor[j] * yy(i, j);
    for (int j = i + 1; j < end; ++j) product += d.s_factor[j] * sy(j, i);
    d.s_factor[i] = alpha[i] - product / sy(i, i);
  }
  return d;
}

// g d
double LbfgsOptimizer::Slope(const Direction& direction, const double* sums) const {
  double slope = direction.g_factor * sums[products_.gg()];
  for (int i = 0; i <= pairs_; ++i) {
    slope += direction.s_factor[i] * sums[products_.sg(i)] + direction.y_factor[i] * sums[products_.yg(i)];
  }
  return slope;
}

void LbfgsOptimizer::Decide(const Step& step, const double* sums) {
  const int ages = Ages(step);
  takes_pair_ = ages > 0 && sums[products_.sy(0, 0)] > kLeastCurvature;
  const int first = takes_pair_ ? 0 : 1;
  direction_ = DirectionOf(first, std::max(first, std::min(ages, first + pairs_)), sums);
  scale_ = step.number == 1 ? std::min(1.0, 1 / sums[products_.size_of_g()]) : 1;
  // A number that is not finite goes on into the weights, where the training finds it.
  moves_ = sums[products_.larger()] > 0 && !(Slope(direction_, sums) > -kLeastDescent);
}

// The newest pair into the slots, if it is good, and what the next one is the difference to.
void LbfgsOptimizer::Remember(const Step& step, const Chunk& chunk) const {
  if (takes_pair_) {
    for (int i = std::min(Ages(step), pairs_) - 1; i > 0; --i) {
      std::copy_n(chunk.slots[StepSlot(i - 1)], chunk.n, chunk.slots[StepSlot(i)]);
      std::copy_n(chunk.slots[ChangeSlot(i - 1)], chunk.n, chunk.slots[ChangeSlot(i)]);
    }
    DifferenceOf(chunk.weights, chunk.slots[kWeights], chunk.n, chunk.slots[StepSlot(0)]);
    DifferenceOf(chunk.gradients, chunk.slots[kGradient], chunk.n, chunk.slots[ChangeSlot(0)]);
  }
  std::copy_n(chunk.weights, chunk.n, chunk.slots[kWeights]);
  std::copy_n(chunk.gradients, chunk.n, chunk.slots[kGradient]);
}

void LbfgsOptimizer::Update(const Step& step, const Chunk& chunk) const {
  Remember(step, chunk);
  const double decay = step.learning_rate * step.weight_decay;
  const double rate = moves_ ? scale_ * step.learning_rate : 0;
  const int first = takes_pair_ ? 0 : 1;  // The age of the pair in slot 0.
  double d[kStripe];
  for (int64_t at = 0; at < chunk.n; at += kStripe) {
    const int64_t n = std::min(kStripe, chunk.n - at);
    std::fill_n(d, n, 0.0);
    if (moves_) AddTo(chunk.gradients + at, n, direction_.g_factor, d);
    for (int i = 0; moves_ && i < pairs_; ++i) {
      const double of_s = direction_.s_factor[i + first], of_y = direction_.y_factor[i + first];
      if (of_s != 0) AddTo(chunk.slots[StepSlot(i)] + at, n, of_s, d);
      if (of_y != 0) AddTo(chunk.slots[ChangeSlot(i)] + at, n, of_y, d);
    }
    if (moves_ || decay != 0) MoveBy(d, n, rate, decay, chunk.weights + at);
  }
}

const Registered<Optimizer, v1::Lbfgs> kLbfgs(
    "Limited-memory BFGS over the whole training split (Liu & Nocedal 1989).",
    [](v1::Lbfgs& config, const FieldErrors& errors) {
      if (!config.has_history_size()) config.set_history_size(10);
      if (!config.has_tolerance_grad()) config.set_tolerance_grad(1e-7);
      const bool fits = config.history_size() >= 1 && config.history_size() <= kMostPairs;
      Require(fits, errors, "history_size", absl::StrCat("1 to ", kMostPairs), config.history_size());
      Require(config.tolerance_grad() >= 0 && IsFiniteFloat(config.tolerance_grad()), errors, "tolerance_grad",
              "finite and at least 0", config.tolerance_grad());
      return std::make_unique<LbfgsOptimizer>(config);
    });

}  // namespace
}  // namespace traind::core
